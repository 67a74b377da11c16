"""Batches of calls: the same answers in this process and in another, where the whole batch is one message."""

import contextlib

import numpy as np
import pytest

from helpers.learners import linked
from nnkit import numerical
from nnkit.check import check_backward
from nnkit.check.context import checking
from nnkit.check.evidence.calls import call_batch, call_once
from nnkit.check.evidence.sampling import agrees_along
from nnkit.check.evidence.subjects import MAX_BATCH_NUMBERS, GateSubject
from nnkit.check.remote import CallResult, ResultRef


class Doubles:
    def forward(self, x):
        if np.any(x < 0):
            raise ValueError("not below zero")
        return 2 * x, [x.copy(), {"twice": 2 * x}]

    def backward(self, upstream, cache):
        return 2 * upstream


class WritesIntoItsCache(Doubles):
    def backward(self, upstream, cache):
        cache[1]["twice"] *= 0
        return 2 * upstream


class EmptiesItsCache(Doubles):
    def backward(self, upstream, cache):
        cache.pop()
        return 2 * upstream


class WritesIntoItsArguments(Doubles):
    def forward(self, x):
        x += 1
        return x, None


class AddsUp(Doubles):
    """Keeps what it returns, and adds the next gradient to it."""

    def __init__(self):
        self.total = np.zeros(2)

    def backward(self, upstream, cache):
        self.total += 2 * upstream
        return self.total


class GrowsWithCalls(Doubles):
    """Gives more with each call, and keeps no gradient."""

    calls = 0

    def backward(self, upstream, cache):
        self.calls += 1
        return 2 * upstream * self.calls


class CountsItsCalls(Doubles):
    def __init__(self):
        self.count = 0

    def forward(self, x):
        self.count += 1
        return super().forward(x)


KINDS = [Doubles, WritesIntoItsCache, EmptiesItsCache, WritesIntoItsArguments, AddsUp, GrowsWithCalls, CountsItsCalls]
ONES = np.ones(2)


@pytest.fixture(params=["here", "there"])
def make(request, tmp_path):
    """A gate by the name of its class, in this process or in another."""
    by_name = {kind.__name__: kind for kind in KINDS}
    with contextlib.ExitStack() as opened:
        if request.param == "there":
            link = opened.enter_context(linked(by_name, tmp_path))
            opened.enter_context(checking(remote=lambda: link))
            yield lambda kind: link.get(["name", kind.__name__])()
        else:
            yield lambda kind: kind()


def forward(gate, *inputs):
    return gate.forward, inputs


def backward(gate, upstream, of=0):
    return gate.backward, (upstream, ResultRef(of, 1))


def test_a_call_gets_a_part_of_what_an_earlier_one_returned(make):
    gate = make(Doubles)
    out, first = call_batch([forward(gate, np.array([1.0, 3.0])), backward(gate, ONES)])
    assert out.returned[0].tolist() == [2.0, 6.0]
    assert first.returned.tolist() == [2.0, 2.0]
    assert (first.fault, first.mutated) == (None, "")


def test_a_call_that_fails_does_not_stop_the_batch(make):
    gate = make(Doubles)
    failed, without, other, last = call_batch(
        [forward(gate, -ONES), backward(gate, ONES), forward(gate, ONES), backward(gate, ONES, of=2)]
    )
    assert (type(failed.fault), str(failed.fault)) == (ValueError, "not below zero")
    assert without.fault is not None
    assert other.returned[0].tolist() == last.returned.tolist() == [2.0, 2.0]


def test_a_part_that_there_is_not_is_a_fault_of_its_call_alone(make):
    gate = make(Doubles)
    _, missing, last = call_batch([forward(gate, ONES), (gate.backward, (ONES, ResultRef(0, 7))), backward(gate, ONES)])
    assert missing.fault is not None
    assert last.returned.tolist() == [2.0, 2.0]


@pytest.mark.parametrize(
    ("kind", "mutated"), [(WritesIntoItsCache, "changed"), (EmptiesItsCache, "taken"), (AddsUp, "")]
)
def test_what_a_call_does_to_a_part_is_reported(make, kind, mutated):
    gate = make(kind)
    assert call_batch([forward(gate, ONES), backward(gate, ONES)])[1].mutated == mutated


