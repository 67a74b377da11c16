"""Pairs of functions, `forward(...) -> out, cache` and `backward(dout, cache)`: dense layers, norms, losses."""

from functools import partial

import numpy as np

from nnkit.check import check_backward, check_gradient


def affine_forward(x, w, b):
    N = x.shape[0]
    out = x.reshape(N, -1).dot(w) + b
    cache = (x, w, b)
    return out, cache


def affine_backward(dout, cache):
    x, w, b = cache
    N = x.shape[0]
    # fault: w.T -> w.T * 2
    dx = dout.dot(w.T).reshape(x.shape)
    dw = x.reshape(N, -1).T.dot(dout)
    # fault: np.sum(dout, axis=0) -> np.mean(dout, axis=0)
    # fault: np.sum(dout, axis=0) -> dout
    db = np.sum(dout, axis=0)
    return dx, dw, db


def case_affine(rng):
    n = rng.standard_normal
    return partial(check_backward, (affine_forward, affine_backward), n((4, 2, 3)), n((6, 5)), n(5))


def relu_forward(x):
    out = np.maximum(0, x)
    cache = x
    return out, cache


def relu_backward(dout, cache):
    x = cache
    dx = dout.copy()
    # fault: x <= 0 -> dout <= 0
    # fault: dx[x <= 0] = 0 -> dx[x <= 0] = 1
    dx[x <= 0] = 0
    return dx


def case_relu(rng):
    return partial(check_backward, (relu_forward, relu_backward), rng.standard_normal((5, 4)))


def leaky_relu_forward(x, alpha=0.01):
    mask = (x > 0).astype(x.dtype) + alpha * (x <= 0)
    return x * mask, mask


def leaky_relu_backward(dout, mask):
    # fault: mask -> (mask > 0)
    # fault: mask -> mask**2
    return dout * mask


def case_leaky_relu(rng):
    return partial(check_backward, (leaky_relu_forward, leaky_relu_backward), rng.standard_normal((5, 4)), alpha=0.2)


def elu_forward(x, alpha):
    out = np.where(x > 0, x, alpha * (np.exp(np.minimum(x, 0)) - 1))
    return out, (x, out, alpha)


def elu_backward(dout, cache):
    x, out, alpha = cache
    # fault: out + alpha -> out
    # fault: out + alpha -> out + 1
    return dout * np.where(x > 0, 1, out + alpha)


def case_elu(rng):
    return partial(check_backward, (elu_forward, elu_backward), rng.standard_normal((5, 4)), alpha=0.7)


def affine_relu_forward(x, w, b):
    a, fc_cache = affine_forward(x, w, b)
    out, relu_cache = relu_forward(a)
    return out, (fc_cache, relu_cache)


def affine_relu_backward(dout, cache):
    fc_cache, relu_cache = cache
    da = relu_backward(dout, relu_cache)
    # fault: (da, fc_cache) -> (dout, fc_cache)
    return affine_backward(da, fc_cache)


def case_affine_relu(rng):
    n = rng.standard_normal
    return partial(check_backward, (affine_relu_forward, affine_relu_backward), n((4, 3)), n((3, 5)), n(5))


def batchnorm_forward(x, gamma, beta, bn_param):
    mode = bn_param["mode"]
    eps = bn_param.get("eps", 1e-5)
    momentum = bn_param.get("momentum", 0.9)
    N, D = x.shape
    running_mean = bn_param.get("running_mean", np.zeros(D, dtype=x.dtype))
    running_var = bn_param.get("running_var", np.zeros(D, dtype=x.dtype))
    if mode == "train":
        mu = x.mean(axis=0)
        xmu = x - mu
        var = np.mean(xmu**2, axis=0)
        sqrtvar = np.sqrt(var + eps)
        ivar = 1.0 / sqrtvar
        xhat = xmu * ivar
        out = gamma * xhat + beta
        running_mean = momentum * running_mean + (1 - momentum) * mu
        running_var = momentum * running_var + (1 - momentum) * var
        cache = (mode, xhat, gamma, xmu, ivar, sqrtvar, var, eps)
    elif mode == "test":
        xhat = (x - running_mean) / np.sqrt(running_var + eps)
        out = gamma * xhat + beta
        cache = (mode, xhat, gamma, None, 1 / np.sqrt(running_var + eps), None, running_var, eps)
    else:
        raise ValueError(f"invalid mode {mode}")
    bn_param["running_mean"] = running_mean
    bn_param["running_var"] = running_var
    return out, cache


