"""Redirects for two links of Formgrader that are broken in a tab of its own: /tree/PATH lacks the server's name.

The hub receives such a request and redirects it to the server whose Formgrader it came from.
"""

from __future__ import annotations

import posixpath
import re
from urllib.parse import quote, urlsplit

from jupyterhub.handlers.base import BaseHandler
from tornado.web import HTTPError

FORMGRADER = re.compile(r"(user/[^/]+/)formgrader(/|$)")
"""Address of a page of Formgrader, after the hub's own prefix."""


class TreeRedirectHandler(BaseHandler):  # type: ignore[misc]
    """/hub/tree/PATH"""

    def get(self, path: str) -> None:
        """Redirect to JupyterLab on the same server; 404 if the request comes from anywhere else."""
        came_from = urlsplit(self.request.headers.get("Referer", "")).path
        server = FORMGRADER.match(came_from.removeprefix(self.base_url))
        if not server or not came_from.startswith(self.base_url):
            raise HTTPError(404)
        self.redirect(f"{self.base_url}{server[1]}lab/tree{quote(posixpath.normpath(f'/{path}'))}")


LINK_HANDLERS = [(r"/tree/(.*)", TreeRedirectHandler)]
"""Value for `c.JupyterHub.extra_handlers`."""
