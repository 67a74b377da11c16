"""Build the course's web site: gather its pages, run the lectures, and let Sphinx write HTML that needs no other host.

    PYTHONPATH=tests python website/build_site.py [--out FOLDER] [--only NAME ...]

`--only` builds the home page and the pages or folders with these names alone ("lectures/00_start_here", "mistakes").
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import shutil
import sys
from base64 import b64decode
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import nbformat

import catalogue_pages
import check_links
from helpers.kernels import Client
from nnkit import Graph
from nnkit.view import graph_explorer
from nnkit.view.explorers.explorer import WIDGET_MIMETYPE
from nnkit.view.scripts import bundle_frozen_script, read_style

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent

GUIDES = {
    "learners": ("learner", "check", "verdict", "jax", "glossary"),
    "teachers": ("ta", "grading", "teaching", "author", "mistakes", "translating"),
    "admins": ("admin", "admin-tljh", "admin-kubernetes", "exchange"),
}
"""The guides of docs/ by the people whom they are for."""

OTHER_PAGES = {
    "benchmarks": "docs/benchmarks.md",
    "changelog": "CHANGELOG.md",
    "contributing": "CONTRIBUTING.md",
    "security": "grader/SECURITY.md",
    "where-it-runs": "docs/where-it-runs.md",
}
"""Page → file of the repository."""

API = {
    "Graphs and gates": ("nnkit.graph", "nnkit.gates", "nnkit.jacobian", "nnkit.numerical"),
    "Checks": ("nnkit.check",),
    "Networks": ("nnkit.mlp", "nnkit.train", "nnkit.data", "nnkit.jax_path"),
    "Pictures": ("nnkit.view", "nnkit.view.explorers"),
}

LANGUAGES = {"en": "English", "ko": "한국어"}
"""The names of languages for the link from one to the other."""

CAPTIONS = {"ko": {"Lectures": "강의", "Assignments": "과제", "For learners": "안내서"}}
"""The captions of the sidebar in other languages."""

MIN_IMAGE_CHARACTERS = 4_000
"""The length of the shortest picture that becomes a file of its own."""

FROZEN = re.compile(
    r'(<script type="application/json" id="[\w-]+" data-explorer="(\w+)">.*?</script>)'
    r'<script type="module">.*?</script>',
    re.DOTALL,
)
IMAGE = re.compile(rf"data:image/png;base64,([A-Za-z0-9+/=]{{{MIN_IMAGE_CHARACTERS},}})")


class SiteSources:
    """The sources that Sphinx reads, in a folder that is made anew."""

    def __init__(self, folder: Path, cache: Path, only: Sequence[str] = ()):
        self.folder, self.cache, self.only = folder, cache, tuple(only)
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "_explorers").mkdir(parents=True)
        self.captions: dict[str, str] = {}
        self.explorers: set[str] = set()
        self.pages: set[str] = set()

    def wants(self, page: str) -> bool:
        page = re.sub(r"\.(md|ipynb)$", "", page)
        return not self.only or page == "index" or any(page == one or page.startswith(f"{one}/") for one in self.only)

    def write(self, page: str, text: str) -> None:
        """Write a page, unless it was not asked for."""
        if self.wants(page):
            path = self.folder / page
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            self.pages.add(page.removesuffix(".md").removesuffix(".ipynb"))

    def gather(self) -> None:
        """Write all pages."""
        self.add_lectures()
        for path in sorted(ROOT.glob("assignments/*/*.ipynb")):
            if self.wants(f"assignments/{path.stem}"):
                self.add_notebook(f"assignments/{path.stem}", nbformat.read(path, as_version=4))
        for names in GUIDES.values():
            for name in names:
                self.add_guide(f"guides/{name}", ROOT / f"docs/{name}.md")
        for page, file in OTHER_PAGES.items():
            if (ROOT / file).exists():
                self.add_guide(page, ROOT / file)
        for name in ("index", *catalogue_pages.THEMES):
            if self.wants(f"mistakes/{name}"):
                self.write(f"mistakes/{name}.md", catalogue_pages.write_page(name))
        self.add_api()
        self.add_home()
        self.add_explorers()

    # -- notebooks ----------------------------------------------------------------------------------

    def add_lectures(self) -> None:
        for path in sorted(ROOT.glob("notebooks/*.ipynb")):
            if self.wants(f"lectures/{path.stem}"):
                self.add_notebook(f"lectures/{path.stem}", run_notebook(path, self.cache))

    def add_notebook(self, page: str, notebook: Any) -> None:
        """Write a notebook whose explorers are frozen and whose pictures are files."""
        notebook.metadata.pop("widgets", None)
        for cell in notebook.cells:
            if cell.cell_type == "markdown":
                cell.source = self.rewrite_links(cell.source, page)
            else:
                cell.outputs = [
                    self.clean_output(page, out) for out in cell.outputs if WIDGET_MIMETYPE not in out.get("data", {})
                ]
        self.write(f"{page}.ipynb", nbformat.writes(notebook))

    def clean_output(self, page: str, output: Any) -> Any:
        html = output.get("data", {}).get("text/html")
        if html:
            output.data["text/html"] = self.share_assets(page, "".join(html))
        return output

    def share_assets(self, page: str, html: str) -> str:
        """Return a cell's HTML with scripts, style sheets and pictures replaced by files that pages share."""
        up = "../" * page.count("/")

        def share_script(found: re.Match[str]) -> str:
            self.explorers.add(found[2])
            return f'{found[1]}<script defer src="{up}_static/{found[2]}.js"></script>'

        def share_image(found: re.Match[str]) -> str:
            png = b64decode(found[1])
            name = f"{hashlib.sha256(png).hexdigest()[:20]}.png"
            (self.folder / "_explorers" / name).write_bytes(png)
            return f"{up}_static/{name}"

        return IMAGE.sub(share_image, FROZEN.sub(share_script, html)).replace(read_style(), "")

    def add_explorers(self) -> None:
        """Write a script for each kind of explorer on the pages, and their style sheet."""
        folder = self.folder / "_explorers"
        (folder / "explorers.css").write_text(read_style(), encoding="utf-8")
        for module in self.explorers:
            start = (
                f"for (const data of document.querySelectorAll('script[data-explorer=\"{module}\"]'))\n"
                '  showFrozen(data.id.replace(/-data$/, ""), explorer, "");'
            )
            script = f"(() => {{\n{bundle_frozen_script(module)}\n{start}\n}})();\n"
            (folder / f"{module}.js").write_text(script, encoding="utf-8")

    # -- text ---------------------------------------------------------------------------------------

    def add_guide(self, page: str, path: Path) -> None:
        if self.wants(page):
            self.write(f"{page}.md", self.rewrite_links(path.read_text(encoding="utf-8"), page))
            for image in re.findall(r"!\[[^\]]*\]\(([\w./-]+)\)", path.read_text(encoding="utf-8")):
                target = self.folder / Path(page).parent / Path(image).name
                shutil.copy(path.parent / image, target)

    def rewrite_links(self, text: str, page: str) -> str:
        """Return Markdown whose links to files of the repository lead to pages; others become plain text."""

        def rewrite(found: re.Match[str]) -> str:
            label, target, anchor = found[1], found[2], found[3] or ""
            name = Path(target).name
            home = target if page == "index" else find_page(name)
            if home is None or not self.wants(home):
                return label
            up = "../" * page.count("/")
            return f"[{label}]({up}{home}{anchor if home != 'index.md' else ''})"

        return re.sub(r"(?<!!)\[([^\]]+)\]\((?!https?:|#|mailto:)([^)#\s]*)(#[^)\s]*)?\)", rewrite, text)

    def add_api(self) -> None:
        for title, modules in API.items():
            name = title.lower().replace(" ", "-")
            self.write(f"api/{name}.md", f"# {title}\n\n" + "\n".join(map(write_api_section, modules)))

    def link_language(self, code: str, folder: str, pages: set[str]) -> None:
        """Name the pages in another language, whose addresses begin with `folder`, for the link in the sidebar."""
        other = {"code": code, "name": LANGUAGES.get(code, code), "folder": folder, "pages": sorted(pages)}
        (self.folder / "other_language.json").write_text(json.dumps(other), encoding="utf-8")

    def add_home(self, path: Path = HERE / "index.md") -> None:
        text = self.rewrite_links(path.read_text(encoding="utf-8"), "index")
        graph = Graph()
        x, y, z = graph.inputs(x=-2.0, y=5.0, z=-4.0)
        ((x + y).named("q") * z).named("f")
        graph.backward()
        picture = self.share_assets("index", graph_explorer(graph).page)
        self.write("index.md", text.replace("PICTURE", picture).replace("CONTENTS", self.write_contents()))

    def write_contents(self) -> str:
        """Return the tables of contents, of the pages that there are."""
        named = {
            "Lectures": [p for p in sorted(self.pages) if p.startswith("lectures/")],
            "Assignments": [p for p in sorted(self.pages) if p.startswith("assignments/")],
            **{f"For {who}": [f"guides/{n}" for n in names] for who, names in GUIDES.items()},
            "Reference": ["mistakes/index", *(f"api/{t.lower().replace(' ', '-')}" for t in API)],
            "Project": ["where-it-runs", "benchmarks", "changelog", "contributing", "security"],
        }
        texts = []
        for caption, pages in named.items():
            there = [page for page in pages if page in self.pages]
            if there:
                listed = "\n".join(there)
                title = self.captions.get(caption, caption)
                texts.append(f"```{{toctree}}\n:caption: {title}\n:hidden:\n:maxdepth: 1\n\n{listed}\n```")
        return "\n\n".join(texts)


