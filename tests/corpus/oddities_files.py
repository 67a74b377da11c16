"""Odd submissions: what learners, mail programs and git do to the file and its folder."""

from __future__ import annotations

import copy
import json
from typing import Any

from corpus.oddities_base import FULL, REVIEW, Files, Notebook, odd
from nnkit.check.notebook.cells import compute_checksum, parse_cell

# ---- files -------------------------------------------------------------------------------------------


@odd(FULL, "{} (1).ipynb", "{}-Copy1.ipynb", "my solution.ipynb", "{}.ipynb.txt", "{}.IPYNB")
def another_name(nb: Notebook, name: str) -> Files:
    return {name.format(nb.name): nb.to_bytes()}


@odd(FULL, "{} (1).ipynb", "{}-Copy1.ipynb", "final.ipynb", "a.ipynb")
def beside_a_blank_one(nb: Notebook, name: str) -> Files:
    solved = nb.to_bytes()
    for cell in nb.list("answer", "written"):
        cell["source"] = nb.blank(cell)
    return {f"{nb.name}.ipynb": nb.to_bytes(), name.format(nb.name): solved}


@odd(REVIEW, (0, "b.ipynb"), (-1, "{} (1).ipynb"))
def beside_a_better_one(nb: Notebook, which: int, name: str) -> Files:
    solved = nb.to_bytes()
    nb.list("answer")[which]["source"] = nb.blank(nb.list("answer")[which])
    return {f"{nb.name}.ipynb": nb.to_bytes(), name.format(nb.name): solved}


@odd(FULL, "{0}/{0}.ipynb", "{0}/{0}/{0}.ipynb", "submission/final.ipynb", "../{0}.ipynb")
def another_folder(nb: Notebook, path: str) -> Files:
    return {path.format(nb.name): nb.to_bytes(), "__MACOSX/._a.ipynb": b"\0", ".ipynb_checkpoints/a.ipynb": b"{}"}


@odd(FULL, "._{}.ipynb", ".ipynb_checkpoints/{}-checkpoint.ipynb", "{}-checkpoint.ipynb", ".DS_Store")
def editors_files(nb: Notebook, name: str) -> Files:
    return {f"{nb.name}.ipynb": nb.to_bytes(), name.format(nb.name): b"\0\1"}


@odd(FULL, "latin-1", "cp1252", "utf-16", "utf-16-le", "utf-8-sig", "utf-32")
def encoded(nb: Notebook, encoding: str) -> bytes:
    nb.list("written")[0]["source"] = "Das heißt, ∂f wird weitergereicht".replace("∂", "d")
    return nb.to_bytes().decode().encode(encoding, "replace")


@odd(FULL, (b"", b"\n\nSent from my phone"), (b"Here it is:\n", b""), (b"\n\n", b"\n}\n"), (b"", b"\0\0\0"))
def wrapped(nb: Notebook, before: bytes, behind: bytes) -> bytes:
    return before + nb.to_bytes() + behind


@odd(FULL, b"", b"\n", b",\n")
def glued(nb: Notebook, between: bytes) -> bytes:
    return nb.to_bytes() + between + nb.to_bytes()


@odd(REVIEW, "why.txt", "answer 4.pdf", "scans/page1.jpg", "text.docx")
def written_in_a_file(nb: Notebook, name: str) -> Files:
    for cell in nb.list("written"):
        cell["source"] = nb.blank(cell)
    return {f"{nb.name}.ipynb": nb.to_bytes(), name: b"The gradients add."}


@odd(REVIEW)
def glued_to_a_blank_one(nb: Notebook) -> bytes:
    solved = nb.to_bytes()
    for cell in nb.list("answer", "written"):
        cell["source"] = nb.blank(cell)
    return nb.to_bytes() + solved


@odd(FULL)
def cells_twice(nb: Notebook) -> None:
    """A tool for merging kept both sides: each cell is there twice, first blank, then solved."""
    blank = copy.deepcopy(nb.cells)
    for cell in blank:
        if nb.course[cell["id"]].kind in ("answer", "written"):
            cell["source"] = nb.blank(cell)
    nb.cells[:0] = blank


@odd(REVIEW, (0, False), (0, True), (-1, False), (-1, True))
def in_conflict(nb: Notebook, which: int, diff3: bool) -> bytes:
    """git wrote both versions of one answer into the file."""
    lines = nb.to_bytes().decode().split("\n")
    source = json.dumps(nb.list("answer")[which]["source"], ensure_ascii=False)
    at = next(n for n, line in enumerate(lines) if source in line)
    other = lines[at].replace("return ", "return  ")
    base = ["||||||| 1234567", lines[at]] if diff3 else []
    lines[at : at + 1] = ["<<<<<<< HEAD", lines[at], *base, "=======", other, ">>>>>>> origin/main"]
    return "\n".join(lines).encode()


COMMAS = (
    ('",\n   "metadata"', '"\n   "metadata"'),
    ("},\n  {", "}\n  {"),
    ("\n  }\n ],", "\n  },\n ],"),
    ('4,\n "', '4\n "'),
)


@odd(FULL, *COMMAS)
def commas(nb: Notebook, right: str, wrong: str) -> bytes:
    text = nb.to_bytes().decode()
    assert right in text
    return text.replace(right, wrong, 1).encode()


@odd(REVIEW, 0.5, 0.9, 0.99)
def cut_off(nb: Notebook, share: float) -> bytes:
    raw = nb.to_bytes()
    return raw[: int(len(raw) * share)]


@odd(REVIEW, "{}.html", "{}.pdf", "{}.zip", "{}.py", "scan.jpg")
def no_notebook(nb: Notebook, name: str) -> Files:
    return {name.format(nb.name): b"\x89 something else"}


@odd(
    REVIEW,
    b"",
    b"\0" * 100,
    b"PK\3\4\0{",
    b"\x1f\x8b\x08",
    b"# %%\nf = {1: 2}\n",
    b"%PDF-1.7 ...",
    b"<html><body>Log in</body></html>",
    b"[]",
    b"{}",
)
def no_json(nb: Notebook, raw: bytes) -> bytes:
    return raw


@odd(FULL, "image/png", "application/vnd.plotly.v1+json")
def huge_outputs(nb: Notebook, kind: str) -> None:
    data: Any = "iVBOR" * 4_200_000 if kind == "image/png" else {"x": ['a\\n"]', [1, [2]]] * 60_000}
    output = {"output_type": "display_data", "data": {kind: data}, "metadata": {}}
    nb.list("given")[0]["outputs"] = [output]


@odd(REVIEW)
def of_another_assignment(nb: Notebook) -> None:
    for number, cell in enumerate(nb.cells):
        cell["id"], cell["metadata"], cell["source"] = f"other-{number}", {}, f"# Another {number}"


@odd(REVIEW)
def of_the_next_assignment(nb: Notebook) -> None:
    """With nbgrader's metadata, and cells that have the same ids here: the text, the set-up, the written answer."""
    for number, cell in enumerate(nb.list("answer", "test")):
        mark = cell["metadata"]["nbgrader"]
        mark["grade_id"] = cell["id"] = f"next-{number}"
        cell["source"] = f"assert {number} < 99" if mark["grade"] else f"next_{number} = {number}"
        if mark["grade"]:
            mark["checksum"] = compute_checksum(parse_cell(cell))
