"""What Python, NumPy and JAX raise in a learner's code is said in one sentence that tells what to do."""

from __future__ import annotations

import linecache
import math
from typing import Any

import numpy as np
import pytest

import jax
from nnkit.check import check_backward, check_gradient
from nnkit.check.diagnosis.explanations.array_faults import TRACERS
from nnkit.check.diagnosis.explanations.faults import FAULTS

X, Y = np.array([[1.0, -2.0, 0.5], [2.0, 3.0, -1.0]]), np.array([[0.5, 1.5, -2.0], [1.0, -1.0, 4.0]])

BACKWARDS: dict[str, tuple[str, str]] = {
    # The lines of a backward of x * y, whose cache is (x, y): the id, and a part of the first line.
    "return upstream * y, upstream * x": ("unknown-name", "`y` has no value in backward"),
    "x, y = cache\nreturn upstreem * y, upstream * x": ("unknown-name", "`upstreem` has no value in backward"),
    "if upstream is None:\n    x, y = cache\nreturn x, y": ("unknown-name", "`x` has no value yet"),
    "return jnq.exp(cache[0]), cache[1]": ("unknown-name", "`jnq` has no value in backward"),
    "return upstream * self.y, upstream * self.x": ("unknown-attribute", "`self.y` was never set: use the cache"),
    "return upstream * np.sigmoid(cache[0]), upstream": ("unknown-attribute", "numpy has no `sigmoid`"),
    "return upstream * cache.x, upstream": ("unknown-attribute", "a tuple has no `.x`: unpack it first"),
    "x, y, out = cache\nreturn upstream * y, upstream * x": (
        "unpacking",
        "the cache has 2 values, this line unpacks 3",
    ),
    "(x,) = cache\nreturn upstream * x, upstream": ("unpacking", "the cache has more values than the 1 unpacked here"),
    "dx, dy = upstream * cache[1], \nreturn dx, dy": ("unpacking", "2 values are unpacked where there are 1"),
    "a, b, c = upstream\nreturn a, b": ("unpacking", "3 values are unpacked where there are 2"),
    "x = cache['x']\nreturn x, x": ("missing-entry", "a tuple has no names, only places"),
    "return cache[2], cache[0]": ("missing-entry", "the tuple or list is shorter"),
    "return cache[0][5], cache[1]": ("missing-entry", "axis 0 has 2 entries, so there is no entry 5"),
    "return cache[0][0, 0, 0], cache[1]": ("missing-entry", "3 indices are used on an array with 2 axes"),
    "z = print('')\nreturn z[0], cache": ("missing-entry", "it is None here"),
    "return {'y': cache[1]}['x'], cache": ("missing-entry", "there is no key 'x'"),
    "x, y = cache\nreturn upstream * y, x.sum(axes=0)": (
        "wrong-arguments",
        "the argument is called `axis`, not `axes`",
    ),
    "x, y = cache\nreturn y, x.sum(0, keepdim=True)": ("wrong-arguments", "called `keepdims`, not `keepdim`"),
    "x, y = cache\nreturn y, np.maximum(x)": ("wrong-arguments", "maximum() takes 3 arguments, not 1"),
    "x, y = cache\nreturn upstream(y), upstream(x)": ("kinds-do-not-mix", "is a * missing?"),
    "x, y = cache\nreturn upstream * y, upstream @ x.T()": ("kinds-do-not-mix", "`.T` takes no ( )"),
    "x, y = cache\nreturn upstream * y, x^2": ("kinds-do-not-mix", "a power is written **"),
    "return 2.0 * cache, upstream": ("kinds-do-not-mix", "one side is a tuple or a list, not an array"),
    "return -cache, upstream": ("kinds-do-not-mix", "one side is a tuple"),
    "x, y = cache\nreturn upstream * y, x.sum * upstream": ("kinds-do-not-mix", "the ( ) of a call are missing"),
    "x, y = cache\nz = print('')\nreturn z * 2.0, x": ("kinds-do-not-mix", "one side is None"),
    "class Value: pass\nreturn upstream, Value() ** 2": ("no-such-operation", "a Value has no **"),
    "class Value: pass\nreturn upstream, Value() @ 2": ("no-such-operation", "a Value has no @"),
    "class Value: __array_ufunc__ = None\nreturn upstream, np.exp(Value())": ("no-such-operation", "function of NumPy"),
    "class Value: pass\nreturn upstream, 2 * Value()": ("no-such-operation", "define __radd__ and __rmul__"),
    "return self.backward(upstream, cache)": ("calls-itself", "it calls itself without an end"),
    "return self.scale(upstream), upstream": ("unknown-attribute", "has no method `scale`"),
    "return tuple(self)": ("unpacking", "entries are asked of one Gate, which has none"),
    "cache[0] = 0\nreturn upstream, upstream": ("not-writable", "a tuple cannot be written into"),
    "x, y = cache\nreturn upstream @ y, upstream @ x": (
        "product-shapes",
        "the left factor has 3 columns, the right one has 2 rows",
    ),
    "x, y = cache\nreturn np.dot(upstream, y), x": ("product-shapes", "(2,3) @ (2,3) does not fit"),
    "x, y = cache\nreturn upstream * y, x + x.mean(axis=1)": ("broadcast-shapes", "(2,3) and (2,) do not broadcast"),
    "x, y = cache\ndx = np.zeros(2)\ndx += x\nreturn dx, y": ("broadcast-shapes", "(2,) and (2,3) do not broadcast"),
    "x, y = cache\ndx = 0 * x\ndx[0] = y\nreturn dx, y": ("broadcast-shapes", "(2,3) does not fit into (3,)"),
    "return np.exp(cache[0]).sum(axis=2), upstream": ("other-axes", "there is no axis 2 in an array with 2 of them"),
    "return upstream.reshape(4, 4), upstream": ("other-axes", "6 numbers do not fill the shape (4,4)"),
    "x, y = cache\nreturn upstream * max(x, y), upstream": ("truth-of-array", "use np.maximum in place of max"),
    "x, y = cache\nreturn (y, x) if x > 0 else (x, y)": ("truth-of-array", "use np.where in place of `if`"),
    "x, y = cache\nreturn x > 0 and y, x": ("truth-of-array", "use & and | in place of `and` and `or`"),
    "x, y = cache\nreturn math.exp(x), y": ("number-of-array", "use np.exp in place of math.exp"),
    "x, y = cache\nreturn float(x), y": ("number-of-array", "leave out float()"),
    "x, y = cache\nd = np.zeros(3, int)\nd += 0.5\nreturn d, d": (
        "whole-numbers",
        "on the left holds whole numbers only",
    ),
    "return 1 / 0, upstream": (
        "raised",
        "raised ZeroDivisionError in the line `return 1 / 0, upstream`: division by zero.",
    ),
    "x, y = cache\nx * y": ("no-return", "backward computes something, but does not return it."),
}


