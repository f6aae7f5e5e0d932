"""Picture files: what they become, and why some are refused."""

import hashlib
import io
import os
import struct
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image, ImageOps

from jser.datasets import drawings
from jser.frontend import image
from jser.frontend.image import ImageError, ImageSpec, load

SIDE = 64
SPEC = ImageSpec(SIDE)


def drawing(width=150, height=100, mode="RGB"):
    return Image.fromarray(drawings.draw("x", width, height)).convert(mode)


def saved(path, picture, **options):
    picture.save(path, **options)
    return path


def difference(a, b):
    return np.abs(a.astype(int) - b.astype(int))


# ------------------------------------------------------------------------------------- conversions


def triangle(pixels, side):
    """The middle square under a triangle filter as wide as the reduction, by matrices."""
    edge = min(pixels.shape[:2])

    def weights(length):
        start, scale = (length - edge) / 2, edge / side
        centre = start + (np.arange(side) + 0.5) * scale
        distance = np.abs(np.arange(length) + 0.5 - centre[:, None]) / max(scale, 1.0)
        w = np.maximum(0.0, 1.0 - distance)
        return w / w.sum(1, keepdims=True)

    down, across = weights(pixels.shape[0]), weights(pixels.shape[1])
    return np.einsum("yjc,xj->yxc", np.einsum("yi,ijc->yjc", down, pixels.astype(float)), across)


@pytest.mark.parametrize("size", [(150, 100), (100, 151), (64, 64), (40, 50), (700, 90)])
def test_middle_square_is_resized_once_without_aliasing(tmp_path, size):
    path = saved(tmp_path / "a.png", drawing(*size))
    picture = load(path, SPEC)
    assert picture.pixels.shape == (SIDE, SIDE, 3)
    assert picture.pixels.dtype == np.uint8
    assert (picture.width_in, picture.height_in) == size
    # Pillow rounds to 8 bits after each of the two directions.
    assert difference(picture.pixels, triangle(np.asarray(drawing(*size)), SIDE)).max() <= 1.01


def test_fine_stripes_become_grey(tmp_path):
    stripes = np.zeros((640, 640, 3), np.uint8)
    stripes[:, ::2] = 255
    stripes[:64] = 0  # Or it would show one colour.
    pixels = load(saved(tmp_path / "a.png", Image.fromarray(stripes)), SPEC).pixels
    assert difference(pixels[16:48, 4:-4], np.full((32, SIDE - 8, 3), 127)).max() <= 2


def test_default_size_and_hashes(tmp_path):
    path = saved(tmp_path / "a.jpg", drawing())
    picture = load(path)
    assert picture.pixels.shape == (256, 256, 3)
    assert picture.pixel_sha256 == hashlib.sha256(picture.pixels.tobytes()).hexdigest()
    assert picture.format_in == "JPEG"
    assert ImageSpec().hash() != SPEC.hash()
    assert len(ImageSpec().hash()) == 16