def batchnorm_backward(dout, cache):
    mode, xhat, gamma, xmu, ivar, sqrtvar, var, eps = cache
    N, D = dout.shape
    dbeta = np.sum(dout, axis=0)
    dgamma = np.sum(dout * xhat, axis=0)
    dxhat = dout * gamma
    if mode == "test":
        return dxhat * ivar, dgamma, dbeta
    divar = np.sum(dxhat * xmu, axis=0)
    dxmu1 = dxhat * ivar
    # fault: (sqrtvar**2) -> sqrtvar
    dsqrtvar = -1.0 / (sqrtvar**2) * divar
    # fault: 0.5 -> 1.0
    dvar = 0.5 * 1.0 / np.sqrt(var + eps) * dsqrtvar
    # fault: / N -> / (N - 1)
    dsq = 1.0 / N * np.ones((N, D)) * dvar
    dxmu2 = 2 * xmu * dsq
    dx1 = dxmu1 + dxmu2
    dmu = -1 * np.sum(dxmu1 + dxmu2, axis=0)
    dx2 = 1.0 / N * np.ones((N, D)) * dmu
    # fault: dx1 + dx2 -> dx1
    dx = dx1 + dx2
    return dx, dgamma, dbeta


def case_batchnorm_train(rng):
    n = rng.standard_normal
    x, gamma, beta = 5 * n((4, 5)) + 12, n(5), n(5)
    return partial(check_backward, (batchnorm_forward, batchnorm_backward), x, gamma, beta, {"mode": "train"})


def batchnorm_backward_alt(dout, cache):
    mode, xhat, gamma, xmu, ivar, sqrtvar, var, eps = cache
    N = len(dout)
    dbeta = dout.sum(axis=0)
    # fault: * xhat -> * xmu
    dgamma = (dout * xhat).sum(axis=0)
    if mode == "test":
        return gamma * dout * ivar, dgamma, dbeta
    # fault: N * dout - dbeta -> N * dout
    # fault: xhat * dgamma) -> dgamma)
    dx = gamma * ivar / N * (N * dout - dbeta - xhat * dgamma)
    return dx, dgamma, dbeta


def case_batchnorm_alt(rng):
    n = rng.standard_normal
    pair = batchnorm_forward, batchnorm_backward_alt
    return partial(check_backward, pair, n((6, 3)), n(3), n(3), {"mode": "train", "eps": 1e-3})


def batchnorm_test_backward(dout, cache):
    mode, xhat, gamma, _, ivar, *_ = cache
    # fault: * ivar -> * ivar**2
    # fault: gamma * ivar -> ivar
    return dout * gamma * ivar, np.sum(dout * xhat, axis=0), np.sum(dout, axis=0)


def case_batchnorm_test(rng):
    n = rng.standard_normal
    bn_param = {"mode": "test", "running_mean": n(3), "running_var": rng.uniform(0.5, 2, 3)}
    return partial(check_backward, (batchnorm_forward, batchnorm_test_backward), n((6, 3)), n(3), n(3), bn_param)


def layernorm_forward(x, gamma, beta, ln_param):
    eps = ln_param.get("eps", 1e-5)
    mu = x.mean(axis=1, keepdims=True)
    std = np.sqrt(x.var(axis=1, keepdims=True) + eps)
    xhat = (x - mu) / std
    return gamma * xhat + beta, (xhat, std, gamma)


def layernorm_backward(dout, cache):
    xhat, std, gamma = cache
    D = dout.shape[1]
    dbeta = dout.sum(0)
    dgamma = (dout * xhat).sum(0)
    dxhat = dout * gamma
    # fault: axis=1 -> axis=0
    s1 = dxhat.sum(axis=1, keepdims=True)
    s2 = (dxhat * xhat).sum(axis=1, keepdims=True)
    # fault: s2 * xhat -> s2
    # fault: D * dxhat -> dxhat
    dx = (D * dxhat - s1 - s2 * xhat) / (D * std)
    return dx, dgamma, dbeta


