"""Outputs and words of learners: what is harmless stays, nothing runs on the pages that show them."""

from __future__ import annotations

import base64
import json
import random
import re
import time
from collections.abc import Iterator
from functools import cache
from html import unescape
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
from playwright.sync_api import Browser, Page

from helpers.paths import TESTS
from nnkit.check import check_value
from nnkit_grader.sanitize.budget import CleaningBudget
from nnkit_grader.sanitize.html import BOX, MATH_FREE_BOX, clean_html
from nnkit_grader.sanitize.markdown import PLAIN_NOTE, clean_markdown
from nnkit_grader.sanitize.outputs import (
    MAX_IMAGE_SIDE_PIXELS,
    MAX_TEXT_CHARACTERS,
    bound_outputs,
    clean_output,
    clean_text,
)

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(20)).decode()
PNG_1X1 = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
RUN = "top.pwned=1"
LINK_MARKS = re.compile(r'( rel="noopener noreferrer nofollow"| target="_blank"){2}')
"""What each link gets, in either order."""

Output = dict[str, Any]


def shown(**data: Any) -> Output:
    """An output with this MIME bundle; `__` stands for `/`."""
    named = {name.replace("__", "/").replace("_xml", "+xml"): value for name, value in data.items()}
    return {"output_type": "display_data", "data": named, "metadata": {}}


def html_of(html: str) -> str:
    """What is left of it, without what is put around it."""
    out: str = clean_output(shown(text__html=html))["data"]["text/html"]
    return LINK_MARKS.sub("", out.removeprefix(MATH_FREE_BOX).removesuffix("</div>"))


def markdown_of(text: str, attachments: dict[str, dict[str, str]] | None = None) -> str:
    """The HTML that shows it, without its box, with lines again."""
    boxed = clean_markdown(text, attachments)
    assert boxed.startswith(BOX)
    assert "\n" not in boxed
    return LINK_MARKS.sub("", boxed.removeprefix(BOX).removesuffix("</div>")).replace("&#10;", "\n")


# ---- in a real browser ------------------------------------------------------------------------------

SVG = f'<svg xmlns="http://www.w3.org/2000/svg" onload="{RUN}"><script>{RUN}</script></svg>'

HTML = {
    "script": f"<script>{RUN}</script>",
    "script in upper case": f"<SCRIPT >{RUN}</SCRIPT >",
    "nested script": f"<scr<script>ipt>{RUN}</scr</script>ipt>",
    "img onerror": f"<img src=x onerror='{RUN}'>",
    "img onerror without blanks": f"<img/src=x/onerror={RUN}>",
    "unclosed img": f"<img src=x onerror='{RUN}'//",
    "svg onload": SVG,
    "svg in svg": f"<svg><svg/onload='{RUN}'>",
    "details ontoggle": f"<details open ontoggle='{RUN}'>x</details>",
    "autofocus": f"<input autofocus onfocus='{RUN}'>",
    "link": f"<a href='javascript:{RUN}'>x</a>",
    "link with entities": f"<a href='&#106;ava&Tab;script&colon;{RUN}'>x</a>",
    "link with a line end": f"<a href='java\nscript:{RUN}'>x</a>",
    "iframe srcdoc": f"<iframe srcdoc='&lt;script>{RUN}&lt;/script>'></iframe>",
    "iframe javascript": f"<iframe src='javascript:{RUN}'></iframe>",
    "object data": f"<object data='javascript:{RUN}'></object>",
    "embed": f"<embed src='javascript:{RUN}'>",
    "animation": f"<style>@keyframes x{{}}</style><b style='animation-name:x' onanimationstart='{RUN}'>x</b>",
    "style expression": f"<b style='width:expression({RUN})'>x</b>",
    "meta refresh": f"<meta http-equiv=refresh content='0;url=javascript:{RUN}'>",
    "base": f"<base href='javascript:{RUN}//'><a href='#'>x</a>",
    "form": f"<form action='javascript:{RUN}'><button>x</button></form>",
    "button formaction": f"<form><button formaction='javascript:{RUN}'>x</button></form>",
    "math link": f"<math><a xlink:href='javascript:{RUN}' href='javascript:{RUN}'>x</a></math>",
    "comment": f"<!--><img src=x onerror={RUN}>-->",
    "noscript": f"<noscript><p title='</noscript><img src=x onerror={RUN}>'>",
    "mutation": f"<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=1 onerror={RUN}&gt;'>",
    "template": f"<template shadowrootmode=open><img src=x onerror='{RUN}'></template>",
    "textarea": f"<textarea><b title='</textarea><img src=x onerror={RUN}>'></textarea>",
    "attribute breaking out": f"<img alt='\"><img src=x onerror={RUN}>'>",
    "end of the wrapper": f"</div></pre></body><script>{RUN}</script>",
    "wrapper feigned": f'<div class="tex2jax_ignore mathjax_ignore"></div><script>{RUN}</script><div></div>',
    "video": f"<video><source onerror='{RUN}'></video>",
    "marquee": f"<marquee onstart='{RUN}'>x</marquee>",
}