def test_the_pixels_are_of_the_content_that_was_asked_for(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(np.arange(3 * 64**2, dtype=np.uint8).reshape(64, 64, 3)).save(path)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    assert load(path, sha256=sha256).pixel_sha256 == load(path).pixel_sha256
    with pytest.raises(ImageError, match="has changed since its hash was taken"):
        load(path, sha256=sha256[::-1])


def test_grey_one_bit_and_palette(tmp_path):
    for mode in ("L", "1", "P"):
        source = drawing(mode=mode)
        picture = load(saved(tmp_path / f"{mode}.png", source), SPEC)
        plain = load(saved(tmp_path / f"{mode}_rgb.png", source.convert("RGB")), SPEC)
        np.testing.assert_array_equal(picture.pixels, plain.pixels)
        assert (picture.mode_in, plain.mode_in) == (mode, "RGB")
    grey = load(tmp_path / "L.png", SPEC).pixels
    np.testing.assert_array_equal(grey[..., 0], grey[..., 2])


def test_transparency_lies_on_white(tmp_path):
    rgba = np.dstack([drawings.draw("x", 100, 100), np.zeros((100, 100), np.uint8)])
    rgba[:, 50:, 3] = 255
    for name in ("a.png", "a.webp", "a.tif"):
        options = {"lossless": True} if name.endswith("webp") else {}
        pixels = load(saved(tmp_path / name, Image.fromarray(rgba), **options), SPEC).pixels
        assert (pixels[:, :30] == 255).all()
        plain = load(saved(tmp_path / "b.png", Image.fromarray(rgba[..., :3])), SPEC).pixels
        np.testing.assert_array_equal(pixels[:, 34:], plain[:, 34:])
    grey = Image.fromarray(rgba).convert("LA")
    assert (load(saved(tmp_path / "la.png", grey), SPEC).pixels[:, :30] == 255).all()
    palette = drawing(100, 100, "P")
    first = palette.getpixel((0, 0))
    rgb = np.where((np.asarray(palette) == first)[..., None], 255, palette.convert("RGB"))
    plain = load(saved(tmp_path / "b.png", Image.fromarray(rgb.astype(np.uint8))), SPEC).pixels
    pixels = load(saved(tmp_path / "p.png", palette, transparency=first), SPEC).pixels
    np.testing.assert_array_equal(pixels, plain)


def test_cmyk(tmp_path):
    # No ink is white, all black is black; cyan takes the red.
    ink = np.zeros((100, 100, 4), np.uint8)
    ink[:50, :, 3] = 255
    ink[50:, 50:, 0] = 255
    picture = load(saved(tmp_path / "a.jpg", Image.fromarray(ink, "CMYK"), quality=98), SPEC)
    assert picture.mode_in == "CMYK"
    for row, column, colour in ((5, 5, (0, 0, 0)), (60, 5, (255,) * 3), (60, 60, (0, 255, 255))):
        assert difference(picture.pixels[row, column], np.array(colour)).max() <= 6


def test_sixteen_bits_are_scaled(tmp_path):
    eight = np.asarray(drawing(mode="L"))
    sixteen = Image.fromarray(eight.astype(np.uint16) * 257)
    plain = load(saved(tmp_path / "a.png", Image.fromarray(eight)), SPEC).pixels
    for name in ("b.png", "b.tif"):
        picture = load(saved(tmp_path / name, sixteen), SPEC)
        np.testing.assert_array_equal(picture.pixels, plain)
        assert picture.mode_in.startswith("I;16")


def test_sixteen_bits_of_colour(tmp_path):
    # Pillow writes none: a PNG by hand.
    rgb = drawings.draw("x", 64, 64)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in rgb.astype(np.uint16) * 257)

    def chunk(kind, content):
        return (
            struct.pack(">I", len(content))
            + kind
            + content
            + struct.pack(">I", zlib.crc32(kind + content))
        )

    head = struct.pack(">IIBBBBB", 64, 64, 16, 2, 0, 0, 0)
    data = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + data)
    np.testing.assert_array_equal(load(tmp_path / "a.png", SPEC).pixels, rgb)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "tif", "png"])
def test_exif_orientation(tmp_path, orientation, suffix):
    source = drawing(150, 100)
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = saved(tmp_path / f"a.{suffix}", source, exif=exif)
    picture = load(path, SPEC)
    with Image.open(path) as opened:
        upright = ImageOps.exif_transpose(opened)
        expected = load(saved(tmp_path / "b.png", upright.convert("RGB")), SPEC)
        size = upright.size
    np.testing.assert_array_equal(picture.pixels, expected.pixels)
    assert (picture.width_in, picture.height_in) == size
    assert size == ((100, 150) if orientation > 4 else (150, 100))


def test_damaged_exif_is_passed_over(tmp_path):
    path = saved(tmp_path / "a.jpg", drawing(), exif=b"Exif\0\0MM\0*\0\0\xff\xff nonsense")
    with image.quiet():
        assert not load(path, SPEC).rotated


def test_suffix_means_nothing(tmp_path):
    path = saved(tmp_path / "a.png", drawing())
    plain = load(path, SPEC).pixels
    os.rename(path, tmp_path / "a.jpg")
    picture = load(tmp_path / "a.jpg", SPEC)
    np.testing.assert_array_equal(picture.pixels, plain)
    assert picture.format_in == "PNG"


