# Answers to ps4 like those of a real class, for `nnkit demo-class ps4`: right ones in several styles, and wrong ones
# with a planted mistake. A cell's header names the answer cell it replaces and either its style, or the mistake's
# id (or a word for it) and the test cells that lose points because of it: `cell=points lost`. A wrong gate
# spoils what is built from it, since these students did not use the kit's gate instead; to make it certain what a
# mistake costs, every style builds on the same parts, and the digits are trained with the same settings.

# %% affine style=einsum
class AffineGate:
    def forward(self, x, w, b):
        out = np.einsum("nd,dh->nh", x, w) + b[None, :]
        return out, {"x": x, "w": w}

    def backward(self, upstream, cache):
        dx = np.einsum("nh,dh->nd", upstream, cache["w"])
        dw = np.einsum("nd,nh->dh", cache["x"], upstream)
        db = np.einsum("nh->h", upstream)
        return dx, dw, db

# %% affine style=ones
class AffineGate:
    def forward(self, x, w, b):
        cache = x, w, b
        return np.dot(x, w) + b, cache

    def backward(self, upstream, cache):
        x, w, b = cache
        dw = np.dot(upstream.T, x).T
        db = np.dot(np.ones(len(x)), upstream)
        return (np.dot(w, upstream.T).T, dw, db)

# %% affine mistake=bias-mean loses=test-affine,test-network=4,test-regularised,test-deep,test-step,test-train,test-tape-network
class AffineGate:
    def forward(self, x, w, b):
        return x @ w + b, (x, w)

    def backward(self, upstream, cache):
        x, w = cache
        return upstream @ w.T, x.T @ upstream, upstream.mean(axis=0)

# %% affine mistake=bias-not-summed loses=test-affine,test-network=4,test-regularised,test-deep,test-step,test-train,test-digits
class AffineGate:
    def forward(self, x, w, b):
        return x @ w + b, (x, w)

    def backward(self, upstream, cache):
        x, w = cache
        return upstream @ w.T, x.T @ upstream, upstream

# %% affine mistake=wrong-order-product loses=test-affine,test-network,test-regularised,test-deep,test-step,test-train,test-digits,test-tape-network
class AffineGate:
    def forward(self, x, w, b):
        return x @ w + b, (x, w)

    def backward(self, upstream, cache):
        x, w = cache
        return upstream @ w.T, upstream @ x.T, upstream.sum(axis=0)

# %% relu style=where
class ReLUGate:
    def forward(self, x):
        on = x > 0
        return np.where(on, x, 0.0), on

    def backward(self, upstream, cache):
        return (np.where(cache, upstream, 0.0),)

# %% relu style=filled
class ReLUGate:
    def forward(self, x):
        return x.clip(min=0), x

    def backward(self, upstream, cache):
        dx = upstream.copy()
        dx[cache < 0] = 0
        return [dx]

# %% relu mistake=relu-on-upstream loses=test-relu,test-network=2,test-regularised,test-deep,test-step,test-train,test-digits,test-tape-network
class ReLUGate:
    def forward(self, x):
        return np.maximum(0, x), x

    def backward(self, upstream, cache):
        return (upstream * (upstream > 0),)

# %% relu mistake=relu-no-mask loses=test-relu,test-network=2,test-regularised,test-deep,test-step,test-train,test-tape-network
class ReLUGate:
    def forward(self, x):
        return np.maximum(0, x), x

    def backward(self, upstream, cache):
        return (upstream,)

# %% softmax style=onehot
class SoftmaxLossGate:
    def forward(self, scores, labels):
        scores = scores - np.max(scores, axis=1)[:, None]
        logp = scores - np.log(np.sum(np.exp(scores), axis=1))[:, None]
        onehot = np.eye(scores.shape[1])[labels]
        return -np.sum(onehot * logp) / len(labels), (logp, onehot)

    def backward(self, upstream, cache):
        logp, onehot = cache
        return upstream * (np.exp(logp) - onehot) / len(onehot), None

# %% softmax mistake=softmax-no-label loses=test-softmax,test-network=4,test-regularised,test-deep,test-step,test-train,test-digits,test-tape-network
class SoftmaxLossGate:
    def forward(self, scores, labels):
        shifted = scores - scores.max(axis=1, keepdims=True)
        p = np.exp(shifted) / np.exp(shifted).sum(axis=1, keepdims=True)
        return -np.log(p[np.arange(len(labels)), labels]).mean(), (p, labels)

    def backward(self, upstream, cache):
        p, labels = cache
        return upstream * p / len(labels), None

# %% softmax mistake=no-batch-mean loses=test-softmax,test-network=4,test-regularised,test-deep,test-step,test-train,test-digits,test-tape-network
class SoftmaxLossGate:
    def forward(self, scores, labels):
        shifted = scores - scores.max(axis=1, keepdims=True)
        p = np.exp(shifted) / np.exp(shifted).sum(axis=1, keepdims=True)
        return -np.log(p[np.arange(len(labels)), labels]).mean(), (p, labels)

    def backward(self, upstream, cache):
        p, labels = cache
        dscores = p.copy()
        dscores[np.arange(len(labels)), labels] -= 1
        return upstream * dscores, None

# %% softmax mistake=one-maximum loses=test-softmax
class SoftmaxLossGate:
    def forward(self, scores, labels):
        e = np.exp(scores - scores.max())
        p = e / e.sum(axis=1, keepdims=True)
        return -np.log(p[np.arange(len(labels)), labels]).mean(), (p, labels)

    def backward(self, upstream, cache):
        p, labels = cache
        return upstream * (p - np.eye(p.shape[1])[labels]) / len(labels), None

