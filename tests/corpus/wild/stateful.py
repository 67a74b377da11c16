"""Layers that keep what they need on `self`: gradients in `self.dW`, in `self.grads`, or beside `data`."""

from functools import partial

import numpy as np

from nnkit.check import check_layer


class Linear:
    def __init__(self, in_features, out_features):
        scale = np.sqrt(2.0 / in_features)
        self.params = {"W": np.random.randn(in_features, out_features) * scale, "b": np.zeros(out_features)}
        self.grads = {"W": None, "b": None}

    def forward(self, x):
        self.x = x
        return x @ self.params["W"] + self.params["b"]

    def backward(self, dout):
        # fault: self.x.T @ dout -> self.x.T @ dout / self.x.shape[0]
        self.grads["W"] = self.x.T @ dout
        # fault: .sum(axis=0) -> .sum()
        self.grads["b"] = dout.sum(axis=0)
        # fault: dout @ self.params["W"].T -> dout.sum(axis=1, keepdims=True) * self.params["W"].sum(axis=1)
        return dout @ self.params["W"].T


def case_linear_grads_dict(rng):
    return partial(check_layer, lambda: Linear(3, 2), rng.standard_normal((4, 3)))


class Parameter:
    def __init__(self, data):
        self.data = data
        self.grad = np.zeros_like(data)


class Module:
    def parameters(self):
        for value in vars(self).values():
            if isinstance(value, Parameter):
                yield value
            elif isinstance(value, Module):
                yield from value.parameters()

    def zero_grad(self):
        for p in self.parameters():
            p.grad[...] = 0


class Dense(Module):
    def __init__(self, n_in, n_out):
        self.weight = Parameter(np.random.normal(0, 0.5, (n_out, n_in)))
        self.bias = Parameter(np.zeros(n_out))

    def forward(self, x):
        self.saved = x
        return x @ self.weight.data.T + self.bias.data

    def backward(self, grad_output):
        # fault: grad_output.T @ self.saved -> 2 * grad_output.T @ self.saved
        self.weight.grad += grad_output.T @ self.saved
        # fault: grad_output.sum(0) -> 1
        self.bias.grad += grad_output.sum(0)
        # fault: grad_output @ self.weight.data -> -grad_output @ self.weight.data
        return grad_output @ self.weight.data


def case_dense_parameter_objects(rng):
    return partial(check_layer, lambda: Dense(3, 2), rng.standard_normal((4, 3)))


class ResidualBlock(Module):
    def __init__(self, width):
        self.fc1, self.fc2 = Dense(width, width), Dense(width, width)

    def forward(self, x):
        self.h = np.tanh(self.fc1.forward(x))
        return x + self.fc2.forward(self.h)

    def backward(self, dout):
        dh = self.fc2.backward(dout)
        # fault: self.h**2 -> self.h
        dx = self.fc1.backward(dh * (1 - self.h**2))
        # fault: dx + dout -> dx
        return dx + dout


def case_residual_block(rng):
    return partial(check_layer, lambda: ResidualBlock(3), rng.standard_normal((4, 3)))


class Highway:
    def __init__(self, size):
        self.Wh, self.Wt = np.random.randn(size, size), np.random.randn(size, size)
        self.bh, self.bt = np.zeros(size), -np.ones(size)
        self.dWh = self.dWt = self.dbh = self.dbt = None

    def forward(self, x):
        self.x = x
        self.h = np.maximum(0, x @ self.Wh + self.bh)
        self.t = 1 / (1 + np.exp(-(x @ self.Wt + self.bt)))
        return self.t * self.h + (1 - self.t) * x

    def backward(self, dy):
        dh = dy * self.t * (self.h > 0)
        # fault: self.h - self.x -> self.h
        dt = dy * (self.h - self.x) * self.t * (1 - self.t)
        self.dWh, self.dbh = self.x.T @ dh, dh.sum(0)
        # fault: dt.sum(0) -> dh.sum(0)
        self.dWt, self.dbt = self.x.T @ dt, dt.sum(0)
        # fault: + dy * (1 - self.t) ->
        return dh @ self.Wh.T + dt @ self.Wt.T + dy * (1 - self.t)


