"""The page as a browser shows it: no network, no overflow, hover, keys, sound, paper."""

import json
import time

import numpy as np
import pytest

from jser import protocols
from jser.evaluation import page
from jser.evaluation.page import spectrogram
from tests.evaluation import browser
from tests.evaluation.test_page import examples, metrics

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(browser.binary() is None, reason="no Chromium here"),
]


@pytest.fixture
def shown(corpus, protocol, build):
    made, scores = build(corpus, protocol, baseline=True, system="A system " * 12)
    return made, scores, examples(scores)


@pytest.fixture
def tab(corpus, protocol, shown, tmp_path):
    """The page of a run, opened from a file."""
    made, _, utterances = shown
    path = tmp_path / "report ü#1.html"
    path.write_text(
        page.render(
            made,
            certificate=protocols.certificate(corpus, protocol).to_json(),
            config={"a": 1},
            metrics=metrics(10),
            shown=utterances,
        ),
        encoding="utf-8",
    )
    with browser.started(tmp_path / "profile") as tab:
        tab.size(1200)
        tab.media()
        tab.open(path)
        yield tab


def events(tab, name):
    tab.ask("1")  # everything told before has arrived with the answer
    return [e["params"] for e in tab.events if e.get("method") == name]


def test_no_network_and_no_complaints(tab):
    asked = [e["request"]["url"] for e in events(tab, "Network.requestWillBeSent")]
    assert [u for u in asked if not u.startswith(("file:///", "data:", "about:"))] == []
    assert sum(u.startswith("file:") for u in asked) == 1
    assert events(tab, "Log.entryAdded") == []
    assert events(tab, "Runtime.exceptionThrown") == []
    # The policy holds: an image from elsewhere is refused before anyone is asked.
    refused = """new Promise(done => {
      addEventListener('securitypolicyviolation', e => done(e.effectiveDirective));
      document.body.append(Object.assign(new Image(), {src: 'http://127.0.0.1:9/x.png'}));
    })"""
    assert tab.ask(refused) == "img-src"


@pytest.mark.parametrize("width", [1200, 768, 420, 320])
def test_nothing_sticks_out(tab, width):
    tab.size(width)
    for opened in ("false", "true"):
        tab.ask(f"document.querySelectorAll('details').forEach(d => d.open = {opened}), 1")
        assert tab.ask("document.scrollingElement.scrollWidth") <= width
    # What is drawn stays on its card; tables may scroll inside their own box.
    out = """[...document.querySelectorAll('section svg text, section .value, section .name, img')]
      .filter(e => e.getBoundingClientRect().width)
      .filter(e => { const a = e.getBoundingClientRect(),
                     b = e.closest('section').getBoundingClientRect();
                     return a.left < b.left - 0.5 || a.right > b.right + 0.5; })
      .map(e => e.textContent)"""
    assert tab.ask(out) == []


def test_whisker_lies_on_its_band(tab):
    for width in (1200, 420):
        tab.size(width)
        band, whisker, tick = tab.ask("""(() => {
          const box = s => document.querySelector('.intervals ' + s).getBoundingClientRect();
          const at = r => [r.left, r.right];
          return [at(box('.band')), at(box('.system line.whisker')), at(box('.grid'))];
        })()""")
        assert whisker == pytest.approx(band, abs=1)
        axis = tab.ask("""[...document.querySelectorAll('.intervals > svg line.axis')]
          .slice(1).map(e => e.getBoundingClientRect().left)""")
        assert tick[0] == pytest.approx(axis[0], abs=1)


@pytest.mark.parametrize(("scheme", "dark"), [("light", False), ("dark", True)])
def test_light_and_dark(tab, scheme, dark):
    tab.media(scheme=scheme)
    colour = tab.ask("getComputedStyle(document.body).backgroundColor")
    parts = [int(p) for p in colour.removeprefix("rgb(").removesuffix(")").split(",")]
    assert (sum(parts) < 200) is dark
    assert (sum(parts) > 600) is not dark


def test_hover_says_the_figure(tab, shown):
    made = shown[0]
    x, y = tab.ask("""(() => {
      const cell = document.querySelectorAll('.confusion .mark')[1];
      cell.scrollIntoView({block: 'center', behavior: 'instant'});
      const r = cell.querySelector('rect').getBoundingClientRect();
      return [r.left + r.width / 2, r.top + r.height / 2];
    })()""")
    time.sleep(0.2)  # a scroll hides what was shown
    tab.mouse("mouseMoved", x, y)
    tab.wait("!document.querySelector('.tip').hidden")
    n, total = made["confusion"][0][1], sum(made["confusion"][0])
    said = tab.ask("document.querySelector('.tip').textContent")
    assert said == f"anger taken for neutral: {n} of {total}, {100 * n / total:.1f} %"
    tab.mouse("mouseMoved", 2, 2)
    tab.wait("document.querySelector('.tip').hidden")


