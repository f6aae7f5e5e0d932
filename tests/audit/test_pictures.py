"""Pictures: how each looks, what is twice there, a protocol on them, and the page of all that."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jser.audit import kept, look, picture_page, pictures
from jser.datasets import drawings
from jser.datasets.fi import fake
from jser.records import picture_audit
from jser.records.builder import build
from tests.conftest import refused
from tests.evaluation import browser
from tests.evaluation.html_tree import parse


def blank(colour, dot):
    """A plain picture, with a dot in its middle, since one single colour is refused."""
    made = np.full((256, 256, 3), colour, np.uint8)
    made[120:136, 120:136] = dot
    return made


def framed():
    """Bars of 32 lines above and below a drawing: an eighth of the picture each."""
    made = np.full((256, 256, 3), 12, np.uint8)
    made[32:224] = drawings.draw("framed", 256, 192)
    return made


PLANTED = {
    "awe/blank": blank((120, 125, 130), (140, 140, 140)),
    "awe/dark": blank((5, 5, 5), (250, 30, 30)),
    "fear/bright": blank((252, 252, 250), (10, 10, 10)),
    "fear/framed": framed(),
}


@pytest.fixture(scope="module")
def planted(once):
    """48 pictures of FI: 40 drawings, of them two grey, and what is planted."""

    def make(folder):
        source = fake.make(folder / "source", per_class=5, table=True)
        with Image.open(source / "anger" / "anger_00000.jpg") as grey:
            grey.convert("L").save(source / "anger" / "anger_00000.jpg")
        for name, pixels in PLANTED.items():
            Image.fromarray(pixels).save(source / f"{name}.png")
        large = Image.fromarray(drawings.draw("photograph", 900, 600))
        large.save(source / "sadness" / "large.jpg", quality=95)
        large.resize((450, 300)).save(source / "sadness" / "smaller.jpg", quality=60)
        shutil.copy(source / "disgust" / "disgust_00001.jpg", source / "fear" / "same.jpg")
        (source / "fear" / "cut.jpg").write_bytes(
            (source / "fear" / "fear_00000.jpg").read_bytes()[:500]
        )
        (source / "fi.csv").unlink(missing_ok=True)
        for table in source.glob("*.csv"):
            table.unlink()
        build("fi", source, folder, allow_partial=True)

    return once("audit-pictures", make)


@pytest.fixture(scope="module")
def audit(planted):
    return pictures.gather("fi", planted, "random:4")


# --- one picture ----------------------------------------------------------------------------------


def test_measures_by_hand():
    half = np.zeros((4, 4, 3), np.uint8)
    half[:, 2:] = (200, 100, 50)
    made = look.measure(half)
    luma = 0.299 * 200 + 0.587 * 100 + 0.114 * 50
    assert made.brightness == pytest.approx(luma / 2)
    assert made.contrast == pytest.approx(luma / 2)
    assert made.colour == pytest.approx(75)
    # Each column is plain and each row is not.
    assert made.frame == 1.0
    assert look.measure(np.full((4, 4, 3), 7, np.uint8)).frame == 1.0


@pytest.mark.parametrize("turn", [0, 1])
def test_a_frame_is_measured_on_every_side(turn):
    inside = np.random.default_rng(0).integers(0, 256, (20, 20, 3), np.uint8)
    made = np.pad(inside, ((3, 1), (0, 0), (0, 0)), constant_values=9)
    made = np.pad(made, ((0, 0), (2, 4), (0, 0)), constant_values=200)
    made = np.rot90(made, turn)
    # 24 x 26, of which 20 x 20 is not plain; a row of 9 and 200 is no plain one.
    assert look.measure(made).frame == pytest.approx(1 - 24 * 20 / (24 * 26))
    plain = np.pad(inside, ((3, 1), (2, 4), (0, 0)), constant_values=9)
    assert look.measure(plain).frame == pytest.approx(1 - 20 * 20 / (24 * 26))
    assert look.measure(inside).frame == 0.0


# --- a corpus -------------------------------------------------------------------------------------


def test_what_is_out_of_the_way_is_named(audit):
    worst = {name: list(entry["worst"]) for name, entry in audit["look"].items()}
    assert worst["blank"] == ["awe/blank", "awe/dark"]
    assert worst["dark"] == ["awe/dark"]
    assert worst["bright"] == ["fear/bright"]
    assert "anger/anger_00000" in worst["grey"]
    assert {"awe/dark", "awe/blank", "fear/bright", "fear/framed"} == set(worst["framed"])
    assert audit["look"]["framed"]["worst"]["fear/framed"] == pytest.approx(0.25, abs=0.005)
    assert audit["look"]["blank"]["classes"] == {"awe": 2}


def test_findings(audit):
    said = {f["text"]: f["weight"] for f in audit["findings"]}
    weights = list(said.values())
    assert weights == sorted(weights, key=["alert", "warn", "note", "good"].index)

    def weight(words):
        (found,) = [w for t, w in said.items() if words in t]
        return found

    assert weight("1 file left out as damaged: fear/cut.jpg: ") == "alert"
    assert weight("pixel by pixel: disgust/disgust_00001 = fear/same") == "warn"
    assert weight("1 pair of nearly equal pictures, one at another size or quality") == "warn"
    assert (
        weight("1 of the pictures that are there twice, or nearly so, stands under two labels")
        == "alert"
    )
    assert weight("this protocol leaks and says so: random split of pictures") == "alert"
    assert weight("classes of 5 to 8 pictures") == "good"
    assert weight("hardly any contrast: 2 of 47 (less than 10 steps): awe/blank (") == "warn"
    assert weight("smaller than 256 pixels, enlarged: 41 of 47") == "note"


def test_nearly_equal_pictures_across_parts(audit):
    (pair,) = audit["built"]["near_duplicates"]
    assert pair[:2] == ["sadness/large", "sadness/smaller"]
    made = audit["protocol"]
    straddled = sum(n for fold in made["folds"] for n in fold["near_duplicates"].values())
    # Each is tested in one of four folds; where they are tested together, no fold parts them.
    assert (straddled > 0) == bool(made["near_duplicates"])
    assert straddled <= 4
    shared = sum(fold["shared"][p]["recordings"] for fold in made["folds"] for p in fold["shared"])
    assert (shared > 0) == bool(made["found"])
    assert not made["refused"]


def test_sizes_are_counted_at_the_build():
    row = picture_audit.Row("", "", "", 0, 0, "JPEG", "RGB", False, "", "0" * 64)
    assert row.width_in == 0
    sizes = picture_audit._sizes([64, 64, 300, 600], 256)
    assert (sizes["edges"][0], sizes["edges"][-1], sum(sizes["counts"])) == (64, 600, 4)
    assert picture_audit._sizes([300, 300], 256)["edges"][0] == 256
    assert sum(picture_audit._sizes([256], 256)["counts"]) == 1
    assert sum(picture_audit._sizes([], 256)["counts"]) == 0


def test_measured_once(audit, planted, monkeypatch):
    def never(*_):
        raise AssertionError("measured again")

    monkeypatch.setattr(look, "measure", never)
    assert pictures.gather("fi", planted, "random:4") == audit
    monkeypatch.setattr(kept, "read", lambda *_: {"looks": [{"no": 1}] * 47})
    with pytest.raises(AssertionError, match="measured again"):
        pictures.gather("fi", planted)


# --- the page -------------------------------------------------------------------------------------


def test_page_has_what_the_json_has(audit):
    tree = parse(picture_page.render(audit))
    parts = [s.attributes["id"] for s in tree.all("section")]
    assert parts == ["findings", "classes", "sizes", "twice", "look", "protocol", "data"]
    assert [a.attributes["href"] for a in tree.one("nav").all("a")] == [f"#{p}" for p in parts]
    assert "PARTIAL:" in tree.one("header").text()
    assert "LEAK: random split of pictures" in tree.one("header").text()
    assert len(tree.id("findings").all("li")) == len(audit["findings"])
    titles = {t.text() for t in tree.id("classes").all("title")}
    counts = {name: entry["found"] for name, entry in audit["built"]["classes"].items()}
    assert {f"all, {name}: {n}" for name, n in counts.items()} <= titles
    sizes = tree.id("sizes").text()
    assert "64 to 600 pixels, median 64" in sizes
    assert "43 landscape, 0 portrait, 4 square" in sizes
    drawn = [t.text() for t in tree.id("sizes").all("title")]
    assert sum(int(t.rpartition(": ")[2]) for t in drawn) == 47
    twice = tree.id("twice").text()
    assert "disgust/disgust_00001 = fear/same" in twice
    assert "sadness/smaller" in twice
    counted = [h.text() for h in tree.id("look").all("h3")]
    assert "hardly any contrast 2 of 47" in counted
    assert "fear/cut.jpg" in tree.id("look").text()
    assert not tree.all("img"), "no picture is on the page"
    for element in tree.all():
        for name in ("src", "href"):
            assert not (element.attributes.get(name) or "").startswith(("http", "//"))


def test_page_of_older_records(audit):
    older = {k: v for k, v in audit["built"].items()
             if k not in ("sizes", "shapes", "size_by_class")}  # fmt: skip
    tree = parse(picture_page.render({**audit, "built": older, "protocol": None}))
    assert "older than the histogram" in tree.id("sizes").text()
    assert "LEAK" not in tree.one("header").text()


def test_hostile_names_stay_text(audit):
    name = "<script>alert(1)</script>&\"'"
    hostile = json.loads(json.dumps(audit).replace("sadness/large", json.dumps(name)[1:-1]))
    made = picture_page.render(hostile)
    assert "<script>alert" not in made
    assert name in parse(made).id("twice").text()


def test_command(run, planted, audit, tmp_path):
    html, data = tmp_path / "a.html", tmp_path / "a.json"
    status, out, err = run("audit", "fi", "--protocol=random:4", f"--data_dir={planted}",
                           f"--html={html}", f"--json={data}")  # fmt: skip
    assert status == 0, err
    assert json.loads(data.read_text()) == json.loads(json.dumps(audit))
    assert html.read_text(encoding="utf-8") == picture_page.render(audit)
    assert "hardly any contrast: 2 of 47 (less than 10 steps): awe/blank (" in out
    assert f"page: {html}" in out
    wrong = run("audit", "fi", f"--data_dir={planted}", "--classes=awe,fear")
    refused(wrong, 2, "is for recordings, and fi is of pictures")


@pytest.mark.slow
@pytest.mark.skipif(browser.binary() is None, reason="no Chromium here")
@pytest.mark.parametrize("width", [1200, 420, 320])
def test_nothing_sticks_out_in_a_browser(audit, tmp_path, width):
    path = Path(tmp_path / "audit.html")
    path.write_text(picture_page.render(audit), encoding="utf-8")
    with browser.started(tmp_path / "profile") as tab:
        tab.size(width)
        tab.open(path)
        tab.ask("document.querySelectorAll('details').forEach(d => d.open = true), 1")
        assert tab.ask("document.scrollingElement.scrollWidth") <= width
