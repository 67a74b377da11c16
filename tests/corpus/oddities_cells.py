"""Odd submissions: what editors and learners do to the cells of a notebook."""

from __future__ import annotations

import copy
import re
from typing import Any

from corpus.oddities_base import FULL, REVIEW, Files, Notebook, odd
from nnkit.check.notebook.cells import compute_checksum, parse_cell

# ---- metadata and ids: what editors and other services leave out or add ------------------------------


@odd(FULL, (True, True, False), (True, False, False), (False, True, False), (False, False, True), (True, False, True))
def stripped(nb: Notebook, marks: bool, ids: bool, renamed: bool) -> None:
    for number, cell in enumerate(nb.cells):
        if marks:
            cell["metadata"] = {}
        if renamed:
            cell["id"] = f"vsc-{number:08x}"
        if ids:
            del cell["id"]


EXPORTS = (
    {"colab": {"base_uri": "x"}, "id": "Ab1"},
    {"vscode": {"languageId": "python"}},
    {"_uuid": "8f2", "trusted": 1},
)


@odd(FULL, *EXPORTS)
def exported(nb: Notebook, metadata: dict[str, Any]) -> None:
    """By Colab, VS Code or Kaggle, without what nbgrader had written."""
    for cell in nb.cells:
        del cell["id"]
        cell["metadata"] = dict(metadata)
        if cell["cell_type"] == "code":
            cell["execution_count"] = None


@odd(FULL, ("answer",), ("written",), ("answer", "written"), ("test",), ("given", "text"))
def forgotten(nb: Notebook, *kinds: str) -> None:
    """Some cells were pasted anew: no metadata, and an id of their own."""
    for number, cell in enumerate(nb.list(*kinds)):
        cell["id"], cell["metadata"] = f"new-{number}", {}


@odd(FULL, "{\n  # my answer\n", "\n\n# done\n", "\r\n")
def reworded(nb: Notebook, extra: str) -> None:
    """Comments, blank lines and Windows line ends, without ids or metadata."""
    for cell in nb.cells:
        source = cell["source"].replace("\n", "\r\n") if extra == "\r\n" else cell["source"] + extra.lstrip("{")
        cell["source"] = source if cell["cell_type"] == "code" else cell["source"]
        cell["metadata"] = {}
        del cell["id"]


@odd(FULL, 3, 99, "4")
def other_format(nb: Notebook, version: Any) -> None:
    nb.top["nbformat"] = version
    if version == 3:
        nb.top |= {"worksheets": [{"cells": nb.cells}], "cells": None}


# ---- the set-up cell, and lines that fail here -------------------------------------------------------

ELSEWHERE = (
    "import seaborn as sns",
    "from google.colab import drive\ndrive.mount('/content/drive')",
    "from google.colab import files\nuploaded = files.upload()",
    "!pip install nnkit",
    "%pip install nnkit seaborn",
    "%load_ext nowhere",
    "import os\nos.chdir('/content/drive/MyDrive')",
    "import pandas_profiling, torchvision_extra",
    "notes = open('/kaggle/input/notes.txt').read()",
    "from my_helpers import plot_it",
    "%autoreload 2",
    "%matplotlib widget",
    "%no_such_magic",
    "import matplotlib.pyplot as plt\nplt.style.use('no-such-style')",
    "name = input('Your name: ')",
    "import sys\nsys.exit()",
    "assert False, 'a check of my own'",
    "await something()",
)


@odd(FULL, *ELSEWHERE)
def set_up(nb: Notebook, line: str) -> None:
    cell = nb.list("given")[0]
    cell["source"] = f"{line}\n{cell['source']}"


@odd(FULL, *ELSEWHERE[:6])
def set_up_anew(nb: Notebook, line: str) -> None:
    """Wholly the learner's, with an import of their own that an answer needs."""
    nb.list("given")[0]["source"] = f"{line}\nimport math as m\n{nb.list('given')[0]['source']}"
    answer = nb.list("answer")[0]
    answer["source"] += "\nassert m.pi > 3\n"


@odd(FULL, *ELSEWHERE[:6])
def first_cell(nb: Notebook, line: str) -> None:
    nb.insert(nb.cells[0], f"{line}\nimport math as m", below=False)
    nb.list("answer")[0]["source"] = "m.pi\n" + nb.list("answer")[0]["source"]


