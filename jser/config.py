"""Experiment configs: one ml_collections file a system, fields set from the command line."""

from __future__ import annotations

import ast
import difflib
import hashlib
import importlib
import importlib.util
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import ml_collections

from jser.errors import InputError


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
    if name.endswith(".py"):
        module = _module_of_file(Path(name))
    elif name in packaged():
        module = importlib.import_module(f"jser.configs.{name}")
    else:
        raise UsageError(
            f"--config={reference}: {_not_among(name, packaged(), 'a packaged config')}, "
            "or give the path of a .py file"
        )
    choices = getattr(module, "CORPORA", None)
    if argument and choices is not None and argument not in choices:
        raise UsageError(f"--config={reference}: {_not_among(argument, choices, 'a corpus')}")
    config = module.get_config(argument) if argument else module.get_config()
    for field, text in overrides:
        _set(config, field, text)
    return ml_collections.FrozenConfigDict(config)


def _module_of_file(path: Path) -> Any:
    if not path.is_file():
        raise UsageError(f"--config={path}: no such file; packaged configs are {packaged()}")
    spec = importlib.util.spec_from_file_location(f"_jser_config_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if not hasattr(module, "get_config"):
        raise UsageError(f"--config={path}: the file has no get_config()")
    return module


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


def _set(config: ml_collections.ConfigDict, field: str, text: str) -> None:
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
    except (ValueError, SyntaxError) as error:
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
    """The config of a run directory; JSON's lists become tuples again."""

    def tuples(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: tuples(v) for name, v in value.items()}
        return tuple(value) if isinstance(value, list) else value

    return ml_collections.FrozenConfigDict(tuples(tree))


# What may differ between two runs that are the same configuration, scored once.
NOT_THE_CONFIGURATION = ("data_dir", "seeds", "population", "checkpoint")


def config_hash(config: Any) -> str:
    """Hash of what makes two runs the same configuration, for the ledger's count.

    Seeds, places, and how the work is cut for a device do not count.
    """
    kept = {k: v for k, v in config.to_dict().items() if k not in NOT_THE_CONFIGURATION}
    text = json.dumps(kept, sort_keys=True, default=list)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
