"""A gate made of code in another form: its outputs as one array, its inputs as a flat tuple, each call from fresh."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np

from nnkit.check.evidence import guarded_call
from nnkit.check.evidence.calls import array_bytes, call_once, find_mutation
from nnkit.check.evidence.finding import Finding
from nnkit.check.evidence.subjects import CACHE_MUTATIONS, GateSubject
from nnkit.check.pipeline import examine
from nnkit.check.verdict import Verdict
from nnkit.language import say, to_say

IN_PLACE_NOTES = {
    "changed": to_say("its cache"),
    "taken": to_say("its cache (something is taken out)"),
    "added": to_say("its cache (something is put in)"),
}


@dataclass
class Trial:
    """One forward, and what a backward needs of it."""

    given: tuple[Any, ...]
    outs: tuple[Any, ...]
    kept: Any = None
    """The cache, or the layer itself."""
    bound: tuple[Any, ...] = ()
    """The inputs, as forward left them."""
    spent: bool = False
    """A backward has changed what it was handed: another one needs another forward."""
    used: bool = False
    """There was a backward."""


class Code(Protocol):
    """A learner's code in some form."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the inputs."""

    def run_forward(self, inputs: Sequence[Any]) -> Trial | Finding:
        """Call the forward with fresh copies of everything."""

    def run_backward(self, trial: Trial, upstreams: tuple[Any, ...]) -> Any:
        """Return one gradient for each input, or a finding; None for those that are held fixed."""


@dataclass
class FormGate:
    """A gate of the kit's form, made of code in another one."""

    code: Code
    strict: bool = False
    """Work in place on what it was handed is a mistake; else a note."""
    noticed: dict[str, None] = field(default_factory=dict)
    """The things that are changed in place, in words."""
    shapes: tuple[tuple[int, ...], ...] = ()
    """The shapes of the outputs of the last forward."""

    def forward(self, *inputs: Any) -> Any:
        """Return the outputs as one array, and the trial as the cache."""
        trial = self.code.run_forward(inputs)
        if isinstance(trial, Finding):
            return trial
        self.shapes = tuple(map(np.shape, trial.outs))
        return join_outputs(trial.outs), trial

    @property
    def output_names(self) -> tuple[str, ...]:
        """The names of several outputs: those of their upstream gradients without the d, or out[0], out[1]."""
        if len(self.shapes) < 2:
            return ()
        names = getattr(self.code, "upstream_names", ())
        if len(names) == len(self.shapes) and all(name[0] == "d" and len(name) > 1 for name in names):
            return tuple(name.removeprefix("d").lstrip("_") for name in names)
        return tuple(f"out[{k}]" for k, _ in enumerate(self.shapes))

    def backward(self, upstream: Any, trial: Trial) -> Any:
        """Return one gradient for each input."""
        if not trial.spent:
            was_used, trial.used = trial.used, True
            returned = self._call_backward(upstream, trial)
            if self.strict or not was_used or not isinstance(returned, Finding):
                return returned
        again = self.code.run_forward(trial.given)
        return again if isinstance(again, Finding) else self._call_backward(upstream, again)

    def _call_backward(self, upstream: Any, trial: Trial) -> Any:
        upstreams = split_upstream(upstream, trial.outs)
        before, kept = [np.array(g) for g in upstreams], array_bytes(trial.kept)
        returned = self.code.run_backward(trial, upstreams)
        changed = guarded_call.find_changed([say("the upstream gradient")] * len(before), upstreams, before)
        mutated = find_mutation(trial.kept, kept)
        inputs = guarded_call.find_changed(self.code.names, trial.bound, trial.given)
        trial.spent = trial.spent or bool(changed or mutated)
        if self.strict and not isinstance(returned, Finding):
            in_cache = Finding("wrong", CACHE_MUTATIONS[mutated], ("mutated-input",)) if mutated else None
            return inputs or changed or in_cache or returned
        self._notice(changed is not None, say("the upstream gradient"))
        self._notice(bool(mutated), say(IN_PLACE_NOTES.get(mutated, "")))
        self._notice(inputs is not None, say("its inputs"))
        return returned

    def _notice(self, seen: bool, what: str) -> None:
        if seen:
            self.noticed[what] = None

    @property
    def notes(self) -> tuple[str, ...]:
        """A sentence for each thing that is changed in place."""
        return tuple(
            say(
                "It works in place on {what}: right as long as nothing else needs the old values "
                "(strict=True refuses it).",
                what=what,
            )
            for what in self.noticed
        )


def join_outputs(outs: Sequence[Any]) -> Any:
    """Return the outputs as one array: a single one as it is, several one after the other."""
    plain = [out.detach().numpy() if hasattr(out, "detach") else out for out in outs]
    return plain[0] if len(plain) == 1 else np.concatenate([np.ravel(out) for out in plain])


def split_upstream(upstream: Any, outs: Sequence[Any]) -> tuple[Any, ...]:
    """Return fresh upstream gradients, one for each output."""
    if len(outs) == 1:
        return (np.array(upstream)[()],)
    ends = np.cumsum([0, *(np.size(out) for out in outs)])
    flat = np.ravel(upstream)
    return tuple(np.array(flat[a:b]).reshape(np.shape(out))[()] for a, b, out in zip(ends, ends[1:], outs))


def call_code(function: Callable[..., Any], given: Sequence[Any], options: dict[str, Any], method: str) -> Any:
    """Return what the call returned, or a finding where it raised or returned a placeholder."""
    return guarded_call.read_result(call_once(lambda: function(*given, **options), ()), method, function)


@dataclass(frozen=True)
class Form:
    """Code in some form, ready to be examined as a gate."""

    title: str
    code: Code
    inputs: tuple[Any, ...]
    wrt: tuple[int, ...]
    gradient_names: tuple[str, ...] = ()
    of: Callable[..., Any] | None = None
    """The trusted function of the inputs."""
    notes: tuple[str, ...] = ()


def examine_form(form: Form, strict: bool, rng: int) -> Verdict:
    """Return the verdict on code in some form."""
    gate = FormGate(form.code, strict)
    subject = GateSubject(form.title, form.code.names, form.wrt, form.of, gate=gate, gradient_names=form.gradient_names)
    verdict = examine(subject, form.inputs, rng)
    notes = form.notes if verdict.passed else ()
    return replace(verdict, notes=(*verdict.notes, *notes, *gate.notes))
