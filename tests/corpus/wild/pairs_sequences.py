"""Pairs of functions for sequences: embeddings, recurrent networks, attention."""

from functools import partial

import numpy as np

from nnkit.check import check_backward


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def rnn_step_forward(x, prev_h, Wx, Wh, b):
    next_h = np.tanh(x.dot(Wx) + prev_h.dot(Wh) + b)
    return next_h, (x, prev_h, Wx, Wh, next_h)


def rnn_step_backward(dnext_h, cache):
    x, prev_h, Wx, Wh, next_h = cache
    # fault: next_h**2 -> next_h
    # fault: dnext_h * (1 - next_h**2) -> dnext_h
    da = dnext_h * (1 - next_h**2)
    dx = da.dot(Wx.T)
    # fault: Wh.T -> Wh
    dprev_h = da.dot(Wh.T)
    dWx = x.T.dot(da)
    dWh = prev_h.T.dot(da)
    db = da.sum(axis=0)
    return dx, dprev_h, dWx, dWh, db


def case_rnn_step(rng):
    n = rng.standard_normal
    inputs = n((4, 5)), n((4, 6)), n((5, 6)), n((6, 6)), n(6)
    return partial(check_backward, (rnn_step_forward, rnn_step_backward), *inputs)


def rnn_forward(x, h0, Wx, Wh, b):
    N, T, D = x.shape
    h = np.zeros((N, T, h0.shape[1]))
    prev_h, cache = h0, []
    for t in range(T):
        prev_h, step_cache = rnn_step_forward(x[:, t], prev_h, Wx, Wh, b)
        h[:, t] = prev_h
        cache.append(step_cache)
    return h, cache


def rnn_backward(dh, cache):
    N, T, H = dh.shape
    D = cache[0][0].shape[1]
    dx, dWx, dWh, db = np.zeros((N, T, D)), np.zeros((D, H)), np.zeros((H, H)), np.zeros(H)
    dprev_h = np.zeros((N, H))
    for t in reversed(range(T)):
        # fault: dh[:, t] + dprev_h -> dh[:, t]
        # fault: cache[t] -> cache[-1]
        dx[:, t], dprev_h, dWx_t, dWh_t, db_t = rnn_step_backward(dh[:, t] + dprev_h, cache[t])
        dWx += dWx_t
        # fault: += -> =
        dWh += dWh_t
        db += db_t
    return dx, dprev_h, dWx, dWh, db


def case_rnn(rng):
    n = rng.standard_normal
    return partial(check_backward, (rnn_forward, rnn_backward), n((2, 4, 3)), n((2, 5)), n((3, 5)), n((5, 5)), n(5))


def word_embedding_forward(x, W):
    return W[x], (x, W.shape)


def word_embedding_backward(dout, cache):
    x, shape = cache
    dW = np.zeros(shape)
    # fault: np.add.at(dW, x, dout) -> dW[x] += dout
    # fault: np.add.at(dW, x, dout) -> dW[x] = dout
    np.add.at(dW, x, dout)
    return dW


def case_word_embedding(rng):
    x = np.array([[0, 3, 1], [2, 0, 3]])
    return partial(
        check_backward, (word_embedding_forward, word_embedding_backward), x, rng.standard_normal((5, 4)), wrt="W"
    )


def temporal_affine_forward(x, w, b):
    N, T, D = x.shape
    return x.reshape(N * T, D).dot(w).reshape(N, T, -1) + b, (x, w, b)


def temporal_affine_backward(dout, cache):
    x, w, b = cache
    N, T, D = x.shape
    flat = dout.reshape(N * T, -1)
    dw = flat.T.dot(x.reshape(N * T, D)).T
    # fault: (0, 1) -> 0
    db = dout.sum(axis=(0, 1))
    # fault: w.T -> w.T / T
    return flat.dot(w.T).reshape(N, T, D), dw, db


def case_temporal_affine(rng):
    n = rng.standard_normal
    return partial(check_backward, (temporal_affine_forward, temporal_affine_backward), n((2, 3, 4)), n((4, 5)), n(5))


def lstm_step_forward(x, prev_h, prev_c, Wx, Wh, b):
    H = prev_h.shape[1]
    a = x.dot(Wx) + prev_h.dot(Wh) + b
    i, f, o = sigmoid(a[:, :H]), sigmoid(a[:, H : 2 * H]), sigmoid(a[:, 2 * H : 3 * H])
    g = np.tanh(a[:, 3 * H :])
    next_c = f * prev_c + i * g
    tanh_c = np.tanh(next_c)
    next_h = o * tanh_c
    return next_h, next_c, (x, prev_h, prev_c, Wx, Wh, i, f, o, g, tanh_c)


