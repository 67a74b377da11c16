"""The page's style sheet, and a short script that sorts its tables."""

from __future__ import annotations

import base64
import hashlib

STYLE = """
:lang(ko) { word-break: keep-all; }
:root { color-scheme: light dark; --page: #fff; --ink: #1b1b1b; --soft: #595959; --line: #b8b8b8; --link: #0b5394;
  --full: #00755a; --none: #b84b00; --part: #8a6d00; --lost: 213, 94, 0; --band: #f3f3f3; }
@media (prefers-color-scheme: dark) { :root { --page: #17191c; --ink: #ececec; --soft: #b3b3b3; --line: #5a5f66;
  --link: #8ec5ff; --full: #2fbf95; --none: #ff9a57; --part: #e3c25a; --band: #22262b; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 0 1.2rem 4rem; max-width: 76rem; background: var(--page); color: var(--ink);
  font: 1rem/1.5 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 1.6rem 0 .3rem; }
h2 { font-size: 1.3rem; margin: 2.6rem 0 .5rem; padding-top: .5rem; border-top: 1px solid var(--line); }
h3 { font-size: 1.05rem; margin: 1.5rem 0 .3rem; }
p, ul { max-width: 50rem; margin: .4rem 0; }
ul { padding-left: 1.3rem; }
a { color: var(--link); text-underline-offset: .15em; }
:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
.skip { position: absolute; left: -99rem; padding: .5rem 1rem; background: var(--page); }
.skip:focus { left: .5rem; top: .5rem; z-index: 9; }
nav ul { list-style: none; display: flex; flex-wrap: wrap; gap: .2rem 1.4rem; padding: 0; margin: .8rem 0;
  max-width: none; }
.soft { color: var(--soft); }
.facts { display: flex; flex-wrap: wrap; gap: .8rem 2.4rem; margin: 1rem 0; }
.facts div { display: flex; flex-direction: column-reverse; }
.facts dt { color: var(--soft); font-size: .9rem; }
.facts dd { margin: 0; font-size: 1.45rem; line-height: 1.2; font-variant-numeric: tabular-nums; }
.warning { border: 1px solid var(--none); border-left-width: .4rem; padding: .5rem .9rem; margin: .8rem 0;
  max-width: 50rem; }
.wide { position: relative; overflow-x: auto; margin: .6rem 0 1rem; }
table { border-collapse: collapse; font-size: .92rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: var(--soft); padding-bottom: .3rem; }
th, td { text-align: left; vertical-align: top; padding: .2rem .7rem .2rem 0; border-bottom: 1px solid var(--line);
  font-weight: normal; }
thead th { font-weight: 600; vertical-align: bottom; overflow-wrap: normal; }
tbody th { min-width: 9rem; max-width: 24rem; }
tbody + tbody::before { content: ""; display: block; height: .8rem; }
th.group { font-weight: 600; padding-top: .3rem; background: var(--band); padding-left: .4rem; }
.number, thead th.number { text-align: right; white-space: nowrap; }
thead th.number { white-space: normal; max-width: 8rem; }
td.words { min-width: 16rem; max-width: 44rem; }
td.words p, td ul { margin: 0; }
td.who { min-width: 9rem; }
code { font-family: "DejaVu Sans Mono", Menlo, Consolas, monospace; font-size: .9em; color: var(--soft); }
details { display: inline; }
summary { display: inline; cursor: pointer; color: var(--link); text-decoration: underline; padding: 0 .3rem; }
.heat th, .heat td { padding: .12rem .45rem; border: 1px solid var(--line); }
.heat td { text-align: right; white-space: nowrap; min-width: 2.2rem; }
.heat thead th { text-align: right; } .heat thead .soft { white-space: nowrap; }
.heat thead th:first-child, .heat tbody th, .heat tfoot th { text-align: left; }
.heat tbody th { position: sticky; left: 0; background: var(--page);
  max-width: 20rem; min-width: 11rem; overflow-wrap: break-word; }
.heat .total { font-weight: 600; }
.l1 { background: rgba(var(--lost), .10); } .l2 { background: rgba(var(--lost), .20); }
.l3 { background: rgba(var(--lost), .30); } .l4 { background: rgba(var(--lost), .42); }
thead button { font: inherit; color: inherit; background: none; border: 0; padding: 0; cursor: pointer;
  text-align: inherit; }
th[aria-sort=ascending] button::after { content: " ↑"; } th[aria-sort=descending] button::after { content: " ↓"; }
svg { display: block; max-width: 100%; height: auto; overflow: visible; }
svg text { fill: var(--ink); font: 13px system-ui, "DejaVu Sans", sans-serif; }
svg .soft { fill: var(--soft); }
svg line { stroke: var(--line); }
svg .bar { fill: var(--link); } svg .median { stroke: var(--ink); stroke-dasharray: 5 4; }
.stack { width: 11rem; height: 1rem; }
.stack rect { stroke: var(--ink); stroke-width: .6; vector-effect: non-scaling-stroke; }
.full { fill: var(--full); } .none { fill: var(--none); } .blank { fill: var(--page); }
.waiting { fill: url(#waiting); }
.part { fill: url(#part); }
#part rect, #waiting rect { fill: var(--page); stroke: none; } #waiting circle { fill: var(--soft); }
#part path { stroke: var(--part); stroke-width: 3; }
.key { display: inline-block; vertical-align: -.15em; width: 1.4rem; height: .95rem; margin-right: .35rem; }
.filter input { font: inherit; color: inherit; background: var(--page); border: 1px solid var(--line);
  padding: .1rem .4rem; width: 22rem; max-width: 100%; }
@media screen and (max-width: 40rem) {
  body { padding: 0 .7rem 3rem; }
  caption { position: sticky; left: 0; width: min-content; min-width: min(80vw, 22rem); }
  .heat tbody th { min-width: 8rem; max-width: 8rem; font-size: .85rem; overflow-wrap: anywhere; }
  tbody th { min-width: 7rem; overflow-wrap: break-word; } td.words { min-width: 13rem; }
  .groups, .groups tbody, .groups tr, .groups th, .groups td { display: block; min-width: 0; max-width: none; }
  .groups thead { display: none; } .groups th:not(.group), .groups td { border: 0; text-align: left; padding: .1rem 0; }
  .groups caption { display: block; } .groups tr { border-bottom: 1px solid var(--line); padding: .2rem 0; }
  svg text { font-size: 22px; } svg .soft { font-size: 20px; }
}
.legend { display: flex; flex-wrap: wrap; gap: .2rem 1.3rem; list-style: none; padding: 0; max-width: none; }
.legend i { display: inline-block; min-width: 2rem; padding: 0 .4rem; text-align: right; border: 1px solid var(--line);
  font-style: normal; margin-right: .35rem; }
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
@page { margin: 14mm; }
@page across { size: landscape; margin: 10mm; }
@media print {
  :root { color-scheme: light; --page: #fff; --ink: #000; --soft: #444; --line: #999; --link: #000; --band: #eee;
    --full: #00755a; --none: #b84b00; --part: #8a6d00; }
  body { max-width: none; padding: 0; font-size: 10pt; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  nav, .skip, .screen { display: none; }
  h2, h3, caption, .legend { break-after: avoid; } tr, svg { break-inside: avoid; }
  tr:has(> .group) { break-after: avoid; } td .stack { min-width: 6rem; }
  .wide { overflow: visible; } thead { display: table-header-group; }
  .across { page: across; } .across table { font-size: 8pt; } .heat tbody th { position: static; }
  a { text-decoration: none; } thead button { display: contents; }
  details::details-content { content-visibility: visible; display: contents; block-size: auto; }
  summary { display: none; }
}
"""

