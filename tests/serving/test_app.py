"""Each endpoint, each refusal, and that nothing is left behind."""

import asyncio
import base64
import io
import json
import os
import tempfile

import numpy as np
import pytest
import soundfile

from jser.artefact import predicting
from jser.serving import app
from jser.serving.limits import Limits
from tests.frontend.good_files import encoded
from tests.fuzz.sounds import good, voice


def files(*contents, name="voice.wav"):
    return [("file", (name, content)) for content in contents]


def refusal(answer, status):
    assert answer.status_code == status, answer.text
    assert list(answer.json()) == ["error"]
    sentence = answer.json()["error"]
    assert "\n" not in sentence
    assert "Traceback" not in sentence
    return sentence


# --- answers --------------------------------------------------------------------------------------


def test_page_and_its_parts(asked):
    async def use(client):
        return [await client.get("/" if name == "page.html" else f"/{name}") for name in app.PAGE]

    for answer in asked(use):
        assert answer.status_code == 200
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "access-control-allow-origin" not in answer.headers
        for foreign in ("http://", "https://", "//cdn", " style=", "<script>", "onclick"):
            assert foreign not in answer.text


def test_info(once_asked, heard):
    made = once_asked("GET", "/api/info").json()
    assert made["classes"] == heard.info["classes"]
    assert made["trained_on"]["speakers"] == len(heard.info["trained_on"]["speakers"])
    assert made["limits"]["max_mb"] == 50
    assert made["warnings"][0] == (
        "This artefact was trained on made speech, so its answers say nothing about people."
    )
    assert any("SYNTHETIC" in sentence for sentence in made["warnings"])
    assert not set(heard.info["trained_on"]["pcm_sha256"]) & set(json.dumps(made).split('"'))


def test_health(once_asked):
    assert once_asked("GET", "/healthz").json() == {"status": "ready", "waiting": 0}


@pytest.mark.parametrize("timeline", [False, True])
def test_predict_says_what_the_command_says(once_asked, heard, tmp_path, timeline):
    contents = {"a.wav": voice(1, 1.0), "b.wav": voice(2, 9.0)}
    for name, x in contents.items():
        (tmp_path / name).write_bytes(encoded(x, "WAV", "PCM_16"))
    answer = once_asked(
        "POST",
        "/api/predict",
        data={"timeline": str(timeline).lower(), "sure": "0.3"},
        files=[("file", (name, (tmp_path / name).read_bytes())) for name in contents],
    ).json()
    rows = predicting.predict(
        [str(tmp_path / name) for name in contents],
        heard.artefact,
        heard.info,
        heard.cut,
        timeline=timeline,
        sure=0.3,
        refuse=pytest.fail,
    )
    wanted = [predicting.as_json(row, heard.classes) for row in rows]
    for row in wanted:
        row["path"] = os.path.basename(row["path"])
    assert answer == {"rows": wanted, "errors": []}
    assert len(wanted) > 3 if timeline else len(wanted) == 2


def test_a_broken_file_gets_its_sentence_and_others_their_rows(once_asked, sound):
    answer = once_asked(
        "POST", "/api/predict", files=files(sound, b"no sound", sound[:-100])
    ).json()
    assert len(answer["rows"]) == 1
    assert [error["path"] for error in answer["errors"]] == ["voice.wav"] * 2
    assert all(error["error"].startswith("voice.wav: ") for error in answer["errors"])
    assert "/dev/fd" not in json.dumps(answer)
    assert tempfile.gettempdir() not in json.dumps(answer)


@pytest.mark.parametrize("name", sorted(good()))
def test_every_format_is_looked_at(once_asked, name):
    answer = once_asked("POST", "/api/look", files=files(good()[name], name=name))
    assert answer.status_code == 200, answer.text
    assert answer.json()["path"] == name


