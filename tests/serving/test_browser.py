"""The page in a headless Chromium; screenshots are left in the tests' temporary folder."""

import base64
import json
import shutil

import pytest

from tests.frontend.good_files import encoded
from tests.fuzz.sounds import voice
from tests.serving import process

playwright = pytest.importorskip("playwright.sync_api")
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium"),
]
LOOKS = {
    "light": {"color_scheme": "light", "viewport": {"width": 1200, "height": 900}},
    "dark": {"color_scheme": "dark", "viewport": {"width": 1200, "height": 900}},
    "phone": {"color_scheme": "light", "viewport": {"width": 375, "height": 800}},
}
# Dots of a canvas that are not as the first one is.
DRAWN = """id => {
  const canvas = document.getElementById(id), context = canvas.getContext("2d");
  const dots = new Uint32Array(context.getImageData(0, 0, canvas.width, canvas.height).data.buffer);
  return dots.filter(dot => dot !== dots[0]).length / dots.length;
}"""
DROP = """([content, name]) => {
  const file = new File([Uint8Array.from(atob(content), c => c.charCodeAt(0))], name);
  const data = new DataTransfer();
  data.items.add(file);
  const drop = document.getElementById("drop");
  const how = { dataTransfer: data, bubbles: true, cancelable: true };
  for (const kind of ["dragover", "drop"]) drop.dispatchEvent(new DragEvent(kind, how));
}"""


@pytest.fixture(scope="module")
def server(artefact, xla_cache, tmp_path_factory):
    data = str(tmp_path_factory.mktemp("data"))
    environment = {"JAX_COMPILATION_CACHE_DIR": str(xla_cache), "JSER_DATA": data}
    with process.serving(artefact, "--max_seconds=60", **environment) as running:
        yield running


@pytest.fixture(scope="module")
def browser():
    arguments = [
        "--no-sandbox",
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
    ]
    with playwright.sync_playwright() as api:
        started = api.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield started
        started.close()


@pytest.fixture
def opened(browser, server):
    """`opened(look)`: the page, ready; at the end nothing may have been complained of."""
    wrong, contexts = [], []

    def make(look="light"):
        context = browser.new_context(**LOOKS[look])
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda said: said.type == "error" and wrong.append(said.text))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda asked: asked.url.startswith(server.url) or foreign(asked.url))
        page.goto(server.url)
        page.wait_for_selector("#about dt")
        return page

    def foreign(url):
        if not url.startswith(("data:", "blob:")):
            wrong.append(url)

    make.wrong = wrong
    yield make
    for context in contexts:
        context.close()
    assert wrong == []


def until(page, true):
    """Wait for an expression; the page's own policy forbids Playwright's way, which evaluates."""
    for _ in range(600):
        if page.evaluate(true):
            return
        page.wait_for_timeout(50)
    pytest.fail(f"never: {true}")


def dropped(page, seconds=6.0, name="voice.wav"):
    content = encoded(voice(1, seconds), "WAV", "PCM_16")
    page.evaluate(DROP, [base64.b64encode(content).decode(), name])
    page.wait_for_selector("#answer:not([hidden])", timeout=60_000)
    until(page, "document.getElementById('working').hidden")


@pytest.mark.parametrize("look", LOOKS)
def test_drop_see_and_hear(opened, look, tmp_path):
    page = opened(look)
    assert not page.is_visible("#time")
    page.screenshot(path=tmp_path / f"{look}_empty.png", full_page=True)
    dropped(page)
    for name, least in (
        ("waveform", 0.03),
        ("spectrogram", 0.3),
        ("emotions", 0.3),
        ("axis", 0.002),
    ):
        assert page.evaluate(DRAWN, name) > least, name
    assert page.locator(".bar").count() == 5
    shares = page.locator(".bar .value").all_inner_texts()
    assert sum(float(share.split()[0]) for share in shares) == pytest.approx(100, abs=3)
    assert page.inner_text("#answer-head").split()[0] in page.inner_text("#bars")
    # Nothing sticks out to the right.
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    # A stretch is chosen by dragging, and is heard.
    lens = page.locator("#lens")
    lens.scroll_into_view_if_needed()
    box = lens.bounding_box()
    page.mouse.move(box["x"] + 0.25 * box["width"], box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 60, steps=4)
    page.mouse.up()
    until(page, "document.getElementById('play').textContent === 'Pause'")
    until(page, "document.getElementById('play').textContent.startsWith('Play 1.5')")
    page.mouse.move(0, 0)
    assert page.inner_text("#play") == "Play 1.50 to 3.00 s"
    assert page.inner_text("#clock") == "3.00 of 6.00 s"
    page.screenshot(path=tmp_path / f"{look}_answer.png", full_page=True)


def test_by_keys_alone(opened):
    page = opened()
    dropped(page)
    page.focus("#lens")
    assert page.get_attribute("#lens", "aria-valuetext").startswith("0.00 s, in 0.0 to 2.0 s: ")
    for _ in range(10):
        page.keyboard.press("ArrowRight")
    assert page.get_attribute("#lens", "aria-valuenow") == "0.50"
    for _ in range(4):
        page.keyboard.press("Shift+ArrowRight")
    assert page.inner_text("#play") == "Play 0.50 to 0.70 s"
    page.keyboard.press(" ")
    until(page, "document.getElementById('clock').textContent === '0.70 of 6.00 s'")
    page.keyboard.press("Escape")
    assert page.inner_text("#play") == "Play"
    page.keyboard.press("End")
    assert page.get_attribute("#lens", "aria-valuenow") == "6.00"


def test_record(opened):
    page = opened()
    page.click("#record")
    until(page, "parseFloat(document.getElementById('live-clock').textContent) > 1")
    page.click("#stop")
    page.wait_for_selector("#answer:not([hidden])", timeout=60_000)
    assert page.inner_text("#name").startswith("recording.wav, ")
    assert not page.is_visible("#live")


def test_the_answer_is_kept_as_json(opened):
    page = opened()
    dropped(page, name="<b>Ä & 'x'.wav")
    with page.expect_download() as waited:
        page.click("#save")
    made = json.loads(waited.value.path().read_text(encoding="utf-8"))
    assert made["path"] == "<b>Ä & 'x'.wav"
    assert len(made["windows"]) == 5
    assert "sound" not in made
    assert page.inner_text("#name").startswith("<b>Ä & 'x'.wav, ")


def test_a_file_that_is_no_sound(opened):
    page = opened()
    page.set_input_files("#file", {"name": "a.txt", "mimeType": "text/plain", "buffer": b"hello"})
    page.wait_for_selector("#refusal:not([hidden])")
    assert page.inner_text("#refusal").startswith("a.txt: ")
    # The browser itself notes the status; that is no fault of the page.
    assert all("422" in text for text in opened.wrong)
    opened.wrong.clear()
    dropped(page)
    assert not page.is_visible("#refusal")