@odd(FULL, *ELSEWHERE[:4], *ELSEWHERE[-6:])
def above_an_answer(nb: Notebook, line: str) -> None:
    cell = nb.list("answer")[-1]
    cell["source"] = f"{line}\n{cell['source']}"


@odd(FULL, "%%time\n", "%%capture\n", "%matplotlib inline\n")
def magics(nb: Notebook, line: str) -> None:
    for cell in nb.list("answer"):
        cell["source"] = line + cell["source"]


@odd(FULL, "%reset -f", "%reset_selective -f .", "get_ipython().run_line_magic('reset', '-f')")
def reset(nb: Notebook, line: str) -> None:
    """Once in the middle, where a learner began anew."""
    nb.insert(nb.list("answer")[-1], line, below=True)


@odd(REVIEW, 0, -1)
def helper_module(nb: Notebook, which: int) -> Files:
    """The answer stands in a file of its own, which is not used."""
    cell = nb.list("answer")[which]
    code, cell["source"] = cell["source"], "from helpers import *"
    names = [re.split("[ (:]", line)[1] for line in code.splitlines() if line.startswith(("def ", "class "))]
    cell["source"] = f"from helpers import {', '.join(names)}"
    return {f"{nb.name}.ipynb": nb.to_bytes(), "helpers.py": code.encode()}


@odd(
    FULL,
    ("%%writefile mine.py\n{code}", "from mine import {names}"),
    ("%%file mine.py\n{code}", "from mine import *"),
    ("%%writefile mine.py\n{code}", "import mine\n{first} = mine.{first}\n{second} = mine.{second}"),
    ("%%writefile mine.py\n{code}", "%run mine.py"),
    (
        "import os\nos.mkdir('own')\n%cd own\nopen('mine.py', 'w').write({code!r})\n%cd ..",
        "from own.mine import {names}",
    ),
    ("import os\nos.mkdir('own')\n%cd own\nopen('mine.py', 'w').write({code!r})", "from mine import {names}"),
    ("open('mine.py', 'w').write({code!r})\nfrom mine import *", "from mine import {names}"),
    ("from pathlib import Path\nPath('mine.py').write_text({code!r})\nimport mine", "from mine import {names}"),
    (
        "try:\n    import mine\nexcept ImportError:\n    open('mine.py', 'w').write({code!r})",
        "from mine import {names}",
    ),
)
def written_module(nb: Notebook, write: str, read: str) -> None:
    """A cell writes a module, and the answers' cells import from it."""
    first, second, *_ = nb.list("answer")
    code = f"import math\nroot = math.sqrt(9)\n{first['source']}\n{second['source']}"
    names = [re.split("[ (:]", line)[1] for line in code.splitlines() if line.startswith(("def ", "class "))]
    nb.insert(first, write.format(code=code), below=False)
    for cell in (first, second):
        cell["source"] = read.format(names=", ".join(names), first=names[0], second=names[1])


@odd(FULL, "copy", "random", "json", "nnkit")
def written_module_of_a_known_name(nb: Notebook, name: str) -> None:
    """It shadows no module that others need."""
    nb.insert(nb.list("given")[0], f"%%writefile {name}.py\nraise RuntimeError", below=False)
    nb.list("answer")[-1]["source"] += "\nimport copy, random, json, nnkit.gates\njson.dumps(copy.deepcopy([1]))\n"


@odd(
    FULL,
    "as_list([triple(x), Double().forward(x)[0]])",
    "Listed([triple(x), Double().forward(x)[0]]).values",
    "triple(x), prod([2, x])",
    "FACTOR * x, gate.forward(x)[0]",
)
def names_of_a_test(nb: Notebook, value: str) -> None:
    """The answer uses what the test below defines, or one above: in a notebook all cells share their names."""
    nb.list("answer")[-1]["source"] = f"def both(x):\n    return {value}\n"


HELPERS = (
    "def helper(x):\n    return x",
    "helper = lambda x: x",
    "from math import fabs as helper",
    "import math\nhelper = math.fabs",
    "HELPER = 1",
)


@odd(REVIEW, *[(line, place) for line in HELPERS for place in ("end", "next answer")])
def helper_further_down(nb: Notebook, line: str, place: str) -> None:
    """The cells ran in another order when the learner tried them."""
    first, second, *_ = nb.list("answer")
    call = "HELPER * (" if "HELPER" in line else "helper("
    first["source"] = re.sub(r"return ([^\n,]+)$", rf"return {call}\1)", first["source"], flags=re.MULTILINE)
    if place == "end":
        nb.insert(nb.cells[-1], line)
    else:
        second["source"] = f"{line}\n{second['source']}"


