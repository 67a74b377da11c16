"""Right backwards as learners write them: layers, losses, networks, staged expressions, graphs, updates.

`mutants.py` mutates them, one place at a time, and asks the checker about each mutant. Their values and
gradients agree with numerical derivatives (`tests/test_mutants.py`).
"""

import numpy as np

# ---- layers: forward(*inputs) -> (out, cache), backward(upstream, cache) -> gradients ----------------


class BatchNorm:
    """The compact formula."""

    def forward(self, x, gamma, beta):
        spread = np.sqrt(x.var(axis=0) + 1e-5)
        normal = (x - x.mean(axis=0)) / spread
        return gamma * normal + beta, (normal, spread, gamma)

    def backward(self, upstream, cache):
        normal, spread, gamma = cache
        dgamma = (upstream * normal).sum(axis=0)
        dbeta = upstream.sum(axis=0)
        dnormal = upstream * gamma
        inner = dnormal - dnormal.mean(axis=0) - normal * (dnormal * normal).mean(axis=0)
        return inner / spread, dgamma, dbeta


class StagedBatchNorm:
    """Step by step, as in the lecture's notes."""

    def forward(self, x, gamma, beta):
        centred = x - x.mean(axis=0)
        spread = np.sqrt((centred**2).mean(axis=0) + 1e-5)
        return gamma * (centred / spread) + beta, (centred, spread, gamma)

    def backward(self, upstream, cache):
        centred, spread, gamma = cache
        n = len(centred)
        dbeta = np.sum(upstream, axis=0)
        dgamma = np.sum(upstream * centred / spread, axis=0)
        dnormal = upstream * gamma
        dspread = np.sum(-dnormal * centred / spread**2, axis=0)
        dvariance = dspread / (2 * spread)
        dcentred = dnormal / spread + 2 * centred * dvariance / n
        dx = dcentred - np.sum(dcentred, axis=0) / n
        return dx, dgamma, dbeta


class LayerNorm:
    def forward(self, x, gamma, beta):
        spread = np.sqrt(x.var(axis=1, keepdims=True) + 1e-5)
        normal = (x - x.mean(axis=1, keepdims=True)) / spread
        return gamma * normal + beta, (normal, spread, gamma)

    def backward(self, upstream, cache):
        normal, spread, gamma = cache
        dnormal = upstream * gamma
        along = np.mean(dnormal * normal, axis=1, keepdims=True)
        dx = (dnormal - np.mean(dnormal, axis=1, keepdims=True) - normal * along) / spread
        return dx, np.sum(upstream * normal, axis=0), np.sum(upstream, axis=0)


class Softmax:
    def forward(self, x):
        exps = np.exp(x - x.max(axis=1, keepdims=True))
        p = exps / exps.sum(axis=1, keepdims=True)
        return p, p

    def backward(self, upstream, cache):
        p = cache
        return p * (upstream - np.sum(upstream * p, axis=1, keepdims=True))


class RowNormalise:
    """out = each row of x over its length."""

    def forward(self, x):
        length = np.sqrt((x * x).sum(axis=1, keepdims=True))
        return x / length, (x / length, length)

    def backward(self, upstream, cache):
        out, length = cache
        along = (upstream * out).sum(axis=1)[:, None]
        return (upstream - out * along) / length


class Conv1d:
    """One channel, no padding: out[i] = the sum of w[k] x[i + k]."""

    def forward(self, x, w):
        out = np.array([x[i : i + len(w)] @ w for i in range(len(x) - len(w) + 1)])
        return out, (x, w)

    def backward(self, upstream, cache):
        x, w = cache
        dx, dw = np.zeros_like(x), np.zeros_like(w)
        for i in range(len(upstream)):
            for k in range(len(w)):
                dx[i + k] += upstream[i] * w[k]
                dw[k] += upstream[i] * x[i + k]
        return dx, dw


class ConvChannels:
    """x (N, C, L), w (F, C, K) → out (N, F, L - K + 1), one offset at a time."""

    def forward(self, x, w):
        length = x.shape[2] - w.shape[2] + 1
        out = sum(np.einsum("ncl,fc->nfl", x[:, :, k : k + length], w[:, :, k]) for k in range(w.shape[2]))
        return out, (x, w)

    def backward(self, upstream, cache):
        x, w = cache
        length = upstream.shape[2]
        dx, dw = np.zeros(x.shape), np.zeros(w.shape)
        for k in range(w.shape[2]):
            dx[:, :, k : k + length] += np.einsum("nfl,fc->ncl", upstream, w[:, :, k])
            dw[:, :, k] = np.einsum("nfl,ncl->fc", upstream, x[:, :, k : k + length])
        return dx, dw