def case_highway(rng):
    return partial(check_layer, lambda: Highway(4), rng.standard_normal((3, 4)))


class Sequential:
    def __init__(self, *layers):
        self.layers = list(layers)

    def forward(self, x):
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def backward(self, grad):
        # fault: reversed(self.layers) -> self.layers
        # fault: reversed(self.layers) -> reversed(self.layers[1:])
        for layer in reversed(self.layers):
            grad = layer.backward(grad)
        return grad


class Tanh:
    def forward(self, x):
        self.out = np.tanh(x)
        return self.out

    def backward(self, dout):
        # fault: self.out**2 -> np.tanh(self.out) ** 2
        return dout * (1 - self.out**2)


def case_sequential(rng):
    return partial(check_layer, lambda: Sequential(Linear(3, 3), Tanh(), Linear(3, 3)), rng.standard_normal((4, 3)))


class Embedding:
    def __init__(self, vocabulary, size):
        self.W = 0.1 * np.random.randn(vocabulary, size)
        self.dW = np.zeros_like(self.W)

    def forward(self, idx):
        self.idx = idx
        return self.W[idx]

    def backward(self, dout):
        self.dW[...] = 0
        # fault: np.add.at(self.dW, self.idx, dout) -> self.dW[self.idx] += dout
        # fault: self.idx, dout -> self.idx, 1
        np.add.at(self.dW, self.idx, dout)


def case_embedding(rng):
    return partial(check_layer, lambda: Embedding(5, 3), np.array([[1, 4, 1], [0, 2, 2]]))


class LayerNorm:
    def __init__(self, features, eps=1e-5):
        self.gamma, self.beta = np.ones(features), np.zeros(features)
        self.eps = eps

    def forward(self, x):
        centred = x - x.mean(-1, keepdims=True)
        self.rstd = 1 / np.sqrt((centred**2).mean(-1, keepdims=True) + self.eps)
        self.xhat = centred * self.rstd
        return self.xhat * self.gamma + self.beta

    def backward(self, dout):
        axes = tuple(range(dout.ndim - 1))
        # fault: dout * self.xhat -> dout + self.xhat
        self.dgamma = (dout * self.xhat).sum(axis=axes)
        self.dbeta = dout.sum(axis=axes)
        dxhat = dout * self.gamma
        m1, m2 = dxhat.mean(-1, keepdims=True), (dxhat * self.xhat).mean(-1, keepdims=True)
        # fault: dxhat - m1 - self.xhat * m2 -> dxhat - m1
        # fault: * self.rstd -> * self.rstd**2
        return (dxhat - m1 - self.xhat * m2) * self.rstd


def case_layernorm(rng):
    return partial(check_layer, lambda: LayerNorm(4), rng.standard_normal((2, 3, 4)))


class RMSNorm:
    def __init__(self, features):
        self.g = np.random.rand(features) + 0.5
        self.grad_g = np.zeros(features)

    def forward(self, x):
        self.x = x
        self.r = np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + 1e-6)
        return x / self.r * self.g

    def backward(self, dy):
        self.grad_g = np.sum(dy * self.x / self.r, axis=0)
        d = dy * self.g
        # fault: self.r**3 -> self.r**2
        # fault: axis=-1 -> axis=0
        return d / self.r - self.x * np.mean(d * self.x, axis=-1, keepdims=True) / self.r**3


def case_rmsnorm(rng):
    return partial(check_layer, lambda: RMSNorm(4), rng.standard_normal((3, 4)))


class PReLU:
    def __init__(self):
        self.a = np.array([0.25])

    def forward(self, x):
        self.x = x
        return np.where(x > 0, x, self.a * x)

    def backward(self, dout):
        # fault: self.x < 0 -> self.x > 0
        self.da = np.sum(dout * self.x * (self.x < 0), keepdims=True).ravel()
        # fault: dout * self.a -> self.a
        return np.where(self.x > 0, dout, dout * self.a)


