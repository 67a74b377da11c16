# Answers to ps3 like those of a real class, for `nnkit demo-class ps3`: right ones in several styles, and wrong ones
# with a planted mistake. A cell's header names the answer cell it replaces and either its style, or the mistake's
# id (or a word for it) and the test cells that lose points because of it: `cell=points lost`.

# %% tanh-jacobian style=loop
def tanh_jacobian(x):
    J = np.zeros((len(x), len(x)))
    for i in range(len(x)):
        J[i, i] = 1 / np.cosh(x[i]) ** 2
    return J

# %% tanh-jacobian style=identity
def tanh_jacobian(x):
    return np.eye(len(x)) * (1 - np.tanh(x) ** 2)

# %% tanh-jacobian mistake=wrong-shape loses=test-tanh-jacobian
def tanh_jacobian(x):
    return 1 - np.tanh(x) ** 2

# %% tanh-jacobian mistake=tanh-of-input loses=test-tanh-jacobian
def tanh_jacobian(x):
    return np.diag(1 - x**2)

# %% by-input style=loops
def by_input(W, x):
    J = np.zeros(W.shape)
    for i in range(W.shape[0]):
        for j in range(W.shape[1]):
            J[i, j] = W[i, j]
    return J

# %% by-input style=bare
def by_input(W, x):
    return W

# %% by-input mistake=transposed loses=test-by-input
def by_input(W, x):
    return W.T

# %% by-input mistake=wrong-shape loses=test-by-input
def by_input(W, x):
    return W @ x

# %% by-weights style=einsum
def by_weights(W, x):
    return np.einsum("ia,b->iab", np.eye(len(W)), x)

# %% by-weights style=four-loops
def by_weights(W, x):
    M, D = W.shape
    J = np.zeros((M, M, D))
    for i in range(M):
        for a in range(M):
            for b in range(D):
                if i == a:
                    J[i, a, b] = x[b]
    return J

# %% by-weights mistake=everywhere loses=test-by-weights
def by_weights(W, x):
    M, D = W.shape
    return np.zeros((M, M, D)) + x

# %% by-weights mistake=transposed loses=test-by-weights
def by_weights(W, x):
    M, D = W.shape
    J = np.zeros((D, M, M))
    for i in range(M):
        J[:, i, i] = x
    return J

# %% by-weights mistake=kept-dims loses=test-by-weights
def by_weights(W, x):
    return np.kron(np.eye(len(W)), x)

# %% softmax-jacobian style=loops
def softmax_jacobian(s):
    p = np.exp(s - max(s))
    p = p / sum(p)
    J = np.zeros((len(s), len(s)))
    for i in range(len(s)):
        for j in range(len(s)):
            J[i, j] = p[i] * ((i == j) - p[j])
    return J

# %% softmax-jacobian mistake=softmax-diagonal loses=test-softmax-jacobian
def softmax_jacobian(s):
    p = np.exp(s) / np.exp(s).sum()
    return np.diag(p * (1 - p))

# %% softmax-jacobian mistake=sign loses=test-softmax-jacobian
def softmax_jacobian(s):
    p = np.exp(s) / np.exp(s).sum()
    return np.outer(p, p) - np.diag(p)

# %% squared-norm style=norm
class SquaredNormGate:
    def forward(self, x):
        return np.linalg.norm(x) ** 2, {"x": x}

    def backward(self, upstream, cache):
        return (upstream * cache["x"] + cache["x"] * upstream,)

# %% squared-norm mistake=factor loses=test-squared-norm
class SquaredNormGate:
    def forward(self, x):
        return (x * x).sum(), x

    def backward(self, upstream, cache):
        return upstream * cache

# %% squared-norm mistake=no-upstream loses=test-squared-norm
class SquaredNormGate:
    def forward(self, x):
        return (x * x).sum(), x

    def backward(self, upstream, cache):
        return 2 * cache

# %% matmul style=einsum
class MatMulGate:
    def forward(self, x, w):
        return np.einsum("nd,dm->nm", x, w), (x, w)

    def backward(self, upstream, cache):
        x, w = cache
        return np.einsum("nm,dm->nd", upstream, w), np.einsum("nd,nm->dm", x, upstream)