class MaxPool:
    """The largest of each 2 neighbours: x (N, 2 L) → out (N, L)."""

    def forward(self, x):
        pairs = x.reshape(len(x), -1, 2)
        return pairs.max(axis=2), x

    def backward(self, upstream, cache):
        pairs = cache.reshape(len(cache), -1, 2)
        wins = pairs == pairs.max(axis=2, keepdims=True)
        return (wins * upstream[:, :, None]).reshape(cache.shape)


class Embedding:
    """Rows of a table, by their numbers; one row may be used many times."""

    def forward(self, table, rows):
        return table[rows], (table.shape, rows)

    def backward(self, upstream, cache):
        shape, rows = cache
        dtable = np.zeros(shape)
        for i in range(len(rows)):
            dtable[rows[i]] += upstream[i]
        return dtable, None


class Recurrent:
    """One step of a recurrent layer: tanh(x wx + h wh + b)."""

    def forward(self, x, h, wx, wh, b):
        new = np.tanh(x @ wx + h @ wh + b)
        return new, (x, h, wx, wh, new)

    def backward(self, upstream, cache):
        x, h, wx, wh, new = cache
        dz = upstream * (1 - new**2)
        return dz @ wx.T, dz @ wh.T, x.T @ dz, h.T @ dz, dz.sum(axis=0)


class Attention:
    """One head: softmax(q kᵀ / √D) v."""

    def forward(self, q, k, v):
        scores = q @ k.T / np.sqrt(q.shape[1])
        exps = np.exp(scores - scores.max(axis=1, keepdims=True))
        a = exps / exps.sum(axis=1, keepdims=True)
        return a @ v, (q, k, v, a)

    def backward(self, upstream, cache):
        q, k, v, a = cache
        da, dv = upstream @ v.T, a.T @ upstream
        dscores = a * (da - (da * a).sum(axis=1, keepdims=True)) / np.sqrt(q.shape[1])
        return dscores @ k, dscores.T @ q, dv


class Gelu:
    """x σ(1.702 x)."""

    def forward(self, x):
        return x / (1 + np.exp(-1.702 * x)), x

    def backward(self, upstream, cache):
        s = 1 / (1 + np.exp(-1.702 * cache))
        return [upstream * (s + 1.702 * cache * s * (1 - s))]


# ---- scalar functions: f(*inputs) -> (value, gradients) ----------------------------------------------


def product_of_sum(x, y, z):
    q = x + y
    f = q * z
    dq, dz = z, q
    return f, (dq, dq, dz)


def staged(x, y):
    sigy, sigx = 1 / (1 + np.exp(-y)), 1 / (1 + np.exp(-x))
    num = x + sigy
    xpy = x + y
    den = sigx + xpy**2
    f = num / den
    dnum, dden = 1 / den, -num / den**2
    dxpy = 2 * xpy * dden
    dx = dnum + dxpy
    dx += sigx * (1 - sigx) * dden
    dy = dxpy + sigy * (1 - sigy) * dnum
    return f, (dx, dy)


def circuit(x, y, z, w):
    f = 2 * (x * y + max(z, w))
    dz = 2 if z > w else 0
    return f, (2 * y, 2 * x, dz, 2 - dz)


def neuron(w, x):
    dot = w[0] * x[0] + w[1] * x[1] + w[2]
    f = 1 / (1 + np.exp(-dot))
    ddot = f * (1 - f)
    dw = np.array([x[0] * ddot, x[1] * ddot, ddot])
    dx = ddot * w[:2]
    return f, (dw, dx)


def squared_length(w, x):
    q = w @ x
    return np.sum(q**2), (np.outer(2 * q, x), w.T @ (2 * q))


# ---- losses: loss(prediction, target) -> (value, dprediction) ----------------------------------------


def softmax_loss(logits, labels):
    n = len(logits)
    p = np.exp(logits - np.max(logits, axis=1, keepdims=True))
    p /= np.sum(p, axis=1, keepdims=True)
    loss = -np.mean(np.log(p[np.arange(n), labels]))
    dlogits = p.copy()
    dlogits[np.arange(n), labels] -= 1
    return loss, dlogits / n


