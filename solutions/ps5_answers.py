# Answers to ps5 like those of a real class; see ps1_answers.py for the format.

# %% swish style=from-jax-nn
@under_jit
class SwishGate:
    def forward(self, x):
        return x * jax.nn.sigmoid(x), {"x": x}

    def backward(self, upstream, cache):
        s = jax.nn.sigmoid(cache["x"])
        out = cache["x"] * s
        return upstream * (out + s * (1 - out))

# %% swish style=two-gates
@under_jit
class SwishGate:
    def forward(self, x):
        s = jnp.where(x >= 0, 1.0, jnp.exp(-jnp.abs(x))) / (1 + jnp.exp(-jnp.abs(x)))
        return s * x, [x, s]

    def backward(self, upstream, cache):
        x, s = cache
        ds = upstream * x
        dx = upstream * s
        dx = dx + ds * s * (1 - s)
        return [dx]

# %% swish mistake=no-upstream loses=test-swish
@under_jit
class SwishGate:
    def forward(self, x):
        s = 1 / (1 + jnp.exp(-x))
        return x * s, (x, s)

    def backward(self, upstream, cache):
        x, s = cache
        return (s + x * s * (1 - s),)

# %% swish mistake=overwritten-branch loses=test-swish
@under_jit
class SwishGate:
    def forward(self, x):
        s = 1 / (1 + jnp.exp(-x))
        return x * s, (x, s)

    def backward(self, upstream, cache):
        x, s = cache
        dx = upstream * s
        dx = upstream * x * s * (1 - s)
        return (dx,)

# %% swish mistake=numpy-under-jit loses=test-swish
@under_jit
class SwishGate:
    def forward(self, x):
        s = 1 / (1 + np.exp(-x))
        return x * s, (x, s)

    def backward(self, upstream, cache):
        x, s = cache
        return (upstream * (s + x * s * (1 - s)),)

# %% swish mistake=overflow loses=test-swish
@under_jit
class SwishGate:
    def forward(self, x):
        s = jnp.exp(x) / (1 + jnp.exp(x))
        return x * s, (x, s)

    def backward(self, upstream, cache):
        x, s = cache
        return (upstream * (s + x * s * (1 - s)),)

# %% huber style=mask
@under_jit
class HuberGate:
    def forward(self, x):
        inside = jnp.abs(x) <= 1
        return inside * x**2 / 2 + (1 - inside) * (jnp.abs(x) - 0.5), (x, inside)

    def backward(self, upstream, cache):
        x, inside = cache
        return upstream * jnp.where(inside, x, jnp.sign(x))

# %% huber style=select
@under_jit
class HuberGate:
    def forward(self, x):
        y = jnp.clip(x, -1, 1)
        return y * (x - y / 2), y

    def backward(self, upstream, cache):
        return upstream * cache

# %% huber mistake=sign loses=test-huber
@under_jit
class HuberGate:
    def forward(self, x):
        return jnp.where(jnp.abs(x) <= 1, x**2 / 2, jnp.abs(x) - 0.5), x

    def backward(self, upstream, cache):
        return (-upstream * jnp.clip(cache, -1, 1),)

# %% huber mistake=no-upstream loses=test-huber
@under_jit
class HuberGate:
    def forward(self, x):
        return jnp.where(jnp.abs(x) <= 1, x**2 / 2, jnp.abs(x) - 0.5), x

    def backward(self, upstream, cache):
        return (jnp.clip(cache, -1, 1),)

# %% huber mistake=abs-has-slope-one loses=test-huber
@under_jit
class HuberGate:
    def forward(self, x):
        return jnp.where(jnp.abs(x) <= 1, x**2 / 2, jnp.abs(x) - 0.5), x

    def backward(self, upstream, cache):
        return (upstream * jnp.where(jnp.abs(cache) <= 1, cache, 1.0),)

# %% huber mistake=if-under-jit loses=test-huber
@under_jit
class HuberGate:
    def forward(self, x):
        if abs(x) <= 1:
            return x**2 / 2, x
        return abs(x) - 0.5, x

    def backward(self, upstream, cache):
        return (upstream * jnp.clip(cache, -1, 1),)

# %% softmax style=jax-nn
@under_jit
class SoftmaxGate:
    def forward(self, x):
        p = jax.nn.softmax(x, axis=-1)
        return p, (p,)

    def backward(self, upstream, cache):
        (p,) = cache
        gp = upstream * p
        return gp - p * gp.sum(-1, keepdims=True)