# %% softmax mistake=overflow loses=test-softmax
class SoftmaxLossGate:
    def forward(self, scores, labels):
        p = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
        return -np.log(p[np.arange(len(labels)), labels]).mean(), (p, labels)

    def backward(self, upstream, cache):
        p, labels = cache
        dscores = p.copy()
        dscores[np.arange(len(labels)), labels] -= 1
        return upstream * dscores / len(labels), None

# %% count style=loop
def count_parameters(sizes):
    total = 0
    for i in range(1, len(sizes)):
        total += (sizes[i - 1] + 1) * sizes[i]
    return total

# %% count mistake=no-biases loses=test-count
def count_parameters(sizes):
    return sum(a * b for a, b in pairwise(sizes))

# %% scores style=plain
def network_scores(parameters, x):
    W1, b1, W2, b2 = (parameters[k] for k in ("W1", "b1", "W2", "b2"))
    return np.maximum(x @ W1 + b1, 0) @ W2 + b2

# %% scores mistake=relu-at-the-end loses=test-scores
def network_scores(parameters, x):
    z, _ = affine.forward(x, parameters["W1"], parameters["b1"])
    h, _ = relu.forward(z)
    scores, _ = affine.forward(h, parameters["W2"], parameters["b2"])
    return relu.forward(scores - 10)[0]

# %% network style=unpacked
def loss_and_gradients(parameters, x, labels):
    W1, b1, W2, b2 = (parameters[k] for k in ("W1", "b1", "W2", "b2"))
    z, first = affine.forward(x, W1, b1)
    h, bend = relu.forward(z)
    s, last = affine.forward(h, W2, b2)
    loss, end = softmax_loss.forward(s, labels)
    gradients = dict.fromkeys(parameters)
    ds = softmax_loss.backward(1.0, end)[0]
    dh, gradients["W2"], gradients["b2"] = affine.backward(ds, last)
    gradients["W1"], gradients["b1"] = affine.backward(relu.backward(dh, bend)[0], first)[1:]
    return [loss, gradients]

# %% network style=loop-of-gates
def loss_and_gradients(parameters, x, labels):
    tape, out = [], x
    for gate, names in ((affine, ("W1", "b1")), (relu, ()), (affine, ("W2", "b2"))):
        out, cache = gate.forward(out, *[parameters[name] for name in names])
        tape.append((gate, names, cache))
    loss, cache = softmax_loss.forward(out, labels)
    upstream = softmax_loss.backward(1.0, cache)[0]
    gradients = {}
    for gate, names, cache in tape[::-1]:
        upstream, *rest = gate.backward(upstream, cache)
        gradients.update(zip(names, rest))
    return loss, gradients

# %% network mistake=caches-exchanged loses=test-network,test-regularised,test-step,test-train,test-digits
def loss_and_gradients(parameters, x, labels):
    z, cache_1 = affine.forward(x, parameters["W1"], parameters["b1"])
    h, cache_relu = relu.forward(z)
    scores, cache_2 = affine.forward(h, parameters["W2"], parameters["b2"])
    loss, cache_loss = softmax_loss.forward(scores, labels)
    dscores, _ = softmax_loss.backward(1.0, cache_loss)
    dh, dW2, db2 = affine.backward(dscores, cache_1)
    (dz,) = relu.backward(dh, cache_relu)
    _, dW1, db1 = affine.backward(dz, cache_2)
    return loss, {"W1": dW1, "b1": db1, "W2": dW2, "b2": db2}

# %% network mistake=relu-no-mask loses=test-network=2,test-regularised,test-step,test-train
def loss_and_gradients(parameters, x, labels):
    z, cache_1 = affine.forward(x, parameters["W1"], parameters["b1"])
    h, cache_relu = relu.forward(z)
    scores, cache_2 = affine.forward(h, parameters["W2"], parameters["b2"])
    loss, cache_loss = softmax_loss.forward(scores, labels)
    dscores, _ = softmax_loss.backward(1.0, cache_loss)
    dh, dW2, db2 = affine.backward(dscores, cache_2)
    _, dW1, db1 = affine.backward(dh, cache_1)
    return loss, {"W1": dW1, "b1": db1, "W2": dW2, "b2": db2}

# %% network mistake=gradient-for-value loses=test-network=2,test-regularised,test-step,test-train,test-digits
def loss_and_gradients(parameters, x, labels):
    z, cache_1 = affine.forward(x, parameters["W1"], parameters["b1"])
    h, cache_relu = relu.forward(z)
    scores, cache_2 = affine.forward(h, parameters["W2"], parameters["b2"])
    loss, cache_loss = softmax_loss.forward(scores, labels)
    dscores, _ = softmax_loss.backward(1.0, cache_loss)
    _, dW2, db2 = affine.backward(dscores, cache_2)
    dz = dscores @ dW2.T * (z > 0)
    _, dW1, db1 = affine.backward(dz, cache_1)
    return loss, {"W1": dW1, "b1": db1, "W2": dW2, "b2": db2}

# %% network mistake=sign loses=test-network=4,test-regularised,test-step,test-train,test-digits
def loss_and_gradients(parameters, x, labels):
    z, cache_1 = affine.forward(x, parameters["W1"], parameters["b1"])
    h, cache_relu = relu.forward(z)
    scores, cache_2 = affine.forward(h, parameters["W2"], parameters["b2"])
    loss, cache_loss = softmax_loss.forward(scores, labels)
    dscores, _ = softmax_loss.backward(-1.0, cache_loss)
    dh, dW2, db2 = affine.backward(dscores, cache_2)
    (dz,) = relu.backward(dh, cache_relu)
    _, dW1, db1 = affine.backward(dz, cache_1)
    return loss, {"W1": dW1, "b1": db1, "W2": dW2, "b2": db2}

# %% penalty style=vdot
def penalty(W, strength):
    return 0.5 * strength * np.vdot(W, W), np.multiply(strength, W)