def lstm_step_backward(dnext_h, dnext_c, cache):
    x, prev_h, prev_c, Wx, Wh, i, f, o, g, tanh_c = cache
    do = dnext_h * tanh_c
    # fault: dnext_c + dnext_h -> dnext_h
    # fault: (1 - tanh_c**2) -> (1 - tanh_c)
    dc = dnext_c + dnext_h * o * (1 - tanh_c**2)
    df = dc * prev_c
    # fault: dc * f -> dnext_c * f
    dprev_c = dc * f
    di, dg = dc * g, dc * i
    # fault: f * (1 - f) -> f
    # fault: g**2 -> g
    da = np.hstack((di * i * (1 - i), df * f * (1 - f), do * o * (1 - o), dg * (1 - g**2)))
    return da.dot(Wx.T), da.dot(Wh.T), dprev_c, x.T.dot(da), prev_h.T.dot(da), da.sum(axis=0)


def case_lstm_step(rng):
    n = rng.standard_normal
    inputs = n((3, 4)), n((3, 5)), n((3, 5)), n((4, 20)), n((5, 20)), n(20)
    return partial(check_backward, (lstm_step_forward, lstm_step_backward), *inputs)


def lstm_forward(x, h0, Wx, Wh, b):
    N, T, _ = x.shape
    h, prev_h, prev_c, caches = np.zeros((N, T, h0.shape[1])), h0, np.zeros_like(h0), []
    for t in range(T):
        prev_h, prev_c, cache = lstm_step_forward(x[:, t], prev_h, prev_c, Wx, Wh, b)
        h[:, t] = prev_h
        caches.append(cache)
    return h, caches


def lstm_backward(dh, caches):
    N, T, H = dh.shape
    dx = []
    dprev_h, dprev_c = 0, np.zeros((N, H))
    dWx, dWh, db = 0, 0, 0
    for t in range(T - 1, -1, -1):
        # fault: dprev_c, caches -> np.zeros((N, H)), caches
        dx_t, dprev_h, dprev_c, dWx_t, dWh_t, db_t = lstm_step_backward(dh[:, t] + dprev_h, dprev_c, caches[t])
        # fault: dx.insert(0, dx_t) -> dx.append(dx_t)
        dx.insert(0, dx_t)
        # fault: db + db_t -> db_t
        dWx, dWh, db = dWx + dWx_t, dWh + dWh_t, db + db_t
    return np.stack(dx, axis=1), dprev_h, dWx, dWh, db


def case_lstm(rng):
    n = rng.standard_normal
    return partial(
        check_backward, (lstm_forward, lstm_backward), n((2, 5, 3)), n((2, 4)), n((3, 16)), n((4, 16)), n(16)
    )


def gru_step_forward(x, h, Wz, Wr, Wn, Uz, Ur, Un):
    z = sigmoid(x @ Wz + h @ Uz)
    r = sigmoid(x @ Wr + h @ Ur)
    n = np.tanh(x @ Wn + (r * h) @ Un)
    return (1 - z) * n + z * h, (x, h, z, r, n, Wz, Wr, Wn, Uz, Ur, Un)


def gru_step_backward(dh_next, cache):
    x, h, z, r, n, Wz, Wr, Wn, Uz, Ur, Un = cache
    # fault: h - n -> h
    dz = dh_next * (h - n) * z * (1 - z)
    dn = dh_next * (1 - z) * (1 - n**2)
    drh = dn @ Un.T
    # fault: drh * h -> drh
    dr = drh * h * r * (1 - r)
    dx = dz @ Wz.T + dr @ Wr.T + dn @ Wn.T
    # fault: + drh * r -> + drh
    # fault: dh_next * z -> dh_next * (1 - z)
    dh = dh_next * z + drh * r + dz @ Uz.T + dr @ Ur.T
    # fault: (r * h).T -> h.T
    return dx, dh, x.T @ dz, x.T @ dr, x.T @ dn, h.T @ dz, h.T @ dr, (r * h).T @ dn


def case_gru_step(rng):
    n = rng.standard_normal
    weights = [n((3, 4)) for _ in range(3)] + [n((4, 4)) for _ in range(3)]
    return partial(check_backward, (gru_step_forward, gru_step_backward), n((2, 3)), n((2, 4)), *weights)


