"""Log-in, groups, permissions and the first page, the same on every kind of hub."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from nnkit_hub.authenticators import create_roster_authenticator
from nnkit_hub.links import LINK_HANDLERS
from nnkit_hub.roles import DEFAULT_CONTACT, build_roles, get_grader_group, get_page_service
from nnkit_hub.roster import Roster

TEMPLATES = Path(__file__).with_name("templates")
"""Pages in place of JupyterHub's own."""


def configure_people(c: Any, courses: Collection[str], roster: Path, contact: str = DEFAULT_CONTACT) -> None:
    """Let in the people on the roster, by the authenticator that `c` names, and add the roles of these courses.

    Pages tell those who are refused to ask `contact`.

    Raises ValueError if the roster has a fault, and FileNotFoundError if it is missing.
    """
    from jupyterhub.app import JupyterHub

    named = c.JupyterHub.authenticator_class  # a class, its full name, or its short name
    base = JupyterHub.class_traits()["authenticator_class"].validate(JupyterHub, named)
    c.JupyterHub.authenticator_class = create_roster_authenticator(base, Roster(roster, courses))
    c.Authenticator.any_allow_config = True  # the roster decides
    c.Authenticator.manage_groups = True
    c.Authenticator.refresh_pre_spawn = True  # a course account never logs in: this puts it into its group
    c.Authenticator.admin_users = set()
    c.JupyterHub.load_roles.extend(build_roles(courses))
    c.JupyterHub.default_url = create_default_url(courses)
    c.JupyterHub.template_paths.insert(0, str(TEMPLATES))  # before those of JupyterHub
    c.JupyterHub.template_vars.update({"contact": contact})
    c.JupyterHub.extra_handlers.extend(LINK_HANDLERS)


def create_default_url(courses: Collection[str]) -> Callable[[Any], str]:
    """Return the function that chooses the first page: the page of a course for its graders, or one's own server."""

    def where(handler: Any) -> str:
        hub, user = handler.hub.base_url, handler.current_user
        if not user:
            return f"{hub}login"  # JupyterHub would treat "" as an address
        groups = {group.name for group in user.groups}
        mine = [course for course in courses if get_grader_group(course) in groups]
        return f"{hub.removesuffix('hub/')}services/{get_page_service(mine[0])}/" if mine else f"{hub}spawn"

    return where