# %% softmax style=einsum
@under_jit
class SoftmaxGate:
    def forward(self, x):
        e = jnp.exp(x - jnp.max(x, axis=-1)[..., None])
        p = e / jnp.sum(e, axis=-1)[..., None]
        return p, p

    def backward(self, upstream, cache):
        inner = jnp.einsum("...i,...i->...", upstream, cache)
        return ((upstream - inner[..., None]) * cache,)

# %% softmax mistake=softmax-diagonal loses=test-softmax
@under_jit
class SoftmaxGate:
    def forward(self, x):
        e = jnp.exp(x - x.max(axis=-1, keepdims=True))
        p = e / e.sum(axis=-1, keepdims=True)
        return p, p

    def backward(self, upstream, cache):
        p = cache
        return (upstream * p * (1 - p),)

# %% softmax mistake=softmax-wrong-axis loses=test-softmax
@under_jit
class SoftmaxGate:
    def forward(self, x):
        e = jnp.exp(x - x.max(axis=-1, keepdims=True))
        p = e / e.sum(axis=-1, keepdims=True)
        return p, p

    def backward(self, upstream, cache):
        p = cache
        return (p * (upstream - (upstream * p).sum(axis=0, keepdims=True)),)

# %% softmax mistake=one-maximum loses=test-softmax
@under_jit
class SoftmaxGate:
    def forward(self, x):
        e = jnp.exp(x - x.max())
        p = e / e.sum(axis=-1, keepdims=True)
        return p, p

    def backward(self, upstream, cache):
        return (cache * (upstream - (upstream * cache).sum(axis=-1, keepdims=True)),)

# %% softmax mistake=overflow loses=test-softmax
@under_jit
class SoftmaxGate:
    def forward(self, x):
        e = jnp.exp(x)
        p = e / e.sum(axis=-1, keepdims=True)
        return p, p

    def backward(self, upstream, cache):
        p = cache
        return (p * (upstream - (upstream * p).sum(axis=-1, keepdims=True)),)

# %% rms style=stages
@under_jit
class NormaliseGate:
    def forward(self, x, s):
        m = jnp.mean(x * x, axis=1, keepdims=True)
        r = jnp.sqrt(m)
        return s * (x / r), {"x": x, "s": s, "r": r}

    def backward(self, upstream, cache):
        x, s, r = cache["x"], cache["s"], cache["r"]
        dh = upstream * s
        dx = dh / r
        dr = -(dh * x / r**2).sum(axis=1, keepdims=True)
        dm = dr / (2 * r)
        dx += dm * 2 * x / x.shape[1]
        ds = jnp.einsum("nd,nd->d", upstream, x / r)
        return dx, ds

# %% rms mistake=overwritten-branch loses=test-rms
@under_jit
class NormaliseGate:
    def forward(self, x, s):
        r = jnp.sqrt((x**2).mean(axis=-1, keepdims=True))
        return s * x / r, (x, s, r)

    def backward(self, upstream, cache):
        x, s, r = cache
        return upstream * s / r, (upstream * x / r).sum(axis=0)

# %% rms mistake=bias-not-summed loses=test-rms
@under_jit
class NormaliseGate:
    def forward(self, x, s):
        r = jnp.sqrt((x**2).mean(axis=-1, keepdims=True))
        return s * x / r, (x, s, r)

    def backward(self, upstream, cache):
        x, s, r = cache
        h, dh = x / r, upstream * s
        return (dh - h * (h * dh).mean(axis=-1, keepdims=True)) / r, upstream * h

# %% rms mistake=bias-mean loses=test-rms
@under_jit
class NormaliseGate:
    def forward(self, x, s):
        r = jnp.sqrt((x**2).mean(axis=-1, keepdims=True))
        return s * x / r, (x, s, r)

    def backward(self, upstream, cache):
        x, s, r = cache
        h, dh = x / r, upstream * s
        return (dh - h * (h * dh).mean(axis=-1, keepdims=True)) / r, (upstream * h).mean(axis=0)

# %% rms mistake=sum-for-mean loses=test-rms
@under_jit
class NormaliseGate:
    def forward(self, x, s):
        r = jnp.sqrt((x**2).mean(axis=-1, keepdims=True))
        return s * x / r, (x, s, r)

    def backward(self, upstream, cache):
        x, s, r = cache
        h, dh = x / r, upstream * s
        return (dh - h * (h * dh).sum(axis=-1, keepdims=True)) / r, (upstream * h).sum(axis=0)