WORDS = {
    "html": f"words <script>{RUN}</script>",
    "block": f"<div>\n\n<img src=x onerror='{RUN}'>\n</div>",
    "link": f"[x](javascript:{RUN})",
    "link with entities": f"[x](&#106;avascript&colon;{RUN})",
    "link in brackets": f"[x](<javascript:{RUN}>)",
    "link by reference": f"[x][1]\n\n[1]: javascript:{RUN}",
    "short reference": f"[x]\n\n[x]: javascript:{RUN}",
    "autolink": f"<javascript:{RUN}>",
    "data link": f"[x](data:text/html,<script>{RUN}</script>)",
    "mermaid": f"```mermaid\n</pre><img src=x onerror='{RUN}'>\n```",
    "mermaid with entities": f"```&#109;ermaid\n</pre><img src=x onerror='{RUN}'>\n```",
    "fence": f'```"><img src=x onerror={RUN}>\nx\n```',
    "title": f'[x](http://a "&quot; onmouseover={RUN} x=&quot;")',
    "image title": f'![x](http://a.invalid "&quot; onerror={RUN} x=&quot;")',
    "image address": f'![x](http://a.invalid/"onerror="{RUN})',
    "image words": f'![x" onerror="{RUN}](http://a.invalid)',
    "code then html": f"`` ` ``<img src=x onerror='{RUN}'>",
    "mathematics": f"$a$<img src=x onerror='{RUN}'>$b$",
    "html in mathematics": f"$$<img src=x onerror='{RUN}'>$$",
    "environment": f"\\begin{{x}}<img src=x onerror='{RUN}'>\\end{{x}}",
    "table": f"|a|\n|-|\n|<img src=x onerror='{RUN}'>|",
    "heading": f"# <img src=x onerror='{RUN}'>",
    "comment": f"<!-- --!><img src=x onerror='{RUN}'> -->",
    "cdata": f"<![CDATA[><img src=x onerror='{RUN}'>]]>",
    "broken over lines": f"<img\nsrc=x\nonerror='{RUN}'>",
    "entities": f"&lt;img src=x onerror='{RUN}'&gt;",
    "backslash": f"\\<img src=x onerror='{RUN}'>",
}

