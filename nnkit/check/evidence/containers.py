"""Containers that a learner's code returns: (out, cache), (value, gradients), and the tuple of gradients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np

from nnkit.check.evidence import guarded_call
from nnkit.check.evidence.comparison import Arrays
from nnkit.check.evidence.finding import Finding, GradientOfFixed, SeveralOutputs
from nnkit.language import say, say_count, to_say
from nnkit.text import join_words

NO_GRADIENT = Finding(
    "not attempted",
    to_say("every gradient is None: not attempted yet, or not computed before the `return`."),
    ("not-attempted",),
)
"""All gradients are there, and none of them is a number."""


class Gradients(Protocol):
    """The gradients that a subject of a check should return (`subjects.Subject`)."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all inputs."""

    @property
    def wrt(self) -> tuple[int, ...]:
        """The inputs whose gradients are checked."""

    @property
    def takes_upstream(self) -> bool:
        """True for a gate's backward, which returns the gradients alone."""

    def counts(self, inputs: int) -> set[int]:
        """Return how many gradients may come back."""

    def name(self, i: int) -> str:
        """Return the name of the gradient of input i."""


def read_gradients(returned: Any, subject: Gradients, inputs: Arrays) -> Arrays | Finding:
    """Return the gradients in `wrt`, out of a tuple or list with one for each input (or for each in `wrt`), or, for one
    input, out of a bare gradient; an array of numbers will do for inputs that are numbers. A finding where the count or
    the kind is wrong; shapes are looked at later."""
    if _is_plain(returned, subject, inputs):
        return tuple(returned)
    count, shape = len(inputs), np.shape(inputs[subject.wrt[0]])
    if len(subject.wrt) == 1 and not isinstance(returned, tuple):
        returned = returned if _is_list_of_gradients(returned, count, shape) else [returned]
    if _is_array_of_gradients(returned, count, inputs):
        returned = list(returned)
    if not isinstance(returned, tuple | list):
        sentence = say(
            "it returned {kind}; the gradients belong in a tuple, ({gradients}).",
            **{"kind": guarded_call.describe_kind(returned), "gradients": _join_gradients(subject)},
        )
        return _wrong_count(subject, sentence)
    if len(returned) not in subject.counts(count):
        wanted = say_count("the input {names}", "the {number} inputs {names}", count, names=join_words(subject.names))
        sentence = say_count(
            "it returned {number} gradient for {inputs}.",
            "it returned {number} gradients for {inputs}.",
            len(returned),
            inputs=wanted,
        )
        return _wrong_count(subject, sentence)
    missing = NO_GRADIENT if all(g is None for g in returned) else None
    fixed = [i for i in range(count) if i not in subject.wrt and len(returned) == count]
    finding = missing or _find_gradient_of_fixed(returned, subject, inputs, fixed)
    if finding:
        return finding
    chosen = [returned[i] for i in subject.wrt] if len(returned) == count else list(returned)
    shapes = [np.shape(inputs[i]) for i in subject.wrt]
    if any(_is_wrapped(gradient, shape) for gradient, shape in zip(chosen, shapes)):
        sentence = say(
            "a gradient came in a tuple of its own, inside of the tuple of gradients: one pair of ( ) too many."
        )
        words = {
            "why": say("Its shape has an axis too many then."),
            "nudge": say("Count the ( on the line of the `return`."),
        }
        finding = _wrong_count(subject, sentence)
        return replace(finding, words={**finding.words, **words})
    return _read_each(chosen, subject, inputs)


def _is_plain(returned: Any, subject: Gradients, inputs: Arrays) -> bool:
    """Return True for what most return, in which there is nothing to find: an array for each input, of its shape."""
    if type(returned) is not tuple or not len(returned) == len(inputs) == len(subject.wrt):
        return False
    return all(type(w) is np.ndarray and w.dtype == float and w.shape == np.shape(x) for w, x in zip(returned, inputs))


def _find_gradient_of_fixed(
    returned: Sequence[Any], subject: Gradients, inputs: Arrays, fixed: Sequence[int]
) -> Finding | None:
    given = [i for i in fixed if returned[i] is not None and not _is_zero(returned[i], np.shape(inputs[i]))]
    if not given:
        return None
    name, whole = subject.names[given[0]], np.asarray(inputs[given[0]]).dtype.kind in "iu"
    sentence = say(
        "{name} holds whole numbers, so it is taken for labels and held fixed: return None in place of {gradient}."
        if whole
        else "{name} is data here and held fixed: return None in place of {gradient}.",
        **{"name": name, "gradient": subject.name(given[0])},
    )
    return GradientOfFixed("wrong", sentence, ("wrong-count",), inputs=tuple(given))


def _is_wrapped(gradient: Any, shape: tuple[int, ...]) -> bool:
    """Return True for ((dx,),): a tuple around an array of the input's shape."""
    if not isinstance(gradient, tuple) or len(gradient) != 1 or isinstance(gradient[0], tuple | list):
        return False
    return np.shape(gradient[0]) == shape and np.asarray(gradient[0]).dtype.kind in "biuf"


def _is_zero(gradient: Any, shape: tuple[int, ...]) -> bool:
    return np.shape(gradient) == shape and not np.any(np.asarray(gradient) != 0)


