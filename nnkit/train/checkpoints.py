"""Checkpoints of a training, each one .npz file: arrays and a JSON text, no pickle, written atomically."""

from __future__ import annotations

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
from nnkit.atomic_files import open_replacement
from nnkit.train.history import PER_EPOCH, History

FORMAT_VERSION = 1


class CheckpointError(RuntimeError):
    """Error for a checkpoint that cannot be read, or that belongs to another training."""


@dataclass(frozen=True)
class TrainingState:
    """State of a training between two steps."""

    parameters: dict[str, Array]
    memory: dict[str, Array]
    """Arrays of the optimiser."""
    step: int = 0
    epoch: int = 0
    """Number of finished epochs."""
    batch: int = 0
    """Number of finished batches of the current epoch."""
    rng: Mapping[str, Any] = field(default_factory=dict)
    """State of the random generator at the start of that epoch: it draws the batches."""


def save_checkpoint(path: Path, state: TrainingState, history: History, training: Mapping[str, Any]) -> None:
    """Write a checkpoint. The old file stays until the new one is complete and on the disk."""
    arrays = {f"parameters/{name}": np.asarray(p) for name, p in state.parameters.items()}
    arrays |= {f"memory/{name}": np.asarray(m) for name, m in state.memory.items()}
    arrays |= {f"history/{name}": np.asarray(getattr(history, name)) for name in ("loss", *PER_EPOCH)}
    facts = {"format": FORMAT_VERSION, "step": state.step, "epoch": state.epoch, "batch": state.batch, "rng": state.rng}
    arrays["facts"] = np.array(json.dumps({**facts, "training": training}, default=encode_value))
    path.parent.mkdir(parents=True, exist_ok=True)
    with open_replacement(path) as file:
        np.savez(file, allow_pickle=False, **arrays)


def load_checkpoint(path: Path, start: TrainingState, training: Mapping[str, Any]) -> tuple[TrainingState, History]:
    """Read a checkpoint; its arrays get the kind (NumPy's, JAX's) and dtype of those in `start`."""
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
    """Return what must be the same when a training is resumed, as JSON data."""
    return {
        "model": describe_object(model),
        "optimiser": describe_object(optimiser),
        "batch_size": batch_size,
        "rng": type(rng.bit_generator).__name__,
        **{name: _describe_data(values) for name, values in data.items()},
    }


def require_same_training(path: Path, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    """Raise CheckpointError if two descriptions of a training differ."""
    for name in new:
        if old.get(name) != new[name]:
            raise CheckpointError(
                f"{path} belongs to another training: its {name} was {old.get(name)}, and now it is {new[name]}. "
                "Delete the file to start afresh, or name another."
            )


def describe_object(thing: Any) -> str:
    """Return the repr without memory addresses, which differ from process to process."""
    return re.sub(r" at 0x[0-9a-fA-F]+", "", repr(thing))


def _describe_data(values: Any) -> str:
    """Return the shape, dtype and checksum of an array; for a dict of arrays, names and shapes."""
    if values is None:
        return "none"
    if isinstance(values, Mapping):
        return ", ".join(f"{name} {np.shape(p)}" for name, p in values.items())
    array = np.ascontiguousarray(values)
    return f"{array.shape} of {array.dtype}, checksum {zlib.crc32(array.view(np.uint8).data):08x}"


def _convert_like(wanted: Array, found: np.ndarray) -> Array:
    dtype = getattr(wanted, "dtype", np.dtype(float))
    if found.dtype.kind == "V":  # .npz stores dtypes that NumPy does not have, bfloat16 for example, like this
        found = found.view(dtype)
    return get_namespace(wanted).asarray(found, dtype=dtype)


def encode_value(value: Any) -> Any:
    """Encode an array or a NumPy number for JSON: the states of some generators hold arrays."""
    return {"array": value.tolist(), "dtype": str(value.dtype)} if isinstance(value, np.ndarray) else value.item()


def decode_arrays(value: Any) -> Any:
    """Restore the arrays in what `encode_value` has encoded."""
    if not isinstance(value, dict):
        return value
    if value.keys() == {"array", "dtype"}:
        return np.array(value["array"], dtype=value["dtype"])
    return {name: decode_arrays(inner) for name, inner in value.items()}
