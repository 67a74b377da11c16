"""Layers as people write them, and functions of the peers' test suites, given to the checker.

    python benchmarks/wild.py [--part layers|peers] [--only NAME]

layers: the cases of `tests/corpus/wild/`, right and with each of the faults planted in them: the right ones are to be
accepted, the faults caught. Beside them the seconds of the textbook's loop over all entries, and of PyTorch's
gradcheck if it is installed (`pip install -e '.[bench]'`), where the case is a pair of functions.

peers: NumPy's functions at many shapes, with derivatives by JAX, at scales of 10⁻⁶, 1 and 10⁶: the right ones are to be
accepted, those that are wrong by a factor of 1 + 10⁻⁵ caught.

What goes against this is printed. The last line of output is JSON.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import jax.numpy as jnp
import numpy as np
import scipy.special

import jax

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from corpus.wild import WILD, Case
from nnkit import check
from nnkit.check import pipeline
from wild_peers import INEXACT, Function, list_functions


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Hide what the code prints and what NumPy warns of."""
    with contextlib.redirect_stdout(io.StringIO()), np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def timed(call: Any) -> tuple[Any, float]:
    """Return what `call()` returns, and the CPU seconds it took."""
    start = time.process_time()
    value = call()
    return value, time.process_time() - start


def judge(question: partial) -> tuple[Any, float]:
    """Return the verdict, or what was raised in its place, and the CPU seconds."""

    def ask() -> Any:
        try:
            return question()
        except Exception as error:
            return error

    with quiet():
        return timed(ask)


# ---- layers --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PairOfFunctions:
    """A forward that returns its outputs and a cache, and its backward, with their inputs and options."""

    forward: Any
    backward: Any
    inputs: tuple[Any, ...]
    floats: tuple[int, ...]
    """The positions of the inputs that are differentiated."""
    options: dict[str, Any]

    @staticmethod
    def read(question: partial) -> PairOfFunctions | None:
        """Return the pair that a check is asked about; None where it is in another form."""
        if question.func is not check.check_backward or not isinstance(question.args[0], tuple):
            return None
        (forward, backward), *inputs = question.args
        options = {k: v for k, v in question.keywords.items() if k != "wrt"}
        floats = [i for i, x in enumerate(inputs) if isinstance(x, np.ndarray) and x.dtype.kind == "f"]
        floats = floats[:1] if question.keywords.get("wrt") else floats
        with quiet():
            is_pair = isinstance(forward(*inputs, **options), tuple)
        return PairOfFunctions(forward, backward, tuple(inputs), tuple(floats), options) if is_pair else None

    def run(self, *inputs: Any) -> tuple[list[np.ndarray], Any]:
        """Return the outputs and the cache."""
        *outs, cache = self.forward(*inputs, **self.options)
        return outs, cache


def textbook_loop(pair: PairOfFunctions) -> float:
    """Return the CPU seconds of a central difference for each entry, as in CS231n."""

    def loop() -> None:
        outs, cache = pair.run(*pair.inputs)
        upstream = [np.random.standard_normal(np.shape(out)) for out in outs]
        pair.backward(*upstream, cache)
        for x in (pair.inputs[i] for i in pair.floats):
            for i in np.ndindex(x.shape):
                old = x[i]
                x[i] = old + 1e-5
                plus, _ = pair.run(*pair.inputs)
                x[i] = old - 1e-5
                minus, _ = pair.run(*pair.inputs)
                x[i] = old
                sum(np.sum((p - m) * u) for p, m, u in zip(plus, minus, upstream)) / 2e-5

    with quiet():
        return timed(loop)[1]


