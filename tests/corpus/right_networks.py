"""Networks with their gradients, whole steps and updates, in many hands; parameters are dicts."""

from __future__ import annotations

import numpy as np

from corpus import right_draws as draws
from corpus import right_families as f
from corpus.right_base import Family, network, step, update
from nnkit.gates import Affine, ReLU, SoftmaxCrossEntropy


def softmax_loss(scores, labels):
    """(loss, dscores) of the mean softmax cross-entropy."""
    logs = scores - np.logaddexp.reduce(scores, axis=1, keepdims=True)
    onehot = np.eye(scores.shape[1])[labels]
    return -np.sum(onehot * logs) / len(labels), (np.exp(logs) - onehot) / len(labels)


# ---- two layers: W2 max(0, W1 x + b1) + b2 -----------------------------------------------------------


@network(f.TWO_LAYERS, "as in the course's assignment")
def two_layers_course(parameters, X, y):
    W1, b1, W2, b2 = (parameters[name] for name in ("W1", "b1", "W2", "b2"))
    hidden = np.maximum(0, X.dot(W1) + b1)
    scores = hidden.dot(W2) + b2
    exps = np.exp(scores - scores.max(axis=1, keepdims=True))
    probs = exps / exps.sum(axis=1, keepdims=True)
    shifted = scores - scores.max(axis=1, keepdims=True)
    loss = np.mean(np.log(exps.sum(axis=1)) - shifted[np.arange(len(y)), y])
    grads = {}
    dscores = probs
    dscores[np.arange(len(y)), y] -= 1
    dscores /= len(y)
    grads["W2"] = hidden.T.dot(dscores)
    grads["b2"] = np.sum(dscores, axis=0)
    dhidden = dscores.dot(W2.T)
    dhidden[hidden <= 0] = 0
    grads["W1"] = X.T.dot(dhidden)
    grads["b1"] = np.sum(dhidden, axis=0)
    return loss, grads


@network(f.TWO_LAYERS, "with gates")
def two_layers_gates(p, x, labels):
    affine, relu, loss_gate = Affine(), ReLU(), SoftmaxCrossEntropy()
    z, first = affine.forward(x, p["W1"], p["b1"])
    h, mask = relu.forward(z)
    scores, second = affine.forward(h, p["W2"], p["b2"])
    loss, cache = loss_gate.forward(scores, labels)
    dscores, _ = loss_gate.backward(1.0, cache)
    dh, dW2, db2 = affine.backward(dscores, second)
    (dz,) = relu.backward(dh, mask)
    _, dW1, db1 = affine.backward(dz, first)
    return loss, {"W1": dW1, "b1": db1, "W2": dW2, "b2": db2}


@network(f.TWO_LAYERS, "example by example")
def two_layers_examples(p, x, labels):
    loss, grads = 0.0, {name: np.zeros(value.shape) for name, value in p.items()}
    for row, label in zip(x, labels):
        z = row @ p["W1"] + p["b1"]
        h = z * (z > 0)
        value, (ds,) = softmax_loss((h @ p["W2"] + p["b2"])[None], [label])
        dz = (p["W2"] @ ds) * (z > 0)
        loss += value / len(x)
        for name, gradient in (("W2", np.outer(h, ds)), ("b2", ds), ("W1", np.outer(row, dz)), ("b1", dz)):
            grads[name] += gradient / len(x)
    return loss, grads


@network(f.TWO_LAYERS, "einsum, keys in another order")
def two_layers_einsum(p, x, labels):
    z = np.einsum("nd,dh->nh", x, p["W1"]) + p["b1"]
    h = np.where(z >= 0, z, 0)
    loss, ds = softmax_loss(np.einsum("nh,hc->nc", h, p["W2"]) + p["b2"], labels)
    dz = np.where(z >= 0, np.einsum("nc,hc->nh", ds, p["W2"]), 0)
    return loss, {
        "b2": np.einsum("nc->c", ds),
        "b1": np.einsum("nh->h", dz),
        "W2": np.einsum("nh,nc->hc", h, ds),
        "W1": np.einsum("nd,nh->dh", x, dz),
    }


class Layer:
    """A layer that remembers its own input; made afresh in each call."""

    def __init__(self, w, b):
        self.w, self.b = w, b

    def __call__(self, x):
        self.x = x
        return x @ self.w + self.b

    def back(self, g):
        self.dw, self.db = self.x.T @ g, g.sum(axis=0)
        return g @ self.w.T