class TranslatedSources(SiteSources):
    """The pages in another language: what `nnkit translate` has built, with the outputs of the original."""

    def __init__(self, folder: Path, cache: Path, language: str):
        super().__init__(folder, cache)
        self.language, self.course = language, ROOT / "build" / language
        self.captions = CAPTIONS.get(language, {})

    def wants(self, page: str) -> bool:
        """Return True for pages that there are in this language; links to others become plain text."""
        return bool(re.match(r"index|lectures/|assignments/|guides/learner(\.md)?$", page))

    def gather(self) -> None:
        for path in sorted(ROOT.glob("notebooks/*.ipynb")):
            outputs = {cell.id: cell.get("outputs", []) for cell in run_notebook(path, self.cache).cells}
            notebook = nbformat.read(self.course / "notebooks" / path.name, as_version=4)
            notebook.metadata.language_info = {"name": "python", "pygments_lexer": "ipython3"}
            for cell in notebook.cells:
                if cell.cell_type == "code":
                    cell.outputs = outputs.get(cell.id, [])
            self.add_notebook(f"lectures/{path.stem}", notebook)
        for path in sorted(self.course.glob("assignments/*/*.ipynb")):
            self.add_notebook(f"assignments/{path.stem}", nbformat.read(path, as_version=4))
        self.add_guide("guides/learner", ROOT / f"docs/learner.{self.language}.md")
        self.add_home(HERE / f"index.{self.language}.md")
        self.add_explorers()


