"""jser: speech emotion recognition in JAX, with results that can be believed."""

from pathlib import Path as _Path

# An installed wheel holds jser/datasets and jser/configs. A checkout keeps both folders at its top
# level, where the bare name `datasets` would hide Hugging Face's package: so they are found here.
_checkout = _Path(__file__).resolve().parent.parent
if not (_Path(__file__).parent / "datasets").exists() and (_checkout / "datasets").is_dir():
    __path__.append(str(_checkout))

__version__ = "0.1.0"