# %% logsumexp style=softmax
def logsumexp_forward(x):
    m = jnp.max(x, axis=-1)
    return m + jnp.log(jnp.sum(jnp.exp(x - m[..., None]), axis=-1)), x


def logsumexp_backward(cache, upstream):
    return (jnp.expand_dims(upstream, -1) * jax.nn.softmax(cache, axis=-1),)


@jax.custom_vjp
def logsumexp(x):
    return logsumexp_forward(x)[0]


logsumexp.defvjp(logsumexp_forward, logsumexp_backward)


@under_jit
class LogSumExpGate:
    def forward(self, x):
        return logsumexp(x), x

    def backward(self, upstream, cache):
        return jax.vjp(logsumexp, cache)[1](upstream)

# %% logsumexp style=from-output
def logsumexp_forward(x):
    m = x.max(axis=-1, keepdims=True)
    out = m[..., 0] + jnp.log(jnp.exp(x - m).sum(axis=-1))
    return out, (x, out)


def logsumexp_backward(cache, upstream):
    x, out = cache
    return (upstream[..., None] * jnp.exp(x - out[..., None]),)


@jax.custom_vjp
def logsumexp(x):
    return logsumexp_forward(x)[0]


logsumexp.defvjp(logsumexp_forward, logsumexp_backward)


@under_jit
class LogSumExpGate:
    def forward(self, x):
        return logsumexp(x), x

    def backward(self, upstream, cache):
        return jax.vjp(logsumexp, cache)[1](upstream)

# %% logsumexp mistake=no-upstream loses=test-logsumexp
def logsumexp_forward(x):
    m = x.max(axis=-1, keepdims=True)
    e = jnp.exp(x - m)
    total = e.sum(axis=-1, keepdims=True)
    return (m + jnp.log(total))[..., 0], e / total


def logsumexp_backward(cache, upstream):
    return (cache,)


@jax.custom_vjp
def logsumexp(x):
    return logsumexp_forward(x)[0]


logsumexp.defvjp(logsumexp_forward, logsumexp_backward)


@under_jit
class LogSumExpGate:
    def forward(self, x):
        return logsumexp(x), x

    def backward(self, upstream, cache):
        return jax.vjp(logsumexp, cache)[1](upstream)

# %% logsumexp mistake=one-maximum loses=test-logsumexp
def logsumexp_forward(x):
    e = jnp.exp(x - x.max())
    total = e.sum(axis=-1, keepdims=True)
    return (x.max() + jnp.log(total))[..., 0], e / total


def logsumexp_backward(cache, upstream):
    return (upstream[..., None] * cache,)


@jax.custom_vjp
def logsumexp(x):
    return logsumexp_forward(x)[0]


logsumexp.defvjp(logsumexp_forward, logsumexp_backward)


@under_jit
class LogSumExpGate:
    def forward(self, x):
        return logsumexp(x), x

    def backward(self, upstream, cache):
        return jax.vjp(logsumexp, cache)[1](upstream)


# %% logsumexp mistake=overflow loses=test-logsumexp
def logsumexp_forward(x):
    e = jnp.exp(x)
    total = e.sum(axis=-1, keepdims=True)
    return jnp.log(total)[..., 0], e / total


def logsumexp_backward(cache, upstream):
    return (upstream[..., None] * cache,)


@jax.custom_vjp
def logsumexp(x):
    return logsumexp_forward(x)[0]


logsumexp.defvjp(logsumexp_forward, logsumexp_backward)


@under_jit
class LogSumExpGate:
    def forward(self, x):
        return logsumexp(x), x

    def backward(self, upstream, cache):
        return jax.vjp(logsumexp, cache)[1](upstream)

# %% logsumexp mistake=arguments-exchanged loses=test-logsumexp
def logsumexp_forward(x):
    m = x.max(axis=-1, keepdims=True)
    e = jnp.exp(x - m)
    total = e.sum(axis=-1, keepdims=True)
    return (m + jnp.log(total))[..., 0], e / total


def logsumexp_backward(upstream, cache):
    return (upstream[..., None] * cache,)


@jax.custom_vjp
def logsumexp(x):
    return logsumexp_forward(x)[0]


logsumexp.defvjp(logsumexp_forward, logsumexp_backward)


@under_jit
class LogSumExpGate:
    def forward(self, x):
        return logsumexp(x), x

    def backward(self, upstream, cache):
        return jax.vjp(logsumexp, cache)[1](upstream)

# %% clip style=named
@jax.custom_vjp
def clip_gradient(x):
    return x


def clip_forward(x):
    return clip_gradient(x), None


