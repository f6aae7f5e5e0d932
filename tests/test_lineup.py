"""Several systems in one table: what is planned, what is refused, what the table says."""

import json

import pytest

from jser import lineup, systems
from jser.config import UsageError

BOTH = "acoustic_rnn:synthetic,acoustic_rnn:synthetic@selection.choose=False"
SMALL = (
    ("seeds", "0"), ("epochs", "2"), ("dev_speakers", "1"),
    ("model.lstm", "4"), ("model.dense", "4"),
)  # fmt: skip


def test_runs_are_named_without_their_corpus():
    runs = lineup.plan(f"{BOTH},dcnn_blstm:synthetic", ())
    assert [one.name for one in runs] == [
        "acoustic_rnn", "acoustic_rnn-selection.choose=False", "dcnn_blstm",
    ]  # fmt: skip
    assert [one.config.system for one in runs] == ["acoustic_rnn", "acoustic_rnn", "dcnn_blstm"]
    assert [one.config.get("selection", {}).get("choose") for one in runs] == [True, False, None]


def test_fields_for_all():
    runs = lineup.plan(BOTH, (("epochs", "7"), ("dev_speakers", "1")))
    assert {one.config.epochs for one in runs} == {7}


@pytest.mark.parametrize(
    ("references", "sentence"),
    [
        ("acoustic_rnn:synthetic", "1 config is no comparison"),
        ("acoustic_rnn:synthetic,acoustic_rm:synthetic", "did you mean 'acoustic_rnn'"),
        (
            "acoustic_rnn:synthetic,dcnn_blstm:emodb",
            "corpus=synthetic and dcnn_blstm has emodb",
        ),
        (f"{BOTH}@epochs", "'epochs' needs a value: @FIELD=VALUE"),
        (f"{BOTH}@epoch=3", "there is no such field; did you mean --config.epochs"),
        ("dcnn_blstm:synthetic,acoustic_rnn:synthetic@dev_speakers=1", "has dev_speakers=2"),
        ("svm:synthetic,svm:synthetic@data_dir=elsewhere", "has data_dir= and"),
        (
            "svm:synthetic@svm.costs=1,10,dcnn_blstm:synthetic",
            r"'10' is not a packaged config.*in brackets: svm:synthetic@svm.costs=\(1,10\)",
        ),
    ],
)
def test_what_cannot_be_compared(references, sentence):
    with pytest.raises(UsageError, match=sentence):
        lineup.plan(references, ())


def test_a_list_in_brackets():
    first, second = lineup.plan(
        "svm:synthetic@svm.costs=(1,10)@svm.gammas=(0.1,1),dcnn_blstm:synthetic", ()
    )
    assert (first.config.svm.costs, first.config.svm.gammas) == ((1.0, 10.0), (0.1, 1.0))
    assert first.name == "svm-svm.costs=-1-10-svm.gammas=-0.1-1-"
    assert second.name == "dcnn_blstm"


def test_an_at_in_the_path_of_a_file(tmp_path):
    folder = tmp_path / "me@work=1"
    folder.mkdir()
    file = folder / "mine@home.py"
    file.write_text("from jser.configs.svm import CORPORA, get_config\n")
    plain, one, two = lineup.plan(
        f"{file}:synthetic,{file}:synthetic@svm.costs=(1,10),{file}@svm.gammas=(0.1,)", ()
    )
    assert [r.name for r in (plain, one)] == ["mine-home", "mine-home-svm.costs=-1-10-"]
    assert plain.config.svm.costs == lineup.plan("svm,pcrn", ())[0].config.svm.costs
    assert one.config.svm.costs == (1.0, 10.0)
    assert (two.config.corpus, two.config.svm.gammas) == ("synthetic", (0.1,))
    with pytest.raises(UsageError, match=r"--config=\S*me@work=1/mine.py: no such file"):
        lineup.plan(f"svm,{folder}/mine.py@seeds=0", ())
    with pytest.raises(UsageError, match=r"choose from|did you mean") as caught:
        lineup.plan(f"{file}:synthetic,svn", ())
    assert "bracket" not in str(caught.value), "the @ of a path is no field's"


def test_a_field_for_all_that_one_has_not():
    both = "svm:synthetic,acoustic_rnn:synthetic"
    with pytest.raises(UsageError, match=r"svm:synthetic has no .* NAME:CORPUS@epochs=2"):
        lineup.plan(both, [("epochs", "2")])
    with pytest.raises(UsageError, match=r"there is no such field; did you mean --config.seeds"):
        lineup.plan(both, [("seed", "2")])
    runs = lineup.plan(f"{both}@epochs=2", [("seeds", "0")])
    assert [one.config.get("epochs") for one in runs] == [None, 2]


def test_joined_corpora_have_one_protocol_and_trimming_for_all_systems():
    names = ("acoustic_rnn", "acrnn", "cnn_rnn", "conv_lstm", "dcnn_blstm", "dnn_elm", "pcrn",
             "rnn_elm", "svm")  # fmt: skip
    runs = lineup.plan(",".join(f"{name}:emodb_4class+ravdess" for name in names), ())
    trimmed = {systems.get(one.config.system).trim_db(one.config) for one in runs[:-1]}
    assert trimmed == {35.0}
    assert {one.config.protocol for one in runs} == {"leave_one_corpus_out"}


def test_two_configs_of_one_name(run, data, tmp_path):
    status, _, err = run(
        "compare", "--configs=dcnn_blstm:synthetic,dcnn_blstm:synthetic", f"--workdir={tmp_path}",
        f"--config.data_dir={data}",
    )  # fmt: skip
    assert status == 1
    assert "two runs would be named dcnn_blstm; leave one out, or rename its config file" in err


@pytest.fixture(scope="module")
def compared(data_without_ledger, xla_cache, tmp_path_factory):
    folder = tmp_path_factory.mktemp("systems")
    fields = [*SMALL, ("data_dir", str(data_without_ledger))]
    return lineup.run(lineup.plan(BOTH, fields), folder), folder


def test_the_table_holds_the_runs_own_figures(compared):
    result, folder = compared
    assert json.loads((folder / "compare.json").read_text()) == result
    for row in result["systems"]:
        report = json.loads((folder / row["name"] / "report.json").read_text())
        for field in ("uar", "wa", "parameters", "system"):
            assert row[field] == report[field]
        parts = ("load", "features", "readouts", "train", "evaluate")
        assert row["total_seconds"] == pytest.approx(sum(report["seconds"][p] for p in parts))
    first, second = result["systems"]
    assert first["comparison"] is None
    difference = second["uar"]["mean"] - first["uar"]["mean"]
    assert second["comparison"]["difference"] == pytest.approx(difference, abs=1e-6)
    assert "p_holm" in second["comparison"]
    assert any("SYNTHETIC" in mark for mark in result["marks"])


def test_text_and_page_say_the_same(compared):
    result, folder = compared
    text, page = (folder / "compare.txt").read_text(), (folder / "compare.html").read_text()
    for row in result["systems"]:
        assert row["name"] in page
        for words in (row["system"], f"{100 * row['uar']['mean']:.1f}"):
            assert words in text
            assert words in page
    assert "2 systems on synthetic, leave_one_speaker_out" in text
    assert "http:" not in page


def test_what_is_finished_is_not_run_again(compared, data_without_ledger, capfd):
    result, folder = compared
    fields = [*SMALL, ("data_dir", str(data_without_ledger))]
    again = lineup.run(lineup.plan(BOTH, fields), folder)
    assert again == result
    assert "finished before" in capfd.readouterr().err