def gradcheck(pair: PairOfFunctions) -> tuple[bool, float] | None:
    """Return if `torch.autograd.gradcheck` accepts the pair, and its CPU seconds; None where there is no PyTorch."""
    try:
        import torch
    except ImportError:
        return None

    def fill(tensors: Any) -> list[Any]:
        inputs = list(pair.inputs)
        for i, tensor in zip(pair.floats, tensors):
            inputs[i] = tensor.detach().numpy().copy()
        return inputs

    class OfPair(torch.autograd.Function):  # type: ignore[misc]
        @staticmethod
        def forward(ctx: Any, *tensors: Any) -> Any:
            outs, ctx.cache = pair.run(*fill(tensors))
            found = tuple(torch.from_numpy(np.array(out, dtype=float)) for out in outs)
            return found[0] if len(found) == 1 else found

        @staticmethod
        def backward(ctx: Any, *upstreams: Any) -> Any:
            returned = pair.backward(*(u.numpy().copy()[()] for u in upstreams), ctx.cache)
            returned = returned if isinstance(returned, tuple | list) else (returned,)
            return tuple(torch.from_numpy(np.array(returned[k], dtype=float)) for k in range(len(pair.floats)))

    def ask() -> bool:
        tensors = [torch.from_numpy(pair.inputs[i].copy()).requires_grad_() for i in pair.floats]
        try:
            return bool(torch.autograd.gradcheck(OfPair.apply, tensors))
        except Exception:  # its own, or one of the code inside of it
            return False

    torch.set_num_threads(1)
    with quiet():
        return timed(ask)


def run_layers(cases: list[Case], seed: int) -> tuple[dict[str, Any], int]:
    rejected, missed, unnamed, faults, named, explained = [], [], [], 0, 0, 0
    seconds = {"right": 0.0, "wrong": 0.0, "check of pairs": 0.0, "textbook loop of pairs": 0.0}
    pairs, refused = 0, []
    with tempfile.TemporaryDirectory() as folder:
        for case in cases:
            verdict, took = judge(case.ask(np.random.default_rng(seed), Path(folder)))
            seconds["right"] += took
            if not getattr(verdict, "passed", False):
                rejected.append(f"{case}: {verdict!s}")
            pair = PairOfFunctions.read(case.ask(np.random.default_rng(seed), Path(folder)))
            if pair is not None:
                pairs += 1
                seconds["check of pairs"] += took
                seconds["textbook loop of pairs"] += textbook_loop(pair)
                accepts, peer = gradcheck(pair) or (True, None)
                if peer is not None:
                    seconds["gradcheck of pairs"] = seconds.get("gradcheck of pairs", 0.0) + peer
                refused += [] if accepts else [str(case)]
            for fault in case.faults:
                verdict, took = judge(case.ask(np.random.default_rng(seed), Path(folder), fault))
                seconds["wrong"] += took
                faults += 1
                if isinstance(verdict, Exception) or verdict.status in ("right", "cannot check"):
                    missed.append(f"{case}, {fault}: {verdict!s}")
                elif verdict.mistakes:
                    named += 1
                elif verdict.explained_as or verdict.explanation:
                    explained += 1
                else:
                    unnamed.append(f"{case}, {fault}: {verdict.status}: {verdict.headline}")
    lists = (
        ("rejected", rejected),
        ("missed", missed),
        ("neither named nor explained", unnamed),
        ("refused by gradcheck", refused),
    )
    for title, found in lists:
        print(f"--- {title}: {len(found)}", *found, sep="\n")
    result = {
        "benchmark": "wild layers",
        "layers": len({case.name for case in cases}),
        "cases": len(cases),
        "styles": len({case.style for case in cases}),
        "rejected": len(rejected),
        "faults": faults,
        "missed": len(missed),
        "named": named,
        "explained": explained,
        "neither": len(unnamed),
        "pairs": pairs,
        "refused by gradcheck": len(refused),
        "seconds": {k: round(v, 2) for k, v in seconds.items()},
    }
    return result, len(rejected) + len(missed)


# ---- functions of the peers' suites --------------------------------------------------------------------

SCALES = (1e-6, 1.0, 1e6)
OFF = 1 + 1e-5