def clip_backward(cache, upstream):
    return (jnp.minimum(jnp.maximum(upstream, -1.0), 1.0),)


clip_gradient.defvjp(clip_forward, clip_backward)


def clip_gradient_vjp(x, upstream):
    out, pull = jax.vjp(jax.jit(clip_gradient), jnp.asarray(x))
    return out, pull(jnp.asarray(upstream))[0]

# %% clip mistake=no-rule-given loses=test-clip
@jax.custom_vjp
def clip_gradient(x):
    return x


def clip_gradient_vjp(x, upstream):
    out, pull = jax.vjp(jax.jit(clip_gradient), jnp.asarray(x))
    return out, pull(jnp.asarray(upstream))[0]


# %% clip mistake=not-clipped loses=test-clip
@jax.custom_vjp
def clip_gradient(x):
    return x


clip_gradient.defvjp(lambda x: (x, ()), lambda cache, upstream: (upstream,))


def clip_gradient_vjp(x, upstream):
    out, pull = jax.vjp(jax.jit(clip_gradient), jnp.asarray(x))
    return out, pull(jnp.asarray(upstream))[0]

# %% clip mistake=own-input loses=test-clip
@jax.custom_vjp
def clip_gradient(x):
    return x


clip_gradient.defvjp(lambda x: (x, x), lambda x, upstream: (jnp.clip(x, -1, 1),))


def clip_gradient_vjp(x, upstream):
    out, pull = jax.vjp(jax.jit(clip_gradient), jnp.asarray(x))
    return out, pull(jnp.asarray(upstream))[0]

# %% clip mistake=clips-the-value loses=test-clip
def clip_gradient(x):
    return jnp.clip(x, -1, 1)


def clip_gradient_vjp(x, upstream):
    out, pull = jax.vjp(jax.jit(clip_gradient), jnp.asarray(x))
    return out, pull(jnp.asarray(upstream))[0]

# %% binarise style=stop-gradient
def binarise(x):
    sign = jnp.where(x >= 0, 1.0, -1.0)
    passes = jnp.where(jnp.abs(x) <= 1, x, 0.0)
    return passes + jax.lax.stop_gradient(sign - passes)


def binarise_vjp(x, upstream):
    out, pull = jax.vjp(jax.jit(binarise), jnp.asarray(x))
    return out, pull(jnp.asarray(upstream))[0]

# %% binarise style=mask
@jax.custom_vjp
def binarise(x):
    return 2.0 * (x >= 0) - 1.0


binarise.defvjp(lambda x: (binarise(x), abs(x) <= 1), lambda mask, g: (g * mask,))


def binarise_vjp(x, upstream):
    out, pull = jax.vjp(jax.jit(binarise), jnp.asarray(x))
    return out, pull(jnp.asarray(upstream))[0]

# %% binarise mistake=relu-no-mask loses=test-binarise
@jax.custom_vjp
def binarise(x):
    return jnp.where(x >= 0, 1.0, -1.0)


binarise.defvjp(lambda x: (binarise(x), x), lambda x, g: (g,))


def binarise_vjp(x, upstream):
    out, pull = jax.vjp(jax.jit(binarise), jnp.asarray(x))
    return out, pull(jnp.asarray(upstream))[0]

# %% binarise mistake=relu-on-upstream loses=test-binarise
@jax.custom_vjp
def binarise(x):
    return jnp.where(x >= 0, 1.0, -1.0)


binarise.defvjp(lambda x: (binarise(x), x), lambda x, g: (jnp.where(jnp.abs(g) <= 1, g, 0.0),))


def binarise_vjp(x, upstream):
    out, pull = jax.vjp(jax.jit(binarise), jnp.asarray(x))
    return out, pull(jnp.asarray(upstream))[0]

# %% binarise mistake=relu-inverted loses=test-binarise
@jax.custom_vjp
def binarise(x):
    return jnp.where(x >= 0, 1.0, -1.0)


binarise.defvjp(lambda x: (binarise(x), x), lambda x, g: (jnp.where(jnp.abs(x) > 1, g, 0.0),))


def binarise_vjp(x, upstream):
    out, pull = jax.vjp(jax.jit(binarise), jnp.asarray(x))
    return out, pull(jnp.asarray(upstream))[0]

# %% binarise mistake=zero-at-zero loses=test-binarise
@jax.custom_vjp
def binarise(x):
    return jnp.sign(x)


binarise.defvjp(lambda x: (binarise(x), x), lambda x, g: (jnp.where(jnp.abs(x) <= 1, g, 0.0),))