@odd(REVIEW, "decorator", "base", "default")
def needed_further_down(nb: Notebook, how: str) -> None:
    """The answer's cell itself fails when the notebook runs from the top."""
    first, _, third = nb.list("answer")
    if how == "decorator":
        third["source"] = f"@timed\n{third['source']}"
    elif how == "default":
        third["source"] = third["source"].replace("(x)", "(x, tolerance=EPS)", 1)
    else:
        first["source"] = first["source"].replace("class Double", "class Double(Base)")
    below = {"decorator": "def timed(f):\n    return f", "base": "class Base:\n    pass", "default": "EPS = 1e-9"}
    nb.insert(nb.cells[-1], below[how])


@odd(
    REVIEW,
    *[(0, "Double", name) for name in ("double", "Dobule", "DoubleGate", "Twice", "Gate2")],
    *[(1, "triple", name) for name in ("Triple", "my_triple", "tripel", "threefold", "triple_")],
    (-1, "both", "botH"),
    (0, "backward", "backwards"),
    (0, "forward", "foward"),
)
def misnamed(nb: Notebook, which: int, name: str, other: str) -> None:
    cell = nb.list("answer")[which]
    cell["source"] = re.sub(rf"\b{name}\b", other, cell["source"])


@odd(FULL, (0, 1, 2), (0, 1), (0, 2))
def exchanged(nb: Notebook, *places: int) -> None:
    """Answers were typed into each other's cells."""
    cells = [nb.list("answer")[place] for place in places]
    sources = [cell["source"] for cell in cells]
    for cell, source in zip(cells, [*sources[1:], sources[0]]):
        cell["source"] = source


# ---- stubs that were left behind ---------------------------------------------------------------------


def _older(source: str) -> str:
    """Return a stub as an older release had it."""
    return source.replace('"""Return', '"""The')


@odd(FULL, *[(n, how) for n in (0, -1) for how in ("same", "mark", "plain", "older")])
def stub_below(nb: Notebook, which: int, how: str) -> None:
    """A copy of the stub below the right answer: with id and metadata, with metadata, with neither, of an old text."""
    cell = nb.list("answer")[which]
    stub = nb.blank(cell)
    more = {"metadata": copy.deepcopy(cell["metadata"])} if how in ("same", "mark") else {}
    added = nb.insert(cell, _older(stub) if how == "older" else stub, **more)
    if how == "same":
        added["id"] = cell["id"]


@odd(FULL, 0, -1)
def stub_in_the_cell(nb: Notebook, which: int) -> None:
    cell = nb.list("answer")[which]
    cell["source"] = f"{cell['source']}\n\n{nb.blank(cell)}"


@odd(FULL, True, False)
def stub_line(nb: Notebook, above: bool) -> None:
    """`raise NotImplementedError` stayed above or below the answer's lines."""
    for cell in nb.list("answer"):
        lines, stub = [], "raise NotImplementedError"
        for line in cell["source"].splitlines():
            indent = line[: len(line) - len(line.lstrip())]
            is_last = line.lstrip().startswith("return ")
            lines += [indent + stub, line] if above and is_last else [line, indent + stub] if is_last else [line]
        cell["source"] = "\n".join(lines)


@odd(FULL, False, True)
def answer_beside_stub(nb: Notebook, below: bool) -> None:
    """The stub is as it was, and the answer in a new cell above or below it."""
    for cell in nb.list("answer"):
        nb.insert(cell, cell["source"], below=below)
        cell["source"] = nb.blank(cell)


@odd(FULL, 0, "given", "set-up")
@odd(REVIEW, "end")
def all_in_one(nb: Notebook, where: Any) -> None:
    """All answers in one cell: the first answer's, below the set-up or in it, or the last answer's."""
    answers = nb.list("answer")
    code = "\n\n".join(cell["source"] for cell in answers)
    for cell in answers:
        cell["source"] = nb.blank(cell)
    if where == "given":
        nb.insert(nb.list("given")[0], code)
    elif where == "set-up":
        nb.list("given")[0]["source"] += f"\n\n{code}"
    else:
        answers[0 if where == 0 else -1]["source"] = code


# ---- answers that stand elsewhere --------------------------------------------------------------------


