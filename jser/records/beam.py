"""Building on many machines: the parts of a corpus as an Apache Beam pipeline.

The pipeline is one step: every worker makes parts (`jser.records.parts.make`) and writes them to
the data folder, which all of them must reach, as the recordings. What is found, checked, audited
and put together before and after it runs where the command runs, as in every build.
"""

from __future__ import annotations

from collections.abc import Sequence

from jser.errors import InputError
from jser.records.parts import Part, make

MISSING = (
    "--runner=beam: Apache Beam is not installed; `pip install apache-beam` in an environment of "
    "its own (docs/scale.md says how), or leave --runner away to build on this machine"
)


def check() -> None:
    """Raise InputError where Beam cannot be imported: before any work, not after it."""
    try:
        import apache_beam  # noqa: F401
    except ImportError as error:
        raise InputError(MISSING) from error


def run(parts: list[Part], options: Sequence[str] = ()) -> None:
    """Have every part made by a pipeline; returns when it has ended.

    Args:
        parts: what there is to do.
        options: Beam's own, for example ``["--runner=FlinkRunner", "--flink_master=HOST:PORT"]``;
            none: Beam's local runner.

    Raises:
        InputError: Beam is missing, or does not know an option's value.
        OSError, RuntimeError: a worker failed; what is finished stays finished.
    """
    check()
    import apache_beam
    from apache_beam.options.pipeline_options import PipelineOptions

    if not parts:
        return
    try:
        understood = PipelineOptions(list(options))
        pipeline = apache_beam.Pipeline(options=understood)
    except (ValueError, SystemExit) as error:
        raise InputError(f"--beam_options={' '.join(options)}: {error}") from error
    with pipeline:
        _ = (
            pipeline
            | "Parts" >> apache_beam.Create(parts)
            | "Spread" >> apache_beam.Reshuffle()  # Or one worker may make them all.
            | "Make shards" >> apache_beam.Map(_one)
        )


def _one(part: Part) -> str:
    make(part)
    return part.digest
