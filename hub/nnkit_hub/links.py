"""Two links of Formgrader that lead nowhere in a tab of its own: nbgrader writes /tree/PATH, without the server.

The hub gets the request, and sends it on to the server whose Formgrader it came from.
"""

from __future__ import annotations

import posixpath
import re
from urllib.parse import quote, urlsplit

from jupyterhub.handlers.base import BaseHandler
from tornado.web import HTTPError

FORMGRADER = re.compile(r"(.*/user/[^/]+/)formgrader(/|$)")


class Tree(BaseHandler):  # type: ignore[misc]
    """/hub/tree/PATH"""

    def get(self, path: str) -> None:
        """To JupyterLab on the same server; 404 for who comes from elsewhere."""
        server = FORMGRADER.match(urlsplit(self.request.headers.get("Referer", "")).path)
        if not server or not server[1].startswith(self.base_url):
            raise HTTPError(404)
        self.redirect(f"{server[1]}lab/tree{quote(posixpath.normpath(f'/{path}'))}")


HANDLERS = [(r"/tree/(.*)", Tree)]
"""For `c.JupyterHub.extra_handlers`."""