# %% matmul style=sum-of-outer-products
class MatMulGate:
    def forward(self, x, w):
        return np.dot(x, w), [x, w]

    def backward(self, upstream, cache):
        x, w = cache
        dx = (w @ upstream.T).T
        dw = sum(np.outer(a, g) for a, g in zip(x, upstream))
        return [dx, dw]

# %% matmul mistake=transposed loses=test-matmul
class MatMulGate:
    def forward(self, x, w):
        return x @ w, (x, w)

    def backward(self, upstream, cache):
        x, w = cache
        return upstream @ w.T, upstream.T @ x

# %% matmul mistake=wrong-order-product loses=test-matmul
class MatMulGate:
    def forward(self, x, w):
        return x @ w, (x, w)

    def backward(self, upstream, cache):
        x, w = cache
        return w.T @ upstream, upstream @ x.T

# %% matmul mistake=swapped-inputs loses=test-matmul
class MatMulGate:
    def forward(self, x, w):
        return x @ w, (x, w)

    def backward(self, upstream, cache):
        x, w = cache
        return x.T @ upstream, upstream @ w.T

# %% affine style=row-of-ones
class AffineGate:
    def forward(self, x, w, b):
        return x @ w + b[None, :], {"x": x, "w": w}

    def backward(self, upstream, cache):
        ones = np.ones(len(upstream))
        return np.dot(upstream, cache["w"].T), np.dot(cache["x"].T, upstream), ones @ upstream

# %% affine mistake=bias-not-summed loses=test-affine
class AffineGate:
    def forward(self, x, w, b):
        return x @ w + b, (x, w)

    def backward(self, upstream, cache):
        x, w = cache
        return upstream @ w.T, x.T @ upstream, upstream

# %% affine mistake=bias-mean loses=test-affine
class AffineGate:
    def forward(self, x, w, b):
        return x @ w + b, (x, w)

    def backward(self, upstream, cache):
        x, w = cache
        return upstream @ w.T, x.T @ upstream, upstream.mean(axis=0)

# %% affine mistake=sum-all loses=test-affine
class AffineGate:
    def forward(self, x, w, b):
        return x @ w + b, (x, w)

    def backward(self, upstream, cache):
        x, w = cache
        return upstream @ w.T, x.T @ upstream, upstream.sum()

# %% add-column style=reshape
class AddColumnGate:
    def forward(self, z, c):
        return z + c, c.shape

    def backward(self, upstream, cache):
        return upstream, upstream.sum(axis=-1).reshape(cache)

# %% add-column mistake=kept-dims loses=test-add-column
class AddColumnGate:
    def forward(self, z, c):
        return z + c, None

    def backward(self, upstream, cache):
        return upstream, upstream.sum(axis=1)

# %% add-column mistake=wrong-shape loses=test-add-column
class AddColumnGate:
    def forward(self, z, c):
        return z + c, None

    def backward(self, upstream, cache):
        return upstream, upstream

# %% scale-row style=einsum
class ScaleRowGate:
    def forward(self, z, r):
        return z * r, (z, r)

    def backward(self, upstream, cache):
        z, r = cache
        return np.einsum("nd,d->nd", upstream, r), np.einsum("nd,nd->d", upstream, z)

# %% scale-row mistake=bias-not-summed loses=test-scale-row
class ScaleRowGate:
    def forward(self, z, r):
        return z * r, (z, r)

    def backward(self, upstream, cache):
        z, r = cache
        return upstream * r, upstream * z

# %% scale-row mistake=bias-mean loses=test-scale-row
class ScaleRowGate:
    def forward(self, z, r):
        return z * r, (z, r)

    def backward(self, upstream, cache):
        z, r = cache
        return upstream * r, (upstream * z).mean(axis=0)

# %% sum-rows style=ones
class SumRowsGate:
    def forward(self, x):
        return np.ones(len(x)) @ x, len(x)

    def backward(self, upstream, cache):
        return np.outer(np.ones(cache), upstream)

# %% sum-rows style=add-to-zeros
class SumRowsGate:
    def forward(self, x):
        return x.sum(axis=0), x

    def backward(self, upstream, cache):
        return (np.zeros_like(cache) + upstream,)

