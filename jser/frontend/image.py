"""Picture files in, square pictures of one size out; refuses what is no whole picture.

The same function serves the building of records and prediction, as `jser.frontend.waveform` does
for sound.

Every picture becomes upright RGB, of which the square in the middle is resized, once, to
`ImageSpec.side`. One size for all, since a compiled program has one shape and a corpus is then one
block of numbers; the middle of a picture that keeps its proportions, since that is how the ImageNet
nets whose weights are used were trained (shorter side 256, then a crop), and stretching would
change shapes. What a 3:2 picture has left and right of its middle (a third of it) is lost.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import warnings
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
from PIL import Image

from jser.errors import InputError, one_line
from jser.frontend.damage import Damaged
from jser.frontend.opening import opened

# By content, whatever the suffix.
FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF")
SUFFIXES = (".jpg", ".jpeg", ".png", ".gif", ".webp", ".bmp", ".tif", ".tiff")
# Below: an icon, or the pixel that counts visitors.
SMALLEST = 32
# 200 MB as RGB. Above: a scan of a wall, or a small file that is made to fill the memory.
MOST_PIXELS = 1 << 26
# Longer side to shorter. Of a longer strip the middle square shows less than a tenth.
LONGEST = 10.0
# Bits of a difference hash in each direction.
DHASH_SIDE = 16

CONVERT = "store it as JPEG or PNG, for example with `magick FILE FILE.png`"
_FETCH = "fetch it again, or leave it out"
_EXIF_ORIENTATION = 0x0112
# Exif 2.32, tag 274: what makes a picture upright.
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# What else is saved under a picture's name: its first bytes -> what it is, and the way out.
_OTHERS = {
    b"version https://git-lfs.github.com/spec/": (
        "is a Git LFS pointer, not a picture; fetch the picture with `git lfs pull`"
    ),
    b"/annex/objects/": "is a git-annex pointer, not a picture; fetch it with `git annex get`",
    b"<svg": f"is an SVG drawing, which has no pixels; {CONVERT}",
    b"<": f"is a web page or XML, not a picture: its link may be dead; {_FETCH}",
    b"{": f"is JSON text, not a picture: its link may be dead; {_FETCH}",
    b"PK\x03\x04": "is a zip archive, not a picture; unpack it",
    b"%PDF": f"is a PDF document, not a picture; {CONVERT}",
    b"RIFF": f"is RIFF, but neither WebP nor any other picture; {_FETCH}",
}
_TOO_MANY = (
    f"has more than {MOST_PIXELS // 10**6} million pixels: a scan, or a small file made to fill "
    "the memory; make it smaller, or leave it out"
)
_NO_MEMORY = "does not fit into this machine's memory; make it smaller"
_MODES = ("1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "HSV")


class ImageError(InputError):
    """A picture file cannot be used.

    Attributes:
        reason: what is wrong, without the file's name.
    """

    def __init__(self, path: str | os.PathLike[str], reason: str):
        super().__init__(f"{one_line(path)}: {reason}")
        self.reason = reason


@dataclasses.dataclass(frozen=True)
class ImageSpec:
    """Everything that decides the pixels of a picture.

    Attributes:
        side: pixels, of both sides.
    """

    side: int = 256

    def hash(self) -> str:
        """First 16 hex digits of the sha256 of the specification; lies with the records."""
        # The leading version changes when the computation changes and the fields do not.
        text = "image/1 " + json.dumps(dataclasses.asdict(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclasses.dataclass(frozen=True)
class Picture:
    """One picture, ready for a net.

    Attributes:
        pixels: uint8 [side, side, 3], RGB, the first row at the top.
        width_in: pixels of the file, once upright.
        height_in: the same.
        format_in: 'JPEG', ...
        mode_in: what its pixels are, as Pillow names it: 'RGB', 'L' (grey), 'CMYK', 'P', ...
        rotated: Exif says that the file's rows are not the picture's, and it was turned.
        pixel_sha256: hex sha256 of the bytes of `pixels`: equal pictures, equal hash.
        dhash: hex, 256 bits: see `difference_hash`.
    """

    pixels: np.ndarray
    width_in: int
    height_in: int
    format_in: str
    mode_in: str
    rotated: bool
    pixel_sha256: str
    dhash: str


def load(
    path: str | os.PathLike[str], spec: ImageSpec | None = None, sha256: str | None = None
) -> Picture:
    """Decode a picture file: upright, RGB, 8 bits, the middle square, `spec.side` pixels.

    Grey and palette become RGB; what is transparent lies on white; CMYK is converted by Pillow's
    formula, without a profile; 16 bits of grey are scaled to 8. Colour profiles are passed over: a
    file's numbers are taken for sRGB. A JPEG's embedded further pictures (MPO) are passed over.

    Args:
        path: JPEG, PNG, GIF, WebP, BMP or TIFF, whatever its suffix.
        spec: the size; None: the default.
        sha256: hex, of the content that the file must have; None: whatever it has.

    Raises:
        ImageError: missing, empty, a pointer, no picture, truncated or damaged, animated, of
            several pages, of 32-bit numbers, of one single colour, or of an absurd size.
    """
    try:
        with opened(path, "picture", sha256) as file:
            return _picture(file, spec or ImageSpec())
    except Damaged as error:
        raise ImageError(path, str(error)) from error
    except MemoryError as error:
        raise ImageError(path, _NO_MEMORY) from error


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep Pillow's warnings of what it repairs from the user while pictures are loaded.

    Not inside `load`, which runs in threads, while a filter is the whole process'.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        yield


def difference_hash(pixels: np.ndarray) -> str:
    """Hash that nearly equal pictures share but for a few bits.

    The picture as 16 rows of 17 grey levels; each bit says whether a level is higher than the one
    before it. Another compression, size or brightness changes few of the 256 bits.

    Args:
        pixels: uint8 [H, W, 3].

    Returns:
        Hex, 64 digits.
    """
    grey = Image.fromarray(pixels).convert("L")
    small = np.asarray(grey.resize((DHASH_SIDE + 1, DHASH_SIDE), Image.Resampling.BOX), np.int16)
    return np.packbits(small[:, 1:] > small[:, :-1]).tobytes().hex()


def _picture(file: BinaryIO, spec: ImageSpec) -> Picture:
    _check_head(file)
    try:
        # Closed here, and not by the caller: a TIFF's library holds on to what it reads.
        with Image.open(file, formats=FORMATS) as image:
            _check_size(*image.size)
            _check_still(image)
            image.load()
            orientation = _orientation(image)
            kind, mode = image.format or "", image.mode
            upright = _rgb(image)
            if orientation in _UPRIGHT:
                upright = upright.transpose(_UPRIGHT[orientation])
            width, height = upright.size
            pixels = np.asarray(_middle(upright, spec.side))
    except (Damaged, MemoryError):
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise Damaged(_TOO_MANY) from error
    except Image.UnidentifiedImageError as error:
        raise Damaged(
            f"is no picture that can be read ({', '.join(FORMATS)}), or damaged in its first "
            f"bytes; {_FETCH}, or {CONVERT}"
        ) from error
    except Exception as error:  # Pillow lets through whatever its decoders raise.
        what = one_line(str(error)).partition(" (")[0][:100] or type(error).__name__
        raise Damaged(f"is truncated or damaged ({what}); {_FETCH}") from error
    if (pixels == pixels[0, 0]).all():
        raise Damaged(
            "shows one single colour: what a host sends for a picture that is gone, or a failed "
            f"conversion; {_FETCH}"
        )
    return Picture(
        pixels=pixels,
        width_in=width,
        height_in=height,
        format_in="JPEG" if kind == "MPO" else kind,
        mode_in=mode,
        rotated=orientation in _UPRIGHT,
        pixel_sha256=hashlib.sha256(pixels.tobytes()).hexdigest(),
        dhash=difference_hash(pixels),
    )


def _check_head(file: BinaryIO) -> None:
    head = file.read(64)
    file.seek(0)
    if not head:
        raise Damaged("is empty (0 bytes); fetch it again")
    if not head.strip(b"\0"):
        raise Damaged("begins with zeros: it was never written whole; fetch it again")
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return
    if head[4:8] == b"ftyp":
        raise Damaged(f"is HEIC, AVIF or a video, not a picture that can be read; {CONVERT}")
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    for first, sentence in _OTHERS.items():
        if start.startswith(first):
            raise Damaged(sentence)
    if all(32 <= c < 127 or c in b"\t\r\n" for c in head):
        raise Damaged(f"is text, not a picture: its link may be dead; {_FETCH}")


def _check_size(width: int, height: int) -> None:
    if width * height > MOST_PIXELS:
        raise Damaged(_TOO_MANY)
    if min(width, height) < SMALLEST:
        raise Damaged(
            f"is {width} x {height} pixels, and below {SMALLEST} nothing can be seen: an icon, or "
            f"what a host sends for a picture that is gone; {_FETCH}"
        )
    if max(width, height) > LONGEST * min(width, height):
        raise Damaged(
            f"is a strip of {width} x {height} pixels, of which the middle square shows nearly "
            "nothing; cut the part that is meant"
        )


def _check_still(image: Image.Image) -> None:
    # MPO: a photograph with others behind it, such as a camera's preview.
    n = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)
    if n > 1:
        what = f"has {n} pages" if image.format == "TIFF" else f"is animated ({n} frames)"
        raise Damaged(f"{what}, and a label cannot say which is meant; store one of them")


def _orientation(image: Image.Image) -> int:
    """Of Exif, where it is there and can be read; of a TIFF Pillow has seen to it already."""
    try:
        return int(image.getexif().get(_EXIF_ORIENTATION, 1))
    except Exception:  # Damaged Exif, of which the picture does not depend.
        return 1


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16"):
        # Pillow's own conversion cuts off at 255.
        grey = np.rint(np.asarray(image).astype(np.float64) / 257.0)
        return Image.fromarray(grey.astype(np.uint8)).convert("RGB")
    if image.mode not in _MODES:
        raise Damaged(
            f"has pixels of the kind '{image.mode}', of which nobody knows what is white; store "
            "it with 8 or 16 bits, as grey or RGB"
        )
    if image.has_transparency_data:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


def _middle(image: Image.Image, side: int) -> Image.Image:
    """The square in the middle, resized.

    Pillow's bilinear filter is as wide as the reduction, so it does not alias; under it torchvision
    trained the nets whose weights are used.
    """
    edge = min(image.size)
    left, top = ((length - edge) / 2 for length in image.size)
    return image.resize(
        (side, side), Image.Resampling.BILINEAR, box=(left, top, left + edge, top + edge)
    )