@network(f.TWO_LAYERS, "layers that remember, made afresh")
def two_layers_objects(p, x, labels):
    first, second = Layer(p["W1"], p["b1"]), Layer(p["W2"], p["b2"])
    z = first(x)
    loss, ds = softmax_loss(second(np.maximum(z, 0)), labels)
    first.back(second.back(ds) * (z > 0))
    return loss, {"W1": first.dw, "b1": first.db, "W2": second.dw, "b2": second.db}


@network(f.TWO_LAYERS_L2, "λW added at the end")
def regularised(p, x, labels):
    loss, grads = two_layers_gates(p, x, labels)
    for name in ("W1", "W2"):
        loss = loss + 0.05 * np.sum(p[name] * p[name])
        grads[name] = grads[name] + 0.1 * p[name]
    return loss, grads


@network(f.TWO_LAYERS_L2, "λW as the starting value")
def regularised_first(p, x, labels):
    grads = {name: 0.1 * value if name[0] == "W" else np.zeros_like(value) for name, value in p.items()}
    z = x @ p["W1"] + p["b1"]
    h = np.clip(z, 0, None)
    loss, ds = softmax_loss(h @ p["W2"] + p["b2"], labels)
    grads["W2"] += h.T @ ds
    grads["b2"] += np.ones(len(x)) @ ds
    dz = (ds @ p["W2"].T) * np.sign(h)
    grads["W1"] += x.T @ dz
    grads["b1"] += np.ones(len(x)) @ dz
    return loss + 0.5 * 0.1 * sum((p[name] ** 2).sum() for name in ("W1", "W2")), grads


# ---- the 20-line network, three layers, a line ------------------------------------------------------


@network(f.LECTURE_NETWORK, "as in the lecture")
def lecture_network(p, x, y):
    h = 1 / (1 + np.exp(-x.dot(p["w1"])))
    y_pred = h.dot(p["w2"])
    loss = np.square(y_pred - y).sum()
    grad_y_pred = 2.0 * (y_pred - y)
    grad_w2 = h.T.dot(grad_y_pred)
    grad_h = grad_y_pred.dot(p["w2"].T)
    grad_w1 = x.T.dot(grad_h * h * (1 - h))
    return loss, {"w1": grad_w1, "w2": grad_w2}


@network(f.LECTURE_NETWORK, "one example after the other")
def lecture_network_loop(p, x, y):
    loss, dw1, dw2 = 0.0, np.zeros_like(p["w1"]), np.zeros_like(p["w2"])
    for row, wanted in zip(x, y):
        h = 0.5 * (np.tanh(0.5 * (row @ p["w1"])) + 1)
        e = h @ p["w2"] - wanted
        loss = loss + e @ e
        dw2 += 2 * h[:, None] * e
        dw1 += row[:, None] * (p["w2"] @ (2 * e) * (h - h**2))
    return loss, dict(w2=dw2, w1=dw1)


@network(f.THREE_LAYERS, "a list of activations")
def three_layers_list(p, x, labels):
    activations = [x]
    for i in (1, 2):
        activations.append(np.tanh(activations[-1] @ p[f"W{i}"] + p[f"b{i}"]))
    loss, g = softmax_loss(activations[-1] @ p["W3"] + p["b3"], labels)
    grads = {}
    for i in (3, 2, 1):
        grads[f"W{i}"] = activations[i - 1].T @ g
        grads[f"b{i}"] = g.sum(axis=0)
        g = (g @ p[f"W{i}"].T) * (1 - activations[i - 1] ** 2)
    return loss, grads


@network(f.THREE_LAYERS, "recursion")
def three_layers_recursive(p, x, labels):
    grads = {}

    def layer(i, a):
        """The loss from layer i on, and its gradient with respect to a."""
        z = a @ p[f"W{i}"] + p[f"b{i}"]
        if i == 3:
            loss, dz = softmax_loss(z, labels)
        else:
            loss, dout = layer(i + 1, np.tanh(z))
            dz = dout * (1 - np.tanh(z) ** 2)
        grads[f"W{i}"], grads[f"b{i}"] = (dz.T @ a).T, np.sum(dz, axis=0)
        return loss, dz @ p[f"W{i}"].T

    return layer(1, x)[0], grads


