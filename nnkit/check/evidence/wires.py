"""Wires: they take an array's place in code written for NumPy, and record gates as it runs.

A wire stands for a node of a graph, or for an array that entries of nodes are written into (`out[i] = x * y`). Reading
what was written gives the node that it came from, so that a loop that fills an array has the same graph as one that
collects a list.

What `wire_functions` and `wire_ufuncs` do not list is measured where its result is an array of floats; anything else
gives plain numbers: the path ends there, as it does in code that computes gradients beside a value. The gradients of a
graph that has lost a path are wrong, and so it is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from nnkit.check.evidence.array_gates import Measured, Pick
from nnkit.check.evidence.wire_storage import Storage
from nnkit.gates.base import Gate
from nnkit.graph import Node

FUNCTIONS: dict[Any, Callable[..., Any]] = {}
"""NumPy's functions on wires; filled by `wire_functions`."""
UFUNCS: dict[Any, Callable[..., Any]] = {}
"""NumPy's ufuncs on wires; filled by `wire_ufuncs`."""
VIEWS: set[Any] = set()
"""Those of FUNCTIONS that give a view."""
REDUCTIONS: dict[Any, Any] = {np.add: np.sum, np.maximum: np.max, np.minimum: np.min, np.multiply: np.prod}
"""The functions that reduce by a ufunc."""
View = Callable[[Any], Any]
"""Rearranges an array, giving a view of it."""


def record(gate: Gate, *inputs: Any) -> Any:
    """Record a gate in the graph that these wires belong to; arrays and numbers among the inputs are constants."""
    contents = [content_of(x) for x in inputs]
    graph = next((x.graph for x in contents if isinstance(x, Node)), None)
    return wrap(gate.forward(*contents)[0] if graph is None else graph.add(gate, *contents))


def wrap(result: Any) -> Any:
    """Return a wire of a node, or of an array of floats, into which wires may be written; anything else as it is."""
    if isinstance(result, Node) or (isinstance(result, np.ndarray) and result.dtype.kind == "f" and result.ndim):
        return Wire(Storage(result))
    return result


def content_of(x: Any) -> Any:
    """Return the node or the array that a wire stands for; anything else as it is."""
    return x.content if isinstance(x, Wire) else x


def stack_wires(rows: Any) -> Any:
    """Return a list of wires and numbers, or of lists of them, as one array."""
    parts = [stack_wires(row) if isinstance(row, list | tuple) else row for row in rows]
    return record(Pick(lambda *xs: np.stack(xs), "np.array"), *parts)


def value_of(x: Any) -> Any:
    """Return the value of a wire; anything else as it is."""
    return x.value if isinstance(x, Wire) else x


def values_in(tree: Any) -> Any:
    """Return the arguments with the values of the wires in them, in lists, tuples, slices and dicts too."""
    if isinstance(tree, list | tuple):
        return type(tree)(map(values_in, tree))
    if isinstance(tree, dict):
        return {key: values_in(x) for key, x in tree.items()}
    if isinstance(tree, slice):
        return slice(*map(values_in, (tree.start, tree.stop, tree.step)))
    return value_of(tree)


def has_node(tree: Any) -> bool:
    """Return True if one of the wires in these arguments stands for a node."""
    if isinstance(tree, list | tuple):
        return any(map(has_node, tree))
    return isinstance(tree, Wire) and tree.storage.has_node