def test_still_gif_webp_bmp_tiff_and_mpo(tmp_path):
    plain = load(saved(tmp_path / "p.png", drawing()), SPEC).pixels
    for name in ("a.gif", "a.webp", "a.bmp", "a.tiff"):
        picture = load(saved(tmp_path / name, drawing()), SPEC)
        assert difference(picture.pixels, plain).mean() < 8
    mpo = saved(
        tmp_path / "a.jpg", drawing(), format="MPO", save_all=True, append_images=[drawing(80, 80)]
    )
    assert load(mpo, SPEC).format_in == "JPEG"


# ---------------------------------------------------------------------------------------- refusals


def jpeg(**options):
    file = io.BytesIO()
    drawing(400, 300).save(file, "JPEG", **options)
    return file.getvalue()


def png():
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 90, 3), np.uint8)).save(
        file, "PNG"
    )
    return file.getvalue()


def frames(kind, n=3):
    file = io.BytesIO()
    first, *others = (Image.fromarray(drawings.draw(f"{k}", 80, 80)) for k in range(n))
    first.save(file, kind, save_all=True, append_images=others)
    return file.getvalue()


def numbers(mode):
    file = io.BytesIO()
    kind = np.int32 if mode == "I" else np.float32
    Image.fromarray(np.arange(10000, dtype=kind).reshape(100, 100)).save(file, "TIFF")
    return file.getvalue()


def bomb(width, height):
    """A PNG's header that promises much, and hardly any data."""

    def chunk(kind, content):
        crc = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + crc

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(b"\0" * 1000)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def one_colour(kind):
    file = io.BytesIO()
    Image.new("RGB", (100, 100), (200, 10, 10)).save(file, kind)
    return file.getvalue()


def flipped(content):
    """The same with one bit of its compressed pixels changed."""
    changed = bytearray(content)
    changed[len(content) // 2] ^= 1
    return bytes(changed)


CASES = {
    "empty": (b"", "is empty (0 bytes)"),
    "zeros": (bytes(4000), "begins with zeros"),
    "web page": (b"<!DOCTYPE html><html>404</html>", "is a web page or XML, not a picture"),
    "web page with a mark": (b"\xef\xbb\xbf\r\n<html>gone</html>", "is a web page or XML"),
    "json": (b'{"stat": "fail", "code": 1}', "is JSON text, not a picture"),
    "svg": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "is an SVG drawing"),
    "text": (b"Photo not found\n", "is text, not a picture"),
    "lfs": (b"version https://git-lfs.github.com/spec/v1\noid", "is a Git LFS pointer"),
    "annex": (b"/annex/objects/MD5E-s1--x.jpg\n", "is a git-annex pointer"),
    "zip": (b"PK\x03\x04" + bytes(100), "is a zip archive"),
    "pdf": (b"%PDF-1.7\n\xff", "is a PDF document"),
    "heic": (b"\0\0\0\x18ftypheic" + bytes(99), "is HEIC, AVIF or a video"),
    "wav": (b"RIFF\x24\0\0\0WAVEfmt \xff", "is RIFF, but neither WebP"),
    "noise": (b"\x93\xfa\x01" * 99, "is no picture that can be read (JPEG, PNG"),
    "jpeg cut": (jpeg()[:-2000], "is truncated or damaged (image file is truncated"),
    "jpeg cut by a little": (jpeg()[:-30], "is truncated or damaged"),
    "progressive jpeg cut": (jpeg(progressive=True)[:-1500], "is truncated or damaged"),
    "jpeg header alone": (jpeg()[:300], "damaged"),
    "png cut": (png()[:9000], "is truncated or damaged"),
    "png damaged": (flipped(png()), "is truncated or damaged"),
    "gif cut": (frames("GIF", 1)[:-300], "is truncated or damaged"),
    "webp cut": (frames("WEBP", 1)[:200], "damaged"),
    "gif animated": (frames("GIF"), "is animated (3 frames), and a label cannot say which"),
    "webp animated": (frames("WEBP"), "is animated (3 frames)"),
    "png animated": (frames("PNG"), "is animated (3 frames)"),
    "tiff of pages": (frames("TIFF"), "has 3 pages"),
    "32 bits": (numbers("I"), "has pixels of the kind 'I'"),
    "floats": (numbers("F"), "has pixels of the kind 'F'"),
    "one colour": (one_colour("JPEG"), "shows one single colour"),
    "icon": (bomb(16, 16), "is 16 x 16 pixels, and below 32"),
    "strip": (bomb(4000, 100), "is a strip of 4000 x 100 pixels"),
    "70 million": (bomb(10000, 7000), "has more than 67 million pixels"),
    "100 million": (bomb(10000, 10000), "has more than 67 million pixels"),
    "bomb": (bomb(60000, 60000), "has more than 67 million pixels"),
}


