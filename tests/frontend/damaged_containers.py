"""Damage to headers, chunks, pages and frames, and to what they promise."""

import struct

from tests.frontend.cases import REFUSED, SAME, SANE, Maker, flip
from tests.frontend.good_files import CODED, HEADER, PCM, RATE


def truncations(make: Maker, rng) -> None:
    words = ("truncated", "is text", "is damaged", "is not a sound file")
    for name, data in make.good.items():
        header = HEADER[name]
        for at in (3, 17, header - 5, header):
            make.add("cut in the header", name, REFUSED, words, data[:at])
        for share in (0.02, 0.5, 0.9):
            at = header + int(share * (len(data) - header))
            make.add("cut in the audio", name, REFUSED, ("truncated",), data[:at])
        for missing in (1, 7):
            make.add("last bytes missing", name, REFUSED, ("truncated",), data[:-missing])


def bit_flips(make: Maker, rng) -> None:
    words = ("contradicts itself", "damaged", "truncated", "not a sound file", "sample rate", "tag")
    rate_of_aiff = range(28, 38)
    for name, data in make.good.items():
        verdict = REFUSED | (SANE if name == "lame.mp3" else SAME)
        places = [at for at in range(HEADER[name]) if "aiff" not in name or at not in rate_of_aiff]
        for at in rng.choice(places, 5, replace=False):
            flipped = flip(data, at, rng.integers(8))
            make.add("bit flipped in the header", name, verdict, (*words, "two rec"), flipped)
    for at in (28, 29, 30, 31):
        words = ("sample rate", "truncated or damaged")
        flipped = flip(make.good["pcm16.aiff"], at, 2)
        make.add("bit flipped in an aiff's rate", "pcm16.aiff", REFUSED | SANE, words, flipped)
    for name in make.good:
        data = make.good[name]
        for at in rng.integers(HEADER[name] + 8, len(data), 3 if name in CODED else 2):
            flipped = flip(data, at, rng.integers(8))
            if name in CODED:
                make.add("bit flipped in coded audio", name, REFUSED, ("damaged",), flipped)
            elif name == "lame.mp3":
                make.add("bit flipped in an mp3", name, REFUSED | SANE, ("is damaged",), flipped)
            else:
                words = ("float samples", "not finite")
                make.add("bit flipped in samples", name, SANE | REFUSED, words, flipped)
    # What mpg123 notices: the lengths in a frame's side information, behind its four bytes.
    changed = (make.good["lame.mp3"].index(b"\xff\xf3", 1000) + 4, b"\xff" * 9)
    make.add_changed(
        "side information lost", "lame.mp3", REFUSED, ("decoding fails part",), changed
    )


def blocks(make: Maker, rng) -> None:
    """512 bytes lost to a bad sector: zeros, or something else."""
    for name in make.good:
        size = len(make.good[name])
        shares = (0.6,) if name in PCM else (0.2, 0.7)
        places = [HEADER[name] + int(share * (size - HEADER[name] - 512)) for share in shares]
        words = ("zeros", "not a sound file", "contradicts itself", "damaged", "truncated")
        make.add_changed("header zeroed", name, REFUSED, words, (0, bytes(HEADER[name])))
        for at in places:
            for what, block in (("zeros", bytes(512)), ("noise", rng.bytes(512))):
                coded = name in CODED or name == "lame.mp3"
                kind = f"sector of {what} in {'coded audio' if coded else 'samples'}"
                verdict = REFUSED if coded else SANE | REFUSED
                words = ("damaged", "truncated") if coded else ("float samples", "not finite")
                make.add_changed(kind, name, verdict, words, (at, block))


