"""Experiment configs: one ml_collections file a system, fields set from the command line."""

from __future__ import annotations

import ast
import contextlib
import difflib
import functools
import hashlib
import importlib
import importlib.util
import json
import traceback
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import ml_collections

from jser import datasets
from jser.errors import InputError
from jser.records.manifest import built

# Fields younger than configs, runs and ledgers that are about, and what was so before: where such a
# field is missing it is this, and with this value a configuration is the one it was.
YOUNGER: dict[str, Any] = {"labels": "shared", "classes": ()}


def younger(config: Any) -> dict[str, Any]:
    """`YOUNGER`, and what is of configs that train a network, or choose its optimiser, alone."""
    return (
        YOUNGER
        | ({"schedule": "cosine"} if "optimiser" in config else {})
        | ({"patience": 0} if "epochs" in config else {})
    )


# Before the dotted field that a grid goes over, and before one that has a value for each fold.
GRID, BY_FOLD = "grid.", "by_fold."
# Beside values by fold: between how many configurations each fold's dev speakers have chosen.
TRIED = "tried"


class UsageError(InputError):
    """The command line itself is wrong: the exit status is 2."""


def packaged() -> list[str]:
    """Names of the configs that come with jser."""
    import jser.configs

    return sorted(
        path.stem
        for folder in jser.configs.__path__
        for path in Path(folder).glob("*.py")
        if not path.stem.startswith("_")
    )


def load(reference: str, overrides: Iterable[tuple[str, str]] = ()) -> ml_collections.ConfigDict:
    """A config by file or packaged name, with fields set.

    Args:
        reference: ``path/to/file.py``, ``path/to/file.py:argument`` or ``name:argument``; the
            argument, as a rule a corpus, is handed to the file's ``get_config``.
        overrides: (dotted field, text of the value).

    Raises:
        UsageError: unknown config, argument or field (with the nearest name), or a value that
            does not fit the field's type.
    """
    name, _, argument = reference.partition(":")
    module = module_of(reference)
    overrides = list(overrides)
    choices = getattr(module, "CORPORA", None)
    for part in (p.strip() for p in argument.split("+")) if argument else ():
        if choices is None or part in choices:
            continue
        datasets.check_sound(part, f"--config={name}")
        # A corpus of the user's own is in no table; a config that takes any has a row for it.
        data_dir = dict(overrides).get("data_dir")
        if not hasattr(module, "OWN") or not built.is_there(part, data_dir):
            own = built.names(data_dir) if hasattr(module, "OWN") else []
            sentence = f"--config={reference}: {_not_among(part, [*choices, *own], 'a corpus')}"
            if hasattr(module, "OWN") and not sentence.endswith("?"):
                sentence += (
                    "; one of your own is built first: jser build manifest --manifest=FILE "
                    f"--name={part}"
                )
                if not built.root(data_dir).is_dir():
                    sentence += f"; there is no folder {built.root(data_dir)}, where it would lie"
            raise UsageError(sentence)
    with faults_of(reference, module):
        config = module.get_config(argument) if argument else module.get_config()
    if not isinstance(config, ml_collections.ConfigDict):
        raise UsageError(
            f"--config={reference}: get_config() gives {type(config).__name__}, not a ConfigDict"
        )
    with config.unlocked():
        for field, value in younger(config).items():
            if "corpus" in config and field not in config:
                config[field] = value
    for field, text in overrides:
        _set(config, field, text)
    try:
        check_fields(config)
    except InputError as error:
        raise UsageError(f"--config={reference}: {error}") from error
    # The order of corpora means nothing, so there is one.
    if isinstance(config.get("corpus"), str):
        with config.unlocked():
            config.corpus = "+".join(sorted(part.strip() for part in config.corpus.split("+")))
    if config.get("protocol") == built.AUTO:
        # Settled here, so that the run's config, and its hash, name the protocol itself.
        config.protocol = built.protocol(config.corpus, config.get("data_dir"))
    return ml_collections.FrozenConfigDict(config)


def module_of(reference: str) -> Any:
    """The module of a config, by file or packaged name; what stands behind a colon is left out.

    Raises:
        UsageError: there is no such config, or its file is faulty.
    """
    name = reference.partition(":")[0]
    if name.endswith(".py"):
        return module_of_file(Path(name))
    if name not in packaged():
        raise UsageError(
            f"--config={reference}: {_not_among(name, packaged(), 'a packaged config')}, "
            "or give the path of a .py file"
        )
    return importlib.import_module(f"jser.configs.{name}")


