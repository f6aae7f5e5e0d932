"""Where trials are kept: Optuna's own storages, opened so that many workers may share them."""

from __future__ import annotations

import contextlib
import random
import sqlite3
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from jser.errors import InputError

INSTALL = "pip install optuna 'psycopg[binary]'"
# Seconds for which a writer waits for the others; of SQLite, which has one writer at a time.
PATIENCE = 120
_this_thread = threading.local()
# Openings of an empty database at once: all but one find tables that are half there.
ATTEMPTS = 20


def optuna() -> Any:
    """The library, silent about what is no news here.

    Raises:
        InputError: it is not installed.
    """
    try:
        import optuna
    except ImportError as error:
        raise InputError(f"jser sweep needs Optuna; install it with {INSTALL}") from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without Optuna's warnings that a part of it is experimental, or meant for its own loop."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna().exceptions.ExperimentalWarning)
        warnings.filterwarnings("ignore", "Heartbeat of storage")
        yield


@contextlib.contextmanager
def reading() -> Iterator[None]:
    """Nothing is written in this thread: an SQLite storage is read beside a writer."""
    _this_thread.reads = True
    try:
        yield
    finally:
        _this_thread.reads = False


def default_url(workdir: Path) -> str:
    """The storage of a sweep that names none: a file in its folder."""
    return f"sqlite:///{(workdir / 'study.db').resolve()}"


def open_storage(url: str, heartbeat: int, stale: Callable[[Any, Any], None] | None = None) -> Any:
    """Open a storage, which is made where there is none.

    Args:
        url: ``sqlite:///FILE``, ``journal:///FILE`` or ``postgresql://...``.
        heartbeat: seconds between two signs of life of a worker.
        stale: is given a study and a trial of it whose worker is dead.

    Returns:
        An Optuna storage.

    Raises:
        InputError: there is no such kind of storage, it cannot be opened, or its driver is not
            installed.
    """
    kind, separator, rest = url.partition("://")
    if not separator or not rest.strip("/"):
        raise InputError(
            f"--storage={url}: is no address; give sqlite:///FILE, journal:///FILE or "
            "postgresql://USER@HOST/DATABASE"
        )
    if kind == "journal":
        return _journal(url, rest)
    if kind == "sqlite":
        _check_folder(url, Path(rest.removeprefix("/")))
    elif kind.partition("+")[0] in ("postgresql", "postgres"):
        # SQLAlchemy's default driver has changed between its versions.
        url = url if "+" in kind else f"postgresql+psycopg://{rest}"
    else:
        raise InputError(
            f"--storage={url}: {kind} is no storage of sweeps; give sqlite:///FILE, "
            "journal:///FILE or postgresql://USER@HOST/DATABASE"
        )
    return _database(url, heartbeat, stale)


@contextlib.contextmanager
def reached(url: str) -> Iterator[None]:
    """What a storage that goes away at work means for the user.

    Raises:
        InputError: it cannot be read or written any more.
    """
    try:
        yield
    except optuna().exceptions.StorageInternalError as error:
        raise InputError(
            f"--storage={_hidden(url)}: cannot be used any more ({_what(error.__cause__)}); see "
            "that it is there and may be written, then give the same command to go on"
        ) from error


def _what(fault: BaseException | None) -> str:
    return str(getattr(fault, "orig", fault)).strip().partition("\n")[0]


def _check_folder(url: str, path: Path) -> None:
    if not path.absolute().parent.is_dir():
        raise InputError(
            f"--storage={url}: there is no folder {path.absolute().parent}; make it, or name "
            "another file"
        )


def _journal(url: str, rest: str) -> Any:
    library = optuna()
    path = Path("/" + rest.lstrip("/"))
    _check_folder(url, path)
    journal = library.storages.journal
    try:
        backend = journal.JournalFileBackend(str(path))
        return library.storages.JournalStorage(backend)
    except OSError as error:
        raise InputError(
            f"--storage={url}: cannot be used ({error.strerror}); name another file"
        ) from error
    except (ValueError, KeyError) as error:
        raise InputError(
            f"--storage={url}: is no journal of Optuna ({error}); name another file"
        ) from error


def _database(url: str, heartbeat: int, stale: Callable[[Any, Any], None] | None) -> Any:
    library = optuna()
    import sqlalchemy

    def opened() -> Any:
        with quiet():
            return library.storages.RDBStorage(
                url,
                engine_kwargs=engine,
                heartbeat_interval=heartbeat,
                heartbeat_stale_trial_callback=stale,
            )

    sqlite = url.startswith("sqlite")
    engine: dict[str, Any] = {"connect_args": {"timeout": PATIENCE}} if sqlite else {}
    engine |= {} if sqlite else {"pool_pre_ping": True}
    fault: Exception | None = None
    for _ in range(ATTEMPTS):
        try:
            storage = opened()
        except ImportError as error:
            raise InputError(
                f"--storage={url.partition(':')[0]}://...: its driver is not installed; install it "
                f"with {INSTALL}"
            ) from error
        except sqlalchemy.exc.ArgumentError as error:
            raise InputError(f"--storage={_hidden(url)}: is no address ({error})") from error
        except (
            sqlalchemy.exc.SQLAlchemyError,
            library.exceptions.StorageInternalError,
            AssertionError,
        ) as error:
            fault = error
            if _no_server(error):
                break
            # Others make the same tables at this moment.
            time.sleep(0.05 + 0.2 * random.random())
        else:
            return _shared(storage, sqlite)
    raise InputError(
        f"--storage={_hidden(url)}: cannot be opened ({_what(fault)}); see that it is there and "
        "may be written"
    ) from fault


def _shared(storage: Any, sqlite: bool) -> Any:
    if sqlite:
        _one_writer(storage.engine)
    return optuna().storages.get_storage(storage)


def _hidden(url: str) -> str:
    """An address without its password."""
    kind, _, rest = url.partition("://")
    user, at, where = rest.rpartition("@")
    return f"{kind}://{user.partition(':')[0]}{at}{where}"


def _no_server(error: Exception) -> bool:
    """Whether waiting will not help: nobody answers there, or the file is no database."""
    text = str(error)
    signs = ("connection failed", "could not connect", "Connection refused", "not a database",
             "does not exist", "unable to open", "readonly database", "password")  # fmt: skip
    return any(sign in text for sign in signs)


def _one_writer(engine: Any) -> None:
    """Make each transaction of an SQLite engine the only one, from its first reading on.

    Optuna asks for a row's lock before it changes it (SELECT ... FOR UPDATE), so that of two
    workers one gets a trial. SQLite knows no such lock and passes over the words: both would read
    that the trial waits, and both would take it. A transaction that begins as a writer's is alone;
    those of `reading` are nobody's hindrance.
    """
    import sqlalchemy

    @sqlalchemy.event.listens_for(engine, "connect")
    def _connect(connection: Any, record: Any) -> None:
        connection.isolation_level = None  # Python's driver must not begin one of its own
        # A log in place of a journal: a commit then costs a hundredth of the time.
        with contextlib.suppress(sqlite3.OperationalError):  # another is about to say the same
            connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")

    @sqlalchemy.event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        only_reads = getattr(_this_thread, "reads", False)
        connection.exec_driver_sql("BEGIN" if only_reads else "BEGIN IMMEDIATE")

    engine.dispose()  # connections that were made before
