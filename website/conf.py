"""Sphinx's configuration of the course's web site. `build_site.py` gathers its sources; `make site` runs both."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from docutils.nodes import SkipNode
from math_core import LatexToMathML

HERE = Path(__file__).parent

project, author, project_copyright = "nnkit", "the authors of nnkit", "the authors of nnkit"
language = "en"

extensions = ["myst_nb", "sphinx.ext.autodoc"]
myst_enable_extensions = ["amsmath", "colon_fence", "dollarmath"]
myst_heading_anchors = 4
nb_execution_mode = "off"  # `build_site.py` runs the lectures
nb_merge_streams = True
default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints = "none"
autodoc_default_options = {"members": True}

html_theme = "furo"
templates_path = [str(HERE / "templates")]
html_sidebars = {
    "**": [
        *("sidebar/brand.html", "languages.html", "sidebar/search.html", "sidebar/scroll-start.html"),
        *("sidebar/navigation.html", "sidebar/scroll-end.html"),
    ]
}
html_title = "nnkit"
html_css_files = ["explorers.css", "site.css"]
html_js_files = [("theme.js", {"loading_method": "defer"})]
html_favicon = str(HERE / "static/favicon.svg")
html_copy_source = html_show_sourcelink = False
html_math_renderer = "mathml"
pygments_style, pygments_dark_style = "a11y-high-contrast-light", "a11y-high-contrast-dark"
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#00568a", "color-brand-content": "#00568a"},
    "dark_css_variables": {"color-brand-primary": "#7cc4f0", "color-brand-content": "#7cc4f0"},
}

MATHML = LatexToMathML()
OTHER_LANGUAGE = "other_language.json"
"""The file of the sources that names the pages in the other language."""


def write_inline_math(translator: Any, node: Any) -> None:
    """Write a formula as MathML: it needs neither a script nor a font of another host."""
    translator.body.append(_convert(node.astext(), False))
    raise SkipNode


def write_display_math(translator: Any, node: Any) -> None:
    """Write a formula on a line of its own, which scrolls where it is wider than a phone."""
    formula = _convert(node.astext(), True)
    translator.body.append(f'<div class="math-line">{formula}</div>')
    raise SkipNode


def _convert(tex: str, display: bool) -> str:
    return str(MATHML.convert_with_local_state(tex, displaystyle=display))


def format_docstring(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Turn a docstring of the packages, which is plain text, into reStructuredText: examples in it are indented."""
    formatted: list[str] = []
    in_code = False
    for line in lines:
        is_code = line.startswith("    ") and (in_code or not formatted or not formatted[-1].strip())
        if is_code and not in_code:
            formatted += [".. code-block:: python", ""]
        if line.strip():
            in_code = is_code
        formatted.append(line if in_code else _escape(line))
    lines[:] = formatted


def _escape(line: str) -> str:
    """Escape what is markup in reStructuredText, outside of code in backticks."""
    parts = re.split(r"(`[^`]*`)", line)
    return "".join(p if p.startswith("`") else re.sub(r"([*|\\]|_(?=\W|$))", r"\\\1", p) for p in parts)


def give_captions_a_level(app: Any, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Give the captions of the sidebar, which the theme calls headings, the level that screen readers need."""
    tree = context.get("furo_navigation_tree", "")
    context["furo_navigation_tree"] = tree.replace('role="heading"', 'role="heading" aria-level="2"')


def link_other_language(app: Any, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Link a page to the same page in the other language or, where there is none, to that language's home page."""
    path = Path(app.srcdir) / OTHER_LANGUAGE
    if path.exists():
        other = json.loads(path.read_text(encoding="utf-8"))
        target = page if page in other["pages"] else "index"
        context["other_language"] = {**other, "address": f"{'../' * page.count('/')}{other['folder']}{target}.html"}


def setup(app: Any) -> None:
    """Register the formulas' writers and the docstrings' reader."""
    app.add_html_math_renderer("mathml", (write_inline_math, None), (write_display_math, None))
    app.connect("autodoc-process-docstring", format_docstring)
    app.connect("html-page-context", give_captions_a_level, priority=900)
    app.connect("html-page-context", link_other_language)
