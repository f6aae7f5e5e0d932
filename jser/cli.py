"""The commands, one table.

Exit status: 0 done, 1 the user's input is at fault (one sentence on stderr), 2 usage, 70 a bug of
ours, 75 preempted (SIGTERM; the same command goes on), 130 interrupted.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import os
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from jser import allocator, interrupt
from jser.commands import artefacts, corpora, runs, training
from jser.commands.words import Commands
from jser.errors import HostsUnreachable, InputError
from jser.store import urls

# The disk is full, the quota is used up, or the disk is read-only.
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
# Other states of the user's disk that no program can do anything about.
NO_ACCESS = (
    errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ELOOP,
    errno.ENAMETOOLONG, errno.EIO, errno.EFBIG, errno.ESTALE, errno.EMFILE, errno.ENFILE,
)  # fmt: skip
# Commands that train: they take the config's fields, and large blocks of memory again and again.
TRAINING = ("train", "compare", "cross", "ladder", "sweep")
# Commands whose work goes on where it was left, when the same command is given again.
RESUMABLE = (*TRAINING, "build")
# What a collective says when a host that takes part in it has gone.
HOST_GONE = ("Gloo", "NCCL", "UNAVAILABLE", "DEADLINE_EXCEEDED", "Connection reset", "heartbeat")
NO_MEMORY = ("RESOURCE_EXHAUSTED", "Out of memory")


class _Parser(argparse.ArgumentParser):
    """Options in full only, so that a script written today still means the same tomorrow."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(allow_abbrev=False, **kwargs)


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = _Parser(
        prog="jser",
        description="Speech emotion recognition in JAX, with results that can be believed.",
        epilog="example: jser build synthetic && "
        "jser train --config=dcnn_blstm:synthetic --workdir=runs/first",
    )
    found = top.add_subparsers(dest="command", metavar="COMMAND", required=True)

    to = Commands(found)
    for room in (corpora, training, runs, artefacts):
        room.add_to(to)
    return top


def _overrides(unknown: list[str], top: argparse.ArgumentParser) -> list[tuple[str, str]]:
    found = []
    rest = iter(unknown)
    for word in rest:
        if not word.startswith("--config."):
            top.error(f"unrecognised argument: {word}")
        field, has_value, value = word.removeprefix("--config.").partition("=")
        if not has_value:
            value = next(rest, "")
            if not value or value.startswith("--"):
                top.error(f"{word} needs a value: {word}=VALUE")
        found.append((field, value))
    return found


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status.

    Without `argv` this is the program itself, which ends here where the command fails.
    """
    with interrupt.heard():
        status = _main(argv)
        if argv is None and status:
            interrupt.leave(status)
    return status


def _main(argv: Sequence[str] | None) -> int:
    _prepare_streams()
    warnings.formatwarning = _warning
    top = parser()
    args, unknown = top.parse_known_args(argv)
    if unknown and args.command not in TRAINING:
        top.error(f"unrecognised argument: {unknown[0]}")
    if args.command in TRAINING:
        allocator.keep_freed()
    args.overrides = _overrides(unknown, top)
    resumable = args.command in RESUMABLE
    try:
        with interrupt.preemptible() if resumable else contextlib.nullcontext():
            args.run_command(args)
        sys.stdout.flush()
    except InputError as error:
        from jser.config import UsageError

        return _refuse(str(error), 2 if isinstance(error, UsageError) else 1)
    except HostsUnreachable as error:
        return _refuse(str(error), 75)
    except BrokenPipeError:
        # The reader of our output has seen enough. What is left goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 1
    except interrupt.Preempted:
        kept = "; what was finished is kept, the same command goes on" if resumable else ""
        return _refuse(f"told to end{kept}", 75)
    except KeyboardInterrupt:
        kept = "; what was finished is kept, the same command goes on" if resumable else ""
        return _refuse(f"interrupted{kept}", 130)
    except Exception as error:
        if _another_host_has_gone(error):
            return _refuse(
                "another host has ended; what was finished is kept, the same command on all hosts "
                "goes on",
                75,
            )
        if fault := _fault_of_the_machine(error):
            return _refuse(fault, 1, shown=str)  # the disk's folder, of whatever it is a mirror
        traceback.print_exc()
        return _refuse("this is a bug, not your mistake; please report it", 70)
    return 0


_libraries_warning = warnings.formatwarning


def _warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    line: str | None = None,
) -> str:
    """Our own warnings are for the user: a sentence, without the place in the code."""
    if category is UserWarning and f"{os.sep}jser{os.sep}" in filename:
        return f"jser: warning: {urls.shown(str(message))}\n"
    return _libraries_warning(message, category, filename, lineno, line)


def _prepare_streams() -> None:
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by whoever started us
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115
        elif hasattr(stream, "reconfigure"):
            # A file's name may hold bytes that no terminal can show, and a terminal no Unicode.
            stream.reconfigure(errors="backslashreplace")


def _refuse(sentence: str, status: int, shown: Callable[[str], str] = urls.shown) -> int:
    print(f"jser: {shown(sentence)}", file=sys.stderr)
    return status


def _another_host_has_gone(error: Exception) -> bool:
    if "jser.training.hosts" not in sys.modules or not any(s in str(error) for s in HOST_GONE):
        return False
    from jser.training import hosts

    return hosts.several()


def _fault_of_the_machine(error: Exception) -> str | None:
    """One sentence for a full disk, a path that cannot be used or too little memory."""
    if isinstance(error, OSError) and error.errno in NO_ROOM:
        return (
            f"{error.filename or 'output'}: cannot be written ({error.strerror}); free some space "
            "or choose another folder, then give the same command to go on"
        )
    if isinstance(error, OSError) and error.errno in NO_ACCESS:
        return (
            f"{error.filename or 'output'}: cannot be used ({error.strerror}); put that right or "
            "choose another folder"
        )
    if isinstance(error, MemoryError) or any(sign in str(error) for sign in NO_MEMORY):
        what = str(error).partition("\n")[0][:150] or "an array"
        return (
            f"out of memory ({what}); lower --config.population.width, --config.batch_size or the "
            "layers' sizes, or use a machine that has more"
        )
    return None
