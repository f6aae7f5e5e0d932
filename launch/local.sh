#!/usr/bin/env bash
# One machine, from nothing: needs Python 3.11 or later with pip and venv, and git.
#
#   launch/local.sh quickstart   set up, then cross-validate the main system on the synthetic corpus
#   launch/local.sh test         set up with the test extra, then lint, type check and fast tests
#   launch/local.sh docs         set up with the docs extra, then build the documentation: docs/_build/html
#   launch/local.sh setup        set up alone
#
# PYTHON=python3.12 launch/local.sh setup   chooses the interpreter of a new environment.
set -euo pipefail
cd "$(dirname "$0")/.."

find_python() {
  local name
  for name in ${PYTHON:-} python3 python3.14 python3.13 python3.12 python3.11; do
    if command -v "$name" >/dev/null 2>&1 &&
      "$name" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      echo "$name"
      return
    fi
  done
  echo "launch/local.sh: no Python 3.11 or later with venv was found; install it, or name it: PYTHON=/path/to/python3.11 launch/local.sh $*" >&2
  exit 1
}

# The stamp holds a hash of what decides the installed set, so later runs skip the installation.
setup() {
  local extra=$1 stamp=.venv/.jser-$1 want python
  [ -x .venv/bin/python ] || {
    python=$(find_python "$@")
    echo "creating .venv with $($python --version)"
    "$python" -m venv .venv
  }
  want=$(cat pyproject.toml constraints.txt | .venv/bin/python -c 'import hashlib, sys; print(hashlib.sha256(sys.stdin.buffer.read() + sys.version.encode()).hexdigest())')
  [ "$(cat "$stamp" 2>/dev/null)" = "$want" ] && return
  echo "installing jser ($extra) into .venv: about 1.3 GB, a few minutes the first time"
  local target=.
  [ "$extra" = base ] || target=".[$extra]"
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable "$target"
  echo "$want" >"$stamp"
}

case "${1:-}" in
  setup)
    setup base
    echo "done: .venv/bin/jser --help"
    ;;
  quickstart)
    setup base
    .venv/bin/jser build synthetic
    .venv/bin/jser train --config=dcnn_blstm:synthetic --workdir="${2:-runs/quickstart}"
    ;;
  test)
    setup test
    .venv/bin/ruff check --quiet .
    .venv/bin/ruff format --check --quiet .
    # mypy does not know where an editable install has put jser.datasets and jser.configs.
    rm -rf .venv/types && mkdir -p .venv/types/jser
    ln -s "$PWD"/jser/* "$PWD/datasets" "$PWD/configs" .venv/types/jser/
    MYPYPATH=.venv/types .venv/bin/mypy --cache-dir=.mypy_cache/whole --package jser
    shift
    .venv/bin/python -m pytest -q -n "${JSER_TEST_WORKERS:-2}" "$@"
    ;;
  docs)
    setup docs
    .venv/bin/python -m sphinx --fail-on-warning --keep-going --quiet -c docs -d docs/_build/doctrees . docs/_build/html
    echo "done: docs/_build/html/index.html"
    ;;
  *)
    sed -n '2,9s/^# \{0,1\}//p' "$0"
    exit 2
    ;;
esac