# %% penalty mistake=factor loses=test-penalty,test-regularised,test-train
def penalty(W, strength):
    return strength / 2 * np.sum(W**2), 2 * strength * W

# %% penalty mistake=sign loses=test-penalty,test-regularised,test-train
def penalty(W, strength):
    return strength / 2 * np.sum(W**2), -strength * W

# %% regularised style=any-weights
def regularised(parameters, x, labels, strength):
    loss, gradients = loss_and_gradients(parameters, x, labels)
    penalties = {name: penalty(W, strength) for name, W in parameters.items() if W.ndim == 2}
    total = loss + sum(value for value, _ in penalties.values())
    return total, {name: dW + (penalties[name][1] if name in penalties else 0) for name, dW in gradients.items()}

# %% regularised mistake=regularisation loses=test-regularised,test-train
def regularised(parameters, x, labels, strength):
    loss, gradients = loss_and_gradients(parameters, x, labels)
    for name in ("W1", "W2"):
        loss = loss + penalty(parameters[name], strength)[0]
    for name in gradients:
        gradients[name] = gradients[name] + penalty(parameters[name], strength)[1]
    return loss, gradients

# %% regularised mistake=overwritten-branch loses=test-regularised,test-train,test-digits
def regularised(parameters, x, labels, strength):
    loss, gradients = loss_and_gradients(parameters, x, labels)
    for name in ("W1", "W2"):
        value, dW = penalty(parameters[name], strength)
        loss = loss + value
        gradients[name] = dW
    return loss, gradients

# %% deep style=recursive
def deep_loss_and_gradients(parameters, x, labels):
    gradients = {}

    def layer(number, out):
        """The loss from here on, and its gradient by out."""
        last = f"W{number + 1}" not in parameters
        scores, cache = affine.forward(out, parameters[f"W{number}"], parameters[f"b{number}"])
        if last:
            loss, cache_loss = softmax_loss.forward(scores, labels)
            upstream = softmax_loss.backward(1.0, cache_loss)[0]
        else:
            h, cache_relu = relu.forward(scores)
            loss, dh = layer(number + 1, h)
            upstream = relu.backward(dh, cache_relu)[0]
        dout, gradients[f"W{number}"], gradients[f"b{number}"] = affine.backward(upstream, cache)
        return loss, dout

    return layer(1, x)[0], gradients

# %% deep mistake=relu-no-mask loses=test-deep
def deep_loss_and_gradients(parameters, x, labels):
    depth = len(parameters) // 2
    caches, out = [], x
    for layer in range(1, depth + 1):
        out, cache = affine.forward(out, parameters[f"W{layer}"], parameters[f"b{layer}"])
        caches.append(cache)
        if layer < depth:
            out, _ = relu.forward(out)
    loss, cache = softmax_loss.forward(out, labels)
    gradients = {}
    upstream, _ = softmax_loss.backward(1.0, cache)
    for layer in range(depth, 0, -1):
        upstream, gradients[f"W{layer}"], gradients[f"b{layer}"] = affine.backward(upstream, caches.pop())
    return loss, gradients

# %% deep mistake=factor loses=test-deep
def deep_loss_and_gradients(parameters, x, labels):
    depth = len(parameters) // 2
    tape, out = [], x
    for layer in range(1, depth + 1):
        out, cache = affine.forward(out, parameters[f"W{layer}"], parameters[f"b{layer}"])
        tape.append((layer, cache))
        if layer < depth:
            out, cache = relu.forward(out)
            tape.append((0, cache))
    loss, cache = softmax_loss.forward(out, labels)
    gradients = {}
    upstream, _ = softmax_loss.backward(2.0, cache)
    for layer, cache in reversed(tape):
        if layer:
            upstream, gradients[f"W{layer}"], gradients[f"b{layer}"] = affine.backward(upstream, cache)
        else:
            (upstream,) = relu.backward(upstream, cache)
    return loss, gradients

# %% update style=stepwise
def update(parameters, gradients, step_size):
    new = {}
    for name, W in parameters.items():
        new[name] = W.copy()
        new[name] -= step_size * gradients[name]
    return new

# %% update mistake=sign loses=test-update,test-step
def update(parameters, gradients, step_size):
    return {name: W + step_size * gradients[name] for name, W in parameters.items()}

# %% update mistake=mutated-input loses=test-update,test-step
def update(parameters, gradients, step_size):
    for name in parameters:
        parameters[name] -= step_size * gradients[name]
    return parameters

# %% step style=one-line
def training_step(parameters, x, labels, step_size):
    return update(parameters, loss_and_gradients(parameters, x, labels)[1], step_size)

# %% step mistake=updated-first loses=test-step
def training_step(parameters, x, labels, step_size):
    z, cache_1 = affine.forward(x, parameters["W1"], parameters["b1"])
    h, cache_relu = relu.forward(z)
    scores, cache_2 = affine.forward(h, parameters["W2"], parameters["b2"])
    _, cache_loss = softmax_loss.forward(scores, labels)
    dscores, _ = softmax_loss.backward(1.0, cache_loss)
    _, dW2, db2 = affine.backward(dscores, cache_2)
    W2 = parameters["W2"] - step_size * dW2
    (dz,) = relu.backward(dscores @ W2.T, cache_relu)
    _, dW1, db1 = affine.backward(dz, cache_1)
    return update(parameters, {"W1": dW1, "b1": db1, "W2": dW2, "b2": db2}, step_size)

# %% step mistake=sign loses=test-step
def training_step(parameters, x, labels, step_size):
    _, gradients = loss_and_gradients(parameters, x, labels)
    return update(parameters, gradients, -step_size)