def _read_each(gradients: Sequence[Any], subject: Gradients, inputs: Arrays) -> Arrays | Finding:
    names = ", ".join(subject.names)
    for i, gradient in zip(subject.wrt, gradients):
        if gradient is None:
            return _wrong_count(
                subject,
                say("{name} is None, but each input ({names}) needs its gradient.", name=subject.name(i), names=names),
            )
    arrays = []
    for i, gradient in zip(subject.wrt, gradients):
        array = guarded_call.read_numbers(subject.name(i), gradient, inputs=inputs)
        if isinstance(array, Finding):
            return array
        arrays.append(array.astype(float) if array.dtype.kind == "b" else np.array(array))
    return tuple(arrays)


def _is_list_of_gradients(returned: Any, count: int, shape: tuple[int, ...]) -> bool:
    """Tell a list of gradients from the gradient, as a list, of the only input that has one."""
    if not isinstance(returned, list) or len(returned) not in (1, count):
        return False
    return any(g is None for g in returned) or any(np.shape(g) == shape for g in returned if not isinstance(g, list))


def _is_array_of_gradients(returned: Any, count: int, inputs: Arrays) -> bool:
    """Recognise np.array([dx, dy, dz]) where all inputs are numbers."""
    scalars = count > 1 and all(np.ndim(x) == 0 for x in inputs)
    return scalars and isinstance(returned, np.ndarray) and returned.shape == (count,)


# ---- the wrong container ----------------------------------------------------------------------------


def _wrong_count(subject: Gradients, sentence: str) -> Finding:
    gradients = _join_gradients(subject)
    line = f"return {gradients}" if subject.takes_upstream else f"return value, ({gradients})"
    hint = say("Return the gradients in a tuple, in the order of the inputs: `{line}`.", line=line)
    return Finding("wrong", sentence, ("wrong-count",), words={"hint": hint})


def _join_gradients(subject: Gradients) -> str:
    names = [
        subject.name(i) if i in subject.wrt else "None"
        for i in range(len(subject.names))
        if i in subject.wrt or subject.takes_upstream
    ]
    return names[0] + "," if len(names) == 1 else ", ".join(names)


def find_wrong_forward(subject: Gradients, returned: Any) -> Finding | None:
    """Return the finding on a forward that does not return (out, cache)."""
    if isinstance(returned, tuple | list) and len(returned) == 2:
        return None
    kind = guarded_call.describe_kind(returned)
    sentence = say("forward must return the pair (out, cache); it returned {kind}.", kind=kind)
    names = ", ".join(subject.names)
    cache = f"({names})" if len(subject.names) > 1 else names
    words = {
        "why": say("The cache is what backward needs of forward's values; it comes second, after the output."),
        "nudge": say("What does backward need to know of the forward pass?"),
        "hint": say("End forward with `return out, {cache}`; backward gets what stands there as `cache`.", cache=cache),
        "lesson": to_say("lecture 01, Upstream × local"),
    }
    return Finding("wrong", sentence, ("wrong-container",), words=words)


def find_several_outputs(out: Any) -> Finding | None:
    """Return the finding on a tuple of arrays whose shapes differ, in place of one output."""
    if not isinstance(out, tuple) or not all(isinstance(part, np.ndarray | np.generic) for part in out):
        return None
    if len({np.shape(part) for part in out}) < 2:
        return None
    return SeveralOutputs("wrong", say("forward's output must be a rectangular array of numbers."), ("not-numbers",))


def find_swapped(first: Any, second: Any, gradients: str) -> Finding | None:
    """Return the finding on (gradients, value), where the value should come first."""
    if not _is_swapped(first, second):
        return None
    sentence = say("it returned (gradients, value): the value comes first, then the gradients.")
    words = {
        "nudge": say("Which of the two does the caller unpack first?"),
        "hint": say("Write `return value, {gradients}`.", gradients=gradients),
    }
    return Finding("wrong", sentence, ("wrong-container",), words=words)


def _is_swapped(first: Any, second: Any) -> bool:
    """Return True if a tuple, a dict or an array comes before a single number."""
    if isinstance(second, tuple | list | dict | str) or second is None or np.ndim(second) > 0:
        return False
    several = isinstance(first, Mapping) or (isinstance(first, tuple | list) and len(first) > 0)
    return several or (isinstance(first, np.ndarray) and first.ndim > 0)


def find_wrong_pair(subject: Gradients, returned: Any) -> Finding | None:
    """Return the finding on a function that does not return (value, gradients)."""
    gradients, count = f"({_join_gradients(subject)})", len(subject.wrt)
    if isinstance(returned, tuple | list) and len(returned) == 2:
        return find_swapped(returned[0], returned[1], gradients)
    several = isinstance(returned, tuple | list) and len(returned) > 2
    sentence = say(
        "it must return the pair (value, gradients); it returned {kind}", kind=guarded_call.describe_kind(returned)
    )
    if several and len(returned) == 1 + count:
        sentence = say("{sentence}: put the gradients into a tuple of their own", sentence=sentence)
    elif several and len(returned) == count:
        sentence = say("{sentence}: the value is missing", sentence=sentence)
    return Finding(
        "wrong",
        f"{sentence}.",
        ("wrong-container",),
        words={"hint": say("Write `return value, {gradients}`.", gradients=gradients)},
    )
