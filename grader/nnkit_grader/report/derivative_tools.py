"""Libraries that differentiate, recognised by the names under which code reaches them."""

from __future__ import annotations

import ast
import contextlib
import importlib
from collections.abc import Iterator, Mapping

TOOLS = {
    "jax": (
        "grad value_and_grad vjp jvp jacobian jacfwd jacrev hessian linearize linear_transpose experimental.jet "
        "ad_checkpoint.saved_residuals"
    ),
    "nnkit": (
        "gates numerical jacobian graph Graph mlp jax_path train check.check_backward check.check_gradient "
        "check.check_loss check.check_parameters check.check_jacobian"
    ),
    "numpy": "gradient",
    "scipy": "differentiate misc.derivative optimize.approx_fprime optimize.check_grad optimize._numdiff",
}
"""Packages, with their parts that differentiate."""
LIBRARIES = (
    "autograd torch tensorflow keras mxnet paddle chainer theano aesara pytensor micrograd tinygrad mygrad sympy "
    "casadi numdifftools algopy uncertainties equinox flax haiku optax"
)
WHOLE_PACKAGES = frozenset(LIBRARIES.split())
"""Packages that are there to differentiate, or to train networks."""
LOADERS = ("importlib.import_module", "import_module", "__import__")


def find_tools(live: ast.AST, imports: Mapping[str, str]) -> set[str]:
    """Return the dotted names of the tools that code uses: "jax.grad", "nnkit.gates", "torch"."""
    return {tool for name in _list_names(live, imports) if (tool := _find_tool(name))}


def find_imports(tree: ast.AST) -> dict[str, str]:
    """Return the dotted name behind each name that is imported, or assigned from one that is: np → numpy."""
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                whole = alias.name if alias.asname else alias.name.partition(".")[0]
                found[alias.asname or whole] = whole
        elif isinstance(node, ast.ImportFrom) and node.names[0].name == "*":
            found |= {name: f"{node.module}.{name}" for name in _list_public_names(node.module or "")}
        elif isinstance(node, ast.ImportFrom):
            found |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            whole = _resolve(node.value, found)
            if _find_tool(whole) or whole in TOOLS or whole in WHOLE_PACKAGES:
                found[node.targets[0].id] = whole
    return found


def _list_public_names(module: str) -> list[str]:
    """Return what `from module import *` brings, for the kit's own modules."""
    if not module.startswith("nnkit."):
        return []
    with contextlib.suppress(ImportError):
        return dir(importlib.import_module(module))
    return []


def _list_names(live: ast.AST, imports: Mapping[str, str]) -> Iterator[str]:
    """Yield the dotted names that code reads."""
    for node in ast.walk(live):
        if isinstance(node, ast.Name | ast.Attribute | ast.Call):
            yield _resolve(node, imports)


def _resolve(node: ast.AST, imports: Mapping[str, str]) -> str:
    """Return the dotted name of an expression; "" if it does not begin with an imported name."""
    if isinstance(node, ast.Name):
        return imports.get(node.id, "")
    if isinstance(node, ast.Attribute):
        base, name = _resolve(node.value, imports), node.attr
    elif isinstance(node, ast.Call) and ast.unparse(node.func) == "getattr" and len(node.args) > 1:
        base, name = _resolve(node.args[0], imports), str(getattr(node.args[1], "value", ""))
    elif isinstance(node, ast.Call) and node.args and ast.unparse(node.func) in LOADERS:
        return str(getattr(node.args[0], "value", ""))
    else:
        return ""
    return f"{base}.{name}" if base else ""


def _find_tool(name: str) -> str:
    """Return the part of a dotted name that says which tool it is; "" if it is none."""
    package, _, rest = name.partition(".")
    if package in WHOLE_PACKAGES:
        return package
    parts = (part for part in TOOLS.get(package, "").split() if f"{rest}.".startswith(f"{part}."))
    return next((f"{package}.{part}" for part in parts), "")