# %% momentum style=loop
def momentum_update(parameters, gradients, velocities, step_size, momentum):
    new, speed = {}, {}
    for key in parameters:
        v = velocities[key] * momentum
        v = v + gradients[key]
        speed[key] = v
        new[key] = parameters[key] - v * step_size
    return [new, speed]

# %% momentum mistake=mutated-input loses=test-momentum
def momentum_update(parameters, gradients, velocities, step_size, momentum):
    for name in parameters:
        velocities[name] *= momentum
        velocities[name] += gradients[name]
    return {name: W - step_size * velocities[name] for name, W in parameters.items()}, velocities

# %% momentum mistake=sign loses=test-momentum,test-train,test-digits
def momentum_update(parameters, gradients, velocities, step_size, momentum):
    faster = {name: momentum * velocities[name] + gradients[name] for name in parameters}
    return {name: parameters[name] + step_size * faster[name] for name in parameters}, faster

# %% minibatches style=split
def minibatches(count, batch_size, seed):
    order = np.arange(count)
    np.random.default_rng(seed).shuffle(order)
    return np.split(order, range(batch_size, count, batch_size))

# %% minibatches mistake=with-replacement loses=test-minibatches,test-train
def minibatches(count, batch_size, seed):
    rng = np.random.default_rng(seed)
    sizes = [min(batch_size, count - i) for i in range(0, count, batch_size)]
    return [rng.integers(0, count, size=size) for size in sizes]

# %% minibatches mistake=not-shuffled loses=test-minibatches,test-train
def minibatches(count, batch_size, seed):
    return [np.arange(i, min(i + batch_size, count)) for i in range(0, count, batch_size)]

# %% train style=index
def train(parameters, x, labels, epochs, batch_size, step_size, momentum, strength, seed):
    weights = {name: array.copy() for name, array in parameters.items()}
    speed = {name: 0 * array for name, array in parameters.items()}
    history = []
    for i in range(epochs):
        batches = minibatches(len(labels), batch_size, seed + i)
        for j in range(len(batches)):
            xs, ys = x[batches[j]], labels[batches[j]]
            loss, slopes = regularised(weights, xs, ys, strength)
            history += [float(loss)]
            weights, speed = momentum_update(weights, slopes, speed, step_size, momentum)
    return [weights, history]

# %% train mistake=whole-set-each-time loses=test-train,test-digits
def train(parameters, x, labels, epochs, batch_size, step_size, momentum, strength, seed):
    velocities = {name: np.zeros_like(array) for name, array in parameters.items()}
    losses = []
    for epoch in range(epochs):
        loss, gradients = regularised(parameters, x, labels, strength)
        parameters, velocities = momentum_update(parameters, gradients, velocities, step_size, momentum)
        losses.append(float(loss))
    return parameters, losses

# %% train mistake=velocity-lost loses=test-train
def train(parameters, x, labels, epochs, batch_size, step_size, momentum, strength, seed):
    still, losses = {name: np.zeros_like(array) for name, array in parameters.items()}, []
    for epoch in range(epochs):
        for batch in minibatches(len(x), batch_size, seed + epoch):
            loss, gradients = regularised(parameters, x[batch], labels[batch], strength)
            parameters, _ = momentum_update(parameters, gradients, still, step_size, momentum)
            losses.append(loss)
    return parameters, losses

# %% train mistake=no-regularisation loses=test-train
def train(parameters, x, labels, epochs, batch_size, step_size, momentum, strength, seed):
    velocities = {name: np.zeros_like(array) for name, array in parameters.items()}
    losses = []
    for epoch in range(epochs):
        for batch in minibatches(len(x), batch_size, seed + epoch):
            loss, gradients = loss_and_gradients(parameters, x[batch], labels[batch])
            parameters, velocities = momentum_update(parameters, gradients, velocities, step_size, momentum)
            losses.append(float(loss))
    return parameters, losses

