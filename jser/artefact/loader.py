"""Loads an artefact of jser. It needs jax and flatbuffers, and nothing else of jser.

from load import Artefact
artefact = Artefact(".")
artefact([samples])["probabilities"]     # samples: float32 at artefact.sample_rate, mono
"""

import json
import math
import pathlib

import jax
import numpy as np
from jax import export

# Of artefacts; rises when this file would misunderstand a newer one.
FORMAT = 1
# Recordings are padded to a power of two times this, so that few shapes are compiled.
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


class Artefact:
    """A trained system: `info` says what it is, `classes` name its answers, in order."""

    def __init__(self, folder):
        folder = pathlib.Path(folder)
        self.info = json.loads((folder / "artefact.json").read_text(encoding="utf-8"))
        self.classes = self.info["classes"]
        self.sample_rate = self.info["sample_rate"]
        self._weights = jax.device_put(read_safetensors(folder / "model.safetensors"))
        program = export.deserialize(bytearray((folder / "model.stablehlo").read_bytes()))
        self._call = jax.jit(program.call)

    def __call__(self, recordings):
        """Answers on recordings [samples_i] of any lengths: name -> array with a row each.

        Behind a recording's own `steps`, `attention` is 0 and `bounds` are without meaning.
        """
        length = np.array([len(x) for x in recordings], np.int32)
        shortest = int(SHORTEST_SECONDS * self.sample_rate)
        doublings = max(0, math.ceil(math.log2(max(int(length.max()), 1) / shortest)))
        wave = np.zeros((len(recordings), shortest << doublings), np.float32)
        for row, x in zip(wave, recordings, strict=True):
            row[: len(x)] = x
        said = self._call(self._weights, wave, length)
        return {name: np.asarray(value) for name, value in said.items()}