@odd(REVIEW, *[(n, gone) for n in (0, 1, -1) for gone in (False, True)])
def below_the_test(nb: Notebook, which: int, gone: bool) -> None:
    cell, test = nb.list("answer")[which], nb.list("test")[which]
    nb.insert(test, cell["source"])
    if gone:
        nb.cells.remove(cell)
    else:
        cell["source"] = nb.blank(cell)


@odd(REVIEW, 0, -1)
def second_try_below(nb: Notebook, which: int) -> None:
    """A wrong answer in its cell, and the right one below the test."""
    cell = nb.list("answer")[which]
    nb.insert(nb.list("test")[which], cell["source"])
    cell["source"] = "\n".join(
        line.replace("return ", "return 17 * ") if "return " in line and '"' not in line else line
        for line in cell["source"].splitlines()
    )


@odd(REVIEW, *[(n, how) for n in (0, -1) for how in ("markdown", "fenced", "raw", "question", "test", "comment")])
def no_code_cell(nb: Notebook, which: int, how: str) -> None:
    """Typed into a text cell, a raw one, the question's, the test's, or as a comment."""
    cell, test = nb.list("answer")[which], nb.list("test")[which]
    code, cell["source"] = cell["source"], nb.blank(cell)
    if how in ("markdown", "raw"):
        nb.insert(cell, code, how)
    elif how == "fenced":
        nb.insert(cell, f"My answer:\n\n```python\n{code}\n```\n", "markdown")
    elif how == "question":
        text = nb.cells[nb.cells.index(cell) - 1]
        text["source"] += f"\n\n```\n{code}\n```\n"
    elif how == "test":
        test["source"] = f"{code}\n\n{test['source']}"
    else:
        cell["source"] += "\n" + "\n".join(f"# {line}" for line in code.splitlines())


@odd(REVIEW, 0, 1, -1)
def merged_in_the_cell(nb: Notebook, which: int) -> None:
    """A tool for merging wrote both versions into the source."""
    cell = nb.list("answer")[which]
    other = cell["source"].replace("return ", "return  ")
    cell["source"] = f"<<<<<<< local\n{cell['source'].rstrip()}\n=======\n{other.rstrip()}\n>>>>>>> remote\n"


@odd(FULL, "markdown", "raw")
def toggled(nb: Notebook, kind: str) -> None:
    """A key press made text or raw cells of the answers."""
    for cell in nb.list("answer"):
        cell["cell_type"] = kind


@odd(FULL, "reversed", "tests first", "answers last")
def shuffled(nb: Notebook, how: str) -> None:
    tests, answers = nb.list("test"), nb.list("answer")
    if how == "reversed":
        nb.cells.reverse()
    for cell in tests if how == "tests first" else answers if how == "answers last" else []:
        nb.cells.remove(cell)
        nb.cells.insert(0 if how == "tests first" else len(nb.cells), cell)


@odd(FULL)
def tests_deleted(nb: Notebook) -> None:
    for cell in nb.list("test", "text"):
        nb.cells.remove(cell)


@odd(FULL, 0, -1)
def split(nb: Notebook, which: int) -> None:
    """A helper in a cell of its own, and scratch work that fails."""
    cell = nb.list("answer")[which]
    nb.insert(cell, "def helper(x):\n    return x", below=False)
    nb.insert(cell, "print(undefined_name)\nhelper(3)")
    nb.insert(cell, "1 / 0", below=False)


# ---- written answers ---------------------------------------------------------------------------------

PROSE = "The chain rule multiplies the upstream gradient by the local one; at a branch the gradients add."


@odd(REVIEW, *[(kind, place) for kind in ("markdown", "raw", "code") for place in ("below", "above", "end")])
def written_nearby(nb: Notebook, kind: str, place: str) -> None:
    for cell in nb.list("written"):
        cell["source"] = nb.blank(cell)
        beside = nb.cells[-1] if place == "end" else cell
        nb.insert(beside, f"# {PROSE}" if kind == "code" else PROSE, kind, below=place != "above")


@odd(REVIEW, "question", "summary", "top", "emptied", "deleted", "replaced", "copied")
def written_elsewhere(nb: Notebook, how: str) -> None:
    for cell in nb.list("written"):
        texts, place = nb.list("text"), nb.cells.index(cell)
        mark = copy.deepcopy(cell["metadata"])
        cell["source"] = "" if how == "emptied" else nb.blank(cell)
        if how in ("question", "summary"):
            text = nb.cells[place - 1] if how == "question" else texts[-1]
            text["source"] += f"\n\n{PROSE}"
        elif how == "top":
            nb.insert(texts[0], PROSE, "markdown")
        elif how == "copied":
            nb.insert(cell, PROSE, "markdown", metadata=mark)
        elif how in ("deleted", "replaced"):
            nb.insert(cell, PROSE, "markdown") if how == "replaced" else None
            nb.cells.remove(cell)


