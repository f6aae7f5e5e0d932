"""Who trains, who tunes and who is tested: folds by speaker, published lists, the certificate.

A protocol is a list of folds; a fold is three disjoint sets of utterances. The certificate counts
from the records what the three sets have in common, and refuses a protocol that leaks.
"""

from jser.protocols.certificates import (
    ALLOW_LEAK_HINT,
    Certificate,
    FoldCertificate,
    LeakError,
    certificate,
)
from jser.protocols.folds import Fold, Protocol, member_labels
from jser.protocols.making import RANDOM_LEAK, make
from jser.protocols.naming import PROTOCOL_NAMES, VARIANTS
from jser.protocols.published import RAVDESS_EMOBOX
from jser.protocols.records import Records

__all__ = [
    "ALLOW_LEAK_HINT",
    "PROTOCOL_NAMES",
    "RANDOM_LEAK",
    "RAVDESS_EMOBOX",
    "VARIANTS",
    "Certificate",
    "Fold",
    "FoldCertificate",
    "LeakError",
    "Protocol",
    "Records",
    "certificate",
    "make",
    "member_labels",
]