# %% sum-rows mistake=wrong-shape loses=test-sum-rows
class SumRowsGate:
    def forward(self, x):
        return x.sum(axis=0), None

    def backward(self, upstream, cache):
        return upstream

# %% sum-rows mistake=no-batch-mean loses=test-sum-rows
class SumRowsGate:
    def forward(self, x):
        return x.sum(axis=0), len(x)

    def backward(self, upstream, cache):
        return np.tile(upstream / cache, (cache, 1))

# %% mean-columns style=outer
class MeanColumnsGate:
    def forward(self, x):
        return x.sum(axis=1) / x.shape[1], x.shape[1]

    def backward(self, upstream, cache):
        return np.outer(upstream, np.ones(cache)) / cache

# %% mean-columns mistake=factor loses=test-mean-columns
class MeanColumnsGate:
    def forward(self, x):
        return x.mean(axis=1), x

    def backward(self, upstream, cache):
        return upstream[:, None] * np.ones_like(cache)

# %% mean-columns mistake=no-batch-mean loses=test-mean-columns
class MeanColumnsGate:
    def forward(self, x):
        return x.mean(axis=1), x

    def backward(self, upstream, cache):
        return upstream[:, None] * np.ones_like(cache) / len(cache)

# %% softmax style=jacobian-of-each-row
class SoftmaxGate:
    def forward(self, scores):
        e = np.exp(scores.T - scores.max(axis=1))
        return (e / e.sum(axis=0)).T, scores

    def backward(self, upstream, cache):
        p, _ = self.forward(cache)
        return np.array([g @ (np.diag(q) - np.outer(q, q)) for g, q in zip(upstream, p)])

# %% softmax mistake=softmax-diagonal loses=test-softmax
class SoftmaxGate:
    def forward(self, scores):
        e = np.exp(scores - scores.max(axis=1, keepdims=True))
        p = e / e.sum(axis=1, keepdims=True)
        return p, p

    def backward(self, upstream, cache):
        return upstream * cache * (1 - cache)

# %% softmax mistake=softmax-wrong-axis loses=test-softmax
class SoftmaxGate:
    def forward(self, scores):
        e = np.exp(scores - scores.max(axis=1, keepdims=True))
        p = e / e.sum(axis=1, keepdims=True)
        return p, p

    def backward(self, upstream, cache):
        return cache * (upstream - (upstream * cache).sum(axis=0, keepdims=True))

# %% softmax mistake=overflow loses=test-softmax
class SoftmaxGate:
    def forward(self, scores):
        e = np.exp(scores)
        p = e / e.sum(axis=1, keepdims=True)
        return p, p

    def backward(self, upstream, cache):
        return cache * (upstream - (upstream * cache).sum(axis=1, keepdims=True))

# %% softmax-loss style=onehot
class SoftmaxLossGate:
    def forward(self, scores, labels):
        shifted = scores - scores.max(axis=1)[:, None]
        onehot = np.eye(scores.shape[1])[labels]
        losses = np.log(np.exp(shifted).sum(axis=1)) - (onehot * shifted).sum(axis=1)
        e = np.exp(shifted)
        return losses.mean(), (e / e.sum(axis=1)[:, None] - onehot) / len(labels)

    def backward(self, upstream, cache):
        return [upstream * cache, None]

# %% softmax-loss mistake=softmax-no-label loses=test-softmax-loss
class SoftmaxLossGate:
    def forward(self, scores, labels):
        t = scores - scores.max(axis=1, keepdims=True)
        log_p = t - np.log(np.exp(t).sum(axis=1, keepdims=True))
        return -log_p[np.arange(len(labels)), labels].mean(), np.exp(log_p)

    def backward(self, upstream, cache):
        return upstream * cache / len(cache), None

# %% softmax-loss mistake=no-batch-mean loses=test-softmax-loss
class SoftmaxLossGate:
    def forward(self, scores, labels):
        t = scores - scores.max(axis=1, keepdims=True)
        log_p = t - np.log(np.exp(t).sum(axis=1, keepdims=True))
        return -log_p[np.arange(len(labels)), labels].mean(), (np.exp(log_p), labels)

    def backward(self, upstream, cache):
        p, labels = cache
        return upstream * (p - np.eye(p.shape[1])[labels]), None