@network(f.THREE_LAYERS, "pullbacks")
def three_layers_pullbacks(p, x, labels):
    def dense(name, a):
        def pullback(g):
            return g @ p[f"W{name}"].T, {f"W{name}": a.T @ g, f"b{name}": np.ones(len(a)) @ g}

        return a @ p[f"W{name}"] + p[f"b{name}"], pullback

    z1, back1 = dense(1, x)
    z2, back2 = dense(2, np.tanh(z1))
    z3, back3 = dense(3, np.tanh(z2))
    loss, g = softmax_loss(z3, labels)
    da2, third = back3(g)
    da1, second = back2(da2 / np.cosh(z2) ** 2)
    _, first = back1(da1 / np.cosh(z1) ** 2)
    return loss, {**first, **second, **third}


@network(f.LINEAR_MODEL, "a scalar bias")
def linear_model(p, x, y):
    e = x @ p["w"] + p["b"] - y
    return np.mean(e**2), {"w": 2 * x.T @ e / len(y), "b": 2 * e.mean()}


@network(f.LINEAR_MODEL, "python floats for the bias")
def linear_model_floats(p, x, y):
    errors = [float(row @ p["w"] + p["b"] - t) for row, t in zip(x, y)]
    dw = sum(2 * e * row for e, row in zip(errors, x)) / len(errors)
    return sum(e * e for e in errors) / len(errors), {"w": dw, "b": sum(2 * e for e in errors) / len(errors)}


# ---- whole steps ------------------------------------------------------------------------------------


@step(f.TWO_LAYERS, "gradients first, then all updates")
def two_layers_step(p, x, labels, step_size):
    _, grads = two_layers_gates(p, x, labels)
    return {name: p[name] - step_size * grads[name] for name in p}


@step(f.TWO_LAYERS, "on a copy, in place")
def two_layers_step_copy(p, x, labels, step_size):
    new = {name: value.copy() for name, value in p.items()}
    _, grads = two_layers_course(p, x, labels)
    for name in new:
        new[name] -= step_size * grads[name]
    return new


@step(f.LECTURE_NETWORK, "each weight by name")
def lecture_step(p, x, y, step_size):
    w1, w2 = p["w1"], p["w2"]
    h = 1 / (1 + np.exp(-x @ w1))
    e = 2 * (h @ w2 - y)
    dw2, dw1 = h.T @ e, x.T @ ((e @ w2.T) * h * (1 - h))
    return {"w1": w1 - step_size * dw1, "w2": w2 - step_size * dw2}


@step(f.LINEAR_MODEL, "a scalar bias")
def linear_step(p, x, y, step_size):
    _, grads = linear_model(p, x, y)
    return {"b": p["b"] - step_size * grads["b"], "w": p["w"] - step_size * grads["w"]}


# ---- updates ----------------------------------------------------------------------------------------


def array_pair(rng):
    shape = draws.any_shape(rng)
    return draws.wide(rng, shape), draws.wide(rng, shape)


def dict_pair(rng):
    d, h = draws.sizes(rng, 2)
    shapes = {"W": (d, h), "b": (h,)}
    return tuple({name: np.asarray(draws.wide(rng, shape)) for name, shape in shapes.items()} for _ in range(2))


UPDATE = Family("update", array_pair, lambda w, dw, step_size: w - step_size * dw)
UPDATE_DICT = Family(
    "update of a dict", dict_pair, lambda w, dw, step_size: {name: w[name] - step_size * dw[name] for name in w}
)


@update(UPDATE, "one line")
def update_line(W, dW, step_size):
    return W - step_size * dW


@update(UPDATE, "plus the negative step")
def update_negative(W, dW, step_size):
    return W + np.multiply(-step_size, dW)


@update(UPDATE, "on a copy, in place")
def update_copy(W, dW, step_size):
    new = np.array(W, copy=True)
    new -= step_size * dW
    return new


@update(UPDATE, "entry by entry")
def update_loop(W, dW, step_size):
    new = np.zeros(np.shape(W))
    for i in np.ndindex(new.shape):
        new[i] = np.asarray(W)[i] - step_size * np.asarray(dW)[i]
    return new


@update(UPDATE_DICT, "a comprehension")
def update_comprehension(weights, gradients, step_size):
    return {name: w - step_size * gradients[name] for name, w in weights.items()}


@update(UPDATE_DICT, "a copied dict, new arrays")
def update_copied_dict(weights, gradients, step_size):
    new = dict(weights)
    for name in gradients:
        new[name] = new[name] - step_size * gradients[name]
    return new


@update(UPDATE_DICT, "zipped, in another order")
def update_zipped(weights, gradients, step_size):
    names = sorted(weights, reverse=True)
    return dict(zip(names, [np.subtract(weights[n], gradients[n] * step_size) for n in names]))