def attention_forward(q, k, v):
    scores = q @ k.T / np.sqrt(k.shape[-1])
    p = softmax(scores)
    return p @ v, (q, k, v, p)


def attention_backward(dout, cache):
    q, k, v, p = cache
    dv = p.T @ dout
    dp = dout @ v.T
    # fault: axis=-1 -> axis=0
    # fault: p * (dp - -> (dp -
    ds = p * (dp - (dp * p).sum(axis=-1, keepdims=True))
    # fault: ds / np.sqrt -> ds * np.sqrt
    # fault: ds / np.sqrt(k.shape[-1]) -> ds
    ds = ds / np.sqrt(k.shape[-1])
    # fault: ds.T @ q -> ds @ q
    return ds @ k, ds.T @ q, dv


def case_attention(rng):
    n = rng.standard_normal
    return partial(check_backward, (attention_forward, attention_backward), n((5, 4)), n((5, 4)), n((5, 3)))


def causal_attention_forward(x, Wq, Wk, Wv):
    q, k, v = x @ Wq, x @ Wk, x @ Wv
    T = x.shape[-2]
    s = q @ k.swapaxes(-1, -2) / np.sqrt(q.shape[-1])
    s = np.where(np.tril(np.ones((T, T), dtype=bool)), s, -1e9)
    p = softmax(s)
    return p @ v, (x, Wq, Wk, Wv, q, k, v, p)


def causal_attention_backward(dout, cache):
    x, Wq, Wk, Wv, q, k, v, p = cache
    dv = p.swapaxes(-1, -2) @ dout
    dp = dout @ v.swapaxes(-1, -2)
    ds = p * (dp - np.sum(dp * p, axis=-1, keepdims=True)) / np.sqrt(q.shape[-1])
    dq, dk = ds @ k, ds.swapaxes(-1, -2) @ q
    # fault: + dv @ Wv.T ->
    dx = dq @ Wq.T + dk @ Wk.T + dv @ Wv.T
    xt = x.swapaxes(-1, -2)
    # fault: (xt @ dq) -> (xt @ dk)
    # fault: (xt @ dv).sum(0) -> (xt @ dv).mean(0)
    return dx, (xt @ dq).sum(0), (xt @ dk).sum(0), (xt @ dv).sum(0)


def case_causal_attention(rng):
    n = rng.standard_normal
    pair = causal_attention_forward, causal_attention_backward
    return partial(check_backward, pair, n((2, 4, 3)), n((3, 5)), n((3, 5)), n((3, 2)))


def multihead_forward(x, Wqkv, Wo, heads):
    B, T, D = x.shape
    qkv = (x @ Wqkv).reshape(B, T, 3, heads, D // heads).transpose(2, 0, 3, 1, 4)
    q, k, v = qkv
    p = softmax(q @ k.transpose(0, 1, 3, 2) / np.sqrt(D // heads))
    y = (p @ v).transpose(0, 2, 1, 3).reshape(B, T, D)
    return y @ Wo, (x, Wqkv, Wo, heads, q, k, v, p, y)


def multihead_backward(dout, cache):
    x, Wqkv, Wo, heads, q, k, v, p, y = cache
    B, T, D = x.shape
    dWo = np.einsum("btd,bte->de", y, dout)
    dy = (dout @ Wo.T).reshape(B, T, heads, D // heads).transpose(0, 2, 1, 3)
    # fault: dv = p.transpose(0, 1, 3, 2) -> dv = p
    dv = p.transpose(0, 1, 3, 2) @ dy
    dp = dy @ v.transpose(0, 1, 3, 2)
    # fault: np.sqrt(D // heads) -> np.sqrt(D)
    ds = p * (dp - (dp * p).sum(-1, keepdims=True)) / np.sqrt(D // heads)
    dq, dk = ds @ k, ds.transpose(0, 1, 3, 2) @ q
    # fault: [dq, dk, dv] -> [dk, dq, dv]
    # fault: 1, 3, 0, 2, 4 -> 1, 3, 2, 0, 4
    dqkv = np.stack([dq, dk, dv]).transpose(1, 3, 0, 2, 4).reshape(B, T, 3 * D)
    return dqkv @ Wqkv.T, np.einsum("btd,bte->de", x, dqkv), dWo


def case_multihead_attention(rng):
    n = rng.standard_normal
    return partial(
        check_backward, (multihead_forward, multihead_backward), n((2, 3, 4)), n((4, 12)), n((4, 4)), heads=2
    )