OTHERS: dict[str, Output] = {
    "javascript": shown(application__javascript=RUN),
    "mermaid": {**shown(), "data": {"text/vnd.mermaid": f"</pre><script>{RUN}</script>"}},
    "widget": {
        **shown(),
        "data": {"application/vnd.jupyter.widget-view+json": {"a": f"</script><script>{RUN}</script>"}},
    },
    "svg": shown(image__svg_xml=SVG),
    "png that is none": shown(image__png=f'"><img src=x onerror="{RUN}">'),
    "jpeg that is none": shown(image__jpeg=f'"><img src=x onerror="{RUN}">'),
    "width": {
        **shown(image__png=PNG_1X1),
        "metadata": {"image/png": {"width": f"1 onload={RUN}", "height": f"1 onload={RUN}"}},
    },
    "file name": {**shown(image__png=PNG_1X1), "metadata": {"filenames": {"image/png": f"javascript:{RUN}"}}},
    "latex": shown(text__latex=f"$x$<script>{RUN}</script>"),
    "text": shown(text__plain=f"<script>{RUN}</script>"),
    "stream": {"output_type": "stream", "name": "stdout", "text": f"\x1b[31m<script>{RUN}</script>"},
    "stream's name": {"output_type": "stream", "name": f"<script>{RUN}</script>", "text": "x"},
    "error": {
        **{"output_type": "error", "ename": f"<script>{RUN}</script>", "evalue": f"<script>{RUN}</script>"},
        "traceback": [f"<script>{RUN}</script>", f"\x1b[1;31m<img src=x onerror='{RUN}'>"],
    },
    "count": {**shown(text__plain="x"), "output_type": "execute_result", "execution_count": f"<script>{RUN}</script>"},
    "type": {"output_type": f"<script>{RUN}</script>", "text": f"<script>{RUN}</script>"},
}

RAW_RUNS = {"script", "img onerror", "svg onload", "details ontoggle", "link", "iframe srcdoc", "link with entities"}
"""Those that must run where nothing is done: else the test would look at nothing."""

TEMPLATES = ("lab", "classic", "formgrade", "feedback")


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context()
    context.route("**/*", lambda route: route.abort())
    yield context.new_page()
    context.close()


@cache
def exporter(template: str) -> Any:
    """What makes the pages of nbconvert, of Formgrader or of nbgrader's feedback: it reads its templates but once."""
    from nbconvert import HTMLExporter
    from nbgrader.server_extensions.formgrader import handlers
    from traitlets.config import Config

    config = Config()
    if template in ("formgrade", "feedback"):
        config.HTMLExporter.extra_template_basedirs = [handlers.template_path]
        styles = Path(handlers.static_path, "node_modules/bootstrap/dist/css")
        config.HTMLExporter.extra_template_paths = [str(styles)]
    config.HTMLExporter.template_name = template
    return HTMLExporter(config=config)


def rendered(cells: list[Any], template: str = "lab") -> str:
    """The page of these cells."""
    notebook = nbformat.v4.new_notebook(metadata={"language_info": {"name": "python"}})
    notebook.cells = cells  # not validated: what is not harmless may be anything
    names = ("score", "max_score", "notebook_id", "assignment_id", "submission_id", "base_url", "index", "total")
    told: dict[str, Any] = {"nbgrader": {**dict.fromkeys(names, 1), "late_penalty": 0}, **dict.fromkeys(names, 1)}
    html, _ = exporter(template).from_notebook_node(notebook, resources=told)
    return str(html)


def code_cell(output: Output) -> Any:
    return nbformat.from_dict(
        {**nbformat.v4.new_code_cell("x"), "outputs": [output], "execution_count": output.get("execution_count")}
    )


def runs(page: Page, html: str) -> bool:
    """Whether anything of it runs: by itself, or at a click or a touch."""
    page.goto("about:blank")
    page.set_content(html, wait_until="domcontentloaded")
    page.wait_for_timeout(60)
    if page.evaluate("'pwned' in window"):
        return True
    page.evaluate(
        """() => { for (const element of document.querySelectorAll('body *')) {
            element.dispatchEvent(new Event('mouseover', {bubbles: true}));
            const address = String(element.href?.baseVal ?? element.href ?? '');
            if (/^(javascript|data|vbscript):/i.test(address) || element.matches('form *, summary'))
                element.dispatchEvent(new MouseEvent('click', {bubbles: true, cancelable: true}));
        } }"""
    )
    page.wait_for_timeout(40)
    return bool(page.evaluate("'pwned' in window"))


