"""Functions, `autograd.Function`s and modules of PyTorch: right ones pass, wrong ones fail."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from nnkit.check import check_backward

N = np.random.default_rng(4).normal
X = N(size=(4, 3))


class Tanh(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        out = x.tanh()
        ctx.save_for_backward(out)
        return out

    @staticmethod
    def backward(ctx: Any, grad_output: Any) -> Any:
        (out,) = ctx.saved_tensors
        return grad_output * (1 - out**2)


class TanhWithoutUpstream(Tanh):
    @staticmethod
    def backward(ctx: Any, grad_output: Any) -> Any:
        (out,) = ctx.saved_tensors
        return 1 - out**2


class Affine(torch.autograd.Function):
    """With the newer `setup_context`, and a number that is no tensor."""

    @staticmethod
    def forward(x: Any, w: Any, scale: float) -> Any:
        return scale * (x @ w)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        x, w, ctx.scale = inputs
        ctx.save_for_backward(x, w)

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        x, w = ctx.saved_tensors
        return ctx.scale * g @ w.T, ctx.scale * x.T @ g, None


class Split(torch.autograd.Function):
    """Two outputs."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        return x**2, x.sum(0)

    @staticmethod
    def backward(ctx: Any, g: Any, h: Any) -> Any:
        (x,) = ctx.saved_tensors
        return 2 * x * g + h


class WrongModule(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(3, 2)

    def forward(self, x: Any) -> Any:
        return TanhWithoutUpstream.apply(self.linear(x))


def sequential() -> Any:
    return torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.GELU(), torch.nn.Dropout(0.5))


def uses_torch(x: Any) -> Any:
    return torch.logsumexp(x, dim=1)


RIGHT: dict[str, tuple[Any, str]] = {
    "a function of its own": (lambda: check_backward(Tanh, X), "dx agrees"),
    "with setup_context": (lambda: check_backward(Affine, X, N(size=(3, 2)), 0.5), "dx and dw agree"),
    "two outputs": (lambda: check_backward(Split, X), "dx agrees"),
    "tensors": (lambda: check_backward(Tanh, torch.tensor(X)), "dx agrees"),
    "a linear module": (lambda: check_backward(torch.nn.Linear(3, 2), X), "weight.grad and bias.grad agree"),
    "modules in a module": (lambda: check_backward(sequential(), X), "0.weight.grad"),
    "evaluation": (lambda: check_backward(sequential().eval(), X), "1.bias.grad"),
    "an LSTM": (
        lambda: check_backward(torch.nn.LSTM(3, 2), N(size=(4, 1, 3)), wrt="weight_ih_l0"),
        "weight_ih_l0.grad agrees",
    ),
    "indices": (lambda: check_backward(torch.nn.Embedding(5, 2), np.array([0, 2, 2])), "weight.grad agrees"),
    "a library's function": (lambda: check_backward(torch.nn.functional.softplus, X), "agrees"),
    "a function that uses it": (lambda: check_backward(uses_torch, X), "dx agrees"),
}
WRONG: dict[str, tuple[Any, str]] = {
    "no upstream": (lambda: check_backward(TanhWithoutUpstream, X), "the upstream gradient was left out"),
    "no upstream in a module": (
        lambda: check_backward(WrongModule(), X),
        "dx, linear.weight.grad and linear.bias.grad",
    ),
}


@pytest.mark.parametrize("case", RIGHT)
def test_right_functions_pass(case: str) -> None:
    check, said = RIGHT[case]
    verdict = check()
    assert verdict.passed, verdict
    assert said in verdict.headline


@pytest.mark.parametrize("case", WRONG)
def test_wrong_functions_fail(case: str) -> None:
    check, said = WRONG[case]
    verdict = check()
    assert verdict.status == "wrong"
    assert said in verdict.headline


def test_the_generator_is_put_back() -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    assert check_backward(sequential(), X).passed
    torch.manual_seed(3)
    assert torch.equal(torch.get_rng_state(), before)