# %% softmax-loss mistake=overflow loses=test-softmax-loss=2
class SoftmaxLossGate:
    def forward(self, scores, labels):
        p = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
        return -np.log(p[np.arange(len(labels)), labels]).mean(), (p, labels)

    def backward(self, upstream, cache):
        p, labels = cache
        return upstream * (p - np.eye(p.shape[1])[labels]) / len(p), None

# %% softmax-loss mistake=mutated-input loses=test-softmax-loss
class SoftmaxLossGate:
    def forward(self, scores, labels):
        t = scores - scores.max(axis=1, keepdims=True)
        log_p = t - np.log(np.exp(t).sum(axis=1, keepdims=True))
        return -log_p[np.arange(len(labels)), labels].mean(), (np.exp(log_p), labels)

    def backward(self, upstream, cache):
        dscores, labels = cache
        dscores[np.arange(len(labels)), labels] -= 1
        return upstream * dscores / len(labels), None

# %% squared-error style=vector-and-back
def squared_error(prediction, target):
    difference = prediction.ravel() - target
    gradient = (difference + difference) / target.size
    return difference @ difference / target.size, gradient.reshape(prediction.shape)

# %% squared-error mistake=broadcast-pair loses=test-squared-error=1
def squared_error(prediction, target):
    error = prediction - target
    return np.mean(error**2), 2 * error.reshape(len(error), -1).mean(axis=1).reshape(prediction.shape) / len(error)

# %% squared-error mistake=factor loses=test-squared-error
def squared_error(prediction, target):
    error = prediction - target.reshape(prediction.shape)
    return np.mean(error**2), error / len(error)

# %% squared-error mistake=no-batch-mean loses=test-squared-error
def squared_error(prediction, target):
    error = prediction - target.reshape(prediction.shape)
    return np.mean(error**2), 2 * error

# %% mean-norm style=one-example-at-a-time
def mean_norm(x, W):
    N = len(x)
    f, dW, dx = 0.0, np.zeros(W.shape), np.zeros(x.shape)
    for n in range(N):
        q = W @ x[n]
        f += (q**2).sum() / N
        dW += np.outer(2 * q, x[n]) / N
        dx[n] = W.T @ (2 * q) / N
    return f, (dx, dW)

# %% mean-norm mistake=no-batch-mean loses=test-mean-norm
def mean_norm(x, W):
    q = x @ W.T
    return np.sum(q**2) / len(x), (2 * q @ W, 2 * q.T @ x)

# %% mean-norm mistake=factor loses=test-mean-norm
def mean_norm(x, W):
    q = x @ W.T
    dq = q / len(x)
    return np.sum(q**2) / len(x), (dq @ W, dq.T @ x)

# %% mean-norm mistake=transposed loses=test-mean-norm
def mean_norm(x, W):
    q = x @ W.T
    dq = 2 * q / len(x)
    return np.sum(q**2) / len(x), (dq @ W, x.T @ dq)

# %% transposed-product style=transposed-back
class TransposedProductGate:
    def forward(self, a, b):
        return np.transpose(a) @ b, (a, b)

    def backward(self, upstream, cache):
        a, b = cache
        d_transposed = upstream @ b.T
        return d_transposed.T, (upstream.T @ a.T).T

# %% transposed-product mistake=transposed loses=test-transposed-product
class TransposedProductGate:
    def forward(self, a, b):
        return a.T @ b, (a, b)

    def backward(self, upstream, cache):
        a, b = cache
        return upstream @ b.T, a @ upstream

# %% transposed-product mistake=no-upstream loses=test-transposed-product
class TransposedProductGate:
    def forward(self, a, b):
        return a.T @ b, (a, b)

    def backward(self, upstream, cache):
        a, b = cache
        ones = np.ones((a.shape[1], b.shape[1]))
        return b @ ones.T, a @ ones