def make_gates(function: Function) -> list[Any]:
    """Return two pairs of forward and backward, by JAX: a right one, and one whose first gradient that is not zero is
    wrong by a factor of `OFF`."""
    forward = function.bind(np, scipy.special)
    pull = jax.jit(lambda g, *xs: jax.vjp(function.bind(jnp, jax.scipy.special), *xs)[1](g))

    def backward(slip: float, g: Any, cache: Any) -> Any:
        gradients = [np.array(d) for d in pull(g, *cache)]
        for d in gradients:
            if np.any(d):
                d *= slip
                break
        return tuple(gradients)

    right, wrong = (lambda g, cache, slip=slip: backward(slip, g, cache) for slip in (1.0, OFF))
    return [(lambda *xs: (forward(*xs), xs), pull_back) for pull_back in (right, wrong)]


def is_constant(function: Function, pull_back: Any, rng: np.random.Generator) -> bool:
    """Return True if gradients are 0 up to rounding, as those of `m.sign(x)` or of the correlation of two pairs."""
    inputs = function.draw(rng, 1.0)
    with quiet():
        slopes = pull_back(np.ones(np.shape(function.bind(np, scipy.special)(*inputs))), inputs)
    return all(np.all(np.abs(d) <= 1e-13) for d in slopes)


def run_peers(functions: list[Function], seed: int) -> tuple[dict[str, Any], int]:
    """Ask about each function at each scale, and about a mutant of it. Names and explanations are not looked for."""
    rejected, refused, missed, inexact, noted = [], [], [], [], []
    counts, seconds = {"asked": 0, "not finite": 0, "constant": 0, "mutants": 0}, 0.0
    for function in functions:
        right, wrong = make_gates(function)
        constant = is_constant(function, right[1], np.random.default_rng(seed))
        for scale in SCALES:
            inputs = function.draw(np.random.default_rng(seed), scale)
            with quiet():
                out, cache = right[0](*inputs)
                slopes = right[1](np.ones(np.shape(out)), cache)
            if not all(np.all(np.isfinite(a)) for a in (out, *slopes)):
                counts["not finite"] += 1
                continue
            counts["asked"] += 1
            verdict, took = judge(partial(check.check_backward, right, *inputs))
            seconds += took
            if not getattr(verdict, "passed", False):
                reason = INEXACT.get((function.expression, scale))
                told = getattr(verdict, "status", "") == "cannot check"
                found = inexact if reason else refused if told else rejected
                found.append(f"{function} times {scale:g}: {reason or verdict!s}")
                continue
            if any("mistake there would not be seen" in note for note in verdict.notes):
                noted.append(f"{function} times {scale:g}: {verdict!s}")
            if constant or not any(map(np.any, slopes)):
                counts["constant"] += 1
            else:
                counts["mutants"] += 1
                with patch.object(pipeline, "diagnose", lambda case, finding: finding):
                    verdict, _ = judge(partial(check.check_backward, wrong, *inputs))
                if isinstance(verdict, Exception) or verdict.status in ("right", "cannot check"):
                    missed.append(f"{function} times {scale:g}: {verdict!s}")
    found_all = {
        "rejected": rejected,
        "refused with a reason": refused,
        "reference inexact": inexact,
        "right with a note": noted,
        "missed": missed,
    }
    for title, found in found_all.items():
        print(f"--- {title}: {len(found)}", *found, sep="\n")
    result = {
        "benchmark": "wild peers",
        "functions": len({function.expression for function in functions}),
        "combinations": len(functions),
        **counts,
        **{title: len(found) for title, found in found_all.items()},
        "seconds": round(seconds, 1),
    }
    return result, len(rejected) + len(missed)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--part", choices=["layers", "peers"])
    parser.add_argument("--only", default="", help="cases whose name has this in it")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="the first of the peers' functions that are asked about")
    parser.add_argument("--every", type=int, default=1, help="one in how many")
    options = parser.parse_args()
    results, failures = [], 0
    if options.part != "peers":
        result, failed = run_layers([case for case in WILD if options.only in str(case)], options.seed)
        results, failures = [*results, result], failures + failed
    if options.part != "layers":
        jax.config.update("jax_enable_x64", True)
        chosen = [function for function in list_functions() if options.only in str(function)]
        result, failed = run_peers(chosen[options.first :: options.every], options.seed)
        results, failures = [*results, result], failures + failed
    for result in results:
        print(json.dumps(result))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