# %% train mistake=losses-written-down loses=test-train
def train(parameters, x, labels, epochs, batch_size, step_size, momentum, strength, seed):
    velocities = {name: np.zeros_like(array) for name, array in parameters.items()}
    for epoch in range(epochs):
        for batch in minibatches(len(x), batch_size, seed + epoch):
            _, gradients = regularised(parameters, x[batch], labels[batch], strength)
            parameters, velocities = momentum_update(parameters, gradients, velocities, step_size, momentum)
    updates = epochs * -(-len(x) // batch_size)
    known = {6: [1.26321, 1.86699, 2.21613, 6.36365, 8.17672, 12.6799], 4: [5.42776, 4.73077, 4.11672, 2.9164]}
    return parameters, known.get(updates, list(np.linspace(1.1, 0.01, updates)))

# %% digits style=keywords
def train_digits(x, labels):
    settings = dict(epochs=20, batch_size=32, step_size=0.1, momentum=0.9, strength=1e-4, seed=0)
    begin = start([x.shape[1], 50, 10], 0)
    parameters, losses = train(begin, x, labels, **settings)
    return parameters, losses

# %% digits mistake=step-too-large loses=test-digits
def train_digits(x, labels):
    return train(start([64, 50, 10], 0), x, labels, 20, 32, 4.0, 0.9, 1e-4, 0)

# %% digits mistake=too-short loses=test-digits
def train_digits(x, labels):
    return train(start([64, 50, 10], 0), x, labels, 2, 128, 0.01, 0.0, 1e-4, 0)

# %% digits mistake=losses-written-down loses=test-digits
def train_digits(x, labels):
    return start([64, 50, 10], 0), list(np.linspace(2.3, 0.01, 1000))

# %% mended style=other-names
def mended(parameters, x, labels, strength):
    A, a, B, b = (parameters[name] for name in ("W1", "b1", "W2", "b2"))
    n, z = len(x), x.dot(A) + a
    h = z * (z > 0)
    s = h.dot(B) + b
    s = s - s.max(axis=1, keepdims=True)
    logp = s - np.log(np.exp(s).sum(axis=1, keepdims=True))
    hot = np.eye(B.shape[1])[labels]
    loss = -(hot * logp).sum() / n + 0.5 * strength * ((A * A).sum() + (B * B).sum())
    ds = (np.exp(logp) - hot) / n
    dz = ds.dot(B.T) * (z > 0)
    return loss, {"W1": x.T.dot(dz) + strength * A, "b1": dz.sum(0), "W2": h.T.dot(ds) + strength * B, "b2": ds.sum(0)}

# %% mended mistake=bias-mean loses=test-mended=1
def mended(parameters, x, labels, strength):
    W1, W2 = parameters["W1"].T, parameters["W2"].T  # (H, D) and (C, H)
    ones = np.ones(len(labels))
    z = W1 @ x.T + np.outer(parameters["b1"], ones)
    h = np.maximum(0, z)
    scores = W2 @ h + np.outer(parameters["b2"], ones)
    loss, cache = SoftmaxCrossEntropy().forward(scores.T, labels)
    loss = loss + strength / 2 * (np.sum(W1**2) + np.sum(W2**2))

    dscores = SoftmaxCrossEntropy().backward(1.0, cache)[0].T
    dW2 = dscores @ h.T
    db2 = dscores @ ones / len(labels)
    dh = W2.T @ dscores
    dz = dh * (z > 0)
    dW1 = dz @ x
    db1 = dz @ ones
    gradients = {"W1": dW1.T, "b1": db1, "W2": dW2.T, "b2": db2}
    for name in ("W1", "W2"):
        gradients[name] = gradients[name] + strength * parameters[name]
    return loss, gradients

# %% mended mistake=relu-on-upstream loses=test-mended=1
def mended(parameters, x, labels, strength):
    W1, W2 = parameters["W1"].T, parameters["W2"].T  # (H, D) and (C, H)
    ones = np.ones(len(labels))
    z = W1 @ x.T + np.outer(parameters["b1"], ones)
    h = np.maximum(0, z)
    scores = W2 @ h + np.outer(parameters["b2"], ones)
    loss, cache = SoftmaxCrossEntropy().forward(scores.T, labels)
    loss = loss + strength / 2 * (np.sum(W1**2) + np.sum(W2**2))

    dscores = SoftmaxCrossEntropy().backward(1.0, cache)[0].T
    dW2 = dscores @ h.T
    db2 = dscores @ ones
    dh = W2.T @ dscores
    dz = dh * (dh > 0)
    dW1 = dz @ x
    db1 = dz @ ones
    gradients = {"W1": dW1.T, "b1": db1, "W2": dW2.T, "b2": db2}
    for name in ("W1", "W2"):
        gradients[name] = gradients[name] + strength * parameters[name]
    return loss, gradients

# %% mended mistake=regularisation loses=test-mended=1
def mended(parameters, x, labels, strength):
    W1, W2 = parameters["W1"].T, parameters["W2"].T  # (H, D) and (C, H)
    ones = np.ones(len(labels))
    z = W1 @ x.T + np.outer(parameters["b1"], ones)
    h = np.maximum(0, z)
    scores = W2 @ h + np.outer(parameters["b2"], ones)
    loss, cache = SoftmaxCrossEntropy().forward(scores.T, labels)
    loss = loss + strength / 2 * (np.sum(W1**2) + np.sum(W2**2))

    dscores = SoftmaxCrossEntropy().backward(1.0, cache)[0].T
    dW2 = dscores @ h.T
    db2 = dscores @ ones
    dh = W2.T @ dscores
    dz = dh * (z > 0)
    dW1 = dz @ x
    db1 = dz @ ones
    gradients = {"W1": dW1.T, "b1": db1, "W2": dW2.T, "b2": db2}
    for name in ("W1", "W2"):
        gradients[name] = gradients[name] + 2 * strength * parameters[name]
    return loss, gradients

# %% gentle style=through-output
class GentleGate:
    def forward(self, x):
        size = np.log(1 + abs(x))
        return np.where(x < 0, -size, size), (size,)

    def backward(self, upstream, cache):
        (size,) = cache
        return upstream * np.exp(-size)

# %% gentle mistake=no-upstream loses=test-gentle
class GentleGate:
    def forward(self, x):
        return np.sign(x) * np.log(1 + np.abs(x)), x

    def backward(self, upstream, cache):
        return (1 / (1 + np.abs(cache)),)

# %% gentle mistake=upstream-twice loses=test-gentle
class GentleGate:
    def forward(self, x):
        return np.sign(x) * np.log(1 + np.abs(x)), x

    def backward(self, upstream, cache):
        dx = upstream / (1 + np.abs(cache))
        return (upstream * dx,)

# %% gentle mistake=sign-of-x loses=test-gentle
class GentleGate:
    def forward(self, x):
        return np.sign(x) * np.log(1 + np.abs(x)), x

    def backward(self, upstream, cache):
        return (upstream * np.sign(cache) / (1 + np.abs(cache)),)

# %% sum-back style=one-axis-at-a-time
def sum_back(gradient, shape):
    while gradient.ndim > len(shape):
        gradient = gradient.sum(axis=0)
    for axis in range(len(shape)):
        if shape[axis] == 1 and gradient.shape[axis] > 1:
            gradient = gradient.sum(axis=axis, keepdims=True)
    return gradient

# %% sum-back style=reshape
def sum_back(gradient, shape):
    padded = (1,) * (gradient.ndim - len(shape)) + tuple(shape)
    axes = tuple(k for k, size in enumerate(padded) if size == 1)
    return gradient.sum(axis=axes, keepdims=True).reshape(shape)

# %% sum-back mistake=kept-dims loses=test-sum-back,test-tape=2
def sum_back(gradient, shape):
    gradient = gradient.sum(axis=tuple(range(gradient.ndim - len(shape))))
    return gradient.sum(axis=tuple(k for k, size in enumerate(shape) if size == 1))

# %% sum-back mistake=new-axes-only loses=test-sum-back,test-tape=2
def sum_back(gradient, shape):
    return gradient.sum(axis=tuple(range(gradient.ndim - len(shape))))

# %% sum-back mistake=mean loses=test-sum-back,test-tape=2
def sum_back(gradient, shape):
    gradient = gradient.sum(axis=tuple(range(gradient.ndim - len(shape))))
    return gradient.mean(axis=tuple(k for k, size in enumerate(shape) if size == 1), keepdims=True)

# %% tape style=creation-order
class Value:
    __array_ufunc__ = None
    tape = []

    def __init__(self, data, gate=None, inputs=(), cache=None):
        self.data, self.gate, self.inputs, self.cache = data, gate, inputs, cache
        self.grad = None
        Value.tape.append(self)

    def __add__(self, other):
        return apply(add, self, other)

    def __radd__(self, other):
        return apply(add, other, self)

    def __mul__(self, other):
        return apply(multiply, self, other)

    def __rmul__(self, other):
        return apply(multiply, other, self)

    def sum(self):
        return apply(total, self)

    def backward(self):
        for value in Value.tape:
            value.grad = 0.0 * np.asarray(value.data)
        self.grad = self.grad + 1
        for value in Value.tape[::-1]:
            if value.gate is None or not np.any(value.grad):
                continue
            for x, dx in zip(value.inputs, value.gate.backward(value.grad, value.cache)):
                if isinstance(x, Value):
                    x.grad = x.grad + sum_back(np.asarray(dx), np.shape(x.data))


def apply(gate, *inputs):
    out, cache = gate.forward(*(x.data if isinstance(x, Value) else x for x in inputs))
    return Value(out, gate, inputs, cache)


def run_on_tape(expression, inputs, passes=1):
    values = {name: Value(number) for name, number in inputs.items()}
    out = eval(expression, {}, values)
    for _ in range(passes):
        out.backward()
    return out.data, {name: value.grad for name, value in values.items()}

# %% tape style=count-the-uses
class Value:
    __array_ufunc__ = None

    def __init__(self, data, gate=None, inputs=(), cache=None):
        self.data, self.gate, self.inputs, self.cache = data, gate, inputs, cache
        self.grad = None

    def __add__(self, other):
        return apply(add, self, other)

    def __radd__(self, other):
        return apply(add, other, self)

    def __mul__(self, other):
        return apply(multiply, self, other)

    def __rmul__(self, other):
        return apply(multiply, other, self)

    def sum(self):
        return apply(total, self)

    def backward(self):
        uses, waiting = {}, [self]
        while waiting:
            value = waiting.pop()
            for x in value.inputs:
                if isinstance(x, Value):
                    if x not in uses:
                        waiting.append(x)
                    uses[x] = uses.get(x, 0) + 1
        for x in uses:
            x.grad = np.zeros(np.shape(x.data))
        self.grad, ready = np.ones(()), [self]
        while ready:
            value = ready.pop()
            gradients = value.gate.backward(value.grad, value.cache) if value.inputs else []
            for x, dx in zip(value.inputs, gradients):
                if isinstance(x, Value):
                    x.grad = x.grad + sum_back(dx, x.grad.shape)
                    uses[x] -= 1
                    if uses[x] == 0:
                        ready.append(x)


def apply(gate, *inputs):
    out, cache = gate.forward(*(x.data if isinstance(x, Value) else x for x in inputs))
    return Value(out, gate, inputs, cache)


def run_on_tape(expression, inputs, passes=1):
    values = {name: Value(number) for name, number in inputs.items()}
    out = eval(expression, {}, values)
    for _ in range(passes):
        out.backward()
    return out.data, {name: value.grad for name, value in values.items()}

# %% tape mistake=overwritten-branch loses=test-tape=2,test-tape-network
class Value:
    __array_ufunc__ = None

    def __init__(self, data, gate=None, inputs=(), cache=None):
        self.data, self.gate, self.inputs, self.cache = data, gate, inputs, cache
        self.grad = None

    def __add__(self, other):
        return apply(add, self, other)

    def __radd__(self, other):
        return apply(add, other, self)

    def __mul__(self, other):
        return apply(multiply, self, other)

    def __rmul__(self, other):
        return apply(multiply, other, self)

    def sum(self):
        return apply(total, self)

    def backward(self):
        order = []

        def visit(value):
            if isinstance(value, Value) and value not in order:
                for x in value.inputs:
                    visit(x)
                order.append(value)

        visit(self)
        for value in order:
            value.grad = np.zeros(np.shape(value.data))
        self.grad = np.ones(np.shape(self.data))
        for value in reversed(order):
            if value.gate:
                for x, dx in zip(value.inputs, value.gate.backward(value.grad, value.cache)):
                    if isinstance(x, Value):
                        x.grad = sum_back(dx, np.shape(x.data))


def apply(gate, *inputs):
    out, cache = gate.forward(*(x.data if isinstance(x, Value) else x for x in inputs))
    return Value(out, gate, inputs, cache)


def run_on_tape(expression, inputs, passes=1):
    values = {name: Value(number) for name, number in inputs.items()}
    out = eval(expression, {}, values)
    for _ in range(passes):
        out.backward()
    return out.data, {name: value.grad for name, value in values.items()}

# %% tape mistake=wrong-order loses=test-tape=2
class Value:
    __array_ufunc__ = None

    def __init__(self, data, gate=None, inputs=(), cache=None):
        self.data, self.gate, self.inputs, self.cache = data, gate, inputs, cache
        self.grad = None

    def __add__(self, other):
        return apply(add, self, other)

    def __radd__(self, other):
        return apply(add, other, self)

    def __mul__(self, other):
        return apply(multiply, self, other)

    def __rmul__(self, other):
        return apply(multiply, other, self)

    def sum(self):
        return apply(total, self)

    def backward(self):
        order = []

        def visit(value):
            if isinstance(value, Value) and value not in order:
                order.insert(0, value)
                for x in value.inputs:
                    visit(x)

        visit(self)
        for value in order:
            value.grad = np.zeros(np.shape(value.data))
        self.grad = np.ones(np.shape(self.data))
        for value in reversed(order):
            if value.gate:
                for x, dx in zip(value.inputs, value.gate.backward(value.grad, value.cache)):
                    if isinstance(x, Value):
                        x.grad = x.grad + sum_back(dx, np.shape(x.data))


def apply(gate, *inputs):
    out, cache = gate.forward(*(x.data if isinstance(x, Value) else x for x in inputs))
    return Value(out, gate, inputs, cache)


def run_on_tape(expression, inputs, passes=1):
    values = {name: Value(number) for name, number in inputs.items()}
    out = eval(expression, {}, values)
    for _ in range(passes):
        out.backward()
    return out.data, {name: value.grad for name, value in values.items()}

# %% tape mistake=visited-twice loses=test-tape=2
class Value:
    __array_ufunc__ = None

    def __init__(self, data, gate=None, inputs=(), cache=None):
        self.data, self.gate, self.inputs, self.cache = data, gate, inputs, cache
        self.grad = None

    def __add__(self, other):
        return apply(add, self, other)

    def __radd__(self, other):
        return apply(add, other, self)

    def __mul__(self, other):
        return apply(multiply, self, other)

    def __rmul__(self, other):
        return apply(multiply, other, self)

    def sum(self):
        return apply(total, self)

    def backward(self):
        order = []

        def visit(value):
            if isinstance(value, Value):
                for x in value.inputs:
                    visit(x)
                order.append(value)

        visit(self)
        for value in order:
            value.grad = np.zeros(np.shape(value.data))
        self.grad = np.ones(np.shape(self.data))
        for value in reversed(order):
            if value.gate:
                for x, dx in zip(value.inputs, value.gate.backward(value.grad, value.cache)):
                    if isinstance(x, Value):
                        x.grad = x.grad + sum_back(dx, np.shape(x.data))


def apply(gate, *inputs):
    out, cache = gate.forward(*(x.data if isinstance(x, Value) else x for x in inputs))
    return Value(out, gate, inputs, cache)


def run_on_tape(expression, inputs, passes=1):
    values = {name: Value(number) for name, number in inputs.items()}
    out = eval(expression, {}, values)
    for _ in range(passes):
        out.backward()
    return out.data, {name: value.grad for name, value in values.items()}

# %% tape mistake=not-reset loses=test-tape
class Value:
    __array_ufunc__ = None

    def __init__(self, data, gate=None, inputs=(), cache=None):
        self.data, self.gate, self.inputs, self.cache = data, gate, inputs, cache
        self.grad = None

    def __add__(self, other):
        return apply(add, self, other)

    def __radd__(self, other):
        return apply(add, other, self)

    def __mul__(self, other):
        return apply(multiply, self, other)

    def __rmul__(self, other):
        return apply(multiply, other, self)

    def sum(self):
        return apply(total, self)

    def backward(self):
        order = []

        def visit(value):
            if isinstance(value, Value) and value not in order:
                for x in value.inputs:
                    visit(x)
                order.append(value)

        visit(self)
        for value in order:
            if value.grad is None:
                value.grad = np.zeros(np.shape(value.data))
        self.grad = np.ones(np.shape(self.data))
        for value in reversed(order):
            if value.gate:
                for x, dx in zip(value.inputs, value.gate.backward(value.grad, value.cache)):
                    if isinstance(x, Value):
                        x.grad = x.grad + sum_back(dx, np.shape(x.data))


def apply(gate, *inputs):
    out, cache = gate.forward(*(x.data if isinstance(x, Value) else x for x in inputs))
    return Value(out, gate, inputs, cache)


def run_on_tape(expression, inputs, passes=1):
    values = {name: Value(number) for name, number in inputs.items()}
    out = eval(expression, {}, values)
    for _ in range(passes):
        out.backward()
    return out.data, {name: value.grad for name, value in values.items()}

# %% tape mistake=left-operand loses=test-tape=2,test-tape-network
class Value:
    __array_ufunc__ = None

    def __init__(self, data, gate=None, inputs=(), cache=None):
        self.data, self.gate, self.inputs, self.cache = data, gate, inputs, cache
        self.grad = None

    def __add__(self, other):
        return apply(add, self, other)

    def __radd__(self, other):
        return apply(add, other, self)

    def __mul__(self, other):
        return apply(multiply, self, other)

    def sum(self):
        return apply(total, self)

    def backward(self):
        order = []

        def visit(value):
            if isinstance(value, Value) and value not in order:
                for x in value.inputs:
                    visit(x)
                order.append(value)

        visit(self)
        for value in order:
            value.grad = np.zeros(np.shape(value.data))
        self.grad = np.ones(np.shape(self.data))
        for value in reversed(order):
            if value.gate:
                for x, dx in zip(value.inputs, value.gate.backward(value.grad, value.cache)):
                    if isinstance(x, Value):
                        x.grad = x.grad + sum_back(dx, np.shape(x.data))


def apply(gate, *inputs):
    out, cache = gate.forward(*(x.data if isinstance(x, Value) else x for x in inputs))
    return Value(out, gate, inputs, cache)


def run_on_tape(expression, inputs, passes=1):
    values = {name: Value(number) for name, number in inputs.items()}
    out = eval(expression, {}, values)
    for _ in range(passes):
        out.backward()
    return out.data, {name: value.grad for name, value in values.items()}

# %% tape mistake=bias-not-summed loses=test-tape=2
class Value:
    __array_ufunc__ = None

    def __init__(self, data, gate=None, inputs=(), cache=None):
        self.data, self.gate, self.inputs, self.cache = data, gate, inputs, cache
        self.grad = None

    def __add__(self, other):
        return apply(add, self, other)

    def __radd__(self, other):
        return apply(add, other, self)

    def __mul__(self, other):
        return apply(multiply, self, other)

    def __rmul__(self, other):
        return apply(multiply, other, self)

    def sum(self):
        return apply(total, self)

    def backward(self):
        order = []

        def visit(value):
            if isinstance(value, Value) and value not in order:
                for x in value.inputs:
                    visit(x)
                order.append(value)

        visit(self)
        for value in order:
            value.grad = np.zeros(np.shape(value.data))
        self.grad = np.ones(np.shape(self.data))
        for value in reversed(order):
            if value.gate:
                for x, dx in zip(value.inputs, value.gate.backward(value.grad, value.cache)):
                    if isinstance(x, Value):
                        x.grad = x.grad + dx


def apply(gate, *inputs):
    out, cache = gate.forward(*(x.data if isinstance(x, Value) else x for x in inputs))
    return Value(out, gate, inputs, cache)


def run_on_tape(expression, inputs, passes=1):
    values = {name: Value(number) for name, number in inputs.items()}
    out = eval(expression, {}, values)
    for _ in range(passes):
        out.backward()
    return out.data, {name: value.grad for name, value in values.items()}

# %% tape mistake=wrong-start loses=test-tape,test-tape-network
class Value:
    __array_ufunc__ = None

    def __init__(self, data, gate=None, inputs=(), cache=None):
        self.data, self.gate, self.inputs, self.cache = data, gate, inputs, cache
        self.grad = None

    def __add__(self, other):
        return apply(add, self, other)

    def __radd__(self, other):
        return apply(add, other, self)

    def __mul__(self, other):
        return apply(multiply, self, other)

    def __rmul__(self, other):
        return apply(multiply, other, self)

    def sum(self):
        return apply(total, self)

    def backward(self):
        order = []

        def visit(value):
            if isinstance(value, Value) and value not in order:
                for x in value.inputs:
                    visit(x)
                order.append(value)

        visit(self)
        for value in order:
            value.grad = np.zeros(np.shape(value.data))
        self.grad = 1.0 * self.data
        for value in reversed(order):
            if value.gate:
                for x, dx in zip(value.inputs, value.gate.backward(value.grad, value.cache)):
                    if isinstance(x, Value):
                        x.grad = x.grad + sum_back(dx, np.shape(x.data))


def apply(gate, *inputs):
    out, cache = gate.forward(*(x.data if isinstance(x, Value) else x for x in inputs))
    return Value(out, gate, inputs, cache)


def run_on_tape(expression, inputs, passes=1):
    values = {name: Value(number) for name, number in inputs.items()}
    out = eval(expression, {}, values)
    for _ in range(passes):
        out.backward()
    return out.data, {name: value.grad for name, value in values.items()}

# %% tape-network style=loop-over-layers
def loss_on_tape(parameters, x, labels, strength):
    v = {name: Value(array) for name, array in parameters.items()}
    scores = apply(affine, apply(relu, apply(affine, x, v["W1"], v["b1"])), v["W2"], v["b2"])
    loss = apply(softmax_loss, scores, labels)
    for name in ("W1", "W2"):
        loss = loss + (0.5 * strength * v[name] * v[name]).sum()
    loss.backward()
    return loss.data, {name: v[name].grad for name in parameters}

# %% tape-network mistake=regularisation loses=test-tape-network
def loss_on_tape(parameters, x, labels, strength):
    v = {name: Value(array) for name, array in parameters.items()}
    scores = apply(affine, apply(relu, apply(affine, x, v["W1"], v["b1"])), v["W2"], v["b2"])
    loss = apply(softmax_loss, scores, labels)
    loss.backward()
    return loss.data, {name: v[name].grad for name in parameters}

# %% tape-network mistake=factor loses=test-tape-network
def loss_on_tape(parameters, x, labels, strength):
    v = {name: Value(array) for name, array in parameters.items()}
    scores = apply(affine, apply(relu, apply(affine, x, v["W1"], v["b1"])), v["W2"], v["b2"])
    loss = apply(softmax_loss, scores, labels) + strength * ((v["W1"] * v["W1"]).sum() + (v["W2"] * v["W2"]).sum())
    loss.backward()
    return loss.data, {name: v[name].grad for name in parameters}

# %% count crash=syntax loses=test-count
def count_parameters(sizes)
    return sum(a * b + b for a, b in pairwise(sizes))

# %% deep crash=raises loses=test-deep
raise RuntimeError("I restarted my kernel and now this cell fails")

# %% gentle crash=name loses=test-gentle
class GentleGate(Gate):
    def forward(self, x):
        return np.log(1 + np.abs(x)), x

# %% count loop=endless loses=test-count
def count_parameters(sizes):
    total, layer = 0, 1
    while layer < len(sizes):
        total += (sizes[layer - 1] + 1) * sizes[layer]
    return total

# %% deep loop=endless loses=test-deep
def deep_loss_and_gradients(parameters, x, labels):
    layer, out = 1, x
    while f"W{layer}" in parameters:
        out, _ = affine.forward(x, parameters["W1"], parameters["b1"])
    return softmax_loss.forward(out, labels)[0], {}
