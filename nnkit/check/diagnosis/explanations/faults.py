"""Exceptions of Python in a learner's code, in words: a table of kinds, recognised by their text."""

from __future__ import annotations

import re
from collections.abc import Sequence

from nnkit.check.diagnosis.explanations.array_faults import FAULTS as ARRAY_FAULTS
from nnkit.check.diagnosis.explanations.fault_kind import OWN_CLASS, FaultCase, FaultKind
from nnkit.check.evidence.finding import CallFault, Explanation
from nnkit.language import say

STANDARD_MODULES = "math|random|copy|functools|itertools|collections|cmath|operator|warnings"
PYTHON_FAULTS = (
    FaultKind(
        "unknown-name",
        "a name was used that has no value",
        "Each method knows only its arguments and what it computes itself; backward gets the rest through the cache.",
        "Where should this name get its value: in this method, or in forward?",
        "If it is not misspelled, return it in forward's cache and unpack it at the top of backward: `x, y = cache`.",
        "lecture 01, Upstream × local",
        cases=(
            FaultCase(
                r"name '(?P<name>np|jnp|jax)' is not defined", "`{name}` was not imported: run the first code cell"
            ),
            FaultCase(
                rf"name '(?P<name>{STANDARD_MODULES})' is not defined",
                "`{name}` was not imported: write `import {name}` at the top",
                why="A module is known only once it is imported, also one that comes with Python.",
                nudge="Which modules does the first cell import?",
                hint="Import it in the first cell and run that cell; np.exp, np.sqrt and np.pi need no other module.",
            ),
            FaultCase(
                r"^backward raised NameError: name '(?P<name>\w+)'",
                "`{name}` has no value in backward: misspelled, or not taken out of the cache?",
            ),
            FaultCase(
                r"raised NameError: name '(?P<name>\w+)'",
                "`{name}` is misspelled, or has no value yet",
                why="A function knows its arguments, what it has set itself, and what the cells above have set.",
                nudge="Which line gives this name its value, and has it run?",
                hint="Compare the spelling with that line, letter by letter.",
                lesson="lecture 00, Predict, then run",
            ),
            FaultCase(r"local variable '(?P<name>\w+)'", "`{name}` has no value yet when this line runs"),
        ),
    ),
    FaultKind(
        "unknown-attribute",
        "something was asked for that the object does not have",
        "After a dot stands what the object itself has: an array, a number, a tuple and a gate each have others.",
        "What kind of thing stands before the dot? Print its type.",
        "Look for a misspelled name. If another kind of thing stands there than you meant, see where it comes from.",
        "lecture 01, Upstream × local",
        cases=(
            FaultCase(
                r"module '(?P<kind>[\w.]+)' has no attribute '(?P<name>\w+)'",
                "{kind} has no `{name}`: write its formula",
                hint="What NumPy lacks, write as a formula: 1 / (1 + np.exp(-x)) for a sigmoid.",
            ),
            FaultCase(
                rf"'(?P<kind>{OWN_CLASS})' object has no attribute '(?P<name>\w+)'",
                "{kind} has no method `{name}`: a function outside the class is called without `self.`",
                r"\bself\.{name}\(",
            ),
            FaultCase(
                rf"'{OWN_CLASS}' object has no attribute '(?P<name>\w+)'",
                "`self.{name}` was never set: use the cache",
                r"\bself\.{name}\b",
                hint="What backward needs from forward belongs in the cache, not on `self`: `x, y = cache`.",
            ),
            FaultCase(r"'tuple' object has no attribute '(?P<name>\w+)'", "a tuple has no `.{name}`: unpack it first"),
            FaultCase(r"'NoneType' object has no attribute '(?P<name>\w+)'", "what stands before `.{name}` is None"),
            FaultCase(r"'(?:float|int)' object has no attribute '(?P<name>\w+)'", "a Python number has no `.{name}`"),
            FaultCase(r"'(?P<kind>[\w.]+)' object has no attribute '(?P<name>\w+)'", "{kind} has no `{name}`"),
        ),
    ),
    FaultKind(
        "unpacking",
        "it was not unpacked as it was packed",
        "The left side of `x, y = cache` has to have as many names as forward put into the cache.",
        "What does forward return as its cache, and in which order?",
        "Write the same names on both sides: `return out, (x, y)` in forward, and `x, y = cache` in backward.",
        "lecture 01, Upstream × local",
        cases=(
            FaultCase(
                r"expected (?P<n>\d+), got (?P<got>\d+)",
                "the cache has {got} values, this line unpacks {n}",
                r"=\s*cache\b",
            ),
            FaultCase(
                r"too many values to unpack \(expected (?P<n>\d+)",
                "the cache has more values than the {n} unpacked here",
                r"=\s*cache\b",
            ),
            FaultCase(
                r"cannot unpack non-iterable NoneType", "the cache is None: forward has to return it", r"=\s*cache\b"
            ),
            FaultCase(
                r"cannot unpack non-iterable|over a 0-d array", "the cache is one value: `x = cache`", r"=\s*cache\b"
            ),
            FaultCase(r"expected (?P<n>\d+), got (?P<got>\d+)", "{n} values are unpacked where there are {got}"),
            FaultCase(
                r"too many values to unpack \(expected (?P<n>\d+)", "{n} values are unpacked where there are more"
            ),
            FaultCase(r"cannot unpack non-iterable (?P<kind>[\w.]+)", "several values are unpacked from one {kind}"),
            FaultCase(
                r"over a 0-d array|'(?:int|float|numpy\.\w+)' object is not iterable",
                "a single number is unpacked as if it had entries",
            ),
            FaultCase(
                r"'(?P<kind>[\w.]+)' object is not iterable",
                "entries are asked of one {kind}, which has none",
                why="Only what has entries can be unpacked or gone through in a loop: a tuple, a list, an array.",
                nudge="Which name in this line holds something else than you think? Print its type.",
                hint="See where that name gets its value: mind the order of arguments, and of what is returned.",
            ),
        ),
    ),
    FaultKind(
        "wrong-arguments",
        "a function was called with other arguments than it takes",
        "Names and number of the arguments are those of the `def` line, or of NumPy's documentation.",
        "Which arguments does the function take, and in which order?",
        "A gate has `forward(self, x)` and `backward(self, upstream, cache)`; NumPy says `axis` and `keepdims`.",
        "lecture 01, Upstream × local",
        cases=(
            FaultCase(
                r"unexpected keyword argument '(?P<name>axes|dim|dims)'", "the argument is called `axis`, not `{name}`"
            ),
            FaultCase(
                r"unexpected keyword argument '(?P<name>keepdim|keep_dims)'", "it is called `keepdims`, not `{name}`"
            ),
            FaultCase(
                r"(?P<f>\w+)\(\) got an unexpected keyword argument '(?P<name>\w+)'", "{f}() has no argument `{name}`"
            ),
            FaultCase(
                r"(?P<f>\w+)\(\) takes (?P<n>\d+) positional arguments? but (?P<got>\d+)",
                "{f} takes {n} arguments and got {got}; is `self` the first one?",
                r"^$",
            ),
            FaultCase(
                r"(?P<f>\w+)\(\) takes .*?(?P<n>\d+) positional arguments? but (?P<got>\d+)",
                "{f}() takes {n} arguments, not {got}",
            ),
            FaultCase(r"(?P<f>\w+)\(\) missing \d+ required .*?: (?P<names>.+)", "{f}() was called without {names}"),
        ),
    ),
    FaultKind(
        "missing-entry",
        "an entry was asked for that does not exist",
        "A dict has only the keys that were put in, and an axis of n entries ends at index n − 1.",
        "Print the keys, or the shape, just above this line. What is really there?",
        "Write the key as forward wrote it; count indices from 0, and use one index for each axis.",
        "lecture 00, Predict, then run",
        cases=(
            FaultCase(r"KeyError: (?P<key>.+)", "the cache has no key {key}", r"\bcache\[['\"]"),
            FaultCase(
                r"KeyError: (?P<key>.+)",
                "there is no key {key}",
                hint="Write the key exactly as the exercise has it: the same letters, capitals and spaces.",
            ),
            FaultCase(
                r"index (?P<i>-?\d+) is out of bounds for axis (?P<axis>\d+) with size (?P<n>\d+)",
                "axis {axis} has {n} entries, so there is no entry {i}",
            ),
            FaultCase(
                r"too many indices.*is (?P<n>\d+)-dimensional, but (?P<got>\d+)",
                "{got} indices are used on an array with {n} axes",
            ),
            FaultCase(
                r"invalid index to scalar|'(?:float|int|numpy\.float64)' object is not subscriptable",
                "a single number has no entries",
            ),
            FaultCase(
                r"'NoneType' object is not subscriptable",
                "it is None here: is a `return` missing?",
                hint="Find the line that made what is None here: does the function that it calls end with a `return`?",
            ),
            FaultCase(r"(?:tuple|list) index out of range", "the tuple or list is shorter than that"),
            FaultCase(
                r"(?P<kind>list|string) indices must be integers|'(?P<other>set)' object is not subscriptable",
                "a list, text or set has no keys: a dict is wanted",
                hint='Write a dict: {"first key": ..., "second key": ...}.',
            ),
            FaultCase(r"tuple indices must be integers", "a tuple has no names, only places: unpack it", r"\bcache\b"),
            FaultCase(
                r"tuple indices must be integers",
                "a tuple has no names, only places",
                hint="Unpack it, or take a dict, which has keys.",
            ),
        ),
    ),
    FaultKind(
        "kinds-do-not-mix",
        "the two sides of an operation do not go together",
        "Arithmetic is for numbers and arrays: not for None, a tuple, a dict or a function.",
        "What kind of thing is each name in this line? Print the types.",
        "Unpack a tuple first (`x, y = cache`), write a call with its ( ), and a product with its *.",
        "lecture 00, Predict, then run",
        cases=(
            FaultCase(r"for \^:|bitwise_xor|xor does not accept", "a power is written **, and ^ is something else"),
            FaultCase(r"object is not callable", "`.T` takes no ( )", r"\.T\(\)"),
            FaultCase(
                r"'(?:numpy\.ndarray|float|numpy\.float64|int|tuple|ArrayImpl)' object is not callable",
                "what stands before ( is no function: is a * missing?",
            ),
            FaultCase(
                r"ufunc' object is not subscriptable|function.*is not subscriptable",
                "a function is called with ( ), not with [ ]",
            ),
            FaultCase(r"builtin_function_or_method|'method'", "the ( ) of a call are missing"),
            FaultCase(r"(?:unsupported operand|bad operand).*'NoneType'", "one side is None: is a `return` missing?"),
            FaultCase(
                r"(?:unsupported operand|bad operand).*'(?P<kind>tuple|dict|list|str)'",
                "one side is a {kind}, not a number",
            ),
            FaultCase(r"can't multiply sequence", "one side is a tuple or a list, not an array"),
        ),
    ),
    FaultKind(
        "no-such-operation",
        "a value has no such operation",
        "A class has only the operations that it defines: __add__ is its +, __mul__ its *. NumPy's functions are for "
        "arrays.",
        "Which operators does your class define?",
        "Write it with those: x * x for x**2, -1 * x for -x, 0.5 * x for x / 2. A gate does the rest, such as a matrix "
        "product: apply(affine, x, W, b).",
        "lecture 01, From a formula to a graph",
        cases=(
            FaultCase(
                rf"for (?P<op>[+*]): '[\w.]+' and '(?P<kind>{OWN_CLASS})'",
                "what stands on the left of {op} does not understand a {kind}: define __radd__ and __rmul__ too",
            ),
            FaultCase(rf"operand type\(s\) for (?P<op>[^:]+): .*'(?P<kind>{OWN_CLASS})'", "a {kind} has no {op}"),
            FaultCase(rf"type for unary (?P<op>.): '(?P<kind>{OWN_CLASS})'", "a {kind} has no {op} with one operand"),
            FaultCase(
                rf"operand '(?P<kind>{OWN_CLASS})' does not support ufuncs|ufunc.* type (?P<other>{OWN_CLASS}) which",
                "a function of NumPy got a value of your own class",
            ),
        ),
    ),
    FaultKind(
        "calls-itself",
        "it calls itself without an end",
        "Each call makes another one, until Python gives up.",
        "Which call in this line leads back to the method that it stands in? An operator is a call too.",
        "Let it work on something simpler each time, and stop where nothing is left to do; or call another function.",
        "lecture 01, From a formula to a graph",
        cases=(FaultCase(r"raised RecursionError", "it calls itself without an end"),),
    ),
    FaultKind(
        "not-writable",
        "it writes into something that cannot be written into",
        "Tuples, single numbers and some views of arrays keep the values that they were made with.",
        "What kind of thing stands left of the =?",
        "Make an array of your own first: `dx = np.zeros(x.shape)` or `np.array(x)`.",
        "lecture 01, When is W actually updated?",
        cases=(
            FaultCase(r"JAX arrays are immutable", "a JAX array cannot be written into: `x = x.at[i].set(y)`"),
            FaultCase(r"'(?P<kind>[\w.]+)' object does not support item assignment", "a {kind} cannot be written into"),
            FaultCase(r"destination is read-only", "this array can only be read: copy it with np.array"),
        ),
    ),
)
RAISED = FaultKind(
    "raised",
    "the code raised an error",
    "Nothing can be compared before the code runs to its end.",
    "The verdict shows the line. Which values does it have when it fails? Print them just above.",
    "Run the method by hand in a cell of its own, on small numbers, and read the traceback from its last line upwards.",
    "lecture 00, Check, and read what the checker says",
)
MAX_MESSAGE_CHARS = 160
FAULTS = (*ARRAY_FAULTS, *PYTHON_FAULTS, RAISED)


def explain_fault(call: CallFault) -> Explanation:
    """Return what the exception means in the words of a teacher; its title ends the sentence "it raised ...: "."""
    said = re.sub(r"[.!\s]+$", "", call.message[:MAX_MESSAGE_CHARS])
    title = said or say("Python gives no reason")
    raised = Explanation(RAISED.id, title, RAISED.why, RAISED.nudge, RAISED.hint, RAISED.lesson, named=False)
    return match_fault(call, FAULTS) or raised


def match_fault(call: CallFault, kinds: Sequence[FaultKind]) -> Explanation | None:
    """Return what the exception means if it is of one of these kinds; its title as for `explain_fault`."""
    text = f"{call.method} raised {type(call.fault).__name__}: {call.message}"
    for kind in kinds:
        for case in kind.cases:
            found = case.match(text, call.line)
            if found is not None:
                return Explanation(
                    kind.id,
                    found,
                    case.why or kind.why,
                    case.nudge or kind.nudge,
                    case.hint or kind.hint,
                    case.lesson or kind.lesson,
                    named=False,
                )
    return None
