"""Pairs of functions on images, `forward(x, ..., options) -> out, cache` and `backward(dout, cache)`."""

from functools import partial

import numpy as np

from nnkit.check import check_backward


def conv_forward_naive(x, w, b, conv_param):
    stride, pad = conv_param["stride"], conv_param["pad"]
    N, C, H, W = x.shape
    F, _, HH, WW = w.shape
    H_out, W_out = 1 + (H + 2 * pad - HH) // stride, 1 + (W + 2 * pad - WW) // stride
    x_pad = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)), "constant")
    out = np.zeros((N, F, H_out, W_out))
    for n in range(N):
        for f in range(F):
            for i in range(H_out):
                for j in range(W_out):
                    window = x_pad[n, :, i * stride : i * stride + HH, j * stride : j * stride + WW]
                    out[n, f, i, j] = np.sum(window * w[f]) + b[f]
    return out, (x, w, b, conv_param)


def conv_backward_naive(dout, cache):
    x, w, b, conv_param = cache
    stride, pad = conv_param["stride"], conv_param["pad"]
    N, F, H_out, W_out = dout.shape
    HH, WW = w.shape[2:]
    x_pad = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)), "constant")
    dx_pad, dw, db = np.zeros_like(x_pad), np.zeros_like(w), np.zeros_like(b)
    for n in range(N):
        for f in range(F):
            # fault: db[f] += -> db[f] =
            db[f] += np.sum(dout[n, f])
            for i in range(H_out):
                for j in range(W_out):
                    r, c = i * stride, j * stride
                    dw[f] += x_pad[n, :, r : r + HH, c : c + WW] * dout[n, f, i, j]
                    # fault: += -> =
                    # fault: w[f] -> w[f, :, ::-1, ::-1]
                    dx_pad[n, :, r : r + HH, c : c + WW] += w[f] * dout[n, f, i, j]
    dx = dx_pad[:, :, pad : pad + x.shape[2], pad : pad + x.shape[3]]
    return dx, dw, db


def case_conv_naive(rng):
    n = rng.standard_normal
    x, w, b = n((2, 3, 5, 5)), n((2, 3, 3, 3)), n(2)
    return partial(check_backward, (conv_forward_naive, conv_backward_naive), x, w, b, {"stride": 1, "pad": 1})


def case_conv_stride(rng):
    n = rng.standard_normal
    x, w, b = n((2, 2, 7, 7)), n((2, 2, 3, 3)), n(2)
    return partial(check_backward, (conv_forward_naive, conv_backward_naive), x, w, b, {"stride": 2, "pad": 1})


def im2col(x, k, stride):
    windows = np.lib.stride_tricks.sliding_window_view(x, (k, k), axis=(2, 3))[:, :, ::stride, ::stride]
    N, C, H, W, _, _ = windows.shape
    return windows.transpose(0, 2, 3, 1, 4, 5).reshape(N * H * W, C * k * k), (N, H, W)


def conv_fast_forward(x, w, b, stride=1):
    F, C, k, _ = w.shape
    cols, (N, H, W) = im2col(x, k, stride)
    out = (cols @ w.reshape(F, -1).T + b).reshape(N, H, W, F).transpose(0, 3, 1, 2)
    return out, (x.shape, w, cols, stride)


def conv_fast_backward(dout, cache):
    shape, w, cols, stride = cache
    F, C, k, _ = w.shape
    N, _, H, W = dout.shape
    # fault: 0, 2, 3, 1 -> 0, 3, 2, 1
    flat = dout.transpose(0, 2, 3, 1).reshape(-1, F)
    dw = (flat.T @ cols).reshape(w.shape)
    dcols = (flat @ w.reshape(F, -1)).reshape(N, H, W, C, k, k)
    dx = np.zeros(shape)
    for i in range(k):
        for j in range(k):
            # fault: 0, 3, 1, 2 -> 0, 3, 2, 1
            # fault: += -> =
            dx[:, :, i : i + stride * H : stride, j : j + stride * W : stride] += dcols[..., i, j].transpose(0, 3, 1, 2)
    return dx, dw, flat.sum(0)


def case_conv_im2col(rng):
    n = rng.standard_normal
    return partial(check_backward, (conv_fast_forward, conv_fast_backward), n((2, 2, 5, 5)), n((3, 2, 3, 3)), n(3))


def depthwise_forward(x, w):
    N, C, H, W = x.shape
    k = w.shape[1]
    out = np.zeros((N, C, H - k + 1, W - k + 1))
    for i in range(k):
        for j in range(k):
            out += x[:, :, i : i + H - k + 1, j : j + W - k + 1] * w[None, :, i, j, None, None]
    return out, (x, w)