def test_arguments_are_as_the_calls_left_them(make):
    gate, x = make(WritesIntoItsArguments), np.zeros(2)
    (called,) = call_batch([forward(gate, x)])
    assert called.given[0].tolist() == [1.0, 1.0]


def test_what_a_call_returned_stays_what_it_was_then(make):
    gate = make(AddsUp)
    _, first, second = call_batch([forward(gate, ONES), backward(gate, ONES), backward(gate, ONES)])
    assert (first.returned.tolist(), second.returned.tolist()) == ([2.0, 2.0], [4.0, 4.0])


@pytest.mark.parametrize(
    ("kind", "mistakes"),
    [
        (Doubles, ()),
        (WritesIntoItsCache, ("mutated-input",)),
        (EmptiesItsCache, ("mutated-input",)),
        (WritesIntoItsArguments, ("mutated-input",)),
        (AddsUp, ("not-reset",)),
        (GrowsWithCalls, ()),
    ],
)
def test_a_check_in_batches_names_the_mistake(make, kind, mistakes):
    assert check_backward(make(kind), np.array([1.0, 3.0])).mistakes == mistakes


def test_a_check_asks_little_of_the_other_process(tmp_path, monkeypatch):
    with linked({"Doubles": Doubles}, tmp_path) as link, checking(remote=lambda: link):
        gate, asked = link.get(["name", "Doubles"])(), []
        honest = link.request
        monkeypatch.setattr(link, "request", lambda *request: asked.append(request[0]) or honest(*request))
        assert check_backward(gate, np.array([1.0, 3.0]), of=lambda x: 2 * x).passed
    assert len(asked) <= 4, asked


def test_functions_of_two_processes_are_no_batch(tmp_path):
    with linked({"Doubles": Doubles}, tmp_path) as link, checking(remote=lambda: link):
        gate = link.get(["name", "Doubles"])()
        assert link.call_batch([forward(gate, ONES), (np.sum, (ONES,))]) is None
        assert call_batch([(np.sum, (ONES,)), forward(gate, ONES)])[0].returned == 2.0


def test_many_points_are_some_batches_of_moderate_size(make):
    gate = make(CountsItsCalls)
    subject = GateSubject("gate", ("x",), (0,), None, gate=gate)
    points = [(np.full(MAX_BATCH_NUMBERS // 3, float(k)),) for k in range(8)]
    values = list(numerical.evaluate_at_each(subject.function, points))
    assert [value[0] for value in values] == [2.0 * k for k in range(8)]
    assert gate.count == 8


def test_a_point_at_which_the_function_fails_raises(make):
    subject = GateSubject("gate", ("x",), (0,), None, gate=make(Doubles))
    with pytest.raises(ValueError, match="not below zero"):
        list(numerical.evaluate_at_each(subject.function, [(ONES,), (-ONES,)]))


def test_one_call_keeps_what_it_was_given_and_what_it_raised():
    def leave(x):
        raise SystemExit(x)

    called = call_once(leave, (3,))
    assert isinstance(called, CallResult)
    assert called.given == (3,)
    assert isinstance(called.fault, SystemExit)
    with pytest.raises(KeyboardInterrupt):
        call_once(lambda: (_ for _ in ()).throw(KeyboardInterrupt), ())


@pytest.mark.parametrize(("factor", "agrees"), [(1.0, True), (1.001, False)])
def test_a_branch_on_which_the_complex_step_is_wrong_is_looked_at_by_small_steps(factor, agrees):
    class Size:
        def forward(self, x):
            return np.where(x > 1, np.abs(x), x**2), None

        def backward(self, upstream, cache):
            raise AssertionError("not called")

    subject = GateSubject("size", ("x",), (0,), None, gate=Size())
    x, upstream = np.array([2.0, 3.0]), np.array([0.5, -1.0])
    assert numerical.take_complex_step_along(subject.function, (x,), {0: x}).value.tolist() == [0.0, 0.0]
    rng = np.random.default_rng(0)
    assert agrees_along(subject, (x,), upstream, (factor * upstream,), rng, 2, exact=True) == agrees
