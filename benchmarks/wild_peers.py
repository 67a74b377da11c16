"""NumPy's and SciPy's functions in the lists of the peers' test suites, as expressions, with shapes to try them at.

In an expression, `m` is NumPy or jax.numpy, `s` is scipy.special or jax.scipy.special, and x, y, z are the inputs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.special

ONE = [((),), ((4,),), ((2, 3),), ((2, 1, 3),)]
TWO = [((), ()), ((4,), (4,)), ((2, 3), (3,)), ((2, 1), (1, 3)), ((), (2, 2))]
SOME = [((4,),), ((3, 4),), ((2, 3, 2),)]
FLAT = [((3, 4),), ((2, 3, 2),)]
SQUARE = [((2, 2),), ((3, 3),), ((5, 5),)]
VECTOR = [((5,),), ((9,),)]

TABLE: list[tuple[str, list[Any], str]] = [
    # domain, shapes, expressions separated by |
    (
        "real",
        ONE,
        "m.sin(x)|m.cos(x)|m.tan(x)|m.sinh(x)|m.cosh(x)|m.tanh(x)|m.arcsinh(x)|m.arctan(x)|m.exp(x)|m.expm1(x)|"
        "m.exp2(x)|m.square(x)|m.abs(x)|m.fabs(x)|m.negative(x)|m.positive(x)|m.reciprocal(x)|m.cbrt(x)|m.sinc(x)|"
        "m.deg2rad(x)|m.rad2deg(x)|m.nan_to_num(x)|m.real(x)|m.sign(x)|m.floor(x)|m.rint(x)|x**3|1 / (1 + x**2)|"
        "m.where(x > 0, x, 0.1 * x)|m.clip(x, -0.5, 0.5)|m.maximum(x, 0)|s.erf(x)|s.erfc(x)|s.expit(x)|s.i0e(x)|"
        "s.i1e(x)|s.ndtr(x)|s.log_ndtr(x)",
    ),
    (
        "positive",
        ONE,
        "m.sqrt(x)|m.log(x)|m.log2(x)|m.log10(x)|m.log1p(x)|x**0.5|x**-1.5|m.power(x, 2.3)|m.power(2.0, x)|"
        "s.gammaln(x)|s.digamma(x)|s.entr(x)",
    ),
    ("unit", ONE, "m.arcsin(x)|m.arccos(x)|m.arctanh(x)|s.erfinv(x)|s.logit((1 + x) / 2)|m.log1p(x)"),
    ("above one", ONE[:3], "m.arccosh(x)|m.sqrt(x**2 - 1)"),
    (
        "real",
        TWO,
        "x + y|x - y|x * y|x / y|m.add(x, y)|m.subtract(x, y)|m.multiply(x, y)|m.divide(x, y)|m.maximum(x, y)|"
        "m.minimum(x, y)|m.fmax(x, y)|m.fmin(x, y)|m.hypot(x, y)|m.arctan2(x, y)|m.logaddexp(x, y)|"
        "m.logaddexp2(x, y)|m.copysign(x, y)|m.remainder(x, y)|m.fmod(x, y)",
    ),
    ("positive", TWO, "x**y|m.power(x, y)|m.float_power(x, y)|s.xlogy(x, y)|s.xlog1py(x, y)|s.betaln(x, y)"),
    (
        "real",
        SOME,
        "m.sum(x)|m.mean(x)|m.prod(x)|m.var(x)|m.std(x)|m.max(x)|m.min(x)|m.ptp(x)|m.median(x)|m.nansum(x)|"
        "m.nanmean(x)|m.average(x)|m.sum(x, axis=0)|m.mean(x, axis=-1, keepdims=True)|m.prod(x, axis=0)|"
        "m.var(x, axis=0, ddof=1)|m.std(x, axis=-1, ddof=1)|m.max(x, axis=0)|m.min(x, axis=-1, keepdims=True)|"
        "m.cumsum(x)|m.cumsum(x, axis=0)|m.cumprod(x)|m.cumprod(x, axis=-1)|m.diff(x)|m.diff(x, n=2, axis=0)|"
        "m.ediff1d(x)|m.sort(x)|m.sort(x, axis=0)|m.linalg.norm(x)|m.ravel(x)|m.reshape(x, (-1, 2))|m.transpose(x)|"
        "m.expand_dims(x, 1)|m.squeeze(x[None])|m.atleast_2d(x)|m.repeat(x, 2, axis=0)|m.tile(x, 2)|m.roll(x, 1)|"
        "m.flip(x)|m.flip(x, 0)|m.pad(x, 1)|m.pad(x, 1, mode='edge')|m.pad(x, 1, mode='reflect')|"
        "m.pad(x, 1, mode='wrap')|m.broadcast_to(x, (2, *x.shape))|m.concatenate([x, 2 * x])|m.stack([x, x**2], 1)|"
        "m.vstack([x, x])|m.hstack([x, 3 * x])|m.split(x, [1, 2])[1]|m.take(x, m.array([0, 2, 0]), axis=0)|"
        "x[::2]|x[m.array([1, 1, 0])]|m.percentile(x, 30)|m.quantile(x, 0.4, axis=0)|s.logsumexp(x)|"
        "s.logsumexp(x, axis=0)|s.softmax(x, axis=-1)|s.log_softmax(x, axis=0)|m.partition(x, 1)[..., :2]|"
        "m.append(x, x)|m.trapezoid(x)|m.gradient(x, axis=0)|m.fft.fft(x).real|m.fft.fft(x).imag|m.abs(m.fft.rfft(x))|"
        "m.fft.ifft(x).real|m.fft.fftshift(x)|m.fft.irfft(x)",
    ),
    (
        "real",
        FLAT,
        "m.swapaxes(x, 0, 1)|m.moveaxis(x, 0, -1)|m.trace(x)|m.diagonal(x)|m.tril(x)|m.triu(x, 1)|m.rot90(x)|"
        "m.fliplr(x)|m.flipud(x)|m.sum(x, axis=(0, 1))|m.var(x, axis=(0, 1))|m.linalg.norm(x, axis=1)|"
        "m.linalg.norm(x, axis=(0, 1))|m.linalg.norm(x, ord=1, axis=0)|m.linalg.norm(x, ord=3, axis=-1)|"
        "m.linalg.norm(x, ord=m.inf, axis=-1)|m.fft.fft2(x).real|m.einsum('ij...->ji...', x)|"
        "m.take_along_axis(x, m.argsort(x, axis=0), axis=0)",
    ),
    (
        "matrix",
        SQUARE,
        "m.linalg.inv(x)|m.linalg.det(x)|m.linalg.slogdet(x)[1]|m.linalg.solve(x, m.ones(len(x)))|"
        "m.linalg.cholesky(x @ x.T)|m.linalg.eigvalsh(x + x.T)|m.linalg.svd(x, compute_uv=False)|m.linalg.pinv(x)|"
        "m.linalg.norm(x, 'fro')|m.linalg.norm(x, 'nuc')|m.linalg.norm(x, 2)|m.linalg.norm(x, 1)|"
        "m.linalg.norm(x, m.inf)|m.linalg.matrix_power(x, 3)|m.trace(x)|m.diag(x)|x @ x|x @ x.T|m.kron(x, x)|"
        "m.linalg.eigh(x + x.T)[0]|m.linalg.qr(x)[1]|m.cov(x)|m.corrcoef(x)|m.einsum('ij,jk,ki->', x, x, x)|m.tril(x)",
    ),
    (
        "matrix",
        [((3, 3), (3,)), ((3, 3), (3, 2)), ((2, 3, 3), (2, 3, 1))],
        "m.linalg.solve(x, y)|x @ y|m.matmul(x, y)",
    ),
    (
        "real",
        [((3,), (3,)), ((2, 3), (3,)), ((2, 3), (3, 2)), ((4, 2, 3), (3, 2))],
        "m.dot(x, y)|x @ y|m.matmul(x, y)|m.outer(x, y)|m.tensordot(x, y, axes=(-1, 0))|m.vdot(x[..., :1], y[:1, ...])"
        "|m.kron(x, y)",
    ),
    (
        "real",
        [((2, 3), (2, 3)), ((3,), (3,)), ((4, 3), (4, 3))],
        "m.inner(x, y)|m.cross(x, y)|m.vdot(x, y)|m.sum(x * y) / (m.linalg.norm(x) * m.linalg.norm(y))|"
        "m.where(x > y, x, y)|m.concatenate([x, y])|m.stack([x, y])|m.column_stack([x, y])|m.dstack([x, y])|"
        "m.linspace(x, y, 4)|m.einsum('...i,...i->...', x, y)|m.select([x > y, x < -1], [x, y], 0)",
    ),
    (
        "real",
        [((2, 3), (3, 4)), ((3, 3), (3, 3))],
        "m.einsum('ij,jk->ik', x, y)|m.einsum('ij,jk->ki', x, y)|m.einsum('ij,jk->', x, y)|m.einsum('ij,jk->k', x, y)|"
        "m.tensordot(x, y, 1)|m.tensordot(x, y, 0)|m.linalg.multi_dot([x, y, y.T])",
    ),
    (
        "real",
        [((2, 3, 4), (2, 4, 5)), ((1, 2, 2), (1, 2, 3))],
        "m.einsum('bij,bjk->bik', x, y)|x @ y|m.einsum('bij,bjk->b', x, y)",
    ),
    (
        "real",
        VECTOR,
        "m.diag(x)|m.diagflat(x)|m.vander(x)|m.cumsum(x[::-1])|m.convolve(x, m.array([1.0, 2.0, 0.5]))|m.outer(x, x)|"
        "m.interp(m.array([0.5, 1.5]), m.arange(len(x)), x)|m.polyval(x, 0.7)|m.unwrap(x)|m.fft.hfft(x)|"
        "m.array_split(x, 2)[0]|m.nanmax(x)|m.nanvar(x)|m.nanprod(x)",
    ),
    (
        "real",
        [((5,), (3,)), ((4,), (4,))],
        "m.convolve(x, y)|m.convolve(x, y, mode='same')|m.convolve(x, y, mode='valid')|m.correlate(x, y)|m.outer(x, y)|"
        "m.polyval(x, y)|m.add.outer(x, y)",
    ),
    (
        "real",
        [((3,), (3,), (3,)), ((2, 1), (3,), ())],
        "x * y + z|m.where(x > y, y * z, z)|m.clip(x, y - 1, y + 1) * z",
    ),
]


INEXACT = {
    ("s.log_ndtr(x)", 1e6): "JAX's series for it is right to 10⁻⁵ only where x is below -10⁵: log_ndtr'(x) is about -x",
    ("s.betaln(x, y)", 1e6): "JAX's derivative is NaN at some of these, where differences of gammaln lose all digits",
}
"""Expressions and scales at which the derivative by JAX is not the right one."""


@dataclass(frozen=True)
class Function:
    """An expression at the shapes of its inputs, from a domain."""

    expression: str
    shapes: tuple[tuple[int, ...], ...]
    domain: str

    def __str__(self) -> str:
        return f"{self.expression} at {', '.join(map(str, self.shapes))}"

    def bind(self, m: Any, s: Any) -> Callable[..., Any]:
        """Return the function of x, y and z that the expression is in a library."""
        names = ", ".join("xyz"[: len(self.shapes)])
        return eval(f"lambda {names}: {self.expression}", {"m": m, "s": s})

    def draw(self, rng: np.random.Generator, scale: float) -> list[Any]:
        """Return inputs from the domain, times the scale where the domain allows it."""
        inputs = [rng.standard_normal(shape) for shape in self.shapes]
        if self.domain == "positive":
            inputs = [np.abs(x) + 0.1 for x in inputs]
        elif self.domain == "unit":
            return [np.tanh(x) * min(scale, 1.0) for x in inputs]
        elif self.domain == "above one":
            return [(np.abs(x) + 0.1) * scale + 1 for x in inputs]
        elif self.domain == "matrix" and inputs[0].ndim > 1:
            inputs[0] = inputs[0] + 3 * np.eye(inputs[0].shape[-1])
        return [x * scale for x in inputs]


def list_functions() -> Iterator[Function]:
    """Yield all expressions at all their shapes, but for those at which an expression is not defined."""
    for domain, shapes, expressions in TABLE:
        for expression in expressions.split("|"):
            for each in shapes:
                function = Function(expression, each, domain)
                if _is_defined(function):
                    yield function


def _is_defined(function: Function) -> bool:
    try:
        function.bind(np, scipy.special)(*function.draw(np.random.default_rng(0), 1.0))
    except (IndexError, ValueError):
        return False
    return True
