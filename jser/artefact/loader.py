"""Loads an artefact of jser; needs jax and flatbuffers, and nothing else of jser.

>>> from load import Artefact, Stream
>>> artefact = Artefact(".")
>>> artefact([samples])["probabilities"]  # samples: float32 at artefact.sample_rate, mono
>>> for answer in Stream(artefact).feed(piece):  # pieces of any size, as they come
...     answer["end"], answer["probabilities"]

The first call with recordings of a new length compiles, for up to a minute.
"""

import json
import math
import pathlib

import jax
import numpy as np
from jax import export

# Of artefacts; rises when this file would misunderstand a newer one.
FORMAT = 1
# Recordings are padded to this, or 1.5, 2, 3, 4, 6, 8 ... times as much: few shapes are compiled.
SHORTEST_SECONDS = 2.0
_TYPES = {"F32": "<f4", "F16": "<f2", "I32": "<i4"}


def read_safetensors(path):
    """Arrays by name of a safetensors file."""
    data = pathlib.Path(path).read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    found = {}
    for name, entry in header.items():
        if name != "__metadata__":
            start, stop = (8 + size + place for place in entry["data_offsets"])
            flat = np.frombuffer(data[start:stop], _TYPES[entry["dtype"]])
            found[name] = flat.reshape(entry["shape"])
    return found


def _shapes(weights):
    return {name: (x.shape, x.dtype) for name, x in weights.items()}


def padded(samples, sample_rate):
    """Samples that a recording of so many is padded to."""
    shortest = int(SHORTEST_SECONDS * sample_rate)
    whole = shortest << max(0, math.ceil(math.log2(max(int(samples), 1) / shortest)))
    return whole * 3 // 4 if shortest < whole and samples <= whole * 3 // 4 else whole


def _sound(x, name, fewest):
    x = np.asarray(x)
    if x.dtype.kind != "f":
        raise ValueError(f"{name}: is {x.dtype}, not float in -1..1; divide int16 by 32768")
    if x.ndim != 1:
        raise ValueError(f"{name}: has {x.ndim} dimensions, not one; give samples [n], mono")
    if len(x) < fewest:
        raise ValueError(f"{name}: is empty; leave it out")
    if not np.isfinite(x).all():
        raise ValueError(f"{name}: holds NaN or infinity; leave it out, or mend it")
    return x


class Mixed(ValueError):
    """A file does not fit an artefact's program."""

    def __init__(self, path, program):
        super().__init__(
            f"{path}: does not fit {program}.stablehlo; the files of two artefacts are mixed: "
            "export it again"
        )


class Artefact:
    """A trained system: `info` says what it is, `classes` name its answers, in order."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.info = json.loads((self.folder / "artefact.json").read_text(encoding="utf-8"))
        self.classes = self.info["classes"]
        self.sample_rate = self.info["sample_rate"]
        self.weights = jax.device_put(read_safetensors(self.folder / "model.safetensors"))
        self._call = self.program("model")

    def program(self, name):
        """One of its functions, ``model`` or ``stream``; `Mixed`: of other weights or classes."""
        written = bytearray((self.folder / f"{name}.stablehlo").read_bytes())
        found = export.deserialize(written)
        (weights, *_), _ = jax.tree.unflatten(found.in_tree, found.in_avals)
        said = jax.tree.unflatten(found.out_tree, found.out_avals)
        if _shapes(weights) != _shapes(self.weights):
            raise Mixed(self.folder / "model.safetensors", name)
        if said["probabilities"].shape[-1] != len(self.classes):
            raise Mixed(self.folder / "artefact.json", name)
        return jax.jit(found.call)

    def __call__(self, recordings):
        """Answers on recordings [samples_i] of any lengths: name -> array with a row each.

        They are float in -1..1, mono; a `ValueError` says what is not. Behind a recording's own
        `steps`, `attention` is 0 and `bounds` are without meaning.
        """
        if not len(recordings):
            raise ValueError("recordings: there are none; give at least one, in a list")
        recordings = [_sound(x, f"recordings[{i}]", 1) for i, x in enumerate(recordings)]
        length = np.array([len(x) for x in recordings], np.int32)
        wave = np.zeros((len(recordings), padded(length.max(), self.sample_rate)), np.float32)
        for row, x in zip(wave, recordings, strict=True):
            row[: len(x)] = x
        said = self._call(self.weights, wave, length)
        return {name: np.asarray(value) for name, value in said.items()}


class Stream:
    """A running answer to sound that comes piece by piece.

    Every `hop` samples there is one, of the last `window` at most. What recurrent layers know of
    the time before the window is carried on in their forward direction; backward directions see the
    window. While a stream is no longer than a window, an answer is that of an `Artefact` to all of
    it. The work for an answer does not grow with the stream.
    """

    def __init__(self, artefact):
        self._artefact = artefact
        self._call = artefact.program("stream")
        self.window = artefact.info["stream"]["window"]
        self.hop = artefact.info["stream"]["hop"]
        self.restart(0)

    def restart(self, sample):
        """Forget all; what is fed next begins at this sample of the stream."""
        shapes = self._artefact.info["stream"]["state"]
        self._state = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
        self._after = self._state
        self._held = np.zeros(0, np.float32)
        self._start = sample
        self._answered = sample

    def feed(self, samples):
        """Answers that a piece float32 [n] of the stream completes: an iterator of dicts.

        Each has what an `Artefact` gives, of the one recording, and `start` and `end`, the samples
        of its window.
        """
        self._held = np.concatenate([self._held, _sound(samples, "samples", 0)]).astype(np.float32)
        while self._start + len(self._held) >= self._answered + self.hop:
            yield self._answer(self._answered + self.hop)

    def finish(self):
        """The answer to the stream's end, where no hop ends with it; then begin anew."""
        end = self._start + len(self._held)
        if end > self._answered:
            yield self._answer(end)
        self.restart(end)

    def _answer(self, end):
        self._answered = end
        if end - self._start > self.window:
            self._held = self._held[self.hop :]
            self._start += self.hop
            self._state = self._after
        length = end - self._start
        wave = np.zeros((1, self.window), np.float32)
        wave[0, :length] = self._held[:length]
        said = self._call(self._artefact.weights, self._state, wave, np.array([length], np.int32))
        # Of the host, as the first state is: another kind of array would be compiled for anew.
        self._after = {name: np.asarray(said.pop(f"state/{name}")) for name in self._state}
        answer = {name: np.asarray(value)[0] for name, value in said.items()}
        return answer | {"start": self._start, "end": end}