def test_keys_walk_through_a_chart(tab, shown):
    best = max(shown[0]["per_speaker"], key=lambda r: (r["uar"], -int(r["speaker"])))
    tab.ask("document.querySelector('#speakers .chart').focus({preventScroll: true}), 1")
    tab.press("ArrowRight")
    said = tab.ask("document.querySelector('.tip').textContent")
    assert said.startswith(f"{best['speaker']} ({best['sex']}): UAR {100 * best['uar']:.1f} %")
    tab.press("End")
    assert tab.ask("document.querySelector('.tip').textContent") != said
    assert tab.ask("document.querySelector('.tip').getAttribute('role')") == "status"
    tab.press("Escape")
    assert tab.ask("document.querySelector('.tip').hidden")


def test_sound_plays_and_the_cursor_moves(tab, shown):
    first = shown[2].examples[0]
    tab.ask("window.a = document.querySelector('audio'), 1")
    tab.wait("a.readyState >= 1")
    assert tab.ask("a.duration") == pytest.approx(first.seconds, abs=0.01)
    assert tab.ask("document.querySelector('.cursor').hidden")
    tab.ask("""document.querySelector('.plot')
      .scrollIntoView({block: 'center', behavior: 'instant'}), 1""")
    left, top, width, height = tab.ask("""(() => {
      const r = document.querySelector('.plot').getBoundingClientRect();
      return [r.left, r.top, r.width, r.height];
    })()""")
    tab.mouse("click", left + width / 4, top + height / 2)
    tab.wait("a.currentTime > 0")
    assert tab.ask("a.currentTime") == pytest.approx(first.seconds / 4, abs=0.02)
    place = "parseFloat(document.querySelector('.cursor').style.left)"
    assert tab.ask(place) == pytest.approx(25, abs=1.5)
    tab.ask("document.querySelector('.plot').focus({preventScroll: true}), 1")
    tab.press("ArrowLeft")
    tab.wait(f"a.currentTime < {first.seconds / 4 - 0.05}")
    before = tab.ask("a.currentTime")
    tab.ask("document.querySelector('.player button').click()")
    tab.wait(f"a.currentTime > {before} + 0.1 || a.ended")
    tab.wait(f"{place} > {100 * before / first.seconds} + 5")
    tab.wait("a.ended")
    assert tab.ask("document.querySelector('.player button').textContent") == "Play"
    # One sound at a time.
    other = "document.querySelectorAll('.player button')[1]"
    tab.ask(f"a.currentTime = 0, document.querySelector('.player button').click(), {other}.click()")
    tab.wait("a.paused")


def test_pixels_are_the_spectrogram(tab, shown):
    first = shown[2].examples[0]
    pixels = tab.ask("""(async () => {
      const image = document.querySelector('.plot img');
      await image.decode();
      const canvas = Object.assign(document.createElement('canvas'),
        {width: image.naturalWidth, height: image.naturalHeight});
      const context = canvas.getContext('2d');
      context.drawImage(image, 0, 0);
      return JSON.stringify([canvas.width, canvas.height,
        [...context.getImageData(0, 0, canvas.width, canvas.height).data]]);
    })()""")
    width, height, values = json.loads(pixels)
    found = np.asarray(values, np.uint8).reshape(height, width, 4)[..., :3]
    expected = spectrogram.palette()[spectrogram.levels(first.log_mel)]
    np.testing.assert_array_equal(found, expected)


def test_paper(tab):
    """Printing opens what belongs on paper, and leaves out what only a screen can do."""
    answer = tab.call("Page.printToPDF", printBackground=True)
    assert answer["data"].startswith("JVBERi0")  # %PDF- in base64
    assert not tab.ask("document.querySelector('details[open]')"), "closed again afterwards"
    tab.media("print")
    tab.ask("dispatchEvent(new Event('beforeprint'))")
    seen = "e => !!e && e.getBoundingClientRect().height > 0"
    for kind, there in (("nav", False), (".player", False), ("details.paper table", True)):
        assert tab.ask(f"({seen})(document.querySelector('{kind}'))") is there, kind
    tab.ask("dispatchEvent(new Event('afterprint'))")


def test_without_script_everything_is_there(shown, tmp_path):
    made, _, utterances = shown
    path = tmp_path / "page.html"
    path.write_text(page.render(made, shown=utterances), encoding="utf-8")
    with browser.started(tmp_path / "profile") as tab:
        tab.call("Emulation.setScriptExecutionDisabled", value=True)
        tab.size(1200)
        tab.open(path)
        assert tab.ask("document.querySelector('audio').controls")
        assert tab.ask("document.querySelector('audio').getBoundingClientRect().width") > 100
        assert tab.ask("document.querySelectorAll('svg .mark > title').length") > 20
