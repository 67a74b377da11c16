"""Code that computes in a smaller type than float64, compared as far as that type's digits reach."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnkit.check.error_map import ErrorMap
from nnkit.check.evidence.finding import Finding
from nnkit.check.evidence.subjects import GateSubject
from nnkit.check.evidence.tolerance import find_worst, format_place, make_table
from nnkit.check.forms.form_gate import Form, FormGate
from nnkit.check.rendering.shape_messages import describe_shape
from nnkit.check.verdict import Verdict
from nnkit.language import say
from nnkit.text import join_words

MAX_ENTRIES = 200
"""Entries of each gradient that are compared."""
MIN_SIZE = 0.1


def examine_rounded(form: Form, dtype: Any, rng: int) -> Verdict | Finding:
    """Return the verdict on code that computes in this type, with central differences of a step that suits it."""
    dtype, draw = np.dtype(dtype), np.random.default_rng(rng)
    gate = FormGate(form.code)
    subject = GateSubject(form.title, form.code.names, form.wrt, None, gate=gate, gradient_names=form.gradient_names)
    out = subject.run_calls(form.inputs, []).results[0].returned
    if isinstance(out, Finding):
        return out
    upstream = np.asarray(subject.upstream(np.shape(out[0]), draw))
    returned = gate.backward(upstream, out[1])
    if isinstance(returned, Finding):
        return returned
    missed, names = 0.0, [subject.name(i) for i in form.wrt]
    for i in form.wrt:
        name, own = subject.name(i), np.asarray(returned[i], dtype=float)
        if own.shape != np.shape(form.inputs[i]):
            sentence = describe_shape(name, own.shape, form.code.names[i], np.shape(form.inputs[i]))
            return Finding("wrong", sentence, ("wrong-shape",))
        entries = draw.permutation(own.size)[:MAX_ENTRIES]
        right, room = _measure(gate, form.inputs, i, entries, upstream, dtype)
        scale = float(np.max(np.abs(right), initial=0.0))
        room = room + 100 * float(np.finfo(dtype).eps) * scale
        wrong = np.zeros(own.shape, dtype=bool)
        wrong.flat[entries] = ~(np.abs(own.flat[entries] - right) <= room)
        if wrong.any():
            return _describe_wrong(form.title, name, own, entries, right, wrong, dtype)
        missed = max(missed, float(np.max(room, initial=0.0)) / (scale or 1.0))
    sentence = say(
        "{names} agrees with the numerical derivative, as far as {dtype} shows it."
        if len(names) == 1
        else "{names} agree with the numerical derivative, as far as {dtype} shows it.",
        **{"names": join_words(names), "dtype": dtype},
    )
    note = say(
        "Compared as {dtype}: an error below {missed:.1g} of the largest gradient is not seen.",
        dtype=dtype,
        missed=missed,
    )
    return Verdict(form.title, "right", sentence, notes=(note, *gate.notes))


def _measure(
    gate: FormGate, inputs: tuple[Any, ...], i: int, entries: np.ndarray, upstream: np.ndarray, dtype: np.dtype
) -> tuple[np.ndarray, np.ndarray]:
    """Return the derivatives by these entries of input i, and the room that rounding and curvature need."""
    epsilon = float(np.finfo(dtype).eps)
    right, room = np.empty(len(entries)), np.empty(len(entries))
    for k, entry in enumerate(entries.tolist()):
        size = max(abs(float(np.ravel(inputs[i])[entry])), MIN_SIZE)
        step = size * epsilon ** (1 / 3)
        above, below, nearer_above, nearer_below = (
            _compute_at(gate, inputs, i, entry, t) for t in (step, -step, step / 2, -step / 2)
        )
        wide = np.sum(upstream * (above - below)) / (2 * step)
        narrow = np.sum(upstream * (nearer_above - nearer_below)) / step
        moved = above != below
        noise = epsilon * float(np.sum(np.abs(upstream * above) * moved) + size * abs(narrow)) / step
        right[k] = (4 * narrow - wide) / 3
        room[k] = 2 * abs(narrow - wide) + 4 * noise
    return right, room


def _compute_at(gate: FormGate, inputs: tuple[Any, ...], i: int, entry: int, step: float) -> np.ndarray:
    moved = [np.array(x) for x in inputs]
    moved[i].flat[entry] += step
    found = gate.forward(*(x[()] for x in moved))
    if isinstance(found, Finding):
        raise ValueError(found.headline)
    return np.asarray(found[0], dtype=float)


def _describe_wrong(
    title: str, name: str, own: np.ndarray, entries: np.ndarray, right: np.ndarray, wrong: np.ndarray, dtype: np.dtype
) -> Verdict:
    expected = own.copy()
    expected.flat[entries] = right
    index = find_worst(own, expected, wrong)
    error = float(np.abs(own[index] - expected[index]))
    place = format_place(name, index)
    sentence = say(
        "{name} is wrong: {wrong} of {count} entries is off by more than {dtype} explains, by up to {error:.3g} (at "
        "{where})."
        if wrong.sum() == 1
        else "{name} is wrong: {wrong} of {count} entries are off by more than {dtype} explains, by up to {error:.3g} "
        "(at {where}).",
        **{"name": name, "wrong": int(wrong.sum()), "count": len(entries)},
        **{"dtype": dtype, "error": error, "where": place},
    )
    table, shown = make_table(name, own, expected, wrong), ErrorMap.of(name, own, expected, wrong)
    return Verdict(title, "wrong", sentence, error, place, table, shown)