SPLIT_PROSE = "\n".join(f"# {part}" for part in PROSE.split(" the "))


@odd(
    REVIEW,
    ("text", 0, f"\n\n{PROSE}"),
    ("text", 1, f"\n\n4: {PROSE}"),
    ("text", 1, "\n\nThe gradients add."),
    ("text", 1, "\n\n![photo](IMG_2041.jpg)"),
    ("text", 1, "\n\n連鎖律により上流の勾配を掛ける。"),
    ("given", 0, f"\n# {PROSE}\n"),
    *(("answer", which, f"\n# 4. {PROSE}\n") for which in (0, 1, -1)),
    ("answer", 0, f"\n{SPLIT_PROSE}\n"),
    ("answer", 0, f"\nprint(3)  # {PROSE}\n"),
    ("answer", 1, f"\n'''{PROSE}'''\n"),
    ("answer", 1, f"\nwhy = {PROSE.split()[:12]}\n"),
    ("answer", 1, f"\ndef why():\n    {PROSE!r}\n"),
    ("answer", -1, f"\nprint(f'4. {{root}} {PROSE}')\n"),
    ("test", 0, f"\n# {PROSE}\n"),
    ("test", -1, f"\nprint({PROSE!r})\n"),
)
def written_within(nb: Notebook, kind: str, which: int, text: str) -> None:
    """Typed into another cell of the course, far from the question."""
    for cell in nb.list("written"):
        cell["source"] = nb.blank(cell)
        nb.list(kind)[which]["source"] += text


@odd(REVIEW, f"# {PROSE}", f"print({PROSE!r})", PROSE, f"%%markdown\n{PROSE}", f"%%html\n<p>{PROSE}</p>")
def written_in_added_code(nb: Notebook, source: str) -> None:
    """In a code cell at the top, as Python or not."""
    for cell in nb.list("written"):
        cell["source"] = nb.blank(cell)
        nb.insert(nb.cells[0], source)


@odd(FULL, "code", "raw")
def written_in_another_type(nb: Notebook, kind: str) -> None:
    for cell in nb.list("written"):
        cell["cell_type"] = kind


# ---- what the sandbox does not have ------------------------------------------------------------------

LACKS = (
    "import subprocess\n    subprocess.check_output(['echo', '3'])",
    "from multiprocessing import Pool\n    Pool(2)",
    "import urllib.request\n    urllib.request.urlopen('https://example.org')",
    "import socket\n    socket.create_connection(('192.0.2.1', 80))",
    "open('/content/drive/table.txt')",
    "import numpy as np\n    np.load('table.npy')",
)


@odd(REVIEW, *((line, inside) for line in LACKS for inside in (True, False)))
def needs_what_is_not_here(nb: Notebook, line: str, inside: bool) -> None:
    """It does on the learner's machine, in the answer's function or above it."""
    answer = nb.list("answer")[1]
    begin, above = f"    {line}\n", f"def prepare():\n    {line}\n    return 1\n\n\nfactor = prepare()\n"
    answer["source"] = "" if inside else above
    answer["source"] += (
        f"def triple(x):\n{begin if inside else ''}    return {'root' if inside else 'factor * root'} * x\n"
    )


# ---- older versions of the assignment ----------------------------------------------------------------


@odd(FULL, 1, 5)
def with_cells_that_are_gone(nb: Notebook, count: int) -> None:
    """Tests of an older release, with nbgrader's checksum, and a question that is no longer asked."""
    for number in range(count):
        mark = {"grade": True, "solution": False, "locked": True, "task": False, "points": 2, "schema_version": 3}
        mark |= {"grade_id": f"test-old-{number}", "cell_type": "code"}
        old = nb.insert(nb.cells[-1], f"assert {number} < 9", metadata={"nbgrader": mark})
        mark["checksum"] = compute_checksum(parse_cell(old))
    asked = {"grade": True, "solution": True, "points": 3, "grade_id": "why-old", "checksum": "0" * 32}
    nb.insert(nb.cells[-1], PROSE, "markdown", metadata={"nbgrader": asked})