def make_gate(backward: str, forward: str = "return x * y, (x, y)", **names: Any) -> Any:
    """A gate with these lines; they are there for tracebacks."""
    lines = ["class Gate:", "    def forward(self, x, y):", *(f"        {line}" for line in forward.split("\n"))]
    lines += ["    def backward(self, upstream, cache):", *(f"        {line}" for line in backward.split("\n"))]
    code = "\n".join(lines)
    filename = f"<gate {abs(hash(code))}>"
    linecache.cache[filename] = (len(code), None, code.splitlines(keepends=True), filename)
    scope = {"np": np, "math": math, **names}
    exec(compile(code, filename, "exec"), scope)
    return scope["Gate"]()


@pytest.mark.parametrize("backward", BACKWARDS)
def test_what_a_backward_raises_is_said_in_a_sentence(backward: str) -> None:
    verdict = check_backward(make_gate(backward), X, Y)
    id, sentence = BACKWARDS[backward]
    assert verdict.explained_as == (id,) or (id == "product-shapes" and verdict.mistakes), str(verdict)
    assert sentence in verdict.headline or verdict.mistakes, str(verdict)
    assert verdict.lesson
    assert len(verdict.hints) == 2
    assert len(verdict.headline) < 200


def test_an_exception_is_named_with_its_line_and_python_s_own_words() -> None:
    verdict = check_backward(make_gate("x, y = cache\nreturn upstream * y, x + np.ones(2)"), X, Y)
    assert verdict.headline == (
        "backward raised ValueError in the line `return upstream * y, x + np.ones(2)`: (2,3) and (2,) do not broadcast."
    )
    assert verdict.notes == ("Python says: operands could not be broadcast together with shapes (2,3) (2,).",)


def test_a_sentence_ends_with_one_mark() -> None:
    verdict = check_backward(make_gate("return upstream * y, upstream * x"), X, Y)
    assert verdict.headline.endswith("misspelled, or not taken out of the cache?")


def test_a_method_without_self_is_told_so() -> None:
    class Gate:
        def forward(self, x: Any) -> Any:
            return 2 * x, None

        def backward(upstream: Any, cache: Any) -> Any:
            return 2 * upstream

    verdict = check_backward(Gate(), X)
    assert verdict.explained_as == ("wrong-arguments",)
    assert "is `self` the first one?" in verdict.headline


@pytest.mark.parametrize("shape", [(2, 3), (4, 2)])
def test_a_sum_that_does_not_broadcast_is_no_transpose(shape: tuple[int, int]) -> None:
    class Mean:
        def forward(self, x: Any) -> Any:
            return x.mean(axis=1), x.shape

        def backward(self, upstream: Any, cache: Any) -> Any:
            return np.zeros(cache) + upstream / cache[1]

    verdict = check_backward(Mean(), np.arange(float(np.prod(shape))).reshape(shape))
    assert verdict.mistakes == ()
    assert verdict.explained_as == ("broadcast-shapes",)


FUNCTIONS: dict[str, tuple[Any, str]] = {
    "all in one tuple": (
        lambda x, y, z: (x * y * z, y * z, x * z, x * y),
        "put the gradients into a tuple of their own",
    ),
    "no value": (lambda x, y, z: (y * z, x * z, x * y), "the value is missing"),
    "the value alone": (lambda x, y, z: x * y * z, "it returned a float"),
    "a dict": (lambda x, y, z: {"value": x * y * z}, "it returned a dict"),
}