# %% classifier style=onehot
def classifier(parameters, x, labels):
    w, b = parameters["w"], parameters["b"]
    scores = np.dot(x, w) + b
    e = np.exp(scores - scores.max(axis=1)[:, None])
    p = e / e.sum(axis=1)[:, None]
    onehot = np.eye(len(b))[labels]
    dscores = (p - onehot) / len(labels)
    return -np.log((p * onehot).sum(axis=1)).mean(), {"b": dscores.sum(0), "w": np.dot(x.T, dscores)}

# %% classifier mistake=no-batch-mean loses=test-classifier
def classifier(parameters, x, labels):
    scores = x @ parameters["w"] + parameters["b"]
    t = scores - scores.max(axis=1, keepdims=True)
    log_p = t - np.log(np.exp(t).sum(axis=1, keepdims=True))
    dscores = np.exp(log_p) - np.eye(t.shape[1])[labels]
    return -log_p[np.arange(len(x)), labels].mean(), {"w": x.T @ dscores, "b": dscores.sum(axis=0)}

# %% classifier mistake=bias-mean loses=test-classifier
def classifier(parameters, x, labels):
    scores = x @ parameters["w"] + parameters["b"]
    t = scores - scores.max(axis=1, keepdims=True)
    log_p = t - np.log(np.exp(t).sum(axis=1, keepdims=True))
    dscores = (np.exp(log_p) - np.eye(t.shape[1])[labels]) / len(x)
    return -log_p[np.arange(len(x)), labels].mean(), {"w": x.T @ dscores, "b": dscores.mean(axis=0)}

# %% classifier mistake=softmax-no-label loses=test-classifier
def classifier(parameters, x, labels):
    scores = x @ parameters["w"] + parameters["b"]
    t = scores - scores.max(axis=1, keepdims=True)
    log_p = t - np.log(np.exp(t).sum(axis=1, keepdims=True))
    dscores = np.exp(log_p) / len(x)
    return -log_p[np.arange(len(x)), labels].mean(), {"w": x.T @ dscores, "b": dscores.sum(axis=0)}

# %% puzzles style=computed
def puzzles():
    shape = (32, 5) + (10, 5)
    return {"axes": [0, 2], "bytes": int(np.prod(shape)) * 4, "jacobian": list(shape)}

# %% puzzles mistake=input-first loses=test-puzzles=1
def puzzles():
    return {"jacobian": (10, 5, 32, 5), "bytes": 32 * 5 * 10 * 5 * 4, "axes": (0, 2)}

# %% puzzles mistake=one-axis loses=test-puzzles=1
def puzzles():
    return {"jacobian": (32, 5, 10, 5), "bytes": 32 * 5 * 10 * 5 * 4, "axes": (0,)}

# %% puzzles mistake=float64 loses=test-puzzles=2
def puzzles():
    return {"jacobian": (32, 5, 10, 5), "bytes": 32 * 5 * 10 * 5 * 8, "axes": (2,)}

# %% affine crash=syntax loses=test-affine
class AffineGate
    def forward(self, x, w, b):
        return x @ w + b, (x, w)

# %% softmax-jacobian crash=undefined-name loses=test-softmax-jacobian
J = my_softmax_from_the_other_notebook


def softmax_jacobian(s):
    return J

# %% puzzles crash=type loses=test-puzzles
def puzzles():
    return "(32, 5, 10, 5)"

# %% sum-rows loop=endless loses=test-sum-rows
class SumRowsGate:
    def forward(self, x):
        return x.sum(axis=0), x

    def backward(self, upstream, cache):
        dx = np.zeros_like(cache)
        while len(dx):
            dx[0] = upstream
        return dx

# %% measure style=in-place
def measured_gradient(f, x, upstream, h):
    x, gradient = x.astype(float), np.zeros(x.shape)
    it = np.nditer(x, flags=["multi_index"])
    while not it.finished:
        j = it.multi_index
        old = x[j]
        x[j] = old + h
        above = np.sum(upstream * f(x))
        x[j] = old - h
        below = np.sum(upstream * f(x))
        x[j] = old
        gradient[j] = (above - below) / (2 * h)
        it.iternext()
    return gradient

# %% measure style=unit-vectors
def measured_gradient(f, x, upstream, h):
    steps = h * np.eye(x.size).reshape(x.size, *x.shape)
    slopes = [np.vdot(upstream, (f(x + e) - f(x - e)) / (2 * h)) for e in steps]
    return np.reshape(slopes, x.shape)

