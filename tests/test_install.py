"""The wheel: our folders under `jser`, and no name that belongs to others."""

import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    copy = folder / "source"
    ignore = shutil.ignore_patterns("*.egg-info", "__pycache__", ".venv", ".git", "build")
    copy.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        if (ROOT / name).exists():
            shutil.copy(ROOT / name, copy)
    for name in ("jser", "configs", "datasets"):
        shutil.copytree(ROOT / name, copy / name, ignore=ignore)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation"),
            *("--quiet", "--disable-pip-version-check", f"--wheel-dir={folder}", str(copy)),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    (path,) = folder.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        return set(archive.namelist())


def test_everything_is_in_it(wheel):
    ours = {
        f"jser/{path.relative_to(ROOT / folder) if folder == 'jser' else path.relative_to(ROOT)}"
        for folder in ("jser", "configs", "datasets")
        for path in (ROOT / folder).rglob("*.py")
    }
    assert "jser/configs/dcnn_blstm.py" in ours
    assert "jser/datasets/emodb/fake.py" in ours
    assert not ours - wheel


def test_data_files(wheel):
    assert "jser/py.typed" in wheel
    assert {f"jser/evaluation/page/{name}" for name in ("base.css", "page.css", "page.js")} <= wheel
    assert {"jser/serving/page/page.html", "jser/serving/page/page.css"} <= wheel
    for corpus in ("emodb", "ravdess", "synthetic"):
        assert f"jser/datasets/{corpus}/README.md" in wheel
        assert f"jser/datasets/{corpus}/CITATIONS.bib" in wheel


def test_no_name_of_others(wheel):
    top = {name.split("/")[0] for name in wheel}
    assert {name for name in top if not name.endswith(".dist-info")} == {"jser"}


def test_packages_of_pyproject_are_those_on_disk():
    """A new folder must be named in pyproject.toml."""
    named = set(
        tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    )
    found = {"jser"} | {
        ".".join(("jser", *path.parent.relative_to(ROOT / "jser").parts))
        for path in (ROOT / "jser").rglob("__init__.py")
    }
    for folder in ("configs", "datasets"):
        found |= {
            ".".join(("jser", *path.parent.relative_to(ROOT).parts))
            for path in (ROOT / folder).rglob("__init__.py")
        }
    assert named == found


def test_the_bare_names_are_not_ours():
    done = subprocess.run(
        [sys.executable, "-c", "import jser.datasets, jser.configs, sys; print(*sys.modules)"],
        cwd="/",
        capture_output=True,
        text=True,
        check=True,
    )
    names = done.stdout.split()
    assert "jser.configs" in names
    assert "datasets" not in names
    assert "configs" not in names
