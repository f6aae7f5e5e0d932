"""Malformed requests without end, by number and seed, and what an answer to one must be."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from typing import NamedTuple

from tests.fuzz import sounds

# What a request may be answered with; a 500 is a bug.
STATUSES = {200, 400, 403, 404, 405, 408, 413, 415, 422, 429, 503}
_BOUNDARY = "boundary"
_PATHS = ("/api/look", "/api/predict")
_NAMES = (
    "", "a.wav", "..", "../../etc/passwd", "C:\\a\\b.wav", "a" * 3000, "\u202e.wav", "Ä怒.flac",
    'q"uote.wav', "nul\x00.wav", "%00", "a;b=c", "new\nline",
)  # fmt: skip
_VALUES = (
    "", "0", "1", "0.5", "-1", "2", "nan", "inf", "1e309", "true", "false", "True", "\x00",
    "x" * 99, "x" * 101, "٣", "0x1p-1", "1_0", " 0.5 ", "\ud7ff",
)  # fmt: skip


class Case(NamedTuple):
    """One request.

    Attributes:
        number: of it; with the seed it decides everything.
        kind: of damage.
        method, path, headers, body: of HTTP.
        raw: instead of all these, bytes that are perhaps no HTTP.
    """

    number: int
    kind: str
    method: str = "POST"
    path: str = "/api/look"
    headers: Mapping[str, str] = {}
    body: bytes = b""
    raw: bytes | None = None


def part(name: str, content: bytes, filename: str | None = None) -> bytes:
    """One part of a form, with whatever names."""
    file = "" if filename is None else f'; filename="{filename}"'
    head = f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'
    return head.encode("utf-8", "surrogatepass") + content + b"\r\n"


def form(*parts: bytes) -> bytes:
    """A whole one."""
    return b"".join(parts) + f"--{_BOUNDARY}--\r\n".encode()


FORM = {"Content-Type": f"multipart/form-data; boundary={_BOUNDARY}"}


def case(seed: int, number: int, files: dict[str, bytes], raw: bool = False) -> Case:
    """A request.

    Args:
        seed, number: they decide it.
        files: good ones, see `tests.fuzz.sounds.good`.
        raw: whether some are no HTTP.
    """
    rng = random.Random(f"{seed} {number}")
    kinds = [_sound, _sound, _sound, _body, _body, _fields, _names, _heads, _address]
    if raw:
        kinds.append(_raw)
    return rng.choice(kinds)(rng, seed, number, files)


def _sound(rng: random.Random, seed: int, number: int, files: dict[str, bytes]) -> Case:
    damaged = sounds.case(seed, number, files)
    path = rng.choice(_PATHS)
    body = form(part("file", damaged.data, damaged.name))
    return Case(number, f"sound: {damaged.kind}", path=path, headers=FORM, body=body)


def _good(rng: random.Random, files: dict[str, bytes]) -> bytes:
    return files[rng.choice(sorted(files))]


def _body(rng: random.Random, seed: int, number: int, files: dict[str, bytes]) -> Case:
    body = bytearray(form(part("sure", b"0.5"), part("file", _good(rng, files), "a.wav")))
    how = rng.choice(("cut", "flipped", "doubled", "shuffled", "noise", "boundaries", "empty"))
    if how == "cut":
        del body[rng.randrange(len(body)) :]
    elif how == "flipped":
        for _ in range(rng.randint(1, 30)):
            # Most in the heads of the parts.
            body[rng.randrange(rng.choice((250, len(body))))] = rng.randrange(256)
    elif how == "doubled":
        at = rng.randrange(len(body))
        body[at:at] = body[max(0, at - 400) : at]
    elif how == "shuffled":
        lines = bytes(body).split(b"\r\n")
        rng.shuffle(lines)
        body = bytearray(b"\r\n".join(lines))
    elif how == "noise":
        body = bytearray(rng.randbytes(rng.randrange(5000)))
    elif how == "boundaries":
        body = bytearray((f"--{_BOUNDARY}\r\n" * rng.randint(1, 300)).encode())
    else:
        body = bytearray()
    return Case(number, f"body: {how}", path=rng.choice(_PATHS), headers=FORM, body=bytes(body))


def _fields(rng: random.Random, seed: int, number: int, files: dict[str, bytes]) -> Case:
    names = ("sure", "timeline", "sound", "file", "", "x" * 500, "\x00", "sure\r\nX: y")
    parts = [
        part(rng.choice(names), rng.choice(_VALUES).encode("utf-8", "surrogatepass"))
        for _ in range(rng.choice((1, 1, 2, 3, 40)))
    ]
    if rng.random() < 0.8:
        parts.append(part("file", _good(rng, files), "a.wav"))
    rng.shuffle(parts)
    return Case(number, "fields", path=rng.choice(_PATHS), headers=FORM, body=form(*parts))


def _names(rng: random.Random, seed: int, number: int, files: dict[str, bytes]) -> Case:
    parts = [
        part(rng.choice(("file", "file", "file", "File")), _good(rng, files), rng.choice(_NAMES))
        for _ in range(rng.choice((1, 2, 3)))
    ]
    return Case(number, "names", path=rng.choice(_PATHS), headers=FORM, body=form(*parts))


def _heads(rng: random.Random, seed: int, number: int, files: dict[str, bytes]) -> Case:
    name, value = rng.choice(
        [
            ("Content-Type", ""),
            ("Content-Type", "application/json"),
            ("Content-Type", "multipart/form-data"),
            ("Content-Type", "multipart/form-data; boundary="),
            ("Content-Type", "multipart/form-data; boundary=" + "b" * rng.choice((70, 71, 4000))),
            ("Content-Type", "multipart/form-data; boundary=other"),
            ("Content-Type", 'multipart/form-data; boundary="'),
            ("Content-Type", "multipart/form-data; boundary*=utf-8''boundary"),
            ("Content-Type", "MULTIPART/FORM-DATA;BOUNDARY=boundary"),
            ("Content-Type", ";;;==;\xff"),
            ("Host", rng.choice(("evil.example", "[", "localhost:x", "a@localhost", "\xe4"))),
            ("Origin", rng.choice(("null", "https://evil.example", "http://[", ""))),
            ("Accept-Encoding", "\xff" * 50),
            ("Expect", "100-continue"),
            ("Content-Encoding", "gzip"),
        ]
    )
    body = form(part("file", _good(rng, files), "a.wav"))
    headers = {**FORM, name: value}
    return Case(number, f"head: {name}", path=rng.choice(_PATHS), headers=headers, body=body)


def _address(rng: random.Random, seed: int, number: int, files: dict[str, bytes]) -> Case:
    path = rng.choice(
        ("/", "/docs", "/api", "/api/look/", "/api/look?sure=2", "/../etc/passwd", "//", "/%00",
         "/%2e%2e/%2e%2e/etc/passwd", "/page.html", "/" + "a" * 3000, "/api/predict", "/api/info",
         "/%ff%fe", "/openapi.json/../..", "/healthz;x")
    )  # fmt: skip
    method = rng.choice(("GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD", "PATCH", "TRACE", "X"))
    body = rng.randbytes(rng.choice((0, 10, 3000)))
    return Case(number, "address", method=method, path=path, body=body)


def _raw(rng: random.Random, seed: int, number: int, files: dict[str, bytes]) -> Case:
    body = form(part("file", _good(rng, files), "a.wav"))
    head = f"POST /api/look HTTP/1.1\r\nHost: localhost\r\nContent-Type: {FORM['Content-Type']}\r\n"
    raw = rng.choice(
        [
            rng.randbytes(rng.randrange(1, 3000)),
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + rng.randbytes(500),  # TLS
            b"GET / HTTP/9.9\r\n\r\n",
            b"GET / HTTP/1.1\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
            b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: y\r\n" * 20_000 + b"\r\n",
            (head + "Content-Length: -1\r\n\r\n").encode() + body,
            (head + f"Content-Length: {'9' * 30}\r\n\r\n").encode() + body,
            (head + f"Content-Length: {len(body) - 50}\r\n\r\n").encode() + body,
            (head + f"Content-Length: {len(body) + 50}\r\n\r\n").encode() + body,
            (head + "Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n").encode() + body,
            (head + "Transfer-Encoding: chunked\r\n\r\nzz\r\n").encode() + body,
            (head + "Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n").encode(),
        ]
    )
    return Case(number, "raw", raw=raw)


def wrong(method: str, status: int, kind: str, content: bytes) -> str | None:
    """Why an answer is none that a client can use; None: it can.

    Args:
        method: of the request.
        status: of the answer.
        kind: its Content-Type.
        content: its body.
    """
    if status not in STATUSES:
        return f"status {status}"
    if b"Traceback" in content or b"/dev/fd" in content:
        return "tells of the server's inside"
    if method == "HEAD" or (status == 200 and not kind.startswith("application/json")):
        return None
    try:
        made = json.loads(content)
    except ValueError:
        return f"status {status} without JSON: {content[:60]!r}"
    if status == 200:
        return None
    sentence = made.get("error")
    if list(made) != ["error"] or not isinstance(sentence, str) or not sentence:
        return f"status {status} without a sentence"
    if "\n" in sentence or not sentence.isprintable() or len(sentence) > 600:
        return f"no sentence: {sentence[:80]!r}"
    return None