@pytest.mark.parametrize("name", CASES)
def test_refused(tmp_path, name):
    content, sentence = CASES[name]
    path = tmp_path / "a.jpg"
    path.write_bytes(content)
    with pytest.raises(ImageError) as caught:
        load(path, SPEC)
    assert str(caught.value) == f"{path}: {caught.value.reason}"
    assert sentence in caught.value.reason
    assert ";" in caught.value.reason  # The way out.
    assert "\n" not in caught.value.reason


def test_bombs_are_known_before_they_are_decoded(tmp_path, monkeypatch):
    monkeypatch.setattr(Image.Image, "load", lambda _: pytest.fail("decoded"))
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda _: pytest.fail("decoded"))
    (tmp_path / "a.png").write_bytes(bomb(10000, 7000))
    with pytest.raises(ImageError, match="67 million"):
        load(tmp_path / "a.png")


def test_without_warnings_as_errors(tmp_path, capfd):
    """As a user runs it: Pillow's remarks stay inside."""
    (tmp_path / "a.png").write_bytes(bomb(10000, 10000))
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        with image.quiet(), pytest.raises(ImageError, match="67 million"):
            load(tmp_path / "a.png")
    assert capfd.readouterr().err == ""


def test_no_file(tmp_path):
    with pytest.raises(ImageError, match="no such file"):
        load(tmp_path / "a.jpg")
    with pytest.raises(ImageError, match="is a folder, not a picture"):
        load(tmp_path)
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(ImageError, match="is a pipe"):
        load(tmp_path / "pipe.jpg")
    (tmp_path / "link.jpg").symlink_to("../.git/annex/objects/x/y.jpg")
    with pytest.raises(ImageError, match="git-annex link"):
        load(tmp_path / "link.jpg")


def test_memory(tmp_path, monkeypatch):
    def full(*_args, **_kwargs):
        raise MemoryError

    monkeypatch.setattr(image, "_rgb", full)
    with pytest.raises(ImageError, match="does not fit into this machine's memory"):
        load(saved(tmp_path / "a.png", drawing()))


# --------------------------------------------------------------------------------- difference hash


def bits_between(a, b):
    return int.bit_count(int(a, 16) ^ int(b, 16))


def test_difference_hash_by_hand():
    rising = np.repeat(np.arange(0, 255, 15, dtype=np.uint8)[None, :, None], 3, 2)
    pixels = np.repeat(np.repeat(rising, 16, 0), 1, 1)[:, :17]
    assert image.difference_hash(pixels) == "f" * 64
    assert image.difference_hash(pixels[:, ::-1]) == "0" * 64


def test_difference_hash_of_the_same_and_of_others(tmp_path):
    source = drawing(600, 400)
    hashes = {
        name: load(saved(tmp_path / name, picture, **options)).dhash
        for name, picture, options in (
            ("a.png", source, {}),
            ("good.jpg", source, {"quality": 90}),
            ("bad.jpg", source, {"quality": 30}),
            ("small.jpg", source.resize((300, 200)), {"quality": 75}),
            ("dark.png", source.point(lambda v: v * 0.8), {}),
        )
    }
    first = hashes.pop("a.png")
    assert max(bits_between(first, other) for other in hashes.values()) <= 12
    others = [image.difference_hash(drawings.draw(f"{k}", 256, 256)) for k in range(20)]
    assert min(bits_between(first, other) for other in others) > 70