@pytest.mark.parametrize("name", HTML)
def test_no_html_runs(name: str, page: Page) -> None:
    output = shown(text__html=HTML[name])
    if name in RAW_RUNS:
        assert runs(page, rendered([code_cell(output)]))
    assert not runs(page, rendered([code_cell(clean_output(output))]))


@pytest.mark.parametrize("name", WORDS)
def test_no_words_run(name: str, page: Page) -> None:
    text = WORDS[name]
    if name in ("html", "block", "link", "mermaid", "link by reference"):
        assert runs(page, rendered([nbformat.v4.new_markdown_cell(text)]))
    assert not runs(page, rendered([nbformat.v4.new_markdown_cell(clean_markdown(text))]))
    assert not runs(page, rendered([code_cell(clean_output(shown(text__markdown=text)))]))


@pytest.mark.parametrize("name", OTHERS)
def test_no_other_output_runs(name: str, page: Page) -> None:
    if name in ("javascript", "mermaid", "width"):
        assert runs(page, rendered([code_cell(OTHERS[name])]))
    assert not runs(page, rendered([code_cell(clean_output(OTHERS[name]))]))


@pytest.mark.parametrize("template", TEMPLATES)
def test_nothing_runs_on_any_page(template: str, page: Page) -> None:
    outputs = [shown(text__html=text) for text in HTML.values()] + list(OTHERS.values())
    cells = [code_cell(clean_output(output)) for output in outputs]
    cells += [nbformat.v4.new_markdown_cell(clean_markdown(text)) for text in WORDS.values()]
    assert not runs(page, rendered(cells, template))
    raw = [code_cell(shown(text__html=HTML["img onerror"]))]
    assert runs(page, rendered(raw, template))


MOVED = "<a href='http://a.org' style='position:relative;display:block;top:-900px;height:3000px;margin:-50px'>x</a>"
"""What TeX makes of macros that we do not allow: a link far outside its place."""


@pytest.mark.parametrize(("box", "reached"), [("<div>", True), (BOX, False), (MATH_FREE_BOX, False)])
def test_nothing_in_a_box_covers_what_is_outside(box: str, reached: bool, page: Page) -> None:
    page.set_content(f"<p id=points>Points</p><div style='height:100px'></div>{box}{MOVED}</div>")
    at_points = "document.elementFromPoint(20, 25).tagName"
    assert (page.evaluate(at_points) == "A") is reached
    page.set_content(f"<p id=points>Points</p><div style='height:100px'></div>{box}{clean_html(MOVED)}</div>")
    assert page.evaluate(at_points) == "P"


MATHJAX = TESTS / "vendor/mathjax/tex-chtml-full.js"
COVERING = (
    r"$\smash{\raise 900px{\href{http://a.org}{XXXXXXXXXXXXXXXXXXXX}}}$",
    r"$\style{position:fixed;top:0;left:0;font-size:900px}{X}$",
)
"""TeX that MathJax shows far outside its place."""


@pytest.mark.parametrize("tex", COVERING)
def test_nothing_that_mathjax_makes_covers_what_is_outside(tex: str, page: Page) -> None:
    def measure(body: str) -> list[Any]:
        page.goto("about:blank")
        page.set_content(f"<p id=points>Points</p><div style='height:100px'></div>{body}")
        page.evaluate("window.MathJax = {tex: {inlineMath: [['$', '$']]}, startup: {typeset: false}}")
        page.add_script_tag(path=MATHJAX)
        page.evaluate("MathJax.startup.promise.then(() => MathJax.typesetPromise())")
        seen = "document.elementFromPoint(20, 25).closest('mjx-container') !== null"
        return [page.locator("mjx-container").count(), page.locator("a").count(), page.evaluate(seen)]

    number, _, covered = measure(f"<div>{tex}</div>")
    assert (number, covered) == (1, True)
    assert measure(f"{BOX}{tex}</div>")[::2] == [1, False], "the box alone holds it"
    assert measure(clean_markdown(tex)) == [1, 0, False]


