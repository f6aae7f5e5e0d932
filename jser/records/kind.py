"""What a builder must know of one kind of corpus: of recordings, or of pictures."""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol

from jser.frontend.decoding import Cut
from jser.records.cache import Finished
from jser.records.files import Utterance
from jser.records.info import CorpusInfo


class Spec(Protocol):
    """Everything that decides what a front end makes of a file; a frozen dataclass."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    def hash(self) -> str:
        """16 hex digits; lies with the records."""


class Source(NamedTuple):
    """What one utterance is made from: a file, whose content must have this hash, or a cut of it.

    Where the file could not be read when hashes were taken, `sha256` is none that any can have.
    """

    path: Path
    sha256: str
    cut: Cut | None = None


class Sink(Protocol):
    """Where finished utterances go, a batch at a time: a cache's packs, or a shard."""

    def put(self, items: list[Finished]) -> None:
        """Take a batch; raises OSError."""


@dataclass(frozen=True)
class Counted:
    """What the audit is told of every corpus, whatever its kind; see `jser.records.audit.make`."""

    info: CorpusInfo
    sex: Mapping[str, str]
    skipped: Mapping[str, int]
    broken: Sequence[str]


class Kind(abc.ABC):
    """One kind of corpus: its features, its front end, its audit.

    Attributes:
        name: lower case.
        things: what its files are called in messages.
        variants: of its records; the first is the smallest, the last holds everything.
        facts: dataclass of what the audit needs to know of one file.
    """

    name: ClassVar[str]
    things: ClassVar[str]
    variants: ClassVar[tuple[str, ...]]
    facts: ClassVar[type]

    @abc.abstractmethod
    def spec(self) -> Spec:
        """The front end's default specification."""

    def prepare(self, spec: Any) -> None:
        """Begin, in a thread, what `extract` would else wait for, while files are hashed."""
        del spec

    @abc.abstractmethod
    def features(self, spec: Any, variant: str) -> dict[str, Any]:
        """TFDS features of a record beside those that every record has."""

    @abc.abstractmethod
    def extract(
        self,
        todo: Mapping[str, Source],
        sink: Sink,
        spec: Any,
        variant: str,
        max_seconds: float | None,
        what: str | None,
    ) -> dict[str, str]:
        """Run the front end, results into the sink; key -> what is wrong with its file.

        `max_seconds`: only the beginning of a recording is kept. `what`: label of the progress
        bar; None: no bar.
        """

    @abc.abstractmethod
    def example(self, done: Finished) -> dict[str, object]:
        """Values of `features`."""

    @abc.abstractmethod
    def content_hash(self, facts: Any) -> str:
        """Of what was decoded: equal content, equal hash."""

    @abc.abstractmethod
    def audit(
        self, utterances: Sequence[Utterance], facts: Sequence[Any], spec: Any, counted: Counted
    ) -> dict[str, Any]:
        """What is in the corpus and what is odd about it, as plain data."""

    @abc.abstractmethod
    def render(self, audit: Mapping[str, Any]) -> str:
        """An audit as text for a terminal."""

    @abc.abstractmethod
    def seconds(self, audit: Mapping[str, Any]) -> float:
        """Of sound, by an audit; 0 where there is none."""

    @abc.abstractmethod
    def doubt(self, info: CorpusInfo, audit: Mapping[str, Any]) -> str | None:
        """Why the files found cannot be those that were published."""