def find_languages() -> list[str]:
    """Return the languages into which the course has been built."""
    return sorted(path.parent.parent.name for path in ROOT.glob("build/*/notebooks/00_start_here.ipynb"))


def find_page(name: str) -> str | None:
    """Return the page of a file of the repository, by its name; None if it has none."""
    if re.fullmatch(r"\d\d_\w+\.ipynb", name):
        return f"lectures/{name}"
    if re.fullmatch(r"ps\d\.ipynb", name):
        return f"assignments/{name}"
    for page, file in OTHER_PAGES.items():
        if Path(file).name == name:
            return f"{page}.md"
    if name.removesuffix(".md") in [guide for names in GUIDES.values() for guide in names]:
        return f"guides/{name}"
    return "index.md" if name == "README.md" else None


def write_api_section(module: str) -> str:
    """Return the part of a page on one module: what it defines or, where it says so in `__all__`, what it offers."""
    names = "   :imported-members:\n" if hasattr(import_module(module), "__all__") else ""
    return f"## {module}\n\n```{{eval-rst}}\n.. automodule:: {module}\n{names}```\n"


def run_notebook(path: Path, cache: Path) -> Any:
    """Return a notebook with its outputs; from the cache if neither it nor the package has changed."""
    sources = sorted(p for p in (ROOT / "nnkit").rglob("*") if p.suffix in (".py", ".js", ".css"))
    key = hashlib.sha256(b"".join(p.read_bytes() for p in [path, *sources])).hexdigest()[:32]
    stored = cache / f"{path.stem}-{key}.ipynb"
    if not stored.exists():
        notebook = nbformat.read(path, as_version=4)
        Client(notebook, timeout=900, kernel_name="python3", resources={"metadata": {"path": path.parent}}).execute()
        cache.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, stored)
    return nbformat.read(stored, as_version=4)


def build(out: Path, only: Sequence[str] = ()) -> int:
    """Build the site in a folder. Return 1 if Sphinx warns or a link leads nowhere, otherwise 0."""
    cache = out.parent / f"{out.name}-cache"
    original = SiteSources(out.parent / f"{out.name}-sources", cache, only)
    original.gather()
    translated = [
        TranslatedSources(out.parent / f"{out.name}-{one}", cache, one) for one in find_languages() if not only
    ]
    for sources in translated:
        sources.gather()
        original.link_language(sources.language, f"{sources.language}/", sources.pages)
        sources.link_language("en", "../", original.pages)
    status = render(original, out)
    for sources in translated:
        status |= render(sources, out / sources.language, sources.language)
    faults = check_links.find_faults(out)
    print("\n".join(faults), file=sys.stderr)
    return int(bool(status or faults))


def render(sources: SiteSources, out: Path, language: str = "en") -> int:
    """Write the HTML of these sources, and return Sphinx's exit status."""
    from sphinx.cmd.build import build_main

    shutil.rmtree(out, ignore_errors=True)
    static = f"html_static_path={HERE / 'static'},{sources.folder / '_explorers'}"
    options = ["-q", "-W", "--keep-going", "-b", "html", "-c", str(HERE), "-D", static, "-D", f"language={language}"]
    options += ["-d", str(sources.folder / ".doctrees")]
    status = build_main([*options, str(sources.folder), str(out)])
    for unused in (out.parent / "jupyter_execute", out / "_sources"):
        shutil.rmtree(unused, ignore_errors=True)
    return status


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description="Build the course's web site.")
    parser.add_argument(
        "--out", type=Path, default=ROOT / "build/site", help="folder of the site (default: build/site)"
    )
    parser.add_argument("--only", nargs="*", default=[], metavar="NAME", help="build these pages alone")
    args = parser.parse_args(argv)
    return build(args.out, args.only)


if __name__ == "__main__":
    sys.exit(main())
