"""Charts show their figures at the right place: geometry against numbers worked out by hand."""

import itertools

import pytest

from jser.evaluation.page.charts import (
    MOST_BARS,
    Axis,
    Bar,
    Estimate,
    Reference,
    around,
    bars,
    confusion,
    intervals,
)
from jser.evaluation.page.curves import Curve, by_member, chosen, mean_by_epoch, panel
from jser.evaluation.page.paired_charts import Pair, difference, dumbbells


def find(element, tag, class_=""):
    return [
        e for e in element.iter(tag) if not class_ or class_ in (e.get("class") or "").split()
    ]  # fmt: skip


def pc(value):
    assert value.endswith("%")
    return float(value[:-1])


def titles(element):
    return [e.text for e in element.iter("title")]


def test_axis():
    axis = Axis(0.2, 0.8, 20.0, 80.0)
    assert axis.at(0.2) == pytest.approx(20)
    assert axis.at(0.5) == pytest.approx(50)
    assert axis.at(2.0) == pytest.approx(80), "beyond the end lies on the end"
    assert axis.x(0.5) == "50%"
    assert axis.width(0.3, 0.4) == "10%"
    assert Axis(0, 1).ticks() == [0, 0.2, 0.4, 0.6, 0.8, 1.0]
    assert Axis(-0.03, 0.03).ticks(7) == [-0.03, -0.02, -0.01, 0, 0.01, 0.02, 0.03]
    assert Axis(1, 20).ticks(6) == [5, 10, 15, 20]


@pytest.mark.parametrize(
    "values", [[0.5], [0.0, 1.0], [0.125, 0.632, 0.55], [0.99, 1.0], [0.31, 0.32]]
)
def test_axes_hold_their_values_with_air(values):
    low, high = around(values)
    assert 0 <= low <= min(values) <= max(values) <= high <= 1
    assert low == 0 or low < min(values)
    assert high == 1 or high > max(values)
    assert high - low < max(values) - min(values) + 0.4
    assert around([1.2, 1.9], 0, float("inf"))[1] > 1.9


def test_confusion_cells():
    made = confusion(["anger", "joy", "fear"], [[3, 1, 0], [0, 4, 4], [0, 0, 0]])
    hits, misses = find(made, "rect", "hit"), find(made, "rect", "miss")
    assert [h.get("fill-opacity") for h in hits] == ["0.750", "0.500", "0.000"]
    assert [m.get("fill-opacity") for m in misses] == ["0.250", "0.000", "0.000", "0.500"] + [
        "0.000"
    ] * 2
    assert "anger taken for joy: 1 of 4, 25.0 %" in titles(made)
    assert "joy taken for joy: 4 of 8, 50.0 %" in titles(made)
    assert titles(made).count("fear: none in the test") == 3
    # Cells fill the matrix without gap or overlap, rows from top to bottom as in the figures.
    rows = sorted({float(r.get("y")) for r in hits + misses})
    assert [float(h.get("y")) for h in hits] == rows
    columns = [pc(h.get("x")) for h in hits]
    widths = [pc(h.get("width")) for h in hits]
    for (a, w), b in zip(zip(columns, widths, strict=True), columns[1:], strict=False):
        assert a + w == pytest.approx(b, abs=0.01)
    assert "anger: 75.0 % recognised." in made.get("aria-label")
    shares = [t.text for t in find(made, "text", "share")]
    assert shares == ["75", "25", "0", "0", "50", "50", "–", "–", "–"]


def test_bars_lines_and_bands():
    made = bars(
        [Bar("a", 0.5, "one", "f"), Bar("b", 0.25, "two", "m"), Bar("c", None)],
        "what it shows",
        Reference("UAR", 0.4, 0.3, 0.6),
        0.2,
    )
    drawn = find(made, "rect", "bar")
    a, b, c = (pc(r.get("width")) for r in drawn)
    assert a == pytest.approx(2 * b)
    assert c == 0
    zero = pc(drawn[0].get("x"))
    (band,) = find(made, "rect", "band")
    whole = a / 0.5  # percent of the width for the axis from 0 to 1
    assert pc(band.get("x")) == pytest.approx(zero + 0.3 * whole, abs=0.01)
    assert pc(band.get("width")) == pytest.approx(0.3 * whole, abs=0.01)
    (mean,) = find(made, "line", "mean")
    assert pc(mean.get("x1")) == pytest.approx(zero + 0.4 * whole, abs=0.01)
    assert pc(find(made, "line", "chance")[0].get("x1")) == pytest.approx(
        zero + 0.2 * whole, abs=0.01
    )
    assert [t.text for t in find(made, "text", "value")] == ["50.0", "25.0", "–"]
    assert made.get("aria-label") == "what it shows"
    assert made.get("role") == "img"