def binarise_vjp(x, upstream):
    out, pull = jax.vjp(jax.jit(binarise), jnp.asarray(x))
    return out, pull(jnp.asarray(upstream))[0]

# %% by-hand style=kit-gates
@jax.jit
def gradients_by_hand(p, x, labels):
    from nnkit.gates import Affine, SoftmaxCrossEntropy, Tanh

    z, cache1 = Affine().forward(x, p["W1"], p["b1"])
    hidden, cache2 = Tanh().forward(z)
    scores, cache3 = Affine().forward(hidden, p["W2"], p["b2"])
    loss, cache4 = SoftmaxCrossEntropy().forward(scores, labels)
    dscores, _ = SoftmaxCrossEntropy().backward(1.0, cache4)
    dhidden, dW2, db2 = Affine().backward(dscores, cache3)
    (dz,) = Tanh().backward(dhidden, cache2)
    _, dW1, db1 = Affine().backward(dz, cache1)
    return loss, {"W1": dW1, "b1": db1, "W2": dW2, "b2": db2}

# %% by-hand style=subtract-at-labels
@jax.jit
def gradients_by_hand(p, x, labels):
    N = x.shape[0]
    rows = jnp.arange(N)
    h = jnp.tanh(jnp.dot(x, p["W1"]) + p["b1"])
    s = jnp.dot(h, p["W2"]) + p["b2"]
    s = s - s.max(axis=1)[:, None]
    probs = jnp.exp(s) / jnp.exp(s).sum(axis=1)[:, None]
    loss = jnp.mean(jnp.log(jnp.exp(s).sum(axis=1)) - s[rows, labels])
    ds = probs.at[rows, labels].add(-1.0) / N
    grads = {"W2": jnp.dot(h.T, ds), "b2": jnp.sum(ds, 0)}
    dz = jnp.dot(ds, p["W2"].T) * (1 - h * h)
    grads["W1"] = jnp.dot(x.T, dz)
    grads["b1"] = jnp.sum(dz, 0)
    return loss, grads

# %% by-hand mistake=tanh-of-input loses=test-by-hand=2
@jax.jit
def gradients_by_hand(p, x, labels):
    z = x @ p["W1"] + p["b1"]
    hidden = jnp.tanh(z)
    scores = hidden @ p["W2"] + p["b2"]
    log_p = scores - jax.nn.logsumexp(scores, axis=1, keepdims=True)
    loss = -log_p[jnp.arange(len(labels)), labels].mean()
    dscores = (jnp.exp(log_p) - jax.nn.one_hot(labels, scores.shape[1])) / len(labels)
    dz = dscores @ p["W2"].T * (1 - z**2)
    return loss, {"W1": x.T @ dz, "b1": dz.sum(axis=0), "W2": hidden.T @ dscores, "b2": dscores.sum(axis=0)}

# %% by-hand mistake=bias-not-summed loses=test-by-hand=2
@jax.jit
def gradients_by_hand(p, x, labels):
    hidden = jnp.tanh(x @ p["W1"] + p["b1"])
    scores = hidden @ p["W2"] + p["b2"]
    log_p = scores - jax.nn.logsumexp(scores, axis=1, keepdims=True)
    loss = -log_p[jnp.arange(len(labels)), labels].mean()
    dscores = (jnp.exp(log_p) - jax.nn.one_hot(labels, scores.shape[1])) / len(labels)
    dz = dscores @ p["W2"].T * (1 - hidden**2)
    return loss, {"W1": x.T @ dz, "b1": dz, "W2": hidden.T @ dscores, "b2": dscores.sum(axis=0)}

# %% by-hand mistake=bias-mean loses=test-by-hand=2
@jax.jit
def gradients_by_hand(p, x, labels):
    hidden = jnp.tanh(x @ p["W1"] + p["b1"])
    scores = hidden @ p["W2"] + p["b2"]
    log_p = scores - jax.nn.logsumexp(scores, axis=1, keepdims=True)
    loss = -log_p[jnp.arange(len(labels)), labels].mean()
    dscores = (jnp.exp(log_p) - jax.nn.one_hot(labels, scores.shape[1])) / len(labels)
    dz = dscores @ p["W2"].T * (1 - hidden**2)
    return loss, {"W1": x.T @ dz, "b1": dz.sum(axis=0), "W2": hidden.T @ dscores, "b2": dscores.mean(axis=0)}