def module_of_file(path: Path, option: str = "--config", function: str = "get_config") -> Any:
    """The module of a Python file that is to have a function.

    Raises:
        UsageError: there is no such file, it is faulty, or it has no such function.
    """
    if not path.is_file():
        raise UsageError(f"{option}={path}: no such file; packaged configs are {packaged()}")
    spec = importlib.util.spec_from_file_location(f"_jser_config_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with faults_of(str(path), module, option):
        spec.loader.exec_module(module)
    if not hasattr(module, function):
        raise UsageError(f"{option}={path}: the file has no {function}()")
    return module


@contextlib.contextmanager
def faults_of(reference: str, module: Any, option: str = "--config") -> Iterator[None]:
    """What goes wrong in a config file is its writer's, not ours: one sentence with the line."""
    try:
        yield
    except Exception as error:
        file = module.__file__
        lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == file]
        if isinstance(error, SyntaxError) and error.lineno:
            lines.append(error.lineno)
        where = f"line {lines[-1]}: " if lines else ""
        what = str(error).splitlines()[0] if str(error) else ""
        raise UsageError(
            f"{option}={reference}: {where}{type(error).__name__}: {what}; correct the file"
        ) from error


def _not_among(name: str, known: Iterable[str], what: str) -> str:
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"choose from {', '.join(known)}"
    return f"{name!r} is not {what}; {hint}"


