"""500 damaged sound files: each refused with its sentence, or loaded with the right samples."""

import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest

from jser.frontend import compressed
from tests.frontend import damage, good_files

CASES = damage.cases()
# Loads every file of a folder in a process of its own: a crash, a wait without end and what the C
# libraries print would otherwise pass unseen.
LOADER = """
import json, os, sys
import numpy as np
from jser.frontend import waveform

found, samples = {}, {}
for name in sorted(os.listdir(sys.argv[1])):
    if name.endswith(".link"):
        continue
    path = os.path.join(sys.argv[1], name)
    try:
        wave = waveform.load(path)
    except waveform.AudioError as error:
        found[name] = {"text": str(error), "reason": error.reason}
    except Exception as error:
        found[name] = {"bug": repr(error)}
    else:
        found[name] = {"rate": wave.sample_rate_in, "sha256": wave.pcm_sha256}
        samples[f"a{len(samples)}"] = wave.pcm
        found[name]["samples"] = f"a{len(samples) - 1}"
np.savez(sys.argv[2], **samples)
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def loaded(once):
    """What became of every file, and the samples of those that were read."""

    def make(folder):
        (folder / "files").mkdir()
        for name, content in good_files.recordings().items():
            (folder / "files" / f"good {name}").write_bytes(content)
        for case in CASES:
            case.write(folder / "files" / case.name)
        command = [sys.executable, "-c", LOADER, str(folder / "files"), str(folder / "pcm.npz")]
        done = subprocess.run(command, capture_output=True, timeout=100, text=True, check=False)
        (folder / "stderr").write_text(done.stderr)
        (folder / "status").write_text(str(done.returncode))
        (folder / "found.json").write_text(done.stdout)

    folder = once("damaged", make)
    assert (folder / "status").read_text() == "0", (folder / "stderr").read_text()[-2000:]
    found = json.loads((folder / "found.json").read_text())
    with np.load(folder / "pcm.npz") as file:
        for entry in found.values():
            if "samples" in entry:
                entry["samples"] = file[entry["samples"]]
    return folder, found


def test_there_are_500_and_always_the_same(tmp_path):
    assert len(CASES) == 500
    assert len({case.name for case in CASES}) == 500
    contents = []
    for folder in (tmp_path / "a", tmp_path / "b"):
        folder.mkdir()
        for case in damage.cases():  # not CASES: made anew
            case.write(folder / case.name)
        small = [
            path
            for path in sorted(folder.iterdir())
            if path.is_file() and path.stat().st_size < 1 << 20 and os.access(path, os.R_OK)
        ]
        contents.append([(path.name, path.read_bytes()) for path in small])
    assert contents[0] == contents[1]
    assert len(contents[0]) > 480


def test_undamaged_files_are_read(loaded):
    _, found = loaded
    for name in good_files.recordings():
        assert len(found[f"good {name}"]["samples"]) == good_files.SAMPLES
        assert found[f"good {name}"]["rate"] == (48000 if "48" in name else 16000)


def test_nothing_is_printed_and_nothing_else_is_raised(loaded):
    folder, found = loaded
    assert (folder / "stderr").read_text() == ""
    assert {name: entry for name, entry in found.items() if "bug" in entry} == {}
    assert len(found) == 500 + len(good_files.recordings())


@pytest.mark.parametrize("kind", sorted({case.kind for case in CASES}))
def test_kind_of_damage(loaded, kind):
    _, found = loaded
    for case in CASES:
        if case.kind == kind:
            check(case, found[case.name], found)


def check(case, entry, found):
    """Hold what became of a file against its case's verdict."""
    what = (case.name, entry)
    good = found.get(f"good {case.original}")
    if "reason" in entry:
        assert "refused" in case.verdict, what
        assert any(word in entry["reason"] for word in case.words), what
        assert len(entry["reason"]) < 300, what
        assert entry["text"].endswith(f": {entry['reason']}"), what
        assert entry["text"].isprintable(), what  # one line, and no control characters
        assert re.search("[a-zA-Z]{2,}", case.name)[0] in entry["text"], what
        assert ";" in entry["reason"], what  # behind it lies the way out
        return
    pcm = entry["samples"].astype(np.int64)
    if good is not None and entry["sha256"] == good["sha256"]:
        assert case.verdict & {"same", "sane"}, what
        return
    assert "sane" in case.verdict, what
    assert np.abs(pcm - pcm.mean()).max() >= 33, what
    wanted = good_files.SAMPLES
    if case.kind == "bit flipped in an aiff's rate":
        wanted = good_files.SAMPLES * 16000 / entry["rate"]
    # Where an MP3's first frame is hit, the encoder's delay is heard: two frames at most.
    assert abs(len(pcm) - wanted) <= (1152 if "mp3" in case.name else 1), what
    if case.kind == "bit flipped in samples":
        changed = pcm != good["samples"]
        # A resampled click rings.
        assert changed.sum() <= (200 if "48" in case.original else 1), what
    if case.kind.startswith("sector of") and "48" not in case.original:
        assert (pcm != good["samples"]).sum() <= 513, what


@pytest.mark.parametrize("name", ["vorbis.ogg"])
def test_checksum_of_ogg_is_that_of_the_rfc(name):
    data = good_files.recordings()[name]
    end = data.index(b"OggS", 4)
    page = data[:22] + bytes(4) + data[26:end]
    assert compressed.ogg_checksum(page) == good_files.ogg_crc(page)
    assert compressed.ogg_checksum(page) == int.from_bytes(data[22:26], "little")


def test_others_may_write_to_stderr_while_an_mp3_is_decoded():
    """What mpg123 prints is gathered; what comes from elsewhere reaches the terminal."""
    script = (
        "import os, sys\n"
        "from jser.frontend import compressed\n"
        "with compressed.mpg123_errors() as errors:\n"
        "    os.write(2, b'[src/libmpg123/layer3.c:f():1] error: dequantization failed!\\n')\n"
        "    os.write(2, b'Note: Trying to resync...\\n')\n"
        "    print('a progress bar', file=sys.stderr)\n"
        "    sys.stderr.flush()\n"
        "print(errors)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, timeout=60, text=True, check=True
    )
    assert done.stdout == "['dequantization failed!']\n"
    assert done.stderr == "a progress bar\n"
