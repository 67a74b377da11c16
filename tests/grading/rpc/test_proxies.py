"""Remote proxies: a test sees what it would see of the learner's own objects, and none of their code runs here."""

import contextlib
import copy
import inspect
import os
import socket
import time
from collections import namedtuple
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest

import jax
import nnkit.check
from corpus.right import RIGHT
from corpus.wrong import WRONG
from helpers.learners import linked
from nnkit.check import check_backward, check_checker
from nnkit.check.context import checking
from nnkit.check.evidence.limits import OutOfTime, alarm
from nnkit_grader.rpc import codec
from nnkit_grader.rpc.connection import Connection, ProcessLost
from nnkit_grader.rpc.framing import BadReply, FrameStream
from nnkit_grader.rpc.signatures import rebuild_exception

EVERY = 10  # of the corpus: the whole of it takes a minute; random seeds take others


class Tripled:
    def __init__(self, factor=3.0):
        self.factor = factor

    def forward(self, x):
        return self.factor * x, None

    def backward(self, upstream, cache):
        return self.factor * upstream


class Stateful:
    def forward(self, x):
        self.x = x
        return x**2

    def backward(self, dout):
        return 2 * self.x * dout


class Buffered:
    """Keeps its input in one array for all calls, so that all calls share one cache."""

    def __init__(self):
        self.kept = np.zeros(2)

    def forward(self, x):
        self.kept[...] = x
        return x**2, self.kept

    def backward(self, upstream, cache):
        return 2 * cache * upstream


Pair = namedtuple("Pair", "x y")


class Odd:
    def forward(self, x):
        return 2 * x, lambda upstream: 2 * upstream

    def backward(self, upstream, cache):
        return cache(upstream)


class Liar:
    __name__ = "__import__('os').system('true')"

    def __eq__(self, other):
        return True

    def __bool__(self):
        return False

    __hash__ = None


def doubled_in_place(x):
    x *= 2
    return x


def emptied(numbers, table):
    numbers.clear()
    table["new"] = [1]


def measured(f, x):
    return (f(x + 1e-5) - f(x - 1e-5)) / 2e-5


def counted(n):
    yield from range(n)


class Kept:
    """Keeps a function that it was given."""

    def __init__(self, function):
        self.function = function

    def __call__(self, x):
        return self.function(x)


def fails(kind):
    raise {"plain": ValueError("no"), "own": type("Own", (KeyError,), {})("gone"), "exit": SystemExit(0)}[kind]


