"""The eight emotions of Mikels et al. 2005, which the corpora of pictures share."""

from __future__ import annotations

CLASSES = (
    "amusement",
    "anger",
    "awe",
    "contentment",
    "disgust",
    "excitement",
    "fear",
    "sadness",
)
# What folders, file names and tables write for them.
WORDS = {
    **{name: name for name in CLASSES},
    "content": "contentment",
    "sad": "sadness",
}