# ---- what stays -------------------------------------------------------------------------------------


def test_a_table_of_numbers_stays_as_it_is() -> None:
    table = '<table border="1" class="dataframe"><thead><tr><th>a &amp; b</th></tr></thead></table>'
    assert html_of(table) == table


def test_a_verdict_stays_as_it_is() -> None:
    verdict = check_value(np.arange(6.0).reshape(2, 3), np.ones((2, 3)), name="dx")
    card = verdict._repr_html_()
    assert card
    left = html_of(card)
    assert left.count("<td") == card.count("<td")
    for word in ("border-left:5px solid #d55e00", "font-family:", "overflow-x:auto", 'scope="row"'):
        assert word in left
    assert clean_html(left) == left


@pytest.mark.parametrize("text", ["YOUR ANSWER HERE", 'One.\n\n- two\n- three, "four"', "a: b = c + 1/2 (d)"])
def test_plain_words_stay_as_they_are(text: str) -> None:
    assert clean_markdown(text) == text


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("# Why\n\nBecause `x = [1, 2]` & more.", "<h1>Why</h1>\n<p>Because <code>x = [1, 2]</code> &amp; more.</p>"),
        ("since $a_1<b_1$ and $c_2$", "<p>since <span>$a_1&lt;b_1$</span> and <span>$c_2$</span></p>"),
        ("~~no~~ **yes**", "<p><s>no</s> <strong>yes</strong></p>"),
        (
            "|a|\n|-|\n|1|",
            "<table>\n<thead>\n<tr>\n<th>a</th>\n</tr>\n</thead>\n<tbody>\n<tr>\n<td>1</td>\n</tr>\n</tbody>\n</table>",
        ),
        ("```python\nx = W[0]\n\ny\n```", "<pre><code>x = W[0]\n\ny\n</code></pre>"),
        ("`\\href{x}` \\\\(\\href{a}\\\\)", "<p><code>\\href{x}</code> \\(href{a}\\)</p>"),
        ("$$\\frac{\\partial f}{\\partial x} = W^T$$", "<div>\n$$\\frac{\\partial f}{\\partial x} = W^T$$\n</div>"),
        (
            "\\begin{align}\na &= b \\\\\nc\n\\end{align}",
            "<div>\n\\begin{align}\na &amp;= b \\\\\nc\n\\end{align}\n</div>",
        ),
        ("![x](https://a.org/b.png)", '<p><a href="https://a.org/b.png">x</a></p>'),
        ("[x](/formgrader) ![y](attachment:none)", '<p><a>x</a> <img alt="y"></p>'),
    ],
)
def test_markdown_becomes_clean_html_that_nbconvert_passes_on(text: str, left: str) -> None:
    from nbconvert.filters import markdown2html

    assert markdown_of(text) == left
    assert markdown2html(clean_markdown(text)).strip() == clean_markdown(text)


def test_a_picture_that_is_attached_is_put_in() -> None:
    shown = markdown_of("![a drawing](attachment:my%20a.png)", {"my a.png": {"image/png": PNG_1X1}})
    assert shown == f'<p><img src="data:image/png;base64,{PNG_1X1}" alt="a drawing"></p>'


@pytest.mark.parametrize(
    "text",
    [
        *(r"$\href{x}{y}$", r"\(\style{x}{y}\)", r"&#36;\&#104;ref{x}{y}&#36;", r"$$\cssId{x}{y}$$", r"$\rlap{x}$"),
        *(r"$\def\a{b}$", r"$\rule{9em}{9em}$", r"$\mmlToken{mi}[href=x]{y}$", r"$\\\href{x}{y}$", r"$\kern-9em x$"),
    ],
)
def test_macros_that_are_not_allowed_are_gone(text: str) -> None:
    macro = re.compile(r"(?<!\\)(?:\\\\)*\\(href|cssId|style|rlap|def|rule|mmlToken|kern)")
    assert macro.search(unescape(text))
    assert not macro.search(unescape(clean_markdown(text)))
    assert not macro.search(unescape(html_of(text)))
    assert not macro.search(unescape(clean_output(shown(text__latex=text))["data"]["text/html"]))


