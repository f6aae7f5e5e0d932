"""What is said to be missing can be installed: jser is in no registry, so packages are named."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SAID_IN = {
    "microphone": "artefact/live.py",
    "onnx": "artefact/formats.py",
    "serve": "commands/artefacts.py",
    "sweep": "sweep/storage.py",
}


def test_no_message_names_an_extra_of_a_registry():
    for path in (ROOT / "jser").rglob("*.py"):
        assert "jser[" not in path.read_text(), path


@pytest.mark.parametrize("extra", SAID_IN)
def test_a_message_names_what_the_extra_has(extra):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    text = (ROOT / "jser" / SAID_IN[extra]).read_text()
    said = [set(re.findall(r"[\w\[\]-]+", line)) for line in re.findall("pip install (.*)", text)]
    packages = set(project["optional-dependencies"][extra])
    assert any(packages <= words for words in said), said
