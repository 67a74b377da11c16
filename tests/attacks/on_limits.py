"""Attacks on shared resources (time, memory, processes, disk), and attacks that crash the process."""

from hostile import Attack, Notebook, code_cell


def in_a_call(name: str, tries: str, statement: str, source: str = "") -> Attack:
    """Return an attack that runs not with its cell, but when a test calls it."""
    gate = f"class SquareGate:\n    def forward(self, x):\n        {statement}\n    backward = forward"
    return Attack(f"{name}, in a call", tries, source, answers={"square": gate})


def flooded(notebook: Notebook) -> None:
    notebook["cells"] += [code_cell("print('x' * 10**6)", f"flood-{i}") for i in range(300)]


def heavy(notebook: Notebook) -> None:
    notebook["cells"] += [code_cell("[" + "0," * 400_000 + "]", f"heavy-{i}") for i in range(1)]


LIMIT_ATTACKS = [
    Attack(
        "fork bomb",
        "Forks for ever.",
        """
        import os
        try:
            while True:
                os.fork()
        except OSError as fault:
            print(fault)
        """,
    ),
    Attack(
        "thread bomb",
        "Starts threads until none can be started, and lets them spin.",
        """
        import threading, time
        until = time.monotonic() + 1.5
        def spin():
            while time.monotonic() < until: pass
        try:
            for _ in range(10**4):
                threading.Thread(target=spin, daemon=True).start()
        except RuntimeError as fault:
            print(fault)
        """,
    ),
    Attack(
        "memory bomb",
        "Takes memory until there is none.",
        "import numpy as np\nkept = []\nwhile True:\n    kept.append(np.ones(2**20))",
    ),
    Attack("endless loop", "Never ends its cell.", "while True: pass"),
    Attack("endless loop in C", "Never ends its cell, in a call that no signal breaks off.", "sum(range(10**13))"),
    Attack("huge power", "Computes a number that does not end.", "x = 3 ** (10**9)"),
    Attack(
        "catastrophic expression",
        "Matches a regular expression that takes centuries.",
        "import re; re.match('(a+)+$', 'a' * 60 + 'b')",
    ),
    Attack(
        "deaf to signals",
        "Ignores every signal, catches every exception, and goes on.",
        """
        import signal
        for number in range(1, 64):
            try: signal.signal(number, signal.SIG_IGN)
            except (OSError, ValueError): pass
        while True:
            try:
                while True: pass
            except BaseException: pass
        """,
    ),
    in_a_call("endless loop", "Never returns to the test.", "while True: pass"),
    in_a_call("endless loop in C", "Never returns to the test from C.", "return sum(range(10**13))"),
    in_a_call("sleep", "Sleeps until the time is up.", "__import__('time').sleep(1e6)"),
    in_a_call("memory bomb", "Takes memory in a call.", "return bytearray(2**50)"),
    in_a_call("exit", "Ends the process without a word.", "__import__('os')._exit(0)"),
    in_a_call("kill", "Kills itself in a call.", "__import__('os').kill(__import__('os').getpid(), 9)"),
    Attack("exit", "Ends the process in its cell, as if all were well.", "import os; os._exit(0)"),
    Attack(
        "output flood",
        "Prints half a gigabyte, in large and in small pieces, on both streams.",
        """
        import sys
        for _ in range(100):
            print("x" * 5_000_000)
        for i in range(50_000):
            print(i, file=sys.stdout if i % 2 else sys.stderr)
        """,
    ),
    Attack(
        "display flood",
        "Displays thousands of objects and figures, each huge.",
        """
        from IPython.display import display, HTML
        for i in range(2000):
            display(HTML("<b>" * 500 + "x" * 5000))
        display({"text/plain": "x" * 10**7, "image/png": "A" * 10**7}, raw=True)
        """,
    ),
    Attack("flood from many cells", "Prints a megabyte in each of three hundred cells.", edit=flooded),
    Attack("large cell", "Hands in a cell that takes long to read.", edit=heavy),
    Attack(
        "disk flood",
        "Writes files until the disk is full.",
        """
        try:
            for i in range(1000):
                open(f"file{i}", "wb").write(bytes(2**20))
        except OSError as fault:
            print(fault)
        """,
    ),
    Attack(
        "one large file",
        "Writes a single file without an end.",
        "with open('file', 'wb') as file:\n    while True: file.write(bytes(2**20))",
    ),
    Attack(
        "thousands of files",
        "Makes empty files until there is no room for a name.",
        """
        try:
            for i in range(100_000):
                open(f"file{i}", "w").close()
        except OSError as fault:
            print(fault)
        """,
    ),
    Attack(
        "endless folders",
        "Makes folders within folders beyond the length of a path.",
        """
        import os
        try:
            for i in range(5000):
                os.mkdir("d" * 200)
                os.chdir("d" * 200)
        except OSError as fault:
            print(fault)
        """,
    ),
    Attack(
        "open files",
        "Opens files until no more can be opened, and keeps them open.",
        """
        kept = []
        try:
            while True:
                kept.append(open("/dev/null"))
        except OSError as fault:
            print(fault)
        """,
        score=3.0,
    ),
    Attack(
        "names that fill the shell",
        "Defines a million names and an enormous traceback.",
        """
        globals().update({f"name{i}": i for i in range(10**6)})
        def deep(n):
            if n: deep(n - 1)
            raise ValueError("x" * 10**7)
        deep(500)
        """,
    ),
    Attack(
        "memory of the interpreter",
        "Overwrites the number 1 and the constant False by their addresses.",
        "import ctypes; ctypes.memmove(id(False) + 24, id(True) + 24, 4); ctypes.memmove(id(257) + 24, id(0) + 24, 4)",
        behind="test-multiply",
    ),
    Attack(
        "segmentation fault",
        "Ends the process from within C.",
        "import ctypes; ctypes.string_at(0)",
    ),
    Attack(
        "recursion without a limit",
        "Lifts the limit on recursion and overruns the stack, in a cell and in a call.",
        "import sys\nsys.setrecursionlimit(10**9)\ndef f(x): return f(x)",
        answers={"square": "class SquareGate:\n    forward = backward = staticmethod(f)"},
    ),
]