def wrong_lengths(make: Maker, rng) -> None:
    def number(n):
        return struct.pack("<I", n)

    for more in (1, 2, 1000, 9600, 1 << 24, (1 << 31) - 10000):
        words = ("truncated", "no whole samples")
        changed = (40, number(9600 + more))
        make.add_changed("promises more audio", "pcm16.wav", REFUSED, words, changed)
    for less in (1, 2, 100, 4800, 9598, 9600):
        words = ("does not know", "no whole samples")
        changed = (40, number(9600 - less))
        make.add_changed("promises less audio", "pcm16.wav", REFUSED, words, changed)
    for unknown in (0x7FFFFFFF, 0xFFFFFFFF, 0x7FFFFFFF + 1):
        make.add_changed("length not known", "pcm16.wav", SAME, (), (40, number(unknown)))
    for size in (0, 1, 0xFFFFFFFF, 5000):
        make.add_changed("wrong size of the whole", "pcm16.wav", SAME, (), (4, number(size)))
    for promised in (0, 100, 4799, 4801, 1 << 30):
        changed = (22, struct.pack(">I", promised))
        words = ("contradicts itself",)
        make.add_changed("wrong number of samples", "pcm16.aiff", REFUSED, words, changed)
    flac = make.good["pcm16.flac"]
    for promised in (1, 100, 4799, 4801, 1 << 35, 0):
        changed = (21, ((flac[21] & 0xF0) << 32 | promised).to_bytes(5, "big"))
        words = ("MD5", "truncated", "how many", "hours")
        make.add_changed("wrong number of samples", "pcm16.flac", REFUSED, words, changed)
    counts = make.good["lame.mp3"].index(b"Xing") + 8
    for promised in (1, 5, 14, 1 << 31):
        changed = (counts, struct.pack(">I", promised))
        words = ("truncated", "two recordings")
        make.add_changed("wrong number of samples", "lame.mp3", REFUSED, words, changed)