# %% by-hand mistake=no-batch-mean loses=test-by-hand
@jax.jit
def gradients_by_hand(p, x, labels):
    hidden = jnp.tanh(x @ p["W1"] + p["b1"])
    scores = hidden @ p["W2"] + p["b2"]
    log_p = scores - jax.nn.logsumexp(scores, axis=1, keepdims=True)
    loss = -log_p[jnp.arange(len(labels)), labels].mean()
    dscores = jnp.exp(log_p) - jax.nn.one_hot(labels, scores.shape[1])
    dz = dscores @ p["W2"].T * (1 - hidden**2)
    return loss, {"W1": x.T @ dz, "b1": dz.sum(axis=0), "W2": hidden.T @ dscores, "b2": dscores.sum(axis=0)}

# %% by-hand mistake=softmax-no-label loses=test-by-hand
@jax.jit
def gradients_by_hand(p, x, labels):
    hidden = jnp.tanh(x @ p["W1"] + p["b1"])
    scores = hidden @ p["W2"] + p["b2"]
    log_p = scores - jax.nn.logsumexp(scores, axis=1, keepdims=True)
    loss = -log_p[jnp.arange(len(labels)), labels].mean()
    dscores = jnp.exp(log_p) / len(labels)
    dz = dscores @ p["W2"].T * (1 - hidden**2)
    return loss, {"W1": x.T @ dz, "b1": dz.sum(axis=0), "W2": hidden.T @ dscores, "b2": dscores.sum(axis=0)}

# %% by-jax style=two-calls
def network_loss(p, x, labels):
    h = jnp.tanh(x @ p["W1"] + p["b1"])
    s = h @ p["W2"] + p["b2"]
    return jnp.mean(jax.nn.logsumexp(s, axis=1) - jnp.take_along_axis(s, labels[:, None], axis=1)[:, 0])


@jax.jit
def gradients_by_jax(p, x, labels):
    return network_loss(p, x, labels), jax.grad(network_loss, argnums=0)(p, x, labels)

# %% by-jax mistake=no-batch-mean loses=test-by-jax
def network_loss(p, x, labels):
    scores = jnp.tanh(x @ p["W1"] + p["b1"]) @ p["W2"] + p["b2"]
    return -jax.nn.log_softmax(scores)[jnp.arange(len(labels)), labels].sum()


@jax.jit
def gradients_by_jax(p, x, labels):
    return jax.value_and_grad(network_loss)(p, x, labels)

# %% by-jax mistake=overflow loses=test-by-jax
def network_loss(p, x, labels):
    scores = jnp.tanh(x @ p["W1"] + p["b1"]) @ p["W2"] + p["b2"]
    q = jnp.exp(scores) / jnp.exp(scores).sum(axis=1, keepdims=True)
    return -jnp.log(q[jnp.arange(len(labels)), labels]).mean()


@jax.jit
def gradients_by_jax(p, x, labels):
    return jax.value_and_grad(network_loss)(p, x, labels)

# %% by-jax mistake=wrong-argument loses=test-by-jax
def network_loss(p, x, labels):
    scores = jnp.tanh(x @ p["W1"] + p["b1"]) @ p["W2"] + p["b2"]
    return -jax.nn.log_softmax(scores)[jnp.arange(len(labels)), labels].mean()


@jax.jit
def gradients_by_jax(p, x, labels):
    return jax.value_and_grad(network_loss, argnums=1)(p, x, labels)

# %% epoch style=tree-map
@jax.jit
def epoch(p, xs, labels, step_size):
    def body(carry, batch):
        x, y = batch
        loss, grads = model.gradients(carry, x, y)
        return jax.tree.map(lambda W, dW: W - step_size * dW, carry, grads), loss

    final, losses = jax.lax.scan(body, p, (xs, labels))
    return final, losses


def epoch_program(p, xs, labels, step_size):
    return str(jax.make_jaxpr(epoch)(p, xs, labels, step_size))

# %% epoch style=by-index
@jax.jit
def epoch(p, xs, labels, step_size):
    def body(carry, i):
        loss, grads = model.gradients(carry, xs[i], labels[i])
        return {k: carry[k] - step_size * grads[k] for k in carry}, loss

    return jax.lax.scan(body, p, jnp.arange(xs.shape[0]))


def epoch_program(p, xs, labels, step_size):
    return str(jax.make_jaxpr(epoch)(p, xs, labels, step_size))

# %% epoch mistake=python-loop loses=test-epoch=2
@jax.jit
def epoch(p, xs, labels, step_size):
    losses = []
    for x, y in zip(xs, labels):
        loss, gradients = model.gradients(p, x, y)
        p = {name: p[name] - step_size * gradients[name] for name in p}
        losses.append(loss)
    return p, jnp.stack(losses)