def fields(config: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted name and value of every field, sorted by name."""
    for name in config:
        value = config[name]
        if isinstance(value, ml_collections.ConfigDict | ml_collections.FrozenConfigDict):
            yield from fields(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _set_axis(config: ml_collections.ConfigDict, field: str, text: str, prefix: str) -> None:
    """Give a field of the grid, or by fold, its values."""
    known = dict(fields(config))
    axis = field.removeprefix(prefix)
    if axis not in known or axis.startswith((GRID, BY_FOLD)):
        raise UsageError(
            f"--config.{field}={text}: {_not_among(axis, set(known), 'a field of the config')}"
        )
    old = known[axis]
    # Of a field that is a tuple itself, entries stand with a slash between them.
    parts = [part.strip() for part in text.split(",") if part.strip()]
    try:
        values = [
            _parse(part.replace("/", ",") if isinstance(old, tuple) else part, old)
            for part in parts
        ]
    except (ValueError, SyntaxError, RecursionError, MemoryError) as error:
        raise UsageError(
            f"--config.{field}={text}: each value must be like the default, {old!r} "
            f"({type(old).__name__}), with a comma between them"
        ) from error
    node = config
    *parents, leaf = field.split(".")
    with config.unlocked():
        for name in parents:
            if name not in node:
                node[name] = ml_collections.ConfigDict()
            node = node[name]
        node[leaf] = tuple(values)


def _set(config: ml_collections.ConfigDict, field: str, text: str) -> None:
    for prefix in (GRID, BY_FOLD):
        if field.startswith(prefix):
            _set_axis(config, field, text, prefix)
            return
    known = dict(fields(config))
    if field not in known:
        near = difflib.get_close_matches(field, known, n=1, cutoff=0.5)
        by_leaf = [k for k in known if k.split(".")[-1] == field.split(".")[-1]]
        hint = (by_leaf or near)[:1]
        way = f"did you mean --config.{hint[0]}?" if hint else f"fields are {', '.join(known)}"
        raise UsageError(f"--config.{field}={text}: there is no such field; {way}")
    old = known[field]
    try:
        value = _parse(text, old)
    except (ValueError, SyntaxError, RecursionError, MemoryError) as error:
        raise UsageError(
            f"--config.{field}={text}: the value must be like the default, {old!r} "
            f"({type(old).__name__})"
        ) from error
    parent, _, leaf = field.rpartition(".")
    node = config
    for part in parent.split(".") if parent else []:
        node = node[part]
    node[leaf] = value


def _parse(text: str, old: Any) -> Any:
    if isinstance(old, str):
        return text
    if isinstance(old, tuple):
        parts = [part.strip().strip("'\"") for part in text.strip("()[] ").split(",")]
        parts = [part for part in parts if part]
        if not old or isinstance(old[0], str):
            return tuple(parts)
        return tuple(_parse(part, old[0]) for part in parts)
    if isinstance(old, bool):
        if text.lower() not in ("true", "false"):
            raise ValueError
        return text.lower() == "true"
    value = ast.literal_eval(text)
    if isinstance(old, float) and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not type(old):
        raise ValueError
    return value


def to_json(config: Any) -> str:
    """The resolved config as JSON, as it lies in a run directory."""
    return json.dumps(config.to_dict(), indent=2, sort_keys=True, default=list)


def from_json(tree: dict[str, Any]) -> ml_collections.FrozenConfigDict:
    """The config of a run directory; JSON's lists become tuples again.

    Raises:
        InputError: see `check_fields`.
    """

    def tuples(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: tuples(v) for name, v in value.items()}
        return tuple(value) if isinstance(value, list) else value

    config = ml_collections.FrozenConfigDict(tuples(younger(tree) | tree))
    check_fields(config)
    return config


def check_fields(config: Any) -> None:
    """Check names and types of a config's fields against the packaged configs of its system.

    A config file of the user's, or one that was changed by hand in a run directory, may hold
    anything. A system that no packaged config has is left to the registry of models.

    Raises:
        InputError: a field is missing, unknown or of another type.
    """
    found = dict(fields(config))
    if not isinstance(found.get("system"), str):
        raise InputError("the config has no field 'system', the name of what is trained")
    examples = [_fields_of(name) for name in packaged()]
    examples = [example for example in examples if example.get("system") == found["system"]]
    if not examples:
        return
    everywhere = set.intersection(*map(set, examples))
    anywhere = {k: value for example in reversed(examples) for k, value in example.items()}
    for field in sorted(everywhere - set(found)):
        raise InputError(
            f"the config has no field '{field}', which {found['system']} needs "
            f"(for example {anywhere[field]!r})"
        )
    for field, value in found.items():
        if field == TRIED and type(value) is int:
            continue
        if field.startswith((GRID, BY_FOLD)):
            axis = field.partition(".")[2]
            if axis not in anywhere:
                where = "a grid" if field.startswith(GRID) else "values by fold"
                raise InputError(f"{found['system']} has no field '{axis}' for {where}")
            if not isinstance(value, tuple) or not all(is_like(x, anywhere[axis]) for x in value):
                raise InputError(
                    f"{field}: {value!r} must be a tuple of values like {anywhere[axis]!r}"
                )
            continue
        if field not in anywhere:
            near = difflib.get_close_matches(field, anywhere, n=1, cutoff=0.5)
            hint = f"; did you mean '{near[0]}'?" if near else ""
            raise InputError(f"{found['system']} has no field '{field}'{hint}")
        if not is_like(value, anywhere[field]):
            raise InputError(
                f"{field}: {value!r} must be like {anywhere[field]!r} "
                f"({type(anywhere[field]).__name__})"
            )


def usual(system: str, corpus: str) -> dict[str, list[Any]]:
    """Dotted fields of a system, and the values that its packaged configs have there.

    Those for the corpus come first, and `acrnn` before `acrnn_paper`; behind them those for the
    corpus that a config has by default.
    """
    found: dict[str, list[Any]] = {}
    for argument in (corpus, ""):
        for example in (_fields_of(name, argument) for name in packaged()):
            for field, value in example.items() if example["system"] == system else ():
                found.setdefault(field, []).append(value)
    return found


def everywhere() -> set[str]:
    """Fields that any packaged config has."""
    return {field for name in packaged() for field in _fields_of(name)}


@functools.cache
def _fields_of(name: str, corpus: str = "") -> dict[str, Any]:
    module = importlib.import_module(f"jser.configs.{name}")
    return dict(fields(module.get_config(corpus) if corpus else module.get_config()))


def is_like(value: Any, example: Any) -> bool:
    """Whether a value can stand in a field: an integer may stand for a float."""
    if isinstance(example, tuple | list):
        if not isinstance(value, tuple | list):
            return False
        # A tuple that is empty by default holds names.
        return all(is_like(x, example[0] if example else "") for x in value)
    if isinstance(value, bool) or isinstance(example, bool):
        return type(value) is type(example)
    if isinstance(example, float):
        return isinstance(value, int | float)
    return isinstance(value, type(example))


# What may differ between two runs that are the same configuration, scored once.
NOT_THE_CONFIGURATION = ("data_dir", "seeds", "population", "checkpoint", TRIED)


def config_hash(config: Any) -> str:
    """Hash of what makes two runs the same configuration, for the ledger's count.

    Seeds, places, and how the work is cut for a device do not count.
    """
    before = younger(config)
    kept = {
        k: v
        for k, v in config.to_dict().items()
        if k not in NOT_THE_CONFIGURATION and not (k in before and v == before[k])
    }
    text = json.dumps(kept, sort_keys=True, default=list)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
