"""Under which terms corpora are given out, as far as their publishers say so.

A model that was trained on a corpus is not the corpus; whether its terms bind what was learnt from
it is for whoever passes the model on to find out. These are notes, not advice.
"""

from __future__ import annotations

ASK = "no licence is known to us that its publishers state; ask them before passing anything on"
# First word of a corpus' name -> its terms.
LICENCES = {
    "cremad": "Open Database License 1.0 (its authors' repository)",
    "iemocap": "licence agreement with the University of Southern California; research only",
    "msp_podcast": "licence agreement with the University of Texas at Dallas",
    "casia": "licence of the Institute of Automation, Chinese Academy of Sciences",
    "enterface": "MIT, as its authors say",
    "nemo": "CC BY-NC-SA 4.0",
    "ravdess": "CC BY-NC-SA 4.0 (Zenodo); commercial licences are sold",
    "tess": "CC BY-NC-ND 4.0",
    "synthetic": "made by a program of this project; Apache-2.0, no recordings of people",
}


def of(corpus: str) -> str:
    """The terms of a corpus by its name; of a corpus of the user's own, his to know."""
    return next((terms for name, terms in LICENCES.items() if corpus.startswith(name)), ASK)
