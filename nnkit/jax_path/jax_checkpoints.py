"""Checkpoints of a training, each one .safetensors file: named arrays and a text, no pickle, written atomically.

Other programs can read them too: `safetensors.numpy.load_file(path)`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as serialised

import jax
from nnkit.atomic_files import replace_file
from nnkit.train.checkpoints import CheckpointError, decode_arrays, encode_value, require_same_training
from nnkit.train.history import PER_EPOCH, History

FORMAT = "nnkit.jax_path 1"
HISTORY_LISTS = ("loss", *PER_EPOCH)


def save_carry(path: Path, carry: Any, history: History, facts: Mapping[str, Any]) -> None:
    """Write the carry (a tree of arrays), the history and the facts (plain data, see `fitting`).

    The old file stays until the new one is complete and on the disk.
    """
    arrays = {name: np.asarray(leaf) for name, leaf in _name_leaves(carry).items()}
    arrays |= {f"history/{name}": np.asarray(getattr(history, name), dtype=float) for name in HISTORY_LISTS}
    text = {"format": FORMAT, "facts": json.dumps(facts, default=encode_value)}
    data = serialised({name: np.ascontiguousarray(a).reshape(a.shape) for name, a in arrays.items()}, text)
    replace_file(path, data)


def load_carry(path: Path, carry: Any, training: Mapping[str, Any]) -> tuple[Any, History, dict[str, Any]]:
    """Read (carry, history, facts); the file must have the names, shapes and dtypes of the arrays in `carry`.

    Raises CheckpointError for a file of another kind or another training.
    """
    arrays, facts = _read_file(path)
    require_same_training(path, facts["training"], json.loads(json.dumps(training)))
    for name, like in _name_leaves(carry).items():
        found = arrays.get(name)
        if found is None or found.shape != np.shape(like) or found.dtype != like.dtype:
            raise CheckpointError(f"{path} belongs to another training: its {name} does not fit. Name another file.")
    leaves = [arrays[name] for name in _name_leaves(carry)]
    history = History()
    for name in HISTORY_LISTS:
        values = arrays[f"history/{name}"]
        setattr(history, name, (values.astype(int) if name == "epoch_ends" else values).tolist())
    return jax.tree.unflatten(jax.tree.structure(carry), leaves), history, decode_arrays(facts)


def _read_file(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    try:
        with safe_open(path, framework="np") as file:
            text = file.metadata() or {}
            if text.get("format") == FORMAT:
                return {name: file.get_tensor(name) for name in file.keys()}, json.loads(text["facts"])  # noqa: SIM118
    except (SafetensorError, ValueError, KeyError, OSError):
        pass
    raise CheckpointError(f"{path} is no checkpoint of nnkit.jax_path, or a damaged one: delete it to start afresh.")


def _name_leaves(carry: Any) -> dict[str, Any]:
    """Return every array of a tree by a name: "parameters/W1", "memory/0/trace/W1"."""
    paths, _ = jax.tree_util.tree_flatten_with_path(carry)
    return {"/".join(_format_key(key) for key in path): leaf for path, leaf in paths}


def _format_key(key: Any) -> str:
    return str(next(getattr(key, name) for name in ("key", "name", "idx") if hasattr(key, name)))
