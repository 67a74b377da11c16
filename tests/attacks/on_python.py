"""Attacks on the interpreter: the learner's code changes what a grader's code would use."""

from hostile import Attack

NEVER_WRONG = "lambda *a, **k: True"
LOOKING = {"square": "class SquareGate:\n    def forward(self, x): return look(), x\n    backward = forward"}
"""Return a gate that searches the process whenever a test calls it."""

PYTHON_ATTACKS = [
    Attack(
        "AST transformer",
        "Takes every assert out of the cells that are still to be run.",
        """
        import ast
        class Forgiving(ast.NodeTransformer):
            def visit_Assert(self, node):
                return ast.copy_location(ast.Pass(), node)
        get_ipython().ast_transformers.append(Forgiving())
        """,
        gains="points",
    ),
    Attack(
        "input transformer",
        "Empties every later cell that calls a check before it is read.",
        """
        def emptied(lines):
            return [] if any("assert check" in line for line in lines) else lines
        get_ipython().input_transformers_post.append(emptied)
        """,
        gains="points",
    ),
    Attack(
        "cell events",
        "Before and after each cell, replaces all checks in the shell's names.",
        f"""
        def replaced(*_):
            for name in list(get_ipython().user_ns):
                if name.startswith("check_"):
                    get_ipython().user_ns[name] = {NEVER_WRONG}
        get_ipython().events.register("pre_run_cell", replaced)
        get_ipython().events.register("post_run_cell", replaced)
        """,
        gains="points",
    ),
    Attack(
        "builtins.exec",
        "Replaces exec, by which a shell runs a cell, so that no later cell is run.",
        "import builtins; builtins.exec = lambda *a, **k: None",
        behind="test-multiply",
        gains="points",
    ),
    Attack(
        "patched builtins",
        "Replaces float, abs, all, any, isinstance, max and len by what suits it.",
        """
        import builtins
        class float(builtins.float):
            def __eq__(self, other): return True
            def __le__(self, other): return True
            __lt__ = __ge__ = __gt__ = __le__
            __hash__ = builtins.float.__hash__
        builtins.float = float
        builtins.abs = lambda x: 0.0
        builtins.all = lambda x: True
        """,
        behind="test-multiply",
    ),
    Attack(
        "patched NumPy",
        "Replaces the functions of NumPy by which arrays are compared, and its random numbers.",
        """
        import numpy as np
        np.all = np.allclose = np.array_equal = np.isclose = lambda *a, **k: True
        np.any = lambda *a, **k: False
        np.random.default_rng = np.random.RandomState
        np.testing.assert_allclose = lambda *a, **k: None
        """,
        behind="test-multiply",
    ),
    Attack(
        "rebound checks",
        "Defines functions with the names of the checks, and a partial_credit that gives all.",
        f"""
        check_backward = check_gradient = check_graph = check_order = check_update = check_value = {NEVER_WRONG}
        def partial_credit(points, *verdicts):
            return 1000 * points
        """,
        behind="add-example",
        gains="points",
    ),
    Attack(
        "patched nnkit.check",
        "Replaces the functions of nnkit.check before the notebook imports them.",
        f"""
        import nnkit.check as check
        for name in dir(check):
            if name.startswith("check_"):
                setattr(check, name, {NEVER_WRONG})
        check.partial_credit = lambda points, *verdicts: points
        """,
        gains="points",
    ),
    Attack(
        "patched verdict",
        "Makes every verdict count as passed, whatever it says.",
        """
        from nnkit.check.verdict import Verdict
        Verdict.__bool__ = lambda self: True
        Verdict.passed = True
        """,
        gains="points",
    ),
    Attack(
        "code object",
        "Puts other code into the very functions that were imported.",
        """
        for check in (check_backward, check_gradient, check_order, check_update, check_value):
            check.__code__ = (lambda *a, **k: True).__code__
        """,
        behind="add-example",
        gains="points",
    ),
    Attack(
        "false module",
        "Puts a module of its own in the place of nnkit.check.",
        f"""
        import sys, types
        false = types.ModuleType("nnkit.check")
        for name in "backward gradient graph order update value".split():
            setattr(false, "check_" + name, {NEVER_WRONG})
        false.partial_credit = lambda points, *verdicts: points
        sys.modules["nnkit.check"] = sys.modules["nnkit"].check = false
        """,
        gains="points",
    ),
    Attack(
        "import hook",
        "Answers every later import with a module whose functions are always content.",
        """
        import sys, importlib.machinery, importlib.abc
        for name in [name for name in sys.modules if name.startswith("nnkit.check")]:
            del sys.modules[name]
        class Hook(importlib.abc.MetaPathFinder, importlib.abc.Loader):
            def find_spec(self, name, path=None, target=None):
                return importlib.machinery.ModuleSpec(name, self) if name.startswith("nnkit.check") else None
            def create_module(self, spec):
                return None
            def exec_module(self, module):
                module.__getattr__ = lambda name: (lambda *a, **k: True)
        sys.meta_path.insert(0, Hook())
        """,
        gains="points",
    ),
    Attack(
        "thread that goes on",
        "A thread replaces the checks again and again while the tests run.",
        f"""
        import threading, time
        names = get_ipython().user_ns
        def replacing():
            while True:
                for name in [name for name in list(names) if name.startswith("check_")]:
                    names[name] = {NEVER_WRONG}
                time.sleep(0.0005)
        threading.Thread(target=replacing, daemon=True).start()
        time.sleep(0.05)
        """,
        behind="add-example",
        gains="points",
    ),
    Attack(
        "signal handler that goes on",
        "An alarm that rings all the time replaces the checks while the tests run.",
        f"""
        import signal, time
        names = get_ipython().user_ns
        def ring(*_):
            for name in [name for name in list(names) if name.startswith("check_")]:
                names[name] = {NEVER_WRONG}
        signal.signal(signal.SIGALRM, ring)
        signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
        time.sleep(0.05)
        """,
        behind="add-example",
        gains="points",
    ),
    Attack(
        "atexit, finalizers, fork hooks",
        "Leaves code behind for the process's end, and for every fork.",
        """
        import atexit, os, weakref
        class Last:
            def __del__(self):
                reach()
        def reach():
            for path in (GRADEBOOK, "/tmp/nnkit_attack_at_exit"):
                try:
                    open(path, "a").write("x")
                except OSError:
                    pass
        last = Last()
        atexit.register(reach)
        weakref.finalize(last, reach)
        os.register_at_fork(before=reach, after_in_child=reach, after_in_parent=reach)
        """,
    ),
    Attack(
        "settrace and setprofile",
        "Watches every call for the names `expected` and `of`, and skips lines that assert.",
        """
        import sys, threading
        found = []
        def watch(frame, event, arg):
            for name in ("expected", "target", "of", "source", "hidden"):
                if name in frame.f_locals:
                    found.append(repr(frame.f_locals[name])[:500])
            return watch
        threading.settrace(watch)
        sys.settrace(watch)
        sys.setprofile(watch)
        """,
        last="sys.settrace(None); sys.setprofile(None); print(found[-200:])",
    ),
    Attack(
        "frames",
        "Looks through its callers' frames for the trusted function, and differentiates that.",
        answers={
            name: f"""
            import sys, numpy as np
            def trusted():
                frame = sys._getframe()
                while frame is not None:
                    for value in list(frame.f_locals.values()):
                        if callable(getattr(value, "of", None)):
                            return value.of
                    frame = frame.f_back
                raise NotImplementedError
            def slope(of, inputs, i, step=1e-30):
                moved = [x + 1j * step if j == i else x for j, x in enumerate(inputs)]
                return np.imag(of(*moved)) / step
            class {gate}:
                def forward(self, {inputs}):
                    return trusted()({inputs}), ({inputs},)
                def backward(self, upstream, cache):
                    of = trusted()
                    return tuple(upstream * slope(of, cache, i) for i in range(len(cache)))
            """
            for name, gate, inputs in (("exp", "ExpGate", "x"), ("divide", "DivideGate", "x, y"))
        },
        gains="points",
    ),
    Attack(
        "In, Out and _oh",
        "Looks in the shell's history, in a call made by a test, for the text of that test.",
        """
        found = []
        def look():
            shell = get_ipython()
            found.append(repr([shell.user_ns.get(name) for name in ("In", "Out", "_oh", "_ih", "_i", "_ii", "_dh")]))
        """,
        answers=LOOKING,
        last="print([text[text.find('### BEGIN HID'):][:300] for text in found])",
        gains="secret",
    ),
    Attack(
        "gc",
        "Looks through all objects, in a call made by a test, for hidden tests and secrets.",
        """
        import gc
        found = []
        def look():
            for thing in gc.get_objects():
                if isinstance(thing, (dict, list, tuple)):
                    parts = thing.values() if isinstance(thing, dict) else thing
                    for part in list(parts)[:2000]:
                        if type(part) is str and ("### BEGIN " + "HIDDEN" in part or "canary" + "-" in part):
                            found.append(part[-300:])
        """,
        answers=LOOKING,
        last="print(found)",
        gains="secret",
    ),
    Attack(
        "leaving the shell",
        "Ends the shell and the interpreter in all ways that do not end the process.",
        """
        get_ipython().ask_exit()
        get_ipython().run_line_magic("reset", "-f")
        import sys
        sys.exit(0)
        """,
    ),
    Attack("KeyboardInterrupt", "Raises what a grader lets pass.", "raise KeyboardInterrupt"),
]