def epoch_program(p, xs, labels, step_size):
    return str(jax.make_jaxpr(epoch)(p, xs, labels, step_size))

# %% epoch mistake=written-down loses=test-epoch=2
@jax.jit
def epoch(p, xs, labels, step_size):
    losses = []
    for x, y in zip(xs, labels):
        loss, gradients = model.gradients(p, x, y)
        p = {name: p[name] - step_size * gradients[name] for name in p}
        losses.append(loss)
    return p, jnp.stack(losses)


def epoch_program(p, xs, labels, step_size):
    return "scan["

# %% epoch mistake=sign loses=test-epoch=2,test-many
@jax.jit
def epoch(p, xs, labels, step_size):
    def step(p, batch):
        loss, gradients = model.gradients(p, *batch)
        return {name: p[name] + step_size * gradients[name] for name in p}, loss

    return jax.lax.scan(step, p, (xs, labels))


def epoch_program(p, xs, labels, step_size):
    return str(jax.make_jaxpr(epoch)(p, xs, labels, step_size))

# %% epoch mistake=updated-first loses=test-epoch=2,test-many
@jax.jit
def epoch(p, xs, labels, step_size):
    def step(p, batch):
        _, gradients = model.gradients(p, *batch)
        p = {name: p[name] - step_size * gradients[name] for name in p}
        return p, model.loss(p, *batch)

    return jax.lax.scan(step, p, (xs, labels))


def epoch_program(p, xs, labels, step_size):
    return str(jax.make_jaxpr(epoch)(p, xs, labels, step_size))

# %% epoch mistake=carry-not-updated loses=test-epoch=2,test-many
@jax.jit
def epoch(p, xs, labels, step_size):
    def step(carry, batch):
        loss, gradients = model.gradients(p, *batch)
        return {name: carry[name] - step_size * gradients[name] for name in p}, loss

    return jax.lax.scan(step, p, (xs, labels))


def epoch_program(p, xs, labels, step_size):
    return str(jax.make_jaxpr(epoch)(p, xs, labels, step_size))

# %% many style=closure
@jax.jit
def losses_of_many(starts, xs, labels, step_size):
    def losses_of_one(p):
        return epoch(p, xs, labels, step_size)[1]

    return jax.vmap(losses_of_one)(starts)

# %% many mistake=not-mapped loses=test-many
@jax.jit
def losses_of_many(starts, xs, labels, step_size):
    return epoch(starts, xs, labels, step_size)[1]


# %% many mistake=transposed loses=test-many
@jax.jit
def losses_of_many(starts, xs, labels, step_size):
    return jax.vmap(epoch, in_axes=(0, None, None, None), out_axes=1)(starts, xs, labels, step_size)[1]

# %% many mistake=batches-mapped-too loses=test-many
@jax.jit
def losses_of_many(starts, xs, labels, step_size):
    return jax.vmap(epoch, in_axes=(0, 0, 0, None))(starts, xs, labels, step_size)[1]

# %% stopwatch style=method
def stopwatch(function, *inputs):
    def once():
        t = perf_counter()
        out = function(*inputs)
        jax.tree.map(lambda leaf: leaf.block_until_ready(), out)
        return perf_counter() - t

    first = once()
    return {"later": float(np.median([once() for _ in range(10)])), "first": first}


class Promise:
    def __init__(self, wait):
        self.wait = wait

    def block_until_ready(self):
        self.wait()
        return self


def try_stopwatch(start, wait):
    def stand_in():
        start()
        return Promise(wait)

    return stopwatch(stand_in)

# %% stopwatch mistake=not-waited loses=test-stopwatch
def stopwatch(function, *inputs):
    seconds = []
    for _ in range(6):
        start = perf_counter()
        function(*inputs)
        seconds.append(perf_counter() - start)
    return {"first": seconds[0], "later": median(seconds[1:])}


class Promise:
    def __init__(self, wait):
        self.wait = wait

    def block_until_ready(self):
        self.wait()
        return self


def try_stopwatch(start, wait):
    def stand_in():
        start()
        return Promise(wait)

    return stopwatch(stand_in)

# %% stopwatch mistake=waited-after-the-clock loses=test-stopwatch
def stopwatch(function, *inputs):
    seconds = []
    for _ in range(6):
        start = perf_counter()
        out = function(*inputs)
        seconds.append(perf_counter() - start)
        jax.block_until_ready(out)
    return {"first": seconds[0], "later": median(seconds[1:])}


