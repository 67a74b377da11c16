"""Right and wrong answers to conv1d."""

# %% conv style=numpy
class Conv1D:
    def forward(self, x, w):
        return np.correlate(x, w, "valid"), (x, w)

    def backward(self, upstream, cache):
        x, w = cache
        return np.convolve(upstream, w, "full"), np.correlate(x, upstream, "valid")


# %% conv mistake=not-flipped loses=test-conv
class Conv1D:
    def forward(self, x, w):
        return np.correlate(x, w, "valid"), (x, w)

    def backward(self, upstream, cache):
        x, w = cache
        return np.convolve(upstream, w[::-1], "full"), np.correlate(x, upstream, "valid")


# %% conv mistake=overwritten loses=test-conv
class Conv1D:
    def forward(self, x, w):
        return np.correlate(x, w, "valid"), (x, w)

    def backward(self, upstream, cache):
        x, w = cache
        dx, dw = np.zeros(len(x)), np.zeros(len(w))
        for i, up in enumerate(upstream):
            dx[i : i + len(w)] = up * w
            dw += up * x[i : i + len(w)]
        return dx, dw


# %% smooth mistake=sum loses=test-smooth
def smooth(x, K):
    return np.correlate(x, np.ones(K), "valid")


# %% smooth crash=name loses=test-smooth
def smooth(x, K):
    return convolve(x, K)