THINGS = {
    "Tripled": Tripled,
    "gate": Tripled(),
    "Buffered": Buffered,
    "odd": Odd(),
    "liar": Liar(),
    "doubled_in_place": doubled_in_place,
    "emptied": emptied,
    "measured": measured,
    "counted": counted,
    "Kept": Kept,
    "letters": lambda: np.array(["a", "b"]),
    "fails": fails,
    "pair": lambda: Pair(1.0, np.ones(2)),
    "sum_of_pair": lambda pair: pair.x + pair.y.sum(),
    "product_forward": lambda x, w, options: (options["scale"] * x @ w, (x, w, options["scale"])),
    "product_backward": lambda dout, cache: (cache[2] * dout @ cache[1].T, cache[2] * cache[0].T @ dout),
    "product_backward_wrong": lambda dout, cache: (cache[2] * dout @ cache[1].T, cache[0].T @ dout),
    "Stateful": Stateful,
    "pid": os.getpid,
    "sleep": time.sleep,
    "leave": lambda: os._exit(3),
    "with_options": lambda x, *rest, scale=1, **more: scale * x,
    "number": np.float64(2.5),
    "jax": jax,
    "same": lambda x: x,
    "is_it": lambda a, b: a is b,
    "objects": lambda: np.array([1, None]),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("learner")


@pytest.fixture
def link(folder):
    with linked(THINGS, folder) as made:
        yield made


@pytest.fixture
def get(link):
    return lambda name: link.get(["name", name])


def test_calls_run_in_the_other_process(get):
    assert get("pid")() != os.getpid()


def test_plain_data_is_a_copy_of_the_plain_data(get):
    number = get("number")
    assert type(number) is np.float64
    assert number == 2.5


def test_a_class_makes_objects_with_attributes_and_methods(get):
    gate = get("Tripled")(factor=4.0)
    assert gate.factor == 4.0
    assert gate.forward(2.0)[0] == 8.0
    assert type(gate).__name__ == "Tripled"
    with pytest.raises(AttributeError, match="nothing"):
        gate.nothing  # noqa: B018
    assert not hasattr(gate, "__array__")


def test_a_check_takes_a_stand_in_for_a_gate(get):
    verdict = check_backward(get("Tripled")(), np.array([1.0, 2.0]), of=lambda x: 3 * x)
    assert verdict.passed
    assert verdict.subject == "Tripled.backward"


def test_a_check_takes_stand_ins_for_a_pair_of_functions_and_a_layer(get):
    x, w = np.arange(6.0).reshape(2, 3), np.arange(12.0).reshape(3, 4)
    assert check_backward((get("product_forward"), get("product_backward")), x, w, {"scale": 2.0}).passed
    verdict = check_backward((get("product_forward"), get("product_backward_wrong")), x, w, {"scale": 2.0})
    assert verdict.headline.startswith("dw is wrong")
    verdict = nnkit.check.check_layer(get("Stateful"), x)
    assert verdict.passed
    assert "in another process" in verdict.notes[0]


def test_a_stand_in_has_the_signature_of_what_it_stands_for(get):
    assert str(inspect.signature(get("with_options"))) == "(x, *rest, scale=None, **more)"
    assert list(inspect.signature(get("gate").backward).parameters) == ["upstream", "cache"]


def test_keyword_arguments_cross(get):
    assert get("with_options")(2.0, scale=5) == 10.0


def test_a_changed_argument_is_changed_here_too(get):
    x, numbers, table = np.ones(3), [1, 2], {"old": 1}
    get("doubled_in_place")(x)
    assert x.tolist() == [2, 2, 2]
    get("emptied")(numbers, table)
    assert numbers == []
    assert table == {"old": 1, "new": [1]}


def test_a_cache_stays_the_very_array_that_it_was(get):
    gate = get("Buffered")()
    _, cache = gate.forward(np.array([1.0, 2.0]))
    gate.forward(np.array([5.0, 6.0]))
    assert gate.backward(np.ones(2), cache).tolist() == [10.0, 12.0]  # as in one process: the mistake shows


def test_an_array_that_was_changed_here_goes_as_it_is_now(get):
    array = get("same")(np.zeros(2))
    array[0] = 7.0
    assert get("same")(array).tolist() == [7.0, 0.0]


def test_an_unchanged_array_comes_back_as_itself(get):
    array = get("same")(np.zeros(2))
    assert get("is_it")(array, array) is True


def test_forgotten_arrays_go_by_value(get, link):
    array = get("same")(np.array([3.0]))
    link.forget_arrays()
    assert get("same")(array).tolist() == [3.0]


def test_a_cache_that_is_no_plain_data_stays_where_it_is(get):
    out, cache = get("odd").forward(2.0)
    assert out == 4.0
    assert get("odd").backward(3.0, cache) == 6.0


def test_a_named_tuple_comes_and_goes_back_with_its_names(get):
    pair = get("pair")()
    assert isinstance(pair, tuple)
    assert pair.x == 1.0
    assert get("sum_of_pair")(pair) == 3.0


def test_the_learners_code_can_call_a_function_of_the_test(get):
    assert get("measured")(lambda x: x**2, 3.0) == pytest.approx(6.0)


def test_a_function_of_the_test_that_raises_is_an_error_there(get):
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        get("measured")(lambda x: 1 / 0, 3.0)


def test_a_function_of_the_test_may_call_the_learners_code(get, link):
    gate = get("gate")
    slope = get("measured")(lambda x: gate.forward(x)[0] + get("Kept")(lambda y: y)(x), 3.0)
    assert slope == pytest.approx(4.0)
    with link.watching([np.ones(2)]):
        assert get("same")(get("Kept")(lambda x: gate.forward(x)[0])(2.0)) == 6.0


def test_a_function_of_the_test_that_an_object_keeps_can_be_called_later(get, link):
    def twice(x):
        return 2 * x

    kept = get("Kept")(twice)
    assert kept(1.0) == 2.0
    link.forget_arrays()
    assert [kept(2.0), get("Kept")(twice)(3.0)] == [4.0, 6.0]
    assert len(link._callbacks) == 1


def test_the_learners_own_cells_call_no_function_of_a_test():
    """The time of such a call would not be limited."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        link, calls = Connection(ours), []
        link.encode_object(calls.append)
        for request in (lambda: link.call([0, ""], (), {}), lambda: link.run_cell(1, "")):
            FrameStream(theirs).send(["callback", 0, [codec.TUPLE, 1.0]])
            FrameStream(theirs).send(["value", None, [], False])
            with contextlib.suppress(ProcessLost):
                request()
    assert calls == [1.0]  # in the call, and not in the cell
    assert "answered out of order" in link.lost


def test_an_attribute_that_a_test_sets_is_set_there(get):
    gate = get("Tripled")()
    gate.factor = 5.0
    assert gate.forward(2.0)[0] == 10.0
    with pytest.raises(AttributeError):
        get("sum_of_pair").forward.more = 1


def test_a_generator_gives_its_values(get):
    assert list(get("counted")(3)) == [0, 1, 2]
    numbers = get("counted")(3)
    assert [next(numbers), list(numbers), next(numbers, None)] == [0, [1, 2], None]


class Tensor:
    """An array that gives its numbers after `detach` only, as PyTorch's does."""

    dtype = np.dtype(float)

    def __init__(self, numbers):
        self.numbers, self.detached = numbers, False

    def detach(self):
        self.detached = True
        return self

    def cpu(self):
        return self

    def __array__(self, *_, **__):
        assert self.detached
        return np.array(self.numbers)


@pytest.mark.parametrize("make", [jax.numpy.array, Tensor])
def test_arrays_of_other_libraries_go_as_their_numbers(get, make):
    there = get("same")(make([1.0, 2.0]))
    assert type(there) is np.ndarray
    assert there.tolist() == [1.0, 2.0]


def test_texts_of_an_array_are_texts(get):
    assert list(get("letters")()) == ["a", "b"]


def test_an_array_of_objects_has_its_items(get):
    objects = get("objects")()
    assert len(objects) == 2
    assert [objects[0], objects[1]] == [1, None]


def test_what_the_learners_object_says_of_itself_decides_nothing(get):
    liar = get("liar")
    assert liar
    assert liar != 3
    assert type(liar).__name__ == "Liar"
    with pytest.raises(TypeError):
        copy.deepcopy(float(liar))


@pytest.mark.parametrize(
    ("kind", "base", "name", "text"),
    [
        ("plain", ValueError, "ValueError", "no"),
        ("own", KeyError, "Own", "gone"),
        ("exit", SystemExit, "SystemExit", "0"),
    ],
)
def test_an_exception_is_raised_again_as_its_kind(get, kind, base, name, text):
    with pytest.raises(base, match=text) as caught:
        get("fails")(kind)
    assert caught.type.__name__ == name


def test_what_is_not_defined_is_a_name_error(get):
    with pytest.raises(NameError, match="'missing' is not defined"):
        get("missing")


def test_a_process_that_ends_is_gone_and_stays_gone(get, link):
    with pytest.raises(ProcessLost, match="ended"):
        get("leave")()
    with pytest.raises(ProcessLost, match="ended"):
        get("number")


def test_a_call_that_does_not_end_is_given_up(get, link):
    sleep = get("sleep")
    link.stream.deadline = time.monotonic() + 0.2
    with pytest.raises(ProcessLost, match="time was up"):
        sleep(5)


def test_a_check_that_stops_a_call_ends_the_conversation(get, link):
    sleep = get("sleep")
    with checking(seconds=0.2):
        verdict = nnkit.check.check_gradient(lambda x: (sleep(5), x), 1.0)
    assert verdict.status == "error"
    assert link.lost == "a call was interrupted"


EXCEPTIONS = {
    "not a tuple": ["ValueError"],
    "numbers for text": (1, 2, 3, 4, 5),
    "too few": ("ValueError", "ValueError", "x"),
}


@pytest.mark.parametrize("fault", EXCEPTIONS.values(), ids=EXCEPTIONS)
def test_an_exception_of_the_wrong_form_is_a_lie(fault):
    with pytest.raises(BadReply):
        rebuild_exception(fault)


@pytest.mark.parametrize(
    "base", ["KeyboardInterrupt", "GeneratorExit", "StopIteration", "exec", "__import__", "ProcessLost", ""]
)
def test_some_exceptions_are_no_more_than_exceptions_here(base):
    assert type(rebuild_exception((base, base, "text", "", ""))).__mro__[-3] is Exception


# ---- the whole catalogue --------------------------------------------------------------------------


class Planted(dict):
    """The learner's names: "wrong 17" is number 17 of the corpus of wrong gates."""

    def __contains__(self, name):
        return True

    def __getitem__(self, name):
        return made(case_of(name)).args[0]


def case_of(name):
    corpus, number = name.split()
    return {"wrong": WRONG, "right": RIGHT}[corpus][int(number)]


def made(planted):
    return planted.make(np.random.default_rng(0))


@pytest.fixture(scope="module")
def planted(folder):
    with checking(max_printed_chars=0), linked(Planted(), folder) as link:
        yield link


NAMES = [f"wrong {i}" for i in range(0, len(WRONG), EVERY)] + [f"right {i}" for i in range(0, len(RIGHT), EVERY)]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", NAMES)
def test_a_verdict_is_the_same_through_a_stand_in(planted, name, corpus_seed, monkeypatch):
    corpus, number = name.split()
    name = f"{corpus} {max(0, int(number) - corpus_seed % EVERY)}"
    case = case_of(name)
    here = getattr(nnkit.check, case.check)(*made(case).args, **made(case).kwargs)
    call = made(case)
    with checking(remote=lambda: planted):
        there = getattr(nnkit.check, case.check)(planted.get(["name", name]), *call.args[1:], **call.kwargs)
    planted.forget_arrays()
    assert (there.status, there.mistakes, str(there.entries)) == (here.status, here.mistakes, str(here.entries))
    assert there.passed == (corpus == "right")


def impatient(ask):
    """Ask for values until its own time is up."""
    try:
        with alarm(0.05, OutOfTime):
            while True:
                ask(1.0)
    except OutOfTime:
        return "stopped"


def test_time_that_is_up_leaves_no_question_without_its_answer(tmp_path):
    def answer(x):
        time.sleep(0.1)
        return 2 * x

    def ask_all(ask):
        with ThreadPoolExecutor(4) as threads:
            return list(threads.map(ask, [1.0, 2.0, 3.0]))

    with linked({"impatient": impatient, "ask_all": ask_all}, tmp_path) as link:
        impatient_there, ask_there = (link.get(["name", name]) for name in ("impatient", "ask_all"))
        assert impatient_there(answer) == impatient_there(answer) == "stopped"
        assert ask_there(answer) == [2.0, 4.0, 6.0]


def test_learners_code_may_use_the_checks(tmp_path):
    def is_right(forward, backward, inputs):
        gate = SimpleNamespace(forward=forward, backward=backward)
        return check_backward(gate, *inputs).passed

    with linked({"is_right": is_right}, tmp_path) as link, checking(remote=lambda: link):
        assert check_checker(link.get(["name", "is_right"]), subtle=False)
