"""A config file of the user's with anything wrong in it: one sentence, and the line."""

import pytest

from tests.conftest import refused

HEAD = "from jser.configs import dcnn_blstm\n\ndef get_config():\n    c = dcnn_blstm.get_config()\n"
FILES = {
    "no python": ("def get_config(:\n", ["line 1: SyntaxError"]),
    "null bytes": ("\0", ["null bytes"]),
    "failing import": ("import nothere\n", ["line 1: ModuleNotFoundError"]),
    "failing": ("def get_config():\n    return 1 / 0\n", ["line 2: ZeroDivisionError"]),
    "no function": ("get_config = 3\n", ["not callable"]),
    "no config": ("def get_config():\n    return {}\n", ["gives dict, not a ConfigDict"]),
    "empty config": (
        "import ml_collections\nget_config = ml_collections.ConfigDict\n",
        ["no field 'system'"],
    ),
    "misspelt field": (HEAD + "    c.epoch = 3\n    return c\n", ["did you mean 'epochs'?"]),
    "missing field": (HEAD + "    del c.stem\n    return c\n", ["no field 'stem.channels'"]),
    "wrong type": (HEAD + "    c.epochs = 'x'\n    return c\n", ["line 5: TypeError"]),
    "wrong entries": (HEAD + "    c.seeds = (0, .5)\n    return c\n", ["seeds: (0, 0.5) must be"]),
}


@pytest.mark.parametrize("kind", FILES)
def test_config_files(run, tmp_path, kind):
    text, words = FILES[kind]
    path = tmp_path / "mine.py"
    path.write_text(text)
    result = run("train", f"--config={path}", f"--workdir={tmp_path / 'run'}")
    refused(result, 2, f"--config={path}", *words)
    assert not (tmp_path / "run").exists()


def test_not_a_number_in_a_config_file(run, tmp_path):
    (tmp_path / "mine.py").write_text(HEAD + "    c.hyper.clip = float('nan')\n    return c\n")
    result = run("train", f"--config={tmp_path / 'mine.py'}", f"--workdir={tmp_path / 'run'}")
    refused(result, 1, "hyper.clip: nan must be above 0")


@pytest.mark.parametrize("text", ["(" * 300, "1e", "[1", "{}", "9" * 5000, "nan", "0x"])
def test_odd_numbers_on_the_command_line(run, tmp_path, text):
    words = ("--config=dcnn_blstm", f"--workdir={tmp_path / 'run'}", f"--config.epochs={text}")
    refused(run("train", *words), 2, "--config.epochs=", "must be like the default, 20 (int)")