class Promise:
    def __init__(self, wait):
        self.wait = wait

    def block_until_ready(self):
        self.wait()
        return self


def try_stopwatch(start, wait):
    def stand_in():
        start()
        return Promise(wait)

    return stopwatch(stand_in)

# %% stopwatch mistake=a-pair loses=test-stopwatch,test-measure
def stopwatch(function, *inputs):
    seconds = []
    for _ in range(6):
        start = perf_counter()
        jax.block_until_ready(function(*inputs))
        seconds.append(perf_counter() - start)
    return seconds[0], median(seconds[1:])


class Promise:
    def __init__(self, wait):
        self.wait = wait

    def block_until_ready(self):
        self.wait()
        return self


def try_stopwatch(start, wait):
    def stand_in():
        start()
        return Promise(wait)

    return stopwatch(stand_in)

# %% stopwatch mistake=written-down loses=test-stopwatch
def stopwatch(function, *inputs):
    function(*inputs)
    return {"first": 0.31, "later": 0.021}


class Promise:
    def __init__(self, wait):
        self.wait = wait


def try_stopwatch(start, wait):
    for _ in range(6):
        start()
        wait()
    return {"first": 0.31, "later": 0.015}

# %% measure style=stepwise
@jax.jit
def one_step(p, x, labels):
    loss, gradients = model.gradients(p, x, labels)
    return {name: p[name] - 0.1 * gradients[name] for name in p}, loss


def by_python(p, xs, labels):
    losses = []
    for x, y in zip(xs, labels):
        p, loss = one_step(p, x, y)
        losses.append(loss)
    return p, losses


def measure(stopwatch):
    draw = np.random.default_rng(0)
    p, xs, labels = model.init(draw), draw.normal(size=(30, 16, 2)), draw.integers(0, 3, size=(30, 16))
    scan = stopwatch(epoch, p, xs, labels, 0.1)
    result = {"compile": scan["first"] - scan["later"], "scan": scan["later"]}
    result["python loop"] = stopwatch(by_python, p, xs, labels)["later"]
    result["speed-up"] = result["python loop"] / result["scan"]
    return result

# %% measure mistake=ratio-inverted loses=test-measure
@jax.jit
def one_step(p, x, labels):
    loss, gradients = model.gradients(p, x, labels)
    return {name: p[name] - 0.1 * gradients[name] for name in p}, loss


def by_python(p, xs, labels):
    losses = []
    for x, y in zip(xs, labels):
        p, loss = one_step(p, x, y)
        losses.append(loss)
    return p, losses


def measure(stopwatch):
    draw = np.random.default_rng(0)
    p, xs, labels = model.init(draw), draw.normal(size=(30, 16, 2)), draw.integers(0, 3, size=(30, 16))
    loop, scan = stopwatch(by_python, p, xs, labels), stopwatch(epoch, p, xs, labels, 0.1)
    return {
        "python loop": loop["later"],
        "scan": scan["later"],
        "compile": scan["first"] - scan["later"],
        "speed-up": scan["later"] / loop["later"],
    }

# %% measure mistake=written-down loses=test-measure
def measure(stopwatch):
    return {"python loop": 0.005, "scan": 0.0005, "compile": 0.4, "speed-up": 10.0}

# %% measure mistake=one-key-missing loses=test-measure
@jax.jit
def one_step(p, x, labels):
    loss, gradients = model.gradients(p, x, labels)
    return {name: p[name] - 0.1 * gradients[name] for name in p}, loss


def by_python(p, xs, labels):
    losses = []
    for x, y in zip(xs, labels):
        p, loss = one_step(p, x, y)
        losses.append(loss)
    return p, losses


def measure(stopwatch):
    draw = np.random.default_rng(0)
    p, xs, labels = model.init(draw), draw.normal(size=(30, 16, 2)), draw.integers(0, 3, size=(30, 16))
    loop, scan = stopwatch(by_python, p, xs, labels), stopwatch(epoch, p, xs, labels, 0.1)
    return {"python loop": loop["later"], "scan": scan["later"], "speed-up": loop["later"] / scan["later"]}

# %% softmax crash=syntax loses=test-softmax
@under_jit
class SoftmaxGate
    def forward(self, x):
        return jax.nn.softmax(x), x

# %% huber crash=raises loses=test-huber
jnp.zeros(3)[0] = 1.0

# %% swish loop=endless loses=test-swish
class SwishGate:
    def forward(self, x):
        while True:
            x = x + 1

    def backward(self, upstream, cache):
        return upstream