def wrong_descriptions(make: Maker, rng) -> None:
    def described(rate=RATE, channels=1, bits=16, tag=1, consistent=True):
        block = channels * -(-bits // 8)
        content = struct.pack(
            "<HHIIHH",
            tag,
            channels,
            rate,
            (rate * block) & 0xFFFFFFFF if consistent else 32000,
            block & 0xFFFF if consistent else 2,
            bits,
        )
        return (20, content)

    words = ("sample rate", "truncated or damaged")
    for rate in (1, 100, 3999, 7999, 384001, 1 << 24, 1 << 30):
        make.add_changed("absurd rate", "pcm16.wav", REFUSED, words, described(rate=rate))
    make.add_changed("absurd rate", "pcm16.wav", REFUSED, (*words, "contra"), described(rate=0))
    words = ("contradicts itself",)
    for rate in (8000, 11025, 22050, 44100, 48000):
        changed = described(rate=rate, consistent=False)
        make.add_changed("another rate", "pcm16.wav", REFUSED, words, changed)
    flac = make.good["pcm16.flac"]
    for rate in (8000, 22050, 48000):
        changed = (18, (rate << 4 | flac[20] & 15).to_bytes(3, "big"))
        make.add_changed("another rate", "pcm16.flac", REFUSED, words, changed)
    words = ("contradicts itself", "channels", "whole samples", "damaged")
    for channels in (0, 9, 12, 150, 1024):
        changed = described(channels=channels)
        make.add_changed("absurd channels", "pcm16.wav", REFUSED, words, changed)
    for channels in (2, 3, 255):
        changed = described(channels=channels, consistent=False)
        make.add_changed("absurd channels", "pcm16.wav", REFUSED, words, changed)
    words = ("contradicts itself", "truncated or damaged", "whole samples", "noise")
    for bits in (0, 1, 7, 33, 64, 255):
        make.add_changed("absurd bits", "pcm16.wav", REFUSED, words, described(bits=bits))
    for bits in (8, 24, 32):
        changed = described(bits=bits, consistent=False)
        make.add_changed("absurd bits", "pcm16.wav", REFUSED, words, changed)
    for tag in (0, 0x40, 0x55, 0xFF, 0x161):
        words = ("encoding that is not read here",)
        make.add_changed("unknown encoding", "pcm16.wav", REFUSED, words, described(tag=tag))


def checksums(make: Maker, rng) -> None:
    for name in ("pcm16.flac", "pcm24.flac"):
        data = make.good[name]
        for at in (26, 33, 41):
            flipped = flip(data, at, 0)
            make.add("wrong MD5", name, REFUSED, ("MD5",), flipped)
        make.add_changed("no MD5", name, SAME, (), (26, bytes(16)))
        make.add("wrong CRC of a frame", name, REFUSED, ("damaged",), flip(data, len(data) - 1, 3))
    ogg = make.good["vorbis.ogg"]
    for at in (22, 80, len(ogg) - 1):
        make.add("wrong CRC of a page", "vorbis.ogg", REFUSED, ("checksum",), flip(ogg, at, 5))
    second = ogg.index(b"OggS", 4)
    third = ogg.index(b"OggS", second + 4)
    missing = ogg[:second] + ogg[third:]
    make.add("page missing", "vorbis.ogg", REFUSED, ("page 1 is missing",), missing)


def two_in_one(make: Maker, rng) -> None:
    words = ("two recordings", "does not know")
    for name, data in make.good.items():
        make.add("two in one", name, REFUSED, words, data + data)
    for a, b in (("pcm16.wav", "pcm16.flac"), ("pcm16.flac", "pcm24.flac"),
                 ("vorbis.ogg", "pcm16.wav"), ("pcm16.aiff", "vorbis.ogg")):  # fmt: skip
        make.add("two in one", a, REFUSED, words, make.good[a] + make.good[b])


def chunks_and_tags(make: Maker, rng) -> None:
    wav, aiff = make.good["pcm16.wav"], make.good["pcm16.aiff"]

    def chunk(name, length, content=b""):
        return name + struct.pack("<I", length) + content

    for length in (1 << 31, 0xFFFFFFFF, 20000):
        data = wav[:36] + chunk(b"JUNK", length) + wav[36:]
        make.add("huge chunk before the audio", "pcm16.wav", REFUSED, ("truncated",), data)
        data = wav + chunk(b"LIST", length)
        make.add("huge chunk after the audio", "pcm16.wav", REFUSED, ("does not know",), data)
        data = aiff[:12] + b"COMT" + struct.pack(">I", length) + aiff[12:]
        make.add("huge chunk before the audio", "pcm16.aiff", REFUSED, ("truncated",), data)
    make.add("many chunks", "pcm16.wav", REFUSED, ("header breaks off",),
             wav[:36] + chunk(b"JUNK", 0) * 20000 + wav[36:])  # fmt: skip
    make.add("chunk missing", "pcm16.wav", REFUSED, ("nothing describes",), wav[:12] + wav[36:])
    make.add("chunk missing", "pcm16.aiff", REFUSED, ("before its audio",), aiff[:12] + aiff[38:])
    make.add("chunk missing", "pcm16.wav", REFUSED, ("before its audio",), wav[:36])
    info = chunk(b"LIST", 16, b"INFOISFT\x04\0\0\0abc\0")
    id3 = b"ID3\x03\x00\x00\x00\x00\x02\x00" + bytes(256)
    for data in (
        wav[:36] + chunk(b"JUNK", 28, bytes(28)) + wav[36:],
        wav[:36] + info + wav[36:],
        wav + info,
        wav + info + bytes(100),
        wav + b"TAG" + bytes(125),
        wav + bytes(512),
        id3 + wav,
    ):
        make.add("harmless chunks and tags", "pcm16.wav", SAME, (), data)
    for name in ("pcm16.flac", "lame.mp3", "pcm16.aiff"):
        make.add("harmless chunks and tags", name, SAME, (), id3 + make.good[name])
        tagged = make.good[name] + b"TAG" + bytes(125)
        make.add("harmless chunks and tags", name, SAME, (), tagged)
    tag_alone = b"ID3\x03\x00\x00\x00\x7f\x7f\x7f" + bytes(256)
    make.add("tag without audio", "", REFUSED, ("ID3", "truncated"), tag_alone, ".mp3")
    make.add(
        "junk behind the audio", "pcm16.wav", REFUSED, ("does not know",), wav + b"\x01\xff" * 9
    )
