"""Where a training stands, in one .npz file: arrays and a JSON text, no pickle, written whole or not at all."""

from __future__ import annotations

import io
import json
import re
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from nnkit.arrays import Array, get_namespace
from nnkit.atomic_files import replace_file
from nnkit.train.history import PER_EPOCH, History

FORMAT_VERSION = 1


class CheckpointError(RuntimeError):
    """A checkpoint that cannot be read, or that belongs to another training."""


@dataclass(frozen=True)
class TrainingState:
    """Where a training stands between two steps."""

    parameters: dict[str, Array]
    memory: dict[str, Array]
    """The optimiser's."""
    step: int = 0
    epoch: int = 0
    """How many epochs were finished."""
    batch: int = 0
    """How many batches of the epoch under way were taken."""
    rng: Mapping[str, Any] = field(default_factory=dict)
    """The state of the random generator when that epoch began: it drew, or will draw, the batches."""


def save_checkpoint(path: Path, state: TrainingState, history: History, training: Mapping[str, Any]) -> None:
    """Write a checkpoint. The file that was there stays as it was until the new one is whole and on the disk."""
    arrays = {f"parameters/{name}": np.asarray(p) for name, p in state.parameters.items()}
    arrays |= {f"memory/{name}": np.asarray(m) for name, m in state.memory.items()}
    arrays |= {f"history/{name}": np.asarray(getattr(history, name)) for name in ("loss", *PER_EPOCH)}
    facts = {"format": FORMAT_VERSION, "step": state.step, "epoch": state.epoch, "batch": state.batch, "rng": state.rng}
    arrays["facts"] = np.array(json.dumps({**facts, "training": training}, default=encode_value))
    content = io.BytesIO()
    np.savez(content, allow_pickle=False, **arrays)
    replace_file(path, content.getvalue())


def load_checkpoint(path: Path, start: TrainingState, training: Mapping[str, Any]) -> tuple[TrainingState, History]:
    """Read a checkpoint; its arrays become arrays of the kind (NumPy's, JAX's) and type of those in `start`."""
    found = _read_file(path)
    facts = json.loads(str(found["facts"]))
    require_same_training(path, facts["training"], json.loads(json.dumps(training)))
    history = History(**{name: found[f"history/{name}"].tolist() for name in ("loss", *PER_EPOCH)})
    parameters = {name: _convert_like(p, found[f"parameters/{name}"]) for name, p in start.parameters.items()}
    memory = {name: _convert_like(m, found[f"memory/{name}"]) for name, m in start.memory.items()}
    rng = {name: decode_arrays(value) for name, value in facts["rng"].items()}
    return TrainingState(parameters, memory, facts["step"], facts["epoch"], facts["batch"], rng), history


def _read_file(path: Path) -> dict[str, np.ndarray]:
    with path.open("rb") as opened:
        try:
            with np.load(opened, allow_pickle=False) as file:
                found = {name: file[name] for name in file.files}
            if json.loads(str(found["facts"]))["format"] == FORMAT_VERSION:
                return found
        except (OSError, ValueError, KeyError, TypeError, EOFError, AttributeError, zipfile.BadZipFile, zlib.error):
            pass
    raise CheckpointError(f"{path} is no checkpoint of nnkit, or a damaged one: delete it to start afresh.")


def describe_training(
    model: Any, optimiser: Any, batch_size: int | None, rng: np.random.Generator, data: Mapping[str, Any]
) -> dict[str, Any]:
    """What must be the same when a training goes on, in words and numbers that JSON can carry."""
    return {
        "model": describe_object(model),
        "optimiser": describe_object(optimiser),
        "batch_size": batch_size,
        "rng": type(rng.bit_generator).__name__,
        **{name: _describe_data(values) for name, values in data.items()},
    }


def require_same_training(path: Path, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    for name in new:
        if old.get(name) != new[name]:
            raise CheckpointError(
                f"{path} belongs to another training: its {name} was {old.get(name)}, and now it is {new[name]}. "
                "Delete the file to start afresh, or name another."
            )


def describe_object(thing: Any) -> str:
    """repr, without the addresses, which are others in the next process."""
    return re.sub(r" at 0x[0-9a-fA-F]+", "", repr(thing))


def _describe_data(values: Any) -> str:
    """The shape, the type and a checksum of an array, or of each in a dict."""
    if values is None:
        return "none"
    if isinstance(values, Mapping):
        return ", ".join(f"{name} {np.shape(p)}" for name, p in values.items())
    array = np.ascontiguousarray(values)
    return f"{array.shape} of {array.dtype}, checksum {zlib.crc32(array.view(np.uint8).data):08x}"


def _convert_like(wanted: Array, found: np.ndarray) -> Array:
    dtype = getattr(wanted, "dtype", np.dtype(float))
    if found.dtype.kind == "V":  # as .npz keeps types that NumPy does not know, bfloat16 for one
        found = found.view(dtype)
    return get_namespace(wanted).asarray(found, dtype=dtype)


def encode_value(value: Any) -> Any:
    """Some generators keep arrays in their states."""
    return {"array": value.tolist(), "dtype": str(value.dtype)} if isinstance(value, np.ndarray) else value.item()


def decode_arrays(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if value.keys() == {"array", "dtype"}:
        return np.array(value["array"], dtype=value["dtype"])
    return {name: decode_arrays(inner) for name, inner in value.items()}