def test_two_pieces_do_not_make_one_together() -> None:
    assert html_of(r"\(\<x></x>href{x}{y}\)") == html_of(r"\(\<wbr>href{x}{y}\)") == r"\(href{x}{y}\)"


def test_space_between_rows_is_not_the_learners_to_choose() -> None:
    assert r"\\{}[99em]" in clean_markdown(r"$$a \\[99em] b$$")
    assert r"a\\b" in clean_markdown(r"$$\begin{matrix}a\\b\end{matrix}$$")


def test_pictures_stay_if_they_are_what_they_say() -> None:
    output = {**shown(image__png=PNG, text__plain="<Figure>"), "metadata": {"image/png": {"width": 300, "height": 1e9}}}
    left = clean_output(output)
    assert left["data"] == {"image/png": PNG, "text/plain": "<Figure>"}
    assert left["metadata"] == {"image/png": {"width": 300}}
    assert MAX_IMAGE_SIDE_PIXELS < 1e9
    assert "image/jpeg" not in clean_output(shown(image__jpeg=PNG))["data"]
    assert clean_output(shown(image__png=[PNG[:9] + "\n", PNG[9:]]))["data"]["image/png"] == PNG


def test_what_is_dropped_is_told() -> None:
    left = clean_output(shown(application__javascript="1", text__plain="<Javascript>"))["data"]
    told = "<Javascript>\n(application/javascript is left out: it cannot be shown safely.)"
    assert left == {"text/plain": told}
    assert clean_output(3) == clean_output({"output_type": "x"})
    assert "unknown kind" in clean_output({})["text"]


@pytest.mark.parametrize(
    ("html", "left"),
    [
        ("<b>a<i>b</b>c", "<b>a<i>b</i></b><i>c</i>"),
        ("a < b && c > d", "a &lt; b &amp;&amp; c &gt; d"),
        ("<unknown>text</unknown>", "text"),
        (
            "<a href='https://a.org/?b=1&amp;c'>x</a>",
            '<a href="https://a.org/?b=1&amp;c">x</a>',
        ),
        ("<a href='/formgrader'>x</a>", "<a>x</a>"),
        ("<img src='https://a.org/b.png'>", "<img>"),
        ("<b style='color:red;position:fixed;margin:-9px;background:url(//a)'>x</b>", '<b style="color:red">x</b>'),
        ("<b class='score dataframe' id='x'>x</b>", '<b class="dataframe">x</b>'),
        ("<script>if (a < b) {}</script>x", "x"),
        ("<br/><hr>", "<br><hr>"),
        ("<i style='margin:1000px;padding:-1px;width:100vw;height:9e9px'>x</i>", "<i>x</i>"),
        (
            "<i style='margin: .5em 2em auto 12px; border:1px solid #8886'>x</i>",
            '<i style="margin:.5em 2em auto 12px;border:1px solid #8886">x</i>',
        ),
        ("<img height=99999 width=300>", '<img width="300">'),
    ],
)
def test_html_is_written_anew(html: str, left: str) -> None:
    assert html_of(html) == left


def test_text_is_without_colours_and_controls() -> None:
    assert clean_text("\x1b[1;31mred\x1b[0m \x07\x1b]0;title\x07\ttab\r\n") == "red \ufffd\ttab\n"
    assert clean_text("10%\r50%\r100%\ndone") == "100%\ndone"
    assert clean_text(["a", 3, "b"]) == "ab"
    assert clean_text({}) == clean_text(None) == ""
    assert clean_text("user\u202egnp.exe") == "user\ufffdgnp.exe"
    assert len(clean_text("x" * 10**7)) < MAX_TEXT_CHARACTERS + 10


# ---- how much ---------------------------------------------------------------------------------------