class Wire(np.lib.mixins.NDArrayOperatorsMixin):
    """A node, or an array of parts of nodes, that NumPy's functions take for an array; or a view of another wire."""

    __slots__ = ("_content", "_version", "form", "parent", "storage", "view")

    def __init__(self, storage: Storage, parent: Wire | None = None, view: View | None = None, form: str = "{}[…]"):
        self.storage, self.parent, self.view, self.form = storage, parent, view, form
        self._version, self._content = -1, None

    def make_view(self, view: View, form: str = "{}[…]") -> Any:
        """Return a view of this wire; of a number, the number itself."""
        return Wire(self.storage, self, view, form)._settle()

    def _settle(self, is_view: bool = True) -> Any:
        """Return this view; a wire of its own where it is a copy, or a number."""
        content = self.content if self.storage.has_node else None
        return self if is_view and self.ndim else wrap(self._read() if content is None else content)

    def _look(self, array: Any) -> Any:
        return array if self.view is None or self.parent is None else self.view(self.parent._look(array))

    @property
    def value(self) -> Any:
        """The numbers."""
        return self._look(self.storage.value)

    @property
    def content(self) -> Any:
        """The node, or the array where no node was written into it."""
        if self._version != self.storage.version:
            self._content, self._version = self._read(), self.storage.version
        return self._content

    def _read(self) -> Any:
        if self.storage.sources is not None:
            return self.storage.gather(np.asarray(self._look(self.storage.sources)))
        if self.parent is None or self.view is None:
            return self.storage.pieces[0] if self.storage.has_node else self.storage.value
        whole = self.parent.content
        if isinstance(whole, Node):
            return whole.graph.add(Pick(self.view, self.form), whole)
        return self.view(whole)

    def find_places(self, index: Any) -> Any:
        """Return where the entries at this index are in the storage: positions in its flat array."""
        shape = np.shape(self.storage.value)
        return self._look(np.arange(int(np.prod(shape))).reshape(shape))[values_in(index)]

    # -- NumPy's protocols ---------------------------------------------------------------------------------

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, out: Any = None, **options: Any) -> Any:
        target = out[0] if out else None
        if target is not None and not isinstance(target, Wire):
            return getattr(ufunc, method)(*values_in(inputs), out=out, **options)
        if method == "at":
            return _apply_at(ufunc, *inputs)
        result = self._compute(ufunc, method, inputs, options)
        if target is None or not target.ndim:  # a number is not changed: its name is given to another one
            return result
        target[...] = result
        return target

    def _compute(self, ufunc: Any, method: str, inputs: Any, options: dict[str, Any]) -> Any:
        plain = getattr(ufunc, method)
        if not has_node(inputs) or ufunc.nout != 1:
            return wrap(plain(*values_in(inputs), **options))
        if method == "reduce" and ufunc in REDUCTIONS:
            return FUNCTIONS[REDUCTIONS[ufunc]](*inputs, **{"axis": 0, **options})
        if method == "outer" and ufunc is np.multiply:
            return FUNCTIONS[np.multiply.outer](*inputs)
        known = UFUNCS.get(ufunc)
        if method == "__call__" and known is not None and not options:
            return known(*inputs)
        return measure(plain, inputs, options)

    def __array_function__(self, function: Any, types: Any, args: Any, options: Any) -> Any:
        if function in VIEWS or (function in FUNCTIONS and has_node([args, list(options.values())])):
            return FUNCTIONS[function](*args, **options)
        return measure(function, args, options)

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return np.array(self.value, dtype)

    def __float__(self) -> float:
        return float(self.value)

    def __int__(self) -> int:
        return int(self.value)

    def __bool__(self) -> bool:
        return bool(self.value)

    def __len__(self) -> int:
        return len(self.value)

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, index: Any) -> Any:
        index = values_in(index)
        parts = index if isinstance(index, tuple) else (index,)
        is_view = all(i is None or i is Ellipsis or isinstance(i, int | np.integer | slice) for i in parts)
        return Wire(self.storage, self, lambda x: x[index])._settle(is_view)

    def __setitem__(self, index: Any, new: Any) -> None:
        if isinstance(new, list | tuple):
            new = stack_wires(new) if has_node(new) else values_in(new)
        self.storage.write(self.find_places(index), content_of(new))

    def __getattr__(self, name: str) -> Any:
        """Return the method of that name: np.<name>, with the wire as its first argument."""
        function = METHODS.get(name)
        if function is None:
            raise AttributeError(name)
        return lambda *args, **options: function(self, *args, **options)

    # -- what arrays have ----------------------------------------------------------------------------------

    def reshape(self, *shape: Any, order: Any = "C") -> Any:
        sizes = shape if len(shape) > 1 else shape[0]
        return self.make_view(lambda x: np.reshape(x, sizes, order=order), "{}.reshape(…)")

    def transpose(self, *axes: Any) -> Any:
        order = axes[0] if len(axes) == 1 else axes or None
        return self.make_view(lambda x: np.transpose(x, order), "{}.T" if order is None else "{}.transpose(…)")

    def copy(self, order: Any = "C") -> Any:
        content = self.content
        return wrap(content if isinstance(content, Node) else np.array(content))

    def flatten(self, order: Any = "C") -> Any:
        return self.reshape(-1, order=order).copy()

    def astype(self, dtype: Any, **options: Any) -> Any:
        return self.copy() if np.dtype(dtype) == np.float64 else np.asarray(self.value).astype(dtype)

    def item(self, *place: Any) -> Any:
        return np.ravel(self)[place[0] if place else 0]

    def fill(self, value: Any) -> None:
        self[...] = value

    @property
    def T(self) -> Any:
        return self.transpose()

    @property
    def flat(self) -> Any:
        return self.reshape(-1)

    @property
    def shape(self) -> tuple[int, ...]:
        return np.shape(self.value)

    @property
    def size(self) -> int:
        return np.size(self.value)

    @property
    def ndim(self) -> int:
        return np.ndim(self.value)

    @property
    def dtype(self) -> Any:
        return np.dtype(float)


METHODS: dict[str, Any] = {
    name: getattr(np, name)
    for name in (
        "sum", "mean", "max", "min", "var", "std", "prod", "cumsum", "cumprod", "dot", "squeeze", "swapaxes", "repeat",
        "take", "ravel", "argmax", "argmin", "argsort", "clip", "trace", "diagonal", "all", "any", "round", "nonzero",
    )
}  # fmt: skip
"""Methods of arrays that wires have too."""


def measure(function: Callable[..., Any], args: Any, options: dict[str, Any]) -> Any:
    """Return what a function of NumPy gives; where that is an array of floats, as a gate whose slopes are measured."""
    given, named = values_in(args), values_in(options)
    result = function(*given, **named)
    at = [k for k, x in enumerate(args) if has_node(x)]
    floats = isinstance(result, np.ndarray | float) and np.asarray(result).dtype.kind == "f"
    if not floats or not all(isinstance(args[k], Wire) for k in at) or not at:
        return wrap(result)

    def compute(*xs: Any) -> Any:
        moved = list(given)
        for k, x in zip(at, xs):
            moved[k] = x
        return function(*moved, **named)

    return record(Measured(compute), *(args[k] for k in at))


def _apply_at(ufunc: Any, target: Any, index: Any, values: Any = 0.0) -> None:
    """Do np.add.at(target, index, values), or another ufunc's `at`, entry by entry."""
    if not isinstance(target, Wire):
        ufunc.at(target, *values_in((index, values)))
        return
    places = target.find_places(index)
    entries, parts = Wire(target.storage).reshape(-1), np.broadcast_to(values, places.shape).reshape(-1)
    for k, place in enumerate(np.ravel(places)):
        entries[place] = ufunc(entries[place], parts[k])
