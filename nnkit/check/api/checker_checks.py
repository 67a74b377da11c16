"""A check of a learner's own gradient checker: of how it judges right and wrong gates. See `nnkit.check`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from nnkit.arrays import get_name
from nnkit.check.api.numerical_checks import LEFT_MOVED, is_put_back
from nnkit.check.diagnosis.descriptions import ENTRIES
from nnkit.check.diagnosis.explanations.array_faults import OF_ALL_ENTRIES
from nnkit.check.diagnosis.explanations.faults import explain_fault
from nnkit.check.evidence import guarded_call
from nnkit.check.evidence.finding import CallFault, Finding
from nnkit.check.evidence.planted_gates import PlantedGate, make_clear_gates, make_subtle_gates
from nnkit.check.pipeline import guard_check
from nnkit.check.verdict import Verdict
from nnkit.language import say, to_say

Function = Callable[..., Any]
SMALLEST_STEP, LARGEST_STEP = 1e-9, 5e-3
"""Steps for inputs around 1 between which a central difference in float64 has six right digits or more."""
MAX_GATES_TO_LIST = 4
ANSWER = {
    "why": to_say("Code that uses it asks `if is_right(...)`: one answer about all entries of all gradients."),
    "nudge": to_say("What stands after each `return`, and which kind of thing is it?"),
    "hint": to_say("Return one truth value, for instance `return bool(error <= tolerance)`."),
}
"""Words for what is no truth value."""
CALLS = {
    "why": to_say("`forward(*inputs)` returns (out, cache); `backward(upstream, cache)` one gradient for each input."),
    "nudge": to_say("What does each name in this call hold? Print its type and its shape."),
    "hint": to_say("Begin with `out, cache = forward(*inputs)`; the upstream gradient has the shape `np.shape(out)`."),
    "lesson": to_say("lecture 03, Vector-Jacobian products"),
}
"""Words for calls of a gate that do not fit it."""


def check_checker(checker: Function, subtle: bool = True, name: str = "", rng: int = 0) -> Verdict:
    """Check a gradient checker: `checker(forward, backward, inputs)` returns True if a gate's backward is right.

    `forward(*inputs)` returns (out, cache), `backward(upstream, cache)` a tuple with one gradient for each input. The
    checker must accept the right gates and refuse the wrong ones: those in which any entry shows the mistake, or, with
    `subtle`, those that pass a checker which does not look closely. They come in random order. A checker that accepts a
    wrong gate is asked again: its random upstream gradient may have been 0, or nearly, just where the gate is wrong.
    """
    title = name or get_name(checker)

    def check() -> Verdict | Finding:
        draw = np.random.default_rng(rng)
        gates = (make_subtle_gates if subtle else make_clear_gates)(draw)
        trials = []
        for k in draw.permutation(len(gates)):
            trial = _try_gate(checker, gates[k])
            if isinstance(trial, JudgedGate) and trial.accepted and not trial.gate.is_right:
                trial = _try_gate(checker, gates[k])
            if isinstance(trial, Finding):
                return trial
            trials.append(trial)
        wrong = sum(not gate.is_right for gate in gates)
        said = say(
            "it accepts {right} right gates, and refuses {wrong} wrong ones.", right=len(gates) - wrong, wrong=wrong
        )
        return _judge_trials(trials) or Verdict(title, "right", said)

    return guard_check(title, check)


@dataclass(frozen=True)
class JudgedGate:
    """A gate that the checker was given, what it said of it, and what it called on the way."""

    gate: PlantedGate
    accepted: bool
    upstreams: list[Any] = field(default_factory=list)
    points: list[tuple[Any, ...]] = field(default_factory=list)
    slips: list[str] = field(default_factory=list)
    """Faults in the calls that it made, in words."""

    @property
    def is_misjudged(self) -> bool:
        return self.accepted != self.gate.is_right

    def nudges(self) -> list[float]:
        """Return how far the inputs were moved, with the sign of each move."""
        moves = [np.real(x) - y for point in self.points for x, y in _pair(point, self.gate.inputs)]
        return [float(move.flat[np.argmax(np.abs(move))]) for move in moves if np.any(move)]


def _pair(point: tuple[Any, ...], inputs: tuple[Any, ...]) -> list[tuple[Any, Any]]:
    return [(x, y) for x, y in zip(point, inputs) if np.shape(x) == np.shape(y)]


def _try_gate(checker: Function, gate: PlantedGate) -> JudgedGate | Finding:
    trial = JudgedGate(gate, False)

    def forward(*inputs: Any) -> Any:
        if any(map(_is_several, inputs)):
            trial.slips.append(say("forward was called with a tuple or list of arrays where one array belongs"))
            raise TypeError("forward takes the inputs one by one")
        trial.points.append(tuple(np.array(x) for x in inputs))
        return gate.forward(*inputs)

    def backward(upstream: Any, cache: Any) -> Any:
        if _is_several(upstream):
            trial.slips.append(say("backward was called with a tuple or list of arrays for the upstream gradient"))
            raise TypeError("the upstream gradient is an array like out")
        trial.upstreams.append(np.array(upstream))
        try:
            return gate.backward(upstream, cache)
        except Exception:
            got, due = np.shape(upstream), np.shape(gate.forward(*gate.inputs)[0])
            if got != due:
                sentence = say(
                    "backward was called with an upstream gradient of shape {got}, but out has shape {due}",
                    got=got,
                    due=due,
                )
                trial.slips.append(sentence)
            raise

    given = guarded_call.copy_inputs(gate.inputs)
    answer = guarded_call.call_learner(checker, (forward, backward, given), "it")
    seen = (say("Seen on {gate}.", gate=gate),)
    if isinstance(answer, Finding):
        answer = _explain_call(answer, trial) if isinstance(answer, CallFault) else answer
        return answer if answer.status == "not attempted" else replace(answer, notes=(*answer.notes, *seen))
    if not (np.ndim(answer) == 0 and np.asarray(answer).dtype == bool):
        kind = guarded_call.describe_kind(answer)
        return Finding(
            "wrong",
            say("it must return True or False; it returned {kind}.", kind=kind),
            ("wrong-container",),
            words=ANSWER,
        )
    if not all(is_put_back(np.asarray(after), before) for after, before in zip(given, gate.inputs)):
        sentence = say("it changed the inputs, and did not put them back.")
        return Finding("wrong", sentence, ("mutated-input",), notes=seen, words=LEFT_MOVED)
    return replace(trial, accepted=bool(answer))


def _is_several(value: Any) -> bool:
    """Return True for a tuple or list of arrays."""
    return isinstance(value, tuple | list) and any(isinstance(part, np.ndarray) for part in value)


def _explain_call(fault: CallFault, trial: JudgedGate) -> CallFault:
    """Return what a checker raised, in words of its own for wrong calls, and for arrays where one answer is wanted."""
    if trial.slips:
        return replace(fault, mistakes=("wrong-arguments",), words={"title": trial.slips[-1], **CALLS})
    if explain_fault(fault).id == "truth-of-array" and explain_fault(fault).hint != OF_ALL_ENTRIES["hint"]:
        title = say("join the entries by .any() or .all()")
        return replace(fault, mistakes=("truth-of-array",), words={"title": title, **OF_ALL_ENTRIES})
    return fault


def _judge_trials(trials: Sequence[JudgedGate]) -> Finding | None:
    """Return what is wrong with a checker that misjudged some of these gates."""
    misjudged = [trial for trial in trials if trial.is_misjudged]
    if not misjudged:
        return None
    accepted = {trial.accepted for trial in trials}
    if len(accepted) == 1:
        sentence = (
            say("it accepts every gate, right or wrong.") if accepted == {True} else say("it refuses every gate.")
        )
    else:
        first = misjudged[0]
        sentence = say(
            "it accepts a wrong gate: {gate}." if first.accepted else "it refuses a right gate: {gate}.",
            gate=first.gate.describe(),
        )
    hints = {trial.gate.hint for trial in misjudged}
    hint = hints.pop() if len(hints) == 1 else ""
    name = "" if hint else _name_mistake(trials, misjudged)
    if name:
        sentence = f"{sentence.removesuffix('.')}; {say(ENTRIES[name].title)}."
    words = {"hint": hint} if hint else {}
    return Finding("wrong", sentence, (name or "misjudged-gate",), notes=_list_misjudged(misjudged), words=words)


def _list_misjudged(misjudged: Sequence[JudgedGate]) -> tuple[str, ...]:
    notes = []
    for verb, accepted in (
        (say("It accepts, though they are wrong"), True),
        (say("It refuses, though they are right"), False),
    ):
        gates = list(dict.fromkeys(t.gate.describe() for t in misjudged if t.accepted == accepted))
        more = say("; and {count} more", count=len(gates) - MAX_GATES_TO_LIST)
        if len(gates) > 1:
            rest = more if len(gates) > MAX_GATES_TO_LIST else ""
            notes.append(f"{verb}: {'; '.join(gates[:MAX_GATES_TO_LIST])}{rest}.")
    return tuple(notes)


def _name_mistake(trials: Sequence[JudgedGate], misjudged: Sequence[JudgedGate]) -> str:
    """Return the id of the mistake that accounts for all misjudged gates, and that the calls bear out; "" for none."""
    common = set.intersection(*(set(trial.gate.hides) for trial in misjudged))
    if "ones-upstream" in common and all(_is_constant(u) for trial in trials for u in trial.upstreams):
        return "ones-upstream"
    common -= {"ones-upstream"}
    if len(common) == 1:
        return common.pop()
    return _name_step(trials) if any(not trial.accepted for trial in misjudged) else ""


def _is_constant(upstream: np.ndarray) -> bool:
    return bool(np.all(upstream == upstream.flat[0]))


def _name_step(trials: Sequence[JudgedGate]) -> str:
    """Return the id of what is wrong with the steps that a checker takes which refuses right gates."""
    nudges = [nudge for trial in trials for nudge in trial.nudges()]
    if not nudges:
        return ""
    if not SMALLEST_STEP <= float(np.median(np.abs(nudges))) <= LARGEST_STEP:
        return "step-size"
    return "one-sided-difference" if len({nudge > 0 for nudge in nudges}) == 1 else ""
