"""The page can be read, in light and in dark."""

import re
from pathlib import Path

import pytest

from jser.evaluation import page
from jser.evaluation.page.charts import WHITE_FROM

CSS = "".join(
    Path(page.__file__).with_name(name).read_text(encoding="utf-8")
    for name in ("base.css", "page.css")
)


def colours(scheme: str) -> dict[str, str]:
    # Of each sheet the light ones come first, then what is another in the dark; then print.
    base_light, base_dark, light, dark, _ = re.findall(r":root \{(.*?)\}", CSS, re.DOTALL)
    found = {}
    for block in [base_light, light, *([base_dark, dark] if scheme == "dark" else [])]:
        found |= dict(re.findall(r"--([a-z-]+): (#[0-9a-f]+);", block))
    return found


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a: str, b: str) -> float:
    x, y = sorted((luminance(a), luminance(b)))
    return (y + 0.05) / (x + 0.05)


def mixed(over: str, under: str, share: float) -> str:
    parts = [
        round(share * int(over[i : i + 2], 16) + (1 - share) * int(under[i : i + 2], 16))
        for i in (1, 3, 5)
    ]
    return "#" + "".join(f"{p:02x}" for p in parts)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read(scheme: str) -> None:
    """WCAG 2.2, 1.4.3 and 1.4.11: 4.5 for text, 3 for marks, on each ground they stand on."""
    c = colours(scheme)
    for text, ground in [
        ("ink", "paper"), ("ink", "card"), ("quiet", "paper"), ("quiet", "card"), ("one", "card"),
        ("one", "paper"), ("warn", "warn-back"), ("alert", "alert-back"), ("good", "card"),
        ("alert", "card"), ("warn", "card"), ("tip-ink", "tip"), ("card", "one"),
    ]:  # fmt: skip
        assert contrast(c[text], c[ground]) >= 4.5, (text, ground)
    for mark in ("one", "two", "base", "miss", "hit"):
        assert contrast(c[mark], c["card"]) >= 3, mark


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("kind", ["hit", "miss"])
def test_shares_can_be_read_on_every_shade(scheme: str, kind: str) -> None:
    """The figures of the confusion matrix turn white on the darkest cells."""
    c = colours(scheme)
    for percent in range(101):
        ground = mixed(c[kind], c["card"], percent / 100)
        text = c["on"] if percent >= 100 * WHITE_FROM else c["cell"]
        assert contrast(text, ground) >= 4.5, percent