def case_layernorm(rng):
    n = rng.standard_normal
    return partial(check_backward, (layernorm_forward, layernorm_backward), n((4, 5)), n(5), n(5), {})


def dropout_forward(x, dropout_param):
    p, mode = dropout_param["p"], dropout_param["mode"]
    if "seed" in dropout_param:
        np.random.seed(dropout_param["seed"])
    mask = None
    out = x
    if mode == "train":
        mask = (np.random.rand(*x.shape) < p) / p
        out = x * mask
    return out.astype(x.dtype, copy=False), (dropout_param, mask)


def dropout_backward(dout, cache):
    dropout_param, mask = cache
    if dropout_param["mode"] == "train":
        # fault: * mask -> * (mask > 0)
        # fault: dout * mask -> dout
        return dout * mask
    return dout


def case_dropout_train(rng):
    x = rng.standard_normal((6, 7)) + 10
    return partial(check_backward, (dropout_forward, dropout_backward), x, {"mode": "train", "p": 0.6})


def case_dropout_seeded(rng):
    x = rng.standard_normal((6, 7)) + 10
    return partial(check_backward, (dropout_forward, dropout_backward), x, {"mode": "train", "p": 0.6, "seed": 123})


def case_dropout_test(rng):
    x = rng.standard_normal((6, 7)) + 10
    return partial(check_backward, (dropout_forward, dropout_backward), x, {"mode": "test", "p": 0.6})


def softmax_loss(x, y):
    shifted = x - np.max(x, axis=1, keepdims=True)
    Z = np.sum(np.exp(shifted), axis=1, keepdims=True)
    log_probs = shifted - np.log(Z)
    probs = np.exp(log_probs)
    N = x.shape[0]
    loss = -np.sum(log_probs[np.arange(N), y]) / N
    dx = probs.copy()
    # fault: -= 1 -> += 1
    # fault: np.arange(N), y -> :, y
    dx[np.arange(N), y] -= 1
    # fault: dx /= N -> pass
    dx /= N
    return loss, dx


def case_softmax_loss(rng):
    return partial(check_gradient, softmax_loss, rng.standard_normal((8, 5)), rng.integers(5, size=8))


def svm_loss(x, y):
    N = x.shape[0]
    correct = x[np.arange(N), y]
    margins = np.maximum(0, x - correct[:, np.newaxis] + 1.0)
    margins[np.arange(N), y] = 0
    loss = np.sum(margins) / N
    # fault: margins > 0 -> margins >= 0
    num_pos = np.sum(margins > 0, axis=1)
    dx = np.zeros_like(x)
    dx[margins > 0] = 1
    # fault: num_pos -> 1
    dx[np.arange(N), y] -= num_pos
    # fault: N -> N**2
    dx /= N
    return loss, dx


def case_svm_loss(rng):
    return partial(check_gradient, svm_loss, rng.standard_normal((8, 5)), rng.integers(5, size=8))


def svm_loss_naive(W, X, y, reg):
    dW = np.zeros(W.shape)
    num_classes, num_train = W.shape[1], X.shape[0]
    loss = 0.0
    for i in range(num_train):
        scores = X[i].dot(W)
        for j in range(num_classes):
            if j == y[i]:
                continue
            margin = scores[j] - scores[y[i]] + 1
            if margin > 0:
                loss += margin
                dW[:, j] += X[i]
                # fault: -= X[i] -> += X[i]
                dW[:, y[i]] -= X[i]
    loss /= num_train
    dW /= num_train
    loss += reg * np.sum(W * W)
    # fault: 2 * reg -> reg
    # fault: dW += -> dW =
    dW += 2 * reg * W
    return loss, dW


def case_svm_loss_naive(rng):
    W, X = 0.1 * rng.standard_normal((7, 4)), rng.standard_normal((9, 7))
    return partial(check_gradient, svm_loss_naive, W, X, rng.integers(4, size=9), 0.5, wrt="W")