# %% measure mistake=one-sided-difference loses=test-measure
def measured_gradient(f, x, upstream, h):
    gradient = np.zeros(x.shape)
    for j in np.ndindex(x.shape):
        moved = x.astype(float)
        moved[j] += h
        gradient[j] = np.sum(upstream * (f(moved) - f(x))) / h
    return gradient

# %% measure mistake=step-not-doubled loses=test-measure,test-judge
def measured_gradient(f, x, upstream, h):
    gradient = np.zeros(x.shape)
    for j in np.ndindex(x.shape):
        above, below = x.astype(float), x.astype(float)
        above[j] += h
        below[j] -= h
        gradient[j] = np.sum(upstream * (f(above) - f(below))) / h
    return gradient

# %% measure mistake=no-upstream loses=test-measure,test-judge
def measured_gradient(f, x, upstream, h):
    gradient = np.zeros(x.shape)
    for j in np.ndindex(x.shape):
        above, below = x.astype(float), x.astype(float)
        above[j] += h
        below[j] -= h
        gradient[j] = np.sum(f(above) - f(below)) / (2 * h)
    return gradient

# %% measure mistake=not-put-back loses=test-measure
def measured_gradient(f, x, upstream, h):
    moved, gradient = x.astype(float), np.zeros(x.shape)
    for j in np.ndindex(x.shape):
        moved[j] += h
        above = np.sum(upstream * f(moved))
        moved[j] -= 2 * h
        gradient[j] = (above - np.sum(upstream * f(moved))) / (2 * h)
    return gradient

# %% measure mistake=whole-numbers loses=test-measure
def measured_gradient(f, x, upstream, h):
    gradient = np.zeros_like(x)
    for j in np.ndindex(x.shape):
        e = np.zeros(x.shape)
        e[j] = h
        gradient[j] = np.sum(upstream * (f(x + e) - f(x - e))) / (2 * h)
    return gradient

# %% valley-answers style=powers
def valley():
    return {"float32": 0.0, "kink": 1 / 2, "one side": 10.0, "central": 10**2}

# %% valley-answers mistake=same-order loses=test-valley=0.5
def valley():
    return {"central": 10, "one side": 10, "kink": 0.5, "float32": 0}

# %% valley-answers mistake=no-kink loses=test-valley=0.5
def valley():
    return {"central": 100, "one side": 10, "kink": 1, "float32": 0}

# %% valley-answers mistake=exact-float32 loses=test-valley=0.5
def valley():
    return {"central": 100, "one side": 10, "kink": 0.5, "float32": 3}

# %% valley-answers mistake=no-return loses=test-valley
def valley():
    {"central": 100, "one side": 10, "kink": 0.5, "float32": 0}

# %% valley-answers mistake=tuple loses=test-valley
def valley():
    return 100, 10, 0.5, 0

# %% valley-answers mistake=misspelt-keys loses=test-valley=1
def valley():
    return {"Central": 100, "one-side": 10, "kink": 0.5, "float32": 0}

# %% judge mistake=fraction-of-each-entry loses=test-judge=2
def is_right(forward, backward, inputs):
    out, cache = forward(*inputs)
    upstream = np.random.default_rng(0).normal(size=np.shape(out))
    for k, dx in enumerate(backward(upstream, cache)):
        m = measured_gradient(lambda x: forward(*inputs[:k], x, *inputs[k + 1 :])[0], inputs[k], upstream, 1e-5)
        if np.shape(dx) != m.shape or not np.all(np.abs(dx - m) <= 1e-4 * np.abs(m)):
            return False
    return True

# %% judge style=allclose
def is_right(forward, backward, inputs):
    out, cache = forward(*inputs)
    upstream = np.random.uniform(0.5, 1.5, size=np.shape(out))

    def slopes(k):
        return measured_gradient(lambda x: forward(*inputs[:k], x, *inputs[k + 1 :])[0], inputs[k], upstream, 1e-5)

    for k, given in enumerate(backward(upstream, cache)):
        right = slopes(k)
        if np.shape(given) != right.shape or not np.allclose(given, right, rtol=0, atol=1e-4 * abs(right).max()):
            return False
    return True

