"""The site's link checker: every address in its pages leads to a file and a place that exist, and none fetches from
another host."""

from __future__ import annotations

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

FETCHED = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src"}
"""Elements whose address a browser fetches by itself."""


class PageLinks(HTMLParser):
    """The ids of a page, its links, and what it fetches."""

    def __init__(self, text: str):
        super().__init__()
        self.ids: set[str] = {"", "top"}
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.ids.update(values[name] for name in ("id", "name") if name in values)
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        if tag in FETCHED and FETCHED[tag] in values:
            self.fetched.append(values[FETCHED[tag]])


def find_faults(site: Path) -> list[str]:
    """Return a sentence for each address that leads nowhere or fetches from another host."""
    pages = {path.resolve(): PageLinks(path.read_text(encoding="utf-8")) for path in sorted(site.rglob("*.html"))}
    faults = []
    for path, page in pages.items():
        name = path.relative_to(site.resolve())
        for address in page.fetched:
            if address.startswith(("http:", "https:", "//")):
                faults.append(f"{name} fetches {address}")
        for address in [*page.links, *page.fetched]:
            parts = urlsplit(address)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            target = target / "index.html" if target.is_dir() else target
            if not target.exists():
                faults.append(f"{name}: {address} leads to no file")
            elif target in pages and unquote(parts.fragment) not in pages[target].ids:
                faults.append(f"{name}: {address} leads to no place in its page")
    return faults


if __name__ == "__main__":
    found = find_faults(Path(sys.argv[1]))
    print("\n".join(found))
    sys.exit(bool(found))
