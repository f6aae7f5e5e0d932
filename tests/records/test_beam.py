"""The pipeline on Beam's local runner, and what is said where Beam is missing."""

import sys

import pytest

from jser import cli
from jser.datasets.emodb import fake as emodb
from jser.errors import InputError
from jser.records import beam, corpus, parts, places
from jser.records.builder import build


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return emodb.make(tmp_path_factory.mktemp("emodb"))


@pytest.fixture
def pipelines():
    pytest.importorskip(
        "apache_beam",
        reason="Apache Beam is not installed (pip install apache-beam; docs/scale.md)",
        exc_type=ImportError,
    )


def way(run=beam.run):
    return parts.Parts(run, 10)


@pytest.mark.usefixtures("pipelines")
@pytest.mark.filterwarnings("ignore")  # Beam's own.
def test_pipeline_makes_the_corpus_of_the_local_build(source, tmp_path):
    build("emodb", source, tmp_path / "local", "waveform", True)
    result = build("emodb", source, tmp_path / "beam", "waveform", True, way=way())
    ours, theirs = (corpus.load("emodb", tmp_path / d, "waveform") for d in ("beam", "local"))
    assert ours.fingerprint == theirs.fingerprint
    assert (ours.frames == theirs.frames).all()
    assert (result.computed, result.resumed) == (56, 0)
    shards = places.records_dir(tmp_path / "beam", "emodb", "waveform").glob("*.array_record-*")
    assert len(list(shards)) == 6


@pytest.mark.usefixtures("pipelines")
@pytest.mark.filterwarnings("ignore")
def test_interrupted_pipeline_goes_on(source, tmp_path):
    def half(todo):
        beam.run(todo[:3])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build("emodb", source, tmp_path, "waveform", True, way=way(half))
    rest = []
    result = build(
        "emodb",
        source,
        tmp_path,
        "waveform",
        True,
        way=way(lambda t: (rest.extend(t), beam.run(t))),
    )
    assert len(rest) == 3
    assert result.resumed == 56 - sum(len(part.utterances) for part in rest)
    assert result.resumed + result.computed == 56
    corpus.load("emodb", tmp_path, "waveform")


@pytest.mark.usefixtures("pipelines")
@pytest.mark.filterwarnings("ignore")
def test_command(source, tmp_path, capsys):
    words = ["build", "emodb", f"--corpus_dir={source}", f"--data_dir={tmp_path}"]
    words += ["--allow_partial", "--runner=beam", "--beam_options=--direct_num_workers=1"]
    assert cli.main(words) == 0
    assert "built 56 utterances" in capsys.readouterr().out


def test_without_beam(source, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "apache_beam", None)
    with pytest.raises(InputError, match="Apache Beam is not installed"):
        beam.check()
    words = ["build", "emodb", f"--corpus_dir={source}", f"--data_dir={tmp_path / 'data'}"]
    assert cli.main([*words, "--allow_partial", "--runner=beam"]) == 1
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--beam_options=--x=1"], "belongs to --runner=beam"),
        (["--runner=beam", "--beam_options='--x"], "No closing quotation"),
    ],
)
def test_options_that_cannot_be_meant(source, tmp_path, capsys, words, sentence):
    command = ["build", "emodb", f"--corpus_dir={source}", f"--data_dir={tmp_path}"]
    assert cli.main([*command, *words]) == 1
    assert sentence in capsys.readouterr().err
