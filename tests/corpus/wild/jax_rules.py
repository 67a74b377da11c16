"""Functions of JAX with derivatives of their own: `jax.custom_vjp` and `jax.custom_jvp`."""

from functools import partial

import jax.numpy as jnp

import jax
from nnkit.check import check_backward


@jax.custom_vjp
def clip_gradient_free_relu(x):
    return jnp.maximum(x, 0)


def relu_fwd(x):
    return clip_gradient_free_relu(x), x


def relu_bwd(x, g):
    # fault: x > 0 -> g > 0
    # fault: g * (x > 0) -> g
    return (g * (x > 0),)


clip_gradient_free_relu.defvjp(relu_fwd, relu_bwd)


def case_relu(rng):
    return partial(check_backward, clip_gradient_free_relu, rng.standard_normal((4, 3)))


@jax.custom_jvp
def log1pexp(x):
    return jnp.log1p(jnp.exp(x))


@log1pexp.defjvp
def log1pexp_jvp(primals, tangents):
    (x,), (t,) = primals, tangents
    # fault: 1 / (1 + jnp.exp(x)) -> 1 / jnp.exp(x)
    # fault: 1 - 1 / -> 1 /
    return log1pexp(x), (1 - 1 / (1 + jnp.exp(x))) * t


def case_log1pexp(rng):
    return partial(check_backward, log1pexp, rng.standard_normal(5))


@jax.custom_vjp
def attention(q, k, v):
    return jax.nn.softmax(q @ k.T / jnp.sqrt(q.shape[-1])) @ v


def attention_fwd(q, k, v):
    p = jax.nn.softmax(q @ k.T / jnp.sqrt(q.shape[-1]))
    return p @ v, (q, k, v, p)


def attention_bwd(res, g):
    q, k, v, p = res
    dp = g @ v.T
    # fault: axis=-1 -> axis=0
    ds = p * (dp - jnp.sum(dp * p, axis=-1, keepdims=True)) / jnp.sqrt(q.shape[-1])
    # fault: ds.T @ q -> ds @ q
    # fault: p.T @ g -> p @ g
    return ds @ k, ds.T @ q, p.T @ g


attention.defvjp(attention_fwd, attention_bwd)


def case_attention(rng):
    n = rng.standard_normal
    return partial(check_backward, attention, n((4, 3)), n((4, 3)), n((4, 3)))


@partial(jax.custom_vjp, nondiff_argnums=(1,))
def scale(x, factor):
    return x * factor


def scale_fwd(x, factor):
    return scale(x, factor), None


def scale_bwd(factor, _, g):
    # fault: g * factor -> g / factor
    return (g * factor,)


scale.defvjp(scale_fwd, scale_bwd)


def case_scale(rng):
    return partial(check_backward, scale, rng.standard_normal(4), 3)


@jax.custom_vjp
def layer_norm(x, gamma, beta):
    return layer_norm_fwd(x, gamma, beta)[0]


def layer_norm_fwd(x, gamma, beta):
    mean, var = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
    rstd = jax.lax.rsqrt(var + 1e-5)
    xhat = (x - mean) * rstd
    return xhat * gamma + beta, (xhat, rstd, gamma)


def layer_norm_bwd(res, dy):
    xhat, rstd, gamma = res
    d = dy * gamma
    # fault: * rstd -> / rstd
    # fault: d - d.mean -> d + d.mean
    dx = (d - d.mean(-1, keepdims=True) - xhat * (d * xhat).mean(-1, keepdims=True)) * rstd
    # fault: dy.sum(0) -> dy.mean(0)
    return dx, (dy * xhat).sum(0), dy.sum(0)


layer_norm.defvjp(layer_norm_fwd, layer_norm_bwd)


def case_layer_norm(rng):
    n = rng.standard_normal
    return partial(check_backward, layer_norm, n((4, 3)), n(3), n(3))