SCRIPT = """
const said = document.body.dataset;
for (const table of document.querySelectorAll("table.filtered")) {
  const [bar, label, box, count] = ["p", "label", "input", "span"].map((name) => document.createElement(name));
  const rows = [...table.tBodies[0].rows];
  const texts = rows.map((row) => `${row.cells[0].textContent} ${row.dataset.words ?? ""}`.toLowerCase());
  bar.className = "filter screen"; box.type = "search"; count.className = "soft"; count.setAttribute("role", "status");
  label.append(said.filter, " ", box); bar.append(label, " ", count); table.parentElement.before(bar);
  box.placeholder = said.hint;
  box.addEventListener("input", () => {
    const words = box.value.toLowerCase().split(/\\s+/).filter(Boolean);
    const fits = texts.map((text) => words.every((word) => text.includes(word)));
    rows.forEach((row, k) => { row.hidden = !fits[k]; });
    const counted = said.count.replace("{found}", fits.filter(Boolean).length).replace("{all}", rows.length);
    count.textContent = words.length ? counted : "";
  });
}
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells], body = table.tBodies[0], rows = [...body.rows];
  const key = (row, k) => {
    const value = row.cells[k].dataset.key ?? row.cells[k].textContent;
    return value.trim() === "" || isNaN(value) ? value : +value;
  };
  heads.forEach((head, k) => {
    const button = document.createElement("button");
    button.type = "button"; button.append(...head.childNodes); head.append(button);
    button.addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") !== "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const order = (a, b) => {
        const x = key(a, k), y = key(b, k), numbers = typeof x === "number" && typeof y === "number";
        return numbers ? x - y : String(x).localeCompare(String(y), undefined, { numeric: true });
      };
      rows.sort((a, b) => (up ? 1 : -1) * order(a, b));
      body.append(...rows);
    });
  });
}
"""


def make_policy() -> str:
    """Return a content security policy that allows this style sheet and this script, and nothing else."""
    allowed = f"style-src '{_hash_content(STYLE)}'; script-src '{_hash_content(SCRIPT)}'"
    return f"default-src 'none'; {allowed}; base-uri 'none'; form-action 'none'"


def _hash_content(content: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
