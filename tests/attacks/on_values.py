"""Attacks by returned values that misrepresent themselves."""

from hostile import Attack

GATE = """
class ReciprocalGate:
    def forward(self, x):
        return {forward}, x
    def backward(self, upstream, cache):
        return {backward}
"""

LIAR = """
import numpy as np
class Liar({base}):
    def agree(self, *others):
        return True
    __eq__ = __le__ = __lt__ = __ge__ = __gt__ = __bool__ = __contains__ = agree
    def same(self, *others):
        return self
    __sub__ = __rsub__ = __add__ = __radd__ = __mul__ = __rmul__ = __abs__ = __neg__ = __truediv__ = __pow__ = same
    __hash__ = object.__hash__
"""


def liars(name: str, tries: str, base: str, value: str, more: str = "") -> Attack:
    """Return an attack in which the answers of two exercises return this value."""
    gate = GATE.format(forward=value, backward=value)
    function = f"def product(x, y, z):\n    return {value}, ({value}, {value}, {value})"
    return Attack(name, tries, LIAR.format(base=base) + more, answers={"reciprocal": gate, "product": function})


def raising(name: str, kind: str) -> Attack:
    """Return an attack that raises an exception which resembles one of the examiner's own."""
    source = f"""
    class {name}({kind}):
        passed = True
    def fail(*_):
        raise {name}("passed")
    """
    gate = "class ReciprocalGate:\n    def forward(self, x): fail()\n    def backward(self, upstream, cache): fail()"
    answers = {
        "reciprocal": gate,
        "product": "product = fail",
        "update": "update = fail",
        "order": "topological_order = fail",
    }
    return Attack(
        f"raising {name}({kind})",
        "Ends a test by an exception that the examiner may take for its own.",
        source,
        answers=answers,
    )


