"""The log-in of a hub with a roster, on top of any of JupyterHub's authenticators."""

from __future__ import annotations

from typing import Any

from tornado.web import HTTPError
from traitlets import Bool

from nnkit_hub.roles import get_course_account
from nnkit_hub.roster import Roster
from nnkit_hub.roster_watch import RosterWatch


def create_roster_authenticator(base: type[Any], roster: Roster) -> type[Any]:
    """Return a subclass of `base` that lets in the people on the roster, with the groups that it gives them."""

    class RosterAuthenticator(base):  # type: ignore[misc]
        # JupyterHub 6.1 lets a removed user's tokens go on unless this is set; earlier versions always were strict.
        auth_refresh_strict = Bool(True, config=True)

        def get_handlers(self, app: Any) -> Any:
            """Return the log-in pages. The hub asks for them when it starts, and the watch on the roster starts too."""
            RosterWatch(app, roster).start()
            return super().get_handlers(app)

        def check_allowed(self, username: str, authentication: dict[str, Any] | None = None) -> bool:
            """Return True for users on the roster, and, except at a log-in, for the courses' accounts.

            Raises HTTPError with a sentence if the person who logs in is in no course.
            """
            is_account = username in map(get_course_account, roster.courses)
            if authentication is None:
                return bool(roster.find_groups(username))
            if is_account or not roster.find_groups(username):
                self.log.warning("%s logged in, but is not on the roster.", username)
                raise HTTPError(403, "You logged in as %s, and no course here has a member of that name.", username)
            return True

        async def run_post_auth_hook(self, handler: Any, auth_model: Any) -> Any:
            model = await super().run_post_auth_hook(handler, auth_model)
            return model and {**model, "admin": False, "groups": roster.find_groups(model["name"])}

        async def refresh_user(self, user: Any, handler: Any = None, **known: Any) -> Any:
            """Return the current groups; False (log in again) if the user is no longer in any course."""
            groups = roster.find_groups(user.name)
            return {"name": user.name, "groups": groups} if groups else False

    RosterAuthenticator.__name__ = f"Roster{base.__name__}"
    return RosterAuthenticator