def test_look_has_what_is_drawn(once_asked, heard):
    x = voice(3, 9.0)
    content = encoded(x, "WAV", "PCM_16")
    made = once_asked("POST", "/api/look", data={"sound": "true"}, files=files(content)).json()
    assert made["seconds"] == pytest.approx(9.0, abs=0.01)
    wave, mel = made["waveform"], made["log_mel"]
    high = np.frombuffer(base64.b64decode(wave["high"]), np.int8)
    low = np.frombuffer(base64.b64decode(wave["low"]), np.int8)
    assert len(high) == len(low) == wave["columns"] <= 2000
    assert high.max() == int(32767 * x.max()) >> 8
    assert (low <= high).all()
    assert wave["columns"] * wave["seconds_a_column"] == pytest.approx(9.0, abs=0.01)
    levels = np.frombuffer(base64.b64decode(mel["levels"]), np.uint8)
    levels = levels.reshape(mel["columns"], mel["bands"])
    assert levels.max() == 255
    assert len(mel["attention"]) == mel["columns"]
    there = [a for a in mel["attention"] if a is not None]
    assert np.mean(there) == pytest.approx(1, abs=0.2)
    assert len(made["windows"]) > 2
    for window in made["windows"]:
        assert len(window["attention"]["weights"]) == len(window["attention"]["bounds"])
        assert window["attention"]["bounds"][0][0] >= window["start"] - 0.01
    played, rate = soundfile.read(io.BytesIO(base64.b64decode(made["sound"])), dtype="int16")
    assert rate == heard.info["sample_rate"]
    assert len(played) == 9 * rate


def test_silence_is_drawn_too(once_asked):
    content = encoded(np.zeros(32000), "WAV", "PCM_16")
    made = once_asked("POST", "/api/look", data={"sound": "true"}, files=files(content)).json()
    assert made["answer"]["label"] == "silence"
    assert made["windows"][0]["attention"] is None
    assert set(made["log_mel"]["attention"]) == {None}


def test_a_name_is_shown_and_never_used(once_asked, sound):
    made = once_asked("POST", "/api/look", files=files(sound, name="../../etc/passwd")).json()
    assert made["path"] == "passwd"
    made = once_asked("POST", "/api/look", files=files(sound, name="Ärger \u202e 怒り.wav")).json()
    assert made["path"] == "Ärger \\u202e 怒り.wav"


# --- refusals -------------------------------------------------------------------------------------


def test_too_large_by_its_own_words_is_refused_before_it_comes(asked):
    async def use(client):
        async def body():
            pytest.fail("was read")
            yield b""

        head = {"Content-Length": "1000001", "Content-Type": "multipart/form-data; boundary=x"}
        return await client.post("/api/look", content=body(), headers=head)

    assert "larger than 1 MB" in refusal(asked(use, Limits(max_mb=1)), 413)


def test_too_large_is_refused_while_it_comes(asked):
    sent = []

    async def body():
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        for _ in range(1000):
            sent.append(10_000)
            yield bytes(10_000)

    async def use(client):
        head = {"Content-Type": "multipart/form-data; boundary=x"}
        return await client.post("/api/look", content=body(), headers=head)

    assert "larger than 0.1 MB" in refusal(asked(use, Limits(max_mb=0.1)), 413)
    assert sum(sent) <= 120_000


def test_too_long(once_asked):
    content = encoded(voice(1, 3.0), "WAV", "PCM_16")
    limits = Limits(max_seconds=2)
    sentence = refusal(once_asked("POST", "/api/look", limits, files=files(content)), 413)
    assert sentence.startswith("voice.wav: is longer than 2 s")
    made = once_asked("POST", "/api/predict", limits, files=files(content)).json()
    assert made == {"rows": [], "errors": [{"path": "voice.wav", "error": sentence}]}


def test_length_is_held_while_decoding(once_asked, monkeypatch):
    """An hour that is few bytes: no more is decoded than one piece past the limit."""
    from jser.serving import work

    decoded = []

    def passing(path, rate):
        for _ in range(60):
            decoded.append(1)
            yield np.zeros(60 * rate, np.int16)

    monkeypatch.setattr(work, "passing", passing)
    refusal(once_asked("POST", "/api/look", Limits(max_seconds=100), files=files(b"few")), 413)
    assert len(decoded) == 2


def test_rate(asked, sound):
    async def use(client):
        return [await client.post("/api/look", files=files(sound)) for _ in range(3)]

    first, second, third = asked(use, Limits(per_minute=2))
    assert first.status_code == second.status_code == 200
    assert "more than 2 requests within a minute" in refusal(third, 429)
    assert 1 <= int(third.headers["retry-after"]) <= 61