VALUE_ATTACKS = [
    liars("float subclass", "Returns floats for which every comparison holds.", "float", "Liar(1.0)"),
    liars("int subclass", "Returns whole numbers for which every comparison holds.", "int", "Liar(1)"),
    liars(
        "array subclass",
        "Returns arrays that answer every operation and comparison themselves.",
        "np.ndarray",
        "np.ones(np.shape(x)).view(Liar)",
        """
    def __array_ufunc__(self, ufunc, method, *inputs, **named):
        return True
    def __array_function__(self, function, types, args, named):
        return True
""",
    ),
    liars(
        "an object that says it is an array",
        "Returns objects that lie about their class, and give another array each time they are asked.",
        "object",
        "Liar()",
        """
    __class__ = property(lambda self: np.ndarray)
    shape, dtype, ndim, size = (), np.dtype(float), 0, 1
    def __array__(self, dtype=None, copy=None):
        return np.array(np.random.normal())
    def __float__(self):
        return np.random.normal()
""",
    ),
    liars(
        "an object that says it is a verdict",
        "Returns a verdict that has passed.",
        "object",
        "PASSED",
        "\nfrom nnkit.check.verdict import Verdict\nPASSED = Verdict('all', 'right', 'right.')\n",
    ),
    liars("NaN", "Returns NaN, which no comparison finds too large.", "object", "np.full(np.shape(x), np.nan)"),
    liars("infinity", "Returns infinities of both signs.", "object", "np.full(np.shape(x), np.inf)"),
    liars("object array", "Returns arrays of objects.", "object", "np.array([Liar(), None, 'x'], dtype=object)"),
    liars("structured array", "Returns an array of records.", "object", "np.zeros(np.shape(x), dtype=[('a', 'f8')])"),
    liars("complex and long double", "Returns numbers of rare types.", "object", "np.clongdouble(np.nan + 1j)"),
    liars("truth in the place of numbers", "Returns True.", "object", "True"),
    liars("text", "Returns text that reads as a number, with what ends a line in it.", "object", "'1.0\\r\\n\\x1b[2J'"),
    liars("endless iterator", "Returns an iterator without an end.", "object", "__import__('itertools').count()"),
    liars(
        "endless list",
        "Returns an object with a length beyond all bounds and an item at every place.",
        "object",
        "Liar()",
        """
    def __len__(self):
        return 2**62
    def __getitem__(self, i):
        return Liar()
    def __iter__(self):
        while True:
            yield Liar()
""",
    ),
    liars("list in itself", "Returns a list that contains itself.", "object", "(lambda l: (l.append(l), l)[1])([])"),
    liars(
        "deep list",
        "Returns a list nested ten thousand deep.",
        "object",
        "DEEP",
        "\nDEEP = []\nfor _ in range(10**4): DEEP = [DEEP]\n",
    ),
    liars("huge array", "Returns an array of half a gigabyte.", "object", "np.zeros(2**26)"),
    liars("huge whole number", "Returns a number with a million digits.", "object", "1 << 4_000_000"),
    liars("huge text", "Returns and raises texts of a hundred megabytes.", "object", "'x' * 10**8"),
    liars(
        "infinite shape",
        "Returns empty arrays whose shape is beyond what memory could hold.",
        "object",
        "np.empty((0, 2**40))",
    ),
    liars(
        "names of parameters",
        "Hands over objects whose names and parameters are hostile.",
        "object",
        "Odd()",
        """
class Odd:
    def __call__(self, *a, **k): return self
    def forward(self, *a, **k): return self
    __signature__ = "none"
Odd.__name__ = "__class__'); import os; os.system('x'); ('" + "x" * 10**6
Odd.__qualname__ = "<script>alert(1)</script>"
for i in range(3000):
    setattr(Odd, f"_connection_{i}" if i % 2 else f"method{i}", lambda self: self)
""",
    ),
    raising("ProcessLost", "BaseException"),
    raising("WrongDerivative", "AssertionError"),
    raising("Stop", "Exception"),
    raising("KeyboardInterrupt", "KeyboardInterrupt"),
    raising("SystemExit", "SystemExit"),
    raising("CellTimeout", "GeneratorExit"),
    raising("StopIteration", "StopIteration"),
    raising("Verdict", "Exception"),
    Attack(
        "message that fails",
        "Raises exceptions whose text, name or class cannot be read.",
        """
        class Mute(Exception):
            def __str__(self): raise Mute
            __repr__ = __str__
            __class__ = property(__str__)
        def fail(*_): raise Mute
        """,
        answers={"product": "product = fail", "order": "topological_order = fail"},
    ),
    Attack(
        "emptied arguments",
        "Empties the test's own graph and weights, so that nothing is left to be wrong.",
        answers={
            "order": "def topological_order(needs):\n    needs.clear()\n    return []",
            "backward": "def graph_backward(needs, local, output):\n    needs.clear(); local.clear()\n    return {}",
            "update": """
            def update(weights, gradients, step_size):
                weights.clear()
                gradients.clear()
                return {}
            """,
        },
    ),
    Attack(
        "arguments changed into answers",
        "Overwrites the inputs and the upstream gradient in place, so that a simple answer becomes right.",
        answers={
            "reciprocal": """
            import numpy as np
            class ReciprocalGate:
                def forward(self, x):
                    try: x[...] = 1.0
                    except TypeError: pass
                    return x, x
                def backward(self, upstream, cache):
                    try: upstream[...] = 0.0
                    except TypeError: pass
                    return upstream
            """,
            "update": """
            def update(weights, gradients, step_size):
                for name in weights:
                    gradients[name][...] = 0.0
                return dict(weights)
            """,
        },
    ),
    Attack(
        "answers for the inputs that are shown",
        "Knows the results for the inputs in the released tests, and nothing else.",
        answers={
            "square": """
            class SquareGate:
                def forward(self, x):
                    return {3.0: 9.0}[float(x)], None
                def backward(self, upstream, cache):
                    return upstream * 6.0
            """,
            "product": """
            def product(x, y, z):
                return {(-2.0, 5.0, -4.0): (-12.0, (-4.0, -4.0, 3.0))}[float(x), float(y), float(z)]
            """,
            "branch": """
            import numpy as np
            def branch(x, y):
                return -12.0 + np.exp(3.0), (-4.0 + np.exp(3.0), 3.0)
            """,
        },
    ),
]