def stream(text: str, name: str = "stdout") -> Output:
    return {"output_type": "stream", "name": name, "text": text}


def size(outputs: list[Output]) -> int:
    return len(json.dumps(outputs, ensure_ascii=False).encode())


def test_few_outputs_are_left_alone() -> None:
    outputs = [stream("a\n"), stream("b\n"), stream("c\n", "stderr"), shown(text__plain="x")]
    assert bound_outputs(outputs) == [stream("a\nb\n"), *outputs[2:]]
    assert bound_outputs([]) == []


def test_outputs_are_bounded_in_number_and_in_bytes() -> None:
    many = bound_outputs([shown(text__plain=str(n)) for n in range(5000)])
    assert len(many) == 101
    assert many[-1] == stream("(4900 outputs are left out: there is too much output.)\n")
    flood = bound_outputs(stream("🙂" * 1000, "stdout" if n % 2 else "stderr") for n in range(1000))
    assert size(flood) < 201_000
    picture = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(10**6)).decode()
    large = bound_outputs([stream("before"), shown(image__png=picture, text__plain="<Figure>"), stream("after")])
    assert [output["output_type"] for output in large] == ["stream", "display_data", "stream"]
    assert large[1]["data"] == {"text/plain": "<Figure>\n(The rest is too large and left out.)"}
    error = bound_outputs(
        [{"output_type": "error", "ename": "E", "evalue": "x" * 40_000, "traceback": ["y" * 50_000] * 100}]
    )
    assert error[0]["traceback"] == ["(The traceback is too long.)"]
    assert size(bound_outputs([stream("x" * 10**7)], most_bytes=5000)) < 5200


@pytest.mark.parametrize(
    "text",
    [
        *("<" * 100_000, "<a " * 30_000, '<a b="' * 15_000, "<!--" * 25_000, "<![" * 30_000, "<b>" * 33_000),
        *("</" * 50_000, "&" * 100_000, "<a " + "x=" * 45_000, "<a " + '"' * 90_000, "<b><i><u>" * 11_000),
        *("[" * 100_000, "*a " * 30_000, "![" * 50_000, "\\" * 100_000, "$a" * 50_000, ">" * 100_000, "`a" * 50_000),
        *("\\begin{a}" * 10_000, "[a](" * 25_000, "&#36;" * 20_000, "\x1b[" * 50_000, "\r" * 100_000, "a;b:" * 25_000),
    ],
)
def test_no_text_takes_long(text: str) -> None:
    started = time.process_time()
    for output in (shown(text__html=text), shown(text__markdown=text + "&"), shown(text__latex=text), stream(text)):
        clean_output(output)
    clean_html(f'<b style="{text}" class="{text}" title="{text}">')
    assert time.process_time() - started < 6


def test_html_that_a_browser_would_multiply_is_left_out() -> None:
    unclosed = "<p>" + "".join(f"<b id={n}>" for n in range(1000)) + "<p>x" * 1500
    left = clean_output(shown(text__html=unclosed, text__plain="a table"))["data"]
    assert left == {"text/plain": "a table\n(text/html is left out: it cannot be shown safely.)"}
    assert clean_html("<div>" * 61) == ""
    table = "<table>" + "<tr><td><b>1</b></td><td><a href='http://a.org'>x</a></td></tr>" * 90 + "</table>"
    assert clean_html(table).count("<td>") == 180


def test_cleaning_stops_when_the_budget_of_a_submission_is_used_up() -> None:
    page = shown(text__html="<b>x</b>" * 1000, text__plain="x")
    left = bound_outputs([page] * 50, budget=CleaningBudget(characters=20_000))
    assert sum("text/html" in output["data"] for output in left) == 2
    assert all(output["data"]["text/plain"] for output in left)

    slow = CleaningBudget(seconds=1e-9)
    assert "<strong>" in clean_markdown("**a**", budget=slow)
    assert clean_markdown("**a** <b>", budget=slow) == f"{BOX}<p>{PLAIN_NOTE}</p><pre>**a** &lt;b&gt;</pre></div>"


