#!/usr/bin/env bash
# jser on the TPU VMs of one slice, by gcloud's queued resources: asks for them, installs jser on all their machines,
# starts the command on each, and asks again when they are taken away. Needs gcloud, signed in, and git here; on the
# machines, storage that all see and that outlives them, for --workdir and JSER_DATA. SETUP, which is run before each
# start, mounts it.
#
#   export ZONE=us-west4-a TYPE=v5litepod-16 RUNTIME=v2-alpha-tpuv5-lite SPOT=1 JSER_DATA=/mnt/share/data
#   export SETUP='mountpoint -q /mnt/share || { sudo apt-get install -y nfs-common && sudo mkdir -p /mnt/share && sudo mount 10.0.0.2:/share /mnt/share; }'
#   launch/tpu_vm.sh run NAME train --config=dcnn_blstm:emodb --workdir=/mnt/share/runs/emodb
#   launch/tpu_vm.sh logs NAME      what all machines have printed last
#   launch/tpu_vm.sh delete NAME    gives them back
#
# `run` stays until the command has ended on all machines, gives them back (KEEP=1: does not) and ends with the
# command's status. When it is interrupted the machines go on; the same `run` finds them again. JSER_RESTARTS=100
# times at most it asks for new machines; POLL=60 is the time between two looks, in seconds. The committed state
# of this checkout is what is installed.
set -euo pipefail
cd "$(dirname "$0")/.."

if [[ ! ${1:-} =~ ^(run|logs|delete)$ || $# -lt 2 || ($1 == run && $# -lt 3) ]]; then
  sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0" >&2
  exit 2
fi
what=$1 name=$2
shift 2
if [ -z "${ZONE:-}" ] || { [ "$what" = run ] && { [ -z "${TYPE:-}" ] || [ -z "${RUNTIME:-}" ]; }; }; then
  echo "launch/tpu_vm.sh: say in which ZONE, and for run of which TYPE with which RUNTIME: ZONE=us-west4-a TYPE=v5litepod-16 RUNTIME=v2-alpha-tpuv5-lite $0 $what $name" >&2
  exit 2
fi

queue() { gcloud compute tpus queued-resources "$@" --zone="$ZONE"; }
on_all() { gcloud compute tpus tpu-vm ssh "$name" --zone="$ZONE" --worker=all --command="$1"; }
say() { echo "launch/tpu_vm.sh: $*" >&2; }

create() {
  say "asks for $TYPE in $ZONE"
  queue create "$name" --node-id="$name" --accelerator-type="$TYPE" --runtime-version="$RUNTIME" ${SPOT:+--spot}
}

# uv brings the Python: the machines' own may be older than 3.11.
install() {
  say "installs jser on all machines"
  local archive
  archive=$(mktemp -d)/jser.tar.gz
  git archive --format=tar.gz --output="$archive" HEAD
  gcloud compute tpus tpu-vm scp "$archive" "$name:jser.tar.gz" --zone="$ZONE" --worker=all
  rm -r "${archive%/*}"
  on_all "set -e; mkdir -p jser; tar -xzf jser.tar.gz -C jser; cd jser
    export PATH=\"\$HOME/.local/bin:\$PATH\"
    command -v uv >/dev/null || curl -LsSf https://astral.sh/uv/install.sh | sh
    [ -e .venv ] || uv venv --python 3.12
    uv pip install --quiet --constraint constraints.txt '.[tpu]'
    touch .ready"
}

# On every machine: says how the command is, and starts it where it does not run, with its place among the machines,
# which their metadata tell (as names, or as name:number:address). A peer's death can look like a bug (status 70), so
# that starts again too.
beat() {
  local command
  command=$(printf '%q ' launch/restart.sh .venv/bin/jser "$@")
  on_all "about() { curl -sf -H Metadata-Flavor:Google http://metadata.google.internal/computeMetadata/v1/instance/attributes/\$1; }
    if [ -e jser.status ]; then echo jser-is:ended:\$(cat jser.status)
    elif [ -e jser.pid ] && kill -0 \$(cat jser.pid) 2>/dev/null; then echo jser-is:running
    elif [ ! -e jser/.ready ]; then echo jser-is:bare
    elif ! { ${SETUP:-true}
    } >>jser.log 2>&1; then echo jser-is:not-set-up
    else
      set -- \$(about worker-network-endpoints | tr , ' ')
      export JSER_COORDINATOR=\${1##*:}:8476 JSER_PROCESSES=\$# JSER_PROCESS=\$(about agent-worker-number)
      export JSER_RESTART_ALSO=70 ${JSER_DATA:+JSER_DATA=$(printf %q "$JSER_DATA")}
      (trap '' HUP; cd jser && { $command; echo \$? >../jser.status; } >>../jser.log 2>&1 </dev/null) >/dev/null 2>&1 &
      echo \$! >jser.pid; disown; echo jser-is:started
    fi"
}

finish() {
  say "the command has ended with status $1"
  on_all 'tail -n 20 jser.log' || true
  [ -n "${KEEP:-}" ] || queue delete "$name" --force --quiet
  exit "$1"
}

run() {
  local asked=0 state before='' seen ends
  while true; do
    # An empty answer means that nothing is there; no answer, that the network is not.
    state=$(queue list --filter="name~/$name\$" --format='value(state.state)') || state='no answer'
    [ "$state" = "$before" ] || say "$name: ${state:-not there}"
    before=$state
    case $state in
      '')
        if ((asked > ${JSER_RESTARTS:-100})); then
          say "asked $asked times; given up"
          exit 75
        fi
        create || exit 1
        ((++asked))
        ;;
      SUSPENDED | FAILED | PREEMPTED)
        queue delete "$name" --force --quiet || true
        ;;
      ACTIVE)
        if seen=$(beat "$@"); then
          ends=$(sed -n 's/.*jser-is:ended:\([0-9]*\).*/\1/p' <<<"$seen" | sort -u)
          if grep -v '^0$' <<<"$ends" | grep -q .; then
            finish "$(grep -v '^0$' <<<"$ends" | head -n 1)"
          elif [ "$ends" = 0 ] && ! grep -q 'jser-is:[^e]' <<<"$seen"; then
            finish 0
          elif grep -q 'jser-is:bare' <<<"$seen"; then
            install || say "the installation failed; again in ${POLL:-60} s"
          elif grep -q 'jser-is:not-set-up' <<<"$seen"; then
            say "SETUP failed; what it printed: $0 logs $name"
          fi
        fi
        ;;
    esac
    sleep "${POLL:-60}"
  done
}

case $what in
  run) run "$@" ;;
  logs) on_all 'tail -n 40 jser.log' ;;
  delete) queue delete "$name" --force --quiet ;;
esac