def case_prelu(rng):
    return partial(check_layer, PReLU, rng.standard_normal((4, 3)))


class GELU:
    def forward(self, x):
        self.x = x
        self.t = np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))
        return 0.5 * x * (1 + self.t)

    def backward(self, dout):
        x, t = self.x, self.t
        # fault: 3 * 0.044715 -> 0.044715
        du = np.sqrt(2 / np.pi) * (1 + 3 * 0.044715 * x**2)
        # fault: 0.5 * (1 + t) -> (1 + t)
        # fault: 0.5 * (1 + t) + ->
        return dout * (0.5 * (1 + t) + 0.5 * x * (1 - t**2) * du)


def case_gelu(rng):
    return partial(check_layer, GELU, rng.standard_normal((4, 3)))


class Softplus:
    def __call__(self, x):
        return self.forward(x)

    def forward(self, x):
        self.x = x
        return np.log1p(np.exp(-np.abs(x))) + np.maximum(x, 0)

    def backward(self, grad):
        # fault: np.exp(-self.x) -> np.exp(self.x)
        # fault: grad / -> grad *
        return grad / (1 + np.exp(-self.x))


def case_softplus(rng):
    return partial(check_layer, Softplus, rng.standard_normal((4, 3)))


class Bilinear:
    def __init__(self, n1, n2, out):
        self.W = np.random.randn(out, n1, n2)
        self.dW = np.zeros_like(self.W)

    def forward(self, x1, x2):
        self.x1, self.x2 = x1, x2
        return np.einsum("bi,oij,bj->bo", x1, self.W, x2)

    def backward(self, dout):
        self.dW = np.einsum("bo,bi,bj->oij", dout, self.x1, self.x2)
        dx1 = np.einsum("bo,oij,bj->bi", dout, self.W, self.x2)
        # fault: self.x1 -> self.x2[:, :1]
        dx2 = np.einsum("bo,oij,bi->bj", dout, self.W, self.x1)
        # fault: dx1, dx2 -> dx1, 2 * dx2
        return dx1, dx2


def case_bilinear(rng):
    n = rng.standard_normal
    return partial(check_layer, lambda: Bilinear(3, 4, 2), n((5, 3)), n((5, 4)))


class RNN:
    def __init__(self, D, H):
        self.Wx, self.Wh, self.b = np.random.randn(D, H) * 0.5, np.random.randn(H, H) * 0.5, np.zeros(H)

    def forward(self, xs):
        h = np.zeros((len(xs), len(self.b)))
        self.xs, self.hs = xs, [h]
        for t in range(xs.shape[1]):
            h = np.tanh(xs[:, t] @ self.Wx + h @ self.Wh + self.b)
            self.hs.append(h)
        return np.stack(self.hs[1:], axis=1)

    def backward(self, dhs):
        self.dWx, self.dWh, self.db = np.zeros_like(self.Wx), np.zeros_like(self.Wh), np.zeros_like(self.b)
        dxs, dh = np.zeros_like(self.xs), 0
        for t in range(self.xs.shape[1] - 1, -1, -1):
            # fault: self.hs[t + 1] -> self.hs[t]
            da = (dhs[:, t] + dh) * (1 - self.hs[t + 1] ** 2)
            self.dWx += self.xs[:, t].T @ da
            # fault: self.hs[t] -> self.hs[t + 1]
            self.dWh += self.hs[t].T @ da
            self.db += da.sum(0)
            dxs[:, t] = da @ self.Wx.T
            # fault: self.Wh.T -> self.Wh
            # fault: dh = da -> dh = dh + da
            dh = da @ self.Wh.T
        return dxs


def case_rnn(rng):
    return partial(check_layer, lambda: RNN(3, 4), rng.standard_normal((2, 4, 3)))