def hinge_loss(scores, labels):
    n = len(scores)
    right = scores[np.arange(n), labels][:, None]
    margins = np.maximum(0, scores - right + 1)
    margins[np.arange(n), labels] = 0
    dscores = (margins > 0) / n
    dscores[np.arange(n), labels] -= dscores.sum(axis=1)
    return margins.sum() / n, dscores


def binary_loss(z, target):
    loss = np.mean(np.maximum(z, 0) - z * target + np.log(1 + np.exp(-np.abs(z))))
    p = 1 / (1 + np.exp(-z))
    return loss, (p - target) / z.size


def mean_squared_error(prediction, target):
    difference = prediction - target
    return np.mean(difference**2), 2 * difference / difference.size


# ---- networks: loss(parameters, *batch) -> (value, {name: gradient}) ---------------------------------


def two_layers(parameters, x, labels):
    w1, b1, w2, b2 = parameters["w1"], parameters["b1"], parameters["w2"], parameters["b2"]
    n = len(x)
    h = np.maximum(0, x @ w1 + b1)
    scores = h @ w2 + b2
    p = np.exp(scores - scores.max(axis=1, keepdims=True))
    p = p / p.sum(axis=1, keepdims=True)
    loss = -np.log(p[np.arange(n), labels]).mean() + 0.05 * (np.sum(w1**2) + np.sum(w2**2))
    p[np.arange(n), labels] -= 1
    dscores = p / n
    dh = dscores @ w2.T
    dh[h <= 0] = 0
    gradients = {"w2": h.T @ dscores + 0.1 * w2, "b2": dscores.sum(axis=0)}
    gradients["w1"] = x.T @ dh + 0.1 * w1
    gradients["b1"] = dh.sum(axis=0)
    return loss, gradients


def twenty_lines(parameters, x, y):
    w1, w2 = parameters["w1"], parameters["w2"]
    h = 1 / (1 + np.exp(-x.dot(w1)))
    y_pred = h.dot(w2)
    loss = np.square(y_pred - y).sum()
    grad_y_pred = 2.0 * (y_pred - y)
    grad_w2 = h.T.dot(grad_y_pred)
    grad_h = grad_y_pred.dot(w2.T)
    grad_w1 = x.T.dot(grad_h * h * (1 - h))
    return loss, {"w1": grad_w1, "w2": grad_w2}


def logistic(parameters, x, y):
    p = 1 / (1 + np.exp(-(x @ parameters["w"] + parameters["b"])))
    loss = -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))
    dz = (p - y) / len(y)
    return loss, {"w": x.T @ dz, "b": dz.sum()}


def through_time(parameters, xs):
    u, w = parameters["u"], parameters["w"]
    hs = [np.zeros(len(w))]
    for x in xs:
        hs.append(np.tanh(u @ x + w @ hs[-1]))
    du, dw = np.zeros_like(u), np.zeros_like(w)
    dh = 2 * hs[-1]
    for t in reversed(range(len(xs))):
        dz = dh * (1 - hs[t + 1] ** 2)
        du += np.outer(dz, xs[t])
        dw += np.outer(dz, hs[t])
        dh = w.T @ dz
    return np.sum(hs[-1] ** 2), {"u": du, "w": dw}


# ---- Jacobians, graphs, updates, steps ----------------------------------------------------------------


def softmax_jacobian(x):
    p = np.exp(x) / np.exp(x).sum()
    return np.diag(p) - np.outer(p, p)


def sigmoid_jacobian(x):
    s = 1 / (1 + np.exp(-x))
    return np.diag(s * (1 - s))


def graph_backward(needs, local, output):
    order, waiting = [], list(needs)
    while waiting:
        node = waiting.pop(0)
        if all(x in order for x in needs[node]):
            order.append(node)
        else:
            waiting.append(node)
    grad = {node: 0.0 for node in needs}
    grad[output] = 1.0
    for node in reversed(order):
        for x, slope in zip(needs[node], local[node]):
            grad[x] += grad[node] * slope
    return grad


def update(weights, gradients, step_size):
    return weights - step_size * gradients


def update_all(weights, gradients, step_size):
    new = {}
    for name in weights:
        new[name] = weights[name] - step_size * gradients[name]
    return new


def linear_step(parameters, x, y, step_size):
    w, b = parameters["w"], parameters["b"]
    difference = x @ w + b - y
    dw = 2 * x.T @ difference / len(y)
    db = 2 * difference.sum() / len(y)
    return {"w": w - step_size * dw, "b": b - step_size * db}


def linear_loss(parameters, x, y):
    return np.mean((x @ parameters["w"] + parameters["b"] - y) ** 2)