@pytest.mark.parametrize("kind", FUNCTIONS)
def test_what_is_no_pair_is_told_how_to_be_one(kind: str) -> None:
    function, sentence = FUNCTIONS[kind]
    verdict = check_gradient(function, 2.0, 3.0, 5.0)
    assert sentence in verdict.headline
    assert verdict.explained_as == ("wrong-container",)
    assert verdict.hints[1] == "Write `return value, (dx, dy, dz)`."


def test_an_array_of_numbers_will_do_for_inputs_that_are_numbers() -> None:
    assert check_gradient(lambda x, y, z: (x * y * z, np.array([y * z, x * z, x * y])), 2.0, 3.0, 5.0).passed
    assert not check_gradient(lambda x, y, z: (x * y * z, np.array([x * z, y * z, x * y])), 2.0, 3.0, 5.0).passed
    assert not check_gradient(lambda x, y: (x * y, np.array([y])), 2.0, 3.0).passed


def test_whole_numbers_are_numbers_if_a_gradient_is_given_for_them() -> None:
    def right(x: Any, w: Any) -> Any:
        return np.sum(x * w), (w, x)

    whole, w = np.array([1, -2, 3]), np.array([0.5, 1.5, -2.0])
    assert check_gradient(right, whole, w).passed
    assert check_gradient(lambda x, w: (np.sum(x * w), (None, x)), whole, w).passed
    assert check_gradient(lambda x, w: (np.sum(x * w), (x, x)), whole, w).status == "wrong"


def test_labels_have_no_derivative() -> None:
    def pick(scores: Any, labels: Any) -> Any:
        dscores = np.zeros(scores.shape)
        dscores[np.arange(len(labels)), labels] = 1
        return scores[np.arange(len(labels)), labels].sum(), (dscores, np.ones(len(labels)))

    verdict = check_gradient(pick, X, np.array([0, 2]))
    assert verdict.mistakes == ("wrong-count",)
    assert verdict.headline == (
        "labels holds whole numbers, so it is taken for labels and held fixed: return None in place of dlabels."
    )


# ---- under jit ----------------------------------------------------------------------------------------

TRACED: dict[str, tuple[str, str]] = {
    "return upstream * np.exp(cache[0]), upstream": ("numpy-under-tracer", "use jnp.exp in place of np.exp"),
    "return upstream * math.exp(cache[0][0, 0]), upstream": ("numpy-under-tracer", "use jnp.exp in place of math.exp"),
    "x, y = cache\nif x[0, 0] > 0:\n    return y, x\nreturn x, y": (
        "if-under-tracer",
        "use jnp.where in place of `if`",
    ),
    "x, y = cache\nreturn max(x[0, 0], 0.0), y": ("if-under-tracer", "use jnp.maximum in place of max"),
    "x, y = cache\nreturn x[x > 0], y": ("if-under-tracer", "a mask cannot be an index under jit"),
    "x, y = cache\nreturn float(x[0, 0]) * y, x": ("number-of-tracer", "leave out float()"),
    "x, y = cache\nx[0] = 1.0\nreturn x, y": ("not-writable", "`x = x.at[i].set(y)`"),
    "x, y = cache\nreturn upstream @ y, x": ("product-shapes", "the inner sizes are 3 and 2"),
    "x, y = cache\nreturn x + x.mean(1), x": ("broadcast-shapes", "(2, 3) and (2,) do not broadcast"),
}


@pytest.mark.parametrize("backward", TRACED)
def test_what_jit_refuses_is_said_in_a_sentence(backward: str) -> None:
    gate = make_gate(backward, jax=jax, jnp=jax.numpy)
    type(gate).backward = jax.jit(type(gate).backward, static_argnums=0)
    id, sentence = TRACED[backward]
    verdict = check_backward(gate, X, Y)
    assert verdict.explained_as == (id,) or (id == "product-shapes" and verdict.mistakes), str(verdict)
    assert sentence in verdict.headline or verdict.mistakes, str(verdict)


# ---- the table ----------------------------------------------------------------------------------------


def test_kinds_are_listed_once_and_all_have_cases() -> None:
    ids = [kind.id for kind in FAULTS]
    assert len(set(ids)) == len(ids)
    assert [kind.id for kind in FAULTS if not kind.cases] == ["raised"]
    tried = {id for id, _ in (*BACKWARDS.values(), *TRACED.values())}
    assert {kind.id for kind in FAULTS} - tried <= {TRACERS[-1].id}


def test_a_module_that_was_not_imported_is_no_matter_of_the_cache() -> None:
    verdict = check_gradient(lambda x: (cmath.exp(x), 1.0), 1.0)  # type: ignore[name-defined] # noqa: F821
    assert "write `import cmath` at the top" in verdict.headline
    assert "cache" not in str(verdict)


def test_one_argument_is_no_arguments() -> None:
    def double(x: float) -> float:
        return 2 * x

    assert "takes 1 argument, not 2" in check_gradient(lambda x: (double(x, x), 1), 1.0).headline  # type: ignore[call-arg]