def test_bars_without_interval_or_reference():
    made = bars([Bar("a", 0.5)], "x", Reference("UAR", 0.4))
    assert not find(made, "rect", "band")
    assert find(made, "line", "mean")
    assert not find(bars([Bar("a", 0.5)], "x"), "line", "mean")


def test_many_bars_become_dots():
    rows = [Bar(str(i), 1 - i / 100) for i in range(MOST_BARS + 1)]
    made = bars(rows, "x", Reference("UAR", 0.7, 0.6, 0.8), 0.2)
    dots = find(made, "circle", "dot")
    assert len(dots) == len(rows)
    assert not find(made, "rect", "bar")
    heights = [float(d.get("cy")) for d in dots]
    assert heights == sorted(heights)
    assert heights[-1] - heights[0] == pytest.approx(0.6 * 260, abs=0.1)
    places = [pc(d.get("cx")) for d in dots]
    assert all(a < b for a, b in itertools.pairwise(places))
    assert titles(made)[3] == "3: 97.0 %"


def test_whiskers():
    made = intervals(
        [
            Estimate("run", 0.6, 0.5, 0.7),
            Estimate("base", 0.5, 0.4, 0.6, "baseline"),
            Estimate("chance", 0.2, kind="floor"),
        ],
        "x",
    )
    points = [pc(c.get("cx")) for c in find(made, "circle", "point")]
    per = (points[0] - points[2]) / 0.4
    assert points[0] - points[1] == pytest.approx(0.1 * per, abs=0.01)
    (band,) = find(made, "rect", "band")
    assert pc(band.get("x")) == pytest.approx(points[0] - 0.1 * per, abs=0.01)
    assert pc(band.get("width")) == pytest.approx(0.2 * per, abs=0.01)
    rows = [e for e in made.iter("div") if "mark" in (e.get("class") or "").split()]
    assert [r.get("title") for r in rows] == [
        "run: 60.0 [50.0, 70.0]", "base: 50.0 [40.0, 60.0]", "chance: 20.0",
    ]  # fmt: skip
    assert len(find(rows[0], "line", "whisker")) == 3
    assert not find(rows[2], "line", "whisker")
    run = [pc(x.get(end)) for x in find(rows[0], "line", "whisker")[:1] for end in ("x1", "x2")]
    assert run == pytest.approx(
        [pc(band.get("x")), pc(band.get("x")) + pc(band.get("width"))], abs=0.01
    )


def test_difference():
    made = difference(0.02, -0.01, 0.05, 0.03)
    (zero,) = find(made, "line", "zero")
    (unseen,) = find(made, "rect", "unseen")
    (point,) = find(made, "circle", "point")
    middle = pc(zero.get("x1"))
    assert middle == pytest.approx(50)
    assert pc(unseen.get("x")) + pc(unseen.get("width")) / 2 == pytest.approx(middle, abs=0.01)
    per = pc(unseen.get("width")) / 0.06
    assert pc(point.get("cx")) == pytest.approx(middle + 0.02 * per, abs=0.01)
    assert made.get("aria-label") == "difference +2.0 points, 95 % interval -1.0 to +5.0"
    bare = difference(0.0, None, None, None)
    assert not find(bare, "rect", "unseen")
    assert not find(bare, "line", "whisker")


def test_dumbbells():
    made = dumbbells([Pair("a", 0.5, 0.7), Pair("b", 0.6, 0.5), Pair("c", 0.4, 0.4)], "x")
    assert [c.get("class") for c in find(made, "circle", "to")] == ["to up", "to down", "to same"]
    first = [pc(c.get("cx")) for c in find(made, "circle", "from")]
    second = [pc(c.get("cx")) for c in find(made, "circle", "to")]
    moved = [b - a for a, b in zip(first, second, strict=True)]
    assert moved[0] == pytest.approx(-2 * moved[1], abs=0.01)
    assert moved[2] == 0
    assert "b: a 60.0, b 50.0, b less a -10.0" in titles(made)
    many = dumbbells([Pair(str(i), 0.4, 0.5) for i in range(100)], "x")
    assert len(find(many, "circle", "to")) == 100
    assert not find(many, "text", "label")