def depthwise_backward(dout, cache):
    x, w = cache
    k = w.shape[1]
    H, W = dout.shape[2:]
    dx, dw = np.zeros_like(x), np.zeros_like(w)
    for i in range(k):
        for j in range(k):
            # fault: * dout -> * dout.mean(axis=0)
            dw[:, i, j] = np.sum(x[:, :, i : i + H, j : j + W] * dout, axis=(0, 2, 3))
            # fault: w[:, i, j] -> w[:, j, i]
            # fault: w[:, i, j] -> w[:, k - 1 - i, k - 1 - j]
            dx[:, :, i : i + H, j : j + W] += dout * w[:, i, j][None, :, None, None]
    return dx, dw


def case_depthwise(rng):
    n = rng.standard_normal
    return partial(check_backward, (depthwise_forward, depthwise_backward), n((2, 3, 5, 4)), n((3, 3, 3)))


def max_pool_forward_naive(x, pool_param):
    h, w, s = pool_param["pool_height"], pool_param["pool_width"], pool_param["stride"]
    N, C, H, W = x.shape
    out = np.zeros((N, C, 1 + (H - h) // s, 1 + (W - w) // s))
    for i in range(out.shape[2]):
        for j in range(out.shape[3]):
            out[:, :, i, j] = np.max(x[:, :, i * s : i * s + h, j * s : j * s + w], axis=(2, 3))
    return out, (x, pool_param)


def max_pool_backward_naive(dout, cache):
    x, pool_param = cache
    h, w, s = pool_param["pool_height"], pool_param["pool_width"], pool_param["stride"]
    dx = np.zeros_like(x)
    for n in range(x.shape[0]):
        for c in range(x.shape[1]):
            for i in range(dout.shape[2]):
                for j in range(dout.shape[3]):
                    window = x[n, c, i * s : i * s + h, j * s : j * s + w]
                    m = np.max(window)
                    # fault: window == m -> window != m
                    # fault: (window == m) * -> 1.0 / (h * w) *
                    # fault: dout[n, c, i, j] -> dout[n, c, i, j] * m
                    dx[n, c, i * s : i * s + h, j * s : j * s + w] += (window == m) * dout[n, c, i, j]
    return dx


def case_max_pool(rng):
    x = rng.standard_normal((2, 2, 6, 6))
    pool = {"pool_height": 2, "pool_width": 2, "stride": 2}
    return partial(check_backward, (max_pool_forward_naive, max_pool_backward_naive), x, pool)


def case_max_pool_overlapping(rng):
    x = rng.standard_normal((2, 2, 5, 5))
    pool = {"pool_height": 3, "pool_width": 3, "stride": 2}
    return partial(check_backward, (max_pool_forward_naive, max_pool_backward_naive), x, pool)


def avg_pool_forward(x, size):
    N, C, H, W = x.shape
    return x.reshape(N, C, H // size, size, W // size, size).mean(axis=(3, 5)), (x.shape, size)


def avg_pool_backward(dout, cache):
    shape, size = cache
    # fault: / size**2 -> / size
    # fault: / size**2 ->
    return np.repeat(np.repeat(dout, size, axis=2), size, axis=3) / size**2


def case_avg_pool(rng):
    return partial(check_backward, (avg_pool_forward, avg_pool_backward), rng.standard_normal((2, 3, 4, 6)), 2)


def global_avg_pool_forward(x):
    return x.mean(axis=(2, 3)), x.shape


def global_avg_pool_backward(dout, shape):
    N, C, H, W = shape
    # fault: / (H * W) ->
    # fault: H * W -> N * C
    return np.ones(shape) * dout[:, :, None, None] / (H * W)


def case_global_avg_pool(rng):
    pair = global_avg_pool_forward, global_avg_pool_backward
    return partial(check_backward, pair, rng.standard_normal((2, 3, 4, 5)))


def spatial_batchnorm_forward(x, gamma, beta, bn_param):
    N, C, H, W = x.shape
    rows = x.transpose(0, 2, 3, 1).reshape(-1, C)
    mean, var = rows.mean(0), rows.var(0)
    momentum = bn_param.get("momentum", 0.9)
    if bn_param["mode"] == "train":
        bn_param["running_mean"] = momentum * bn_param.get("running_mean", np.zeros(C)) + (1 - momentum) * mean
        bn_param["running_var"] = momentum * bn_param.get("running_var", np.zeros(C)) + (1 - momentum) * var
    std = np.sqrt(var + 1e-5)
    xhat = (rows - mean) / std
    out = (gamma * xhat + beta).reshape(N, H, W, C).transpose(0, 3, 1, 2)
    return out, (xhat, std, gamma)


def spatial_batchnorm_backward(dout, cache):
    xhat, std, gamma = cache
    N, C, H, W = dout.shape
    d = dout.transpose(0, 2, 3, 1).reshape(-1, C)
    # fault: d.sum(0) -> d.mean(0)
    dbeta = d.sum(0)
    dgamma = (d * xhat).sum(0)
    # fault: (N * H * W) -> N
    # fault: dbeta + xhat -> dbeta - xhat
    dx = gamma / std * (d - (dbeta + xhat * dgamma) / (N * H * W))
    return dx.reshape(N, H, W, C).transpose(0, 3, 1, 2), dgamma, dbeta


def case_spatial_batchnorm(rng):
    n = rng.standard_normal
    pair = spatial_batchnorm_forward, spatial_batchnorm_backward
    return partial(check_backward, pair, 4 * n((2, 3, 4, 5)) + 10, n(3), n(3), {"mode": "train"})


def spatial_groupnorm_forward(x, gamma, beta, G, gn_param):
    eps = gn_param.get("eps", 1e-5)
    N, C, H, W = x.shape
    groups = x.reshape(N, G, -1)
    std = np.sqrt(groups.var(axis=2, keepdims=True) + eps)
    xhat = (groups - groups.mean(axis=2, keepdims=True)) / std
    xhat_full = xhat.reshape(x.shape)
    return gamma * xhat_full + beta, (G, xhat, std, gamma)


def spatial_groupnorm_backward(dout, cache):
    G, xhat, std, gamma = cache
    N, C, H, W = dout.shape
    # fault: (0, 2, 3) -> (0, 2)
    dbeta = dout.sum(axis=(0, 2, 3), keepdims=True)
    dgamma = (dout * xhat.reshape(dout.shape)).sum(axis=(0, 2, 3), keepdims=True)
    d = (dout * gamma).reshape(N, G, -1)
    # fault: axis=2 -> axis=(1, 2)
    dx = (d - d.mean(axis=2, keepdims=True) - xhat * (d * xhat).mean(-1, keepdims=True)) / std
    return dx.reshape(dout.shape), dgamma, dbeta


def case_spatial_groupnorm(rng):
    n = rng.standard_normal
    pair = spatial_groupnorm_forward, spatial_groupnorm_backward
    return partial(check_backward, pair, n((2, 6, 3, 4)), n((1, 6, 1, 1)), n((1, 6, 1, 1)), 2, {})


def upsample_forward(x, factor):
    return x.repeat(factor, axis=2).repeat(factor, axis=3), factor


def upsample_backward(dout, factor):
    N, C, H, W = dout.shape
    # fault: .sum( -> .mean(
    # fault: .sum(axis=(3, 5)) -> [:, :, :, 0, :, 0]
    return dout.reshape(N, C, H // factor, factor, W // factor, factor).sum(axis=(3, 5))


def case_upsample(rng):
    return partial(check_backward, (upsample_forward, upsample_backward), rng.standard_normal((2, 2, 3, 4)), 2)


def bilinear_resize_forward(x, rows, cols):
    return np.einsum("ih,bchw,jw->bcij", rows, x, cols), (rows, cols)


def bilinear_resize_backward(dout, cache):
    rows, cols = cache
    # fault: rows, dout -> rows / rows.sum(axis=0), dout
    # fault: rows, dout, cols -> rows, dout, cols**2
    return np.einsum("ih,bcij,jw->bchw", rows, dout, cols)


def interpolation(size_in, size_out):
    """Return the matrix of linear interpolation in one axis."""
    at = np.linspace(0, size_in - 1, size_out)
    return np.maximum(0, 1 - np.abs(at[:, None] - np.arange(size_in)))


def case_bilinear_resize(rng):
    pair = bilinear_resize_forward, bilinear_resize_backward
    x = rng.standard_normal((2, 2, 3, 3))
    return partial(check_backward, pair, x, interpolation(3, 4), interpolation(3, 5), wrt="x")


def pad_edge_forward(x, p):
    return np.pad(x, ((0, 0), (p, p)), mode="edge"), p


def pad_edge_backward(dout, p):
    dx = dout[:, p:-p].copy()
    # fault: += dout -> = dout
    dx[:, 0] += dout[:, :p].sum(axis=1)
    # fault: -p: -> :p
    dx[:, -1] += dout[:, -p:].sum(axis=1)
    return dx


def case_pad_edge(rng):
    return partial(check_backward, (pad_edge_forward, pad_edge_backward), rng.standard_normal((3, 5)), 2)
