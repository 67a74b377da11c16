"""Who gets in, in which groups, with which rights, and where they begin: the same on every kind of hub."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from nnkit_hub.links import HANDLERS
from nnkit_hub.roles import graders, page, roles
from nnkit_hub.roster import Roster, rostered


def admit(c: Any, courses: Collection[str], roster: Path) -> None:
    """Let in who is on the roster, by the authenticator that `c` names; add the roles of these courses to its others.

    Raises ValueError or FileNotFoundError where the roster has a fault or is not there.
    """
    from jupyterhub.app import JupyterHub

    named = c.JupyterHub.authenticator_class  # a class, its full name, or its short name
    base = JupyterHub.class_traits()["authenticator_class"].validate(JupyterHub, named)
    c.JupyterHub.authenticator_class = rostered(base, Roster(roster, courses))
    c.Authenticator.any_allow_config = True  # the roster is one
    c.Authenticator.manage_groups = True
    c.Authenticator.refresh_pre_spawn = True  # nobody logs in to a course's account: this gives it its group
    c.Authenticator.admin_users = set()
    c.JupyterHub.load_roles.extend(roles(courses))
    c.JupyterHub.default_url = first_page(courses)
    c.JupyterHub.extra_handlers.extend(HANDLERS)


def first_page(courses: Collection[str]) -> Callable[[Any], str]:
    """Graders of one course come to its page, all others to their own server, and who is nobody yet to the log-in."""

    def where(handler: Any) -> str:
        hub, user = handler.hub.base_url, handler.current_user
        if not user:
            return f"{hub}login"  # JupyterHub 5.2 takes "" for an address
        groups = {group.name for group in user.groups}
        mine = [course for course in courses if graders(course) in groups]
        return f"{hub.removesuffix('hub/')}services/{page(mine[0])}/" if len(mine) == 1 else f"{hub}spawn"

    return where