# --- learning curves ------------------------------------------------------------------------------


def row(epoch, fold, uar, loss=1.0, seed=0):
    return {
        "stage": "select", "epoch": epoch, "fold": fold, "seed": seed,
        "train_loss": 2.0 - 0.1 * epoch, "dev_loss": loss, "dev_uar": uar,
    }  # fmt: skip


ROWS = [
    row(1, 0, 0.3), row(1, 1, 0.5, 1.2), row(2, 0, 0.5), row(2, 1, 0.5, 1.1),
    row(3, 0, 0.4), row(3, 1, 0.5, 1.1), row(4, 0, None, None),
]  # fmt: skip


def test_chosen_epochs():
    """The highest UAR; then the lower loss; then the earlier epoch."""
    assert [(c.fold, c.epoch, c.dev_uar) for c in chosen(ROWS)] == [(0, 2, 0.5), (1, 2, 0.5)]
    assert chosen([row(1, 0, None)]) == []


def test_means_are_of_those_who_trained():
    members = by_member(ROWS, "dev_uar")
    assert members == {
        (0, 0, 0, 0): {1: 0.3, 2: 0.5, 3: 0.4},
        (1, 0, 0, 0): {1: 0.5, 2: 0.5, 3: 0.5},
    }
    assert mean_by_epoch(members) == pytest.approx({1: 0.4, 2: 0.5, 3: 0.45})
    assert mean_by_epoch({"a": {1: 1.0, 2: 3.0}, "b": {1: 2.0}}) == {1: 1.5, 2: 3.0}


def test_curves_are_drawn_where_they_are():
    curve = Curve("dev UAR", by_member(ROWS, "dev_uar"), "one", in_percent=True)
    made = panel([curve], chosen(ROWS), 4, "x", {0: "first"})
    thin, bold = find(made, "path", "thin"), find(made, "path", "bold")
    assert len(thin) == 2
    assert len(bold) == 1
    points = [part.split(" ") for part in thin[0].get("d")[1:].replace("L", "M").split("M")]
    xs, ys = [float(x) for x, _ in points], [float(y) for _, y in points]
    assert xs == pytest.approx([0, 1000 / 3, 2000 / 3], abs=0.1)
    assert ys[0] > ys[2] > ys[1], "a higher figure lies higher"
    assert (ys[0] - ys[2]) == pytest.approx((ys[2] - ys[1]), abs=0.3)
    # The ring lies on the line: the frame of 1000 units is stretched over the panel.
    (inner,) = [e for e in made.iter("svg") if e.get("viewBox")]
    top, height = float(inner.get("y")), float(inner.get("height"))
    left, width = pc(inner.get("x")), pc(inner.get("width"))
    ring = find(made, "circle", "chosen")[0]
    assert float(ring.get("cy")) == pytest.approx(top + height * ys[1] / 1000, abs=0.1)
    assert pc(ring.get("cx")) == pytest.approx(left + width * xs[1] / 1000, abs=0.1)
    assert "fold first, seed 0: epoch 2 chosen, 50.0 %" in titles(made)
    assert "epoch 1: dev UAR 40.0 % (30.0 % to 50.0 %)" in titles(made)


def test_gaps_and_single_epochs():
    curve = Curve("loss", {(0, 0): {1: 1.0, 2: 0.9, 4: 0.7}, (0, 1): {1: 1.0}}, "one")
    made = panel([curve], [], 4, "x", {})
    gap, dot = (p.get("d") for p in find(made, "path", "thin"))
    assert gap.count("M") == 2
    assert dot.endswith("h0.1")
    one = panel([Curve("loss", {(0, 0): {1: 1.0}}, "one")], [], 1, "x", {})
    assert titles(one) == ["epoch 1: loss 1.000"]


def test_names_at_the_ends_of_curves_do_not_collide():
    curves = [
        Curve("train", {(0, 0): {1: 2.0, 2: 1.0}}, "one"),
        Curve("dev", {(0, 0): {1: 2.0, 2: 1.001}}, "two"),
    ]
    made = panel(curves, [], 2, "x", {})
    heights = [float(t.get("y")) for t in find(made, "text", "name")]
    assert abs(heights[0] - heights[1]) >= 15
