"""The values that a test cell can see, as bytes: equal bytes are equal values."""

from __future__ import annotations

import io
import pickle
from collections.abc import Mapping, Set
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

import numpy as np

PLAIN_TYPES = (type(None), bool, int, float, complex, str, bytes, list, tuple, dict, set, frozenset, range, slice)
CODE_TYPES = (FunctionType, BuiltinFunctionType, ModuleType, type, np.ufunc)
MAX_SNAPSHOT_BYTES = 4 << 20


class CannotSnapshot(Exception):
    """A value is not plain, or too large."""


class _Snapshot(pickle.Pickler):
    """Writes plain data and names code; nothing is ever read back."""

    def __init__(self, file: io.BytesIO, allow_code: bool):
        super().__init__(file, protocol=4)
        self.allow_code = allow_code

    def persistent_id(self, thing: Any) -> Any:
        if isinstance(thing, CODE_TYPES):
            if not self.allow_code and not _is_pure_code(thing):
                raise CannotSnapshot("code that may look at a clock, or keep something")
            if (
                isinstance(thing, FunctionType)
                and thing.__module__ == "__main__"
                and (vars(thing) or thing.__closure__)
            ):
                raise CannotSnapshot("a function that keeps something")
            return getattr(thing, "__module__", ""), getattr(thing, "__qualname__", getattr(thing, "__name__", ""))
        if type(thing) is np.random.Generator:
            return "Generator", thing.bit_generator.state
        if isinstance(thing, np.ndarray | np.generic) and thing.dtype.char in "gG":
            raise CannotSnapshot("long doubles, which are padded")
        if type(thing) in PLAIN_TYPES or isinstance(thing, np.generic | np.dtype):
            return None
        if type(thing) is np.ndarray and not thing.dtype.hasobject:
            return None
        raise CannotSnapshot(type(thing).__name__)


def _is_pure_code(thing: Any) -> bool:
    """Return whether code is one of NumPy's own element-wise functions or types, or a plain type."""
    if isinstance(thing, type):
        return thing in PLAIN_TYPES or issubclass(thing, np.generic)
    return isinstance(thing, np.ufunc) and getattr(np, thing.__name__, None) is thing


def is_plain(values: Mapping[str, Any], names: Set[str]) -> bool:
    """Return whether those of these values that have one of these names hold no code of their own."""
    try:
        snapshot({name: values[name] for name in values.keys() & names}, allow_code=False)
    except CannotSnapshot:
        return False
    return True


def snapshot(values: Mapping[str, Any], allow_code: bool = True) -> bytes:
    """Return these values as bytes, in which code is only named. Raises CannotSnapshot."""
    file = io.BytesIO()
    pickler = _Snapshot(file, allow_code)
    try:
        pickler.dump(sorted(values.items()))
    except CannotSnapshot:
        raise
    except Exception as fault:
        raise CannotSnapshot(str(fault)) from None
    if file.tell() > MAX_SNAPSHOT_BYTES:
        raise CannotSnapshot("too large")
    return file.getvalue()