# %% judge style=relative-norm
def is_right(forward, backward, inputs):
    out, cache = forward(*inputs)
    upstream = np.random.default_rng(5).normal(size=np.shape(out))
    verdicts = []
    for k, (x, dx) in enumerate(zip(inputs, backward(upstream, cache))):
        others = list(inputs)

        def f(moved):
            others[k] = moved
            return forward(*others)[0]

        measured = measured_gradient(f, x, upstream, 1e-4)
        away = np.linalg.norm(dx - measured) / (np.linalg.norm(dx) + np.linalg.norm(measured))
        verdicts.append(np.shape(dx) == np.shape(x) and away < 1e-4)
    return all(verdicts)

# %% judge mistake=ones-upstream loses=test-judge
def is_right(forward, backward, inputs):
    out, cache = forward(*inputs)
    upstream = np.ones(np.shape(out))
    for k, dx in enumerate(backward(upstream, cache)):
        m = measured_gradient(lambda x: forward(*inputs[:k], x, *inputs[k + 1 :])[0], inputs[k], upstream, 1e-5)
        if np.shape(dx) != m.shape or not np.max(np.abs(dx - m)) <= 1e-6 * np.max(np.abs(m)):
            return False
    return True

# %% judge mistake=fixed-tolerance loses=test-judge=2
def is_right(forward, backward, inputs):
    out, cache = forward(*inputs)
    upstream = np.random.default_rng(0).normal(size=np.shape(out))
    for k, dx in enumerate(backward(upstream, cache)):
        m = measured_gradient(lambda x: forward(*inputs[:k], x, *inputs[k + 1 :])[0], inputs[k], upstream, 1e-5)
        if np.shape(dx) != m.shape or not np.max(np.abs(dx - m)) <= 1e-6:
            return False
    return True

# %% judge mistake=compared-as-a-whole loses=test-judge
def is_right(forward, backward, inputs):
    out, cache = forward(*inputs)
    upstream = np.random.default_rng(0).normal(size=np.shape(out))
    for k, dx in enumerate(backward(upstream, cache)):
        m = measured_gradient(lambda x: forward(*inputs[:k], x, *inputs[k + 1 :])[0], inputs[k], upstream, 1e-5)
        if np.shape(dx) != m.shape or not abs(np.linalg.norm(dx) - np.linalg.norm(m)) <= 1e-6 * np.linalg.norm(m):
            return False
    return True

# %% judge mistake=unnoticed-entry loses=test-judge=2
def is_right(forward, backward, inputs):
    out, cache = forward(*inputs)
    upstream = np.random.default_rng(0).normal(size=np.shape(out))
    for k, dx in enumerate(backward(upstream, cache)):
        m = measured_gradient(lambda x: forward(*inputs[:k], x, *inputs[k + 1 :])[0], inputs[k], upstream, 1e-5)
        return np.shape(dx) == m.shape and bool(np.max(np.abs(dx - m)) <= 1e-6 * np.max(np.abs(m)))

# %% judge mistake=step-size loses=test-judge
def is_right(forward, backward, inputs):
    out, cache = forward(*inputs)
    upstream = np.random.default_rng(0).normal(size=np.shape(out))
    for k, dx in enumerate(backward(upstream, cache)):
        m = measured_gradient(lambda x: forward(*inputs[:k], x, *inputs[k + 1 :])[0], inputs[k], upstream, 1e-12)
        if np.shape(dx) != m.shape or not np.max(np.abs(dx - m)) <= 1e-6 * np.max(np.abs(m)):
            return False
    return True

# %% judge mistake=nan-passes loses=test-judge=2
def is_right(forward, backward, inputs):
    out, cache = forward(*inputs)
    upstream = np.random.default_rng(0).normal(size=np.shape(out))
    for k, dx in enumerate(backward(upstream, cache)):
        m = measured_gradient(lambda x: forward(*inputs[:k], x, *inputs[k + 1 :])[0], inputs[k], upstream, 1e-5)
        if np.shape(dx) != m.shape or np.max(np.abs(dx - m)) > 1e-6 * np.max(np.abs(m)):
            return False
    return True