def test_what_there_is_no_room_for_is_not_cleaned() -> None:
    budget = CleaningBudget()
    left = budget.characters
    bound_outputs([shown(text__html="<b>x</b>")] * 3000, budget=budget)
    assert left - budget.characters == 100 * len("<b>x</b>")


# ---- anything ---------------------------------------------------------------------------------------

PIECES = [
    *("<", ">", "</", "<b>", "<img src=", "onerror=", '"', "'", "=", "javascript:", "&lt;", "&#60;", "\n", "\n\n", " "),
    *("[x](", ")", "![", "]:", "`", "```", "$", "$$", "\\", "\\href{", "}", "<!--", "-->", "<svg>", "</div>", "text"),
    *(
        "\x00",
        "\x1b[31m",
        "\ud800",
        "http://a",
        "data:image/png;base64,",
        PNG,
        "|",
        "- ",
        "# ",
        "mermaid",
        "attachment:",
    ),
]


def anything(rng: random.Random, depth: int = 0) -> Any:
    texts = "".join(rng.choices(PIECES, k=rng.randrange(12)))
    plain: list[Any] = [None, True, 3, 1.5, float("nan"), 10**30, texts, texts, texts]
    if depth < 3 and rng.random() < 0.4:
        plain += [[anything(rng, depth + 1) for _ in range(3)], {texts: anything(rng, depth + 1)}]
    return rng.choice(plain)


def some_output(rng: random.Random) -> Any:
    kinds = ("stream", "error", "display_data", "execute_result", anything(rng))
    mimes = ("text/plain", "text/html", "text/markdown", "text/latex", "image/png", "image/svg+xml", "a/b")
    keys = ("name", "text", "ename", "evalue", "traceback", "execution_count", "metadata")
    output = {"output_type": rng.choice(kinds), **{key: anything(rng) for key in keys}}
    output["data"] = {mime: anything(rng) for mime in rng.sample(mimes, 3)} if rng.random() < 0.8 else anything(rng)
    return output if rng.random() < 0.95 else anything(rng)


def test_anything_becomes_valid_outputs_and_the_second_time_changes_nothing() -> None:
    rng = random.Random(5)
    for _ in range(1500):
        output = some_output(rng)
        once = clean_output(output)
        json.dumps(once, ensure_ascii=False, allow_nan=False).encode()
        assert clean_output(once) == once, output
        several = bound_outputs([output, *(some_output(rng) for _ in range(3))])
        assert [clean_output(one) for one in several] == several
        assert all(one.get("text") != "" for one in several)
    cells = [code_cell(clean_output(some_output(rng))) for _ in range(300)]
    for cell in cells:
        cell["execution_count"] = None
    nbformat.validate(nbformat.v4.new_notebook(cells=cells))


def test_harmless_words_stay_the_same_the_second_time() -> None:
    rng = random.Random(6)
    for _ in range(1500):
        text = "".join(rng.choices(PIECES, k=rng.randrange(25)))
        once = clean_markdown(text)
        assert clean_markdown(once) == once, text


def test_random_pieces_do_not_run_either(page: Page, tmp_path: Path) -> None:
    """Longer and stranger than any list: each time, hundreds of texts on one page."""
    rng = random.Random(7)
    bait = [*PIECES, f"<img src=x onerror='{RUN}'>", f"<script>{RUN}</script>", f"javascript:{RUN}", f"onerror={RUN}"]
    texts = ["".join(rng.choices(bait, k=rng.randrange(3, 25))) for _ in range(300)]
    assert runs(page, rendered([code_cell(shown(text__html=text)) for text in texts]))
    cells = [code_cell(clean_output(shown(text__html=text))) for text in texts]
    cells += [nbformat.v4.new_markdown_cell(clean_markdown(text)) for text in texts]
    assert not runs(page, rendered(cells))