def test_slow_body(asked):
    async def body():
        yield b"--x\r\n"
        await asyncio.sleep(5)

    async def use(client):
        head = {"Content-Type": "multipart/form-data; boundary=x"}
        return await client.post("/api/look", content=body(), headers=head)

    assert "within 0.1 s" in refusal(asked(use, Limits(body_seconds=0.1)), 408)


@pytest.mark.parametrize(
    ("status", "words", "options"),
    [
        (415, "Content-Type is nothing", {"content": b"abc"}),
        (415, "Content-Type is application/json", {"json": {"file": "x"}}),
        (422, "no file was sent", {"files": {"sure": (None, "0.5")}}),
        (422, "sure=2: is no probability", {"files": files(b"x"), "data": {"sure": "2"}}),
        (422, "sure=nan", {"files": files(b"x"), "data": {"sure": "nan"}}),
        (422, "sound=yes: give true or false", {"files": files(b"x"), "data": {"sound": "yes"}}),
        (422, 'no field is called "treu"', {"files": files(b"x"), "data": {"treu": "1"}}),
        (422, "2 files; send one", {"files": files(b"x", b"y")}),
        (422, 'the field "voice"', {"files": {"voice": ("a.wav", b"x")}}),
        (422, 'the field "file" holds no file', {"files": {"file": (None, "x")}}),
        (422, "voice.wav: ", {"files": files(b"x")}),
        (422, "voice.wav: ", {"files": files(b"")}),
        (422, "longer than 100 bytes", {"files": files(b"x"), "data": {"sure": "1" * 101}}),
        (422, "is given twice", {"files": files(b"x"), "data": {"sure": ["1", "1"]}}),
    ],
    ids=lambda x: x if isinstance(x, str) else None,
)
def test_one_sentence(once_asked, status, words, options):
    assert words in refusal(once_asked("POST", "/api/look", **options), status)


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"", "multipart/form-data", 400),
        (b"", "multipart/form-data; boundary=" + "x" * 71, 400),
        (b"abc", "multipart/form-data; boundary=x", 400),
        (b"--x\r\nContent-Disp", "multipart/form-data; boundary=x", 400),
        (b"--x\r\n" + b"a" * 9000 + b": b\r\n\r\n", "multipart/form-data; boundary=x", 400),
        (b"--x\r\n\r\n\r\n--x--\r\n", "multipart/form-data; boundary=x", 422),
    ],
)
def test_damaged_form(once_asked, content, kind, status):
    head = {"Content-Type": kind}
    refusal(once_asked("POST", "/api/predict", content=content, headers=head), status)


def test_too_many_files(once_asked):
    limits = Limits(max_files=3)
    many = files(*[b"x"] * 4)
    assert "more than 3 files" in refusal(
        once_asked("POST", "/api/predict", limits, files=many), 422
    )


def test_other_addresses(once_asked):
    assert "nothing is here" in refusal(once_asked("GET", "/docs"), 404)
    wrong = once_asked("GET", "/api/look")
    assert "does not take GET" in refusal(wrong, 405)
    assert wrong.headers["allow"] == "POST"


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "localhost.evil.example", ""]
)
def test_other_hosts_names(once_asked, host):
    assert "answers to localhost" in refusal(once_asked("GET", "/", headers={"Host": host}), 400)


def test_other_hosts_names_are_for_who_listens_to_others(asked):
    answer = asked(lambda c: c.get("/", headers={"Host": "lab.example"}), only_local=False)
    assert answer.status_code == 200


@pytest.mark.parametrize("host", ["localhost:8000", "127.0.0.1:9", "[::1]:8000", "LOCALHOST"])
def test_own_names(once_asked, host):
    assert once_asked("GET", "/healthz", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost:9999", "//["])
def test_other_sites_pages(once_asked, sound, origin):
    head = {"Origin": origin}
    answer = once_asked("POST", "/api/look", files=files(sound), headers=head)
    assert "answers its own page" in refusal(answer, 403)


def test_own_page(once_asked, sound):
    head = {"Origin": "http://localhost"}
    answer = once_asked("POST", "/api/look", files=files(sound), headers=head)
    assert answer.status_code == 200


def test_a_bug_is_said_to_be_one(asked, sound):
    def broken(recordings):
        raise ZeroDivisionError("secret")

    answer = asked(lambda c: c.post("/api/look", files=files(sound)), artefact=broken)
    assert "this is a bug" in refusal(answer, 500)
    assert "secret" not in answer.text
