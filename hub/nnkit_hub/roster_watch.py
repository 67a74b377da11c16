"""Changes to the roster take effect while the hub runs: those who left lose their groups, servers and sessions."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Any

from nnkit_hub.roles import get_course_account, get_grader_group
from nnkit_hub.roster import Roster

ROSTER_CHECK_SECONDS = 2.5
"""Time between two looks at the roster's file. A removed member keeps access to the hub itself for two of them."""


class RosterWatch:
    """The comparison of the hub's users with the roster, repeated whenever the file changes. Runs in the hub's process.

    `app` is the JupyterHub: this uses the parts of it that the hub's own request handlers use.
    """

    def __init__(self, app: Any, roster: Roster) -> None:
        self.app, self.roster = app, roster
        self._seen: dict[str, list[str]] = {}
        self._to_stop: set[str] = set()
        """Users whose servers have to stop; a server that is just starting has to wait for the next check."""

    def start(self) -> None:
        """Check every few seconds from now on. Must be called in the hub's event loop."""
        from tornado.ioloop import PeriodicCallback

        PeriodicCallback(self.check, ROSTER_CHECK_SECONDS * 1000).start()

    async def check(self) -> None:
        """Bring groups, tokens and servers in line with the roster if it has changed, and not since the last look."""
        groups = self.roster.read_settled_groups()
        if groups is not self._seen:
            self._compare_users(groups)
            self._seen = groups
        accounts = set(map(get_course_account, self.roster.courses))
        self._to_stop -= groups.keys() - accounts  # members who are back before their server had stopped
        await asyncio.gather(*map(self._stop_servers, sorted(self._to_stop)))

    def _compare_users(self, groups: dict[str, list[str]]) -> None:
        from jupyterhub import orm
        from sqlalchemy.orm import selectinload

        loaded = selectinload(orm.User.groups), selectinload(orm.User.api_tokens)
        for record in self.app.db.query(orm.User).options(*loaded).all():
            former, current = {group.name for group in record.groups}, groups.get(record.name, [])
            if former != set(current):
                self.app.users[record].sync_groups(current)
            # A request of theirs may have changed the groups before this.
            former.update(self._seen.get(record.name, []))
            self._to_stop |= self._find_affected(former - set(current))
            if not current and (former or record.api_tokens):
                self._end_sessions(record)
                self._to_stop.add(record.name)
        self.app.db.commit()

    def _find_affected(self, lost: Collection[str]) -> set[str]:
        """Return the course accounts on whose servers a user who has lost these groups may still have a terminal."""
        return {get_course_account(course) for course in self.roster.courses if get_grader_group(course) in lost}

    def _end_sessions(self, record: Any) -> None:
        """Revoke all tokens of a user, and with them the sessions of every browser and service."""
        from jupyterhub import orm

        for token in list(record.api_tokens):
            self.app.db.delete(token)
        record.cookie_id = orm.new_token()  # what the cookies of the hub itself refer to

    async def _stop_servers(self, name: str) -> None:
        record = self.app.users.get(name)
        running = [one for one in (record.spawners.values() if record else ()) if one.active]
        for spawner in running:
            if spawner.pending:
                return
            self.app.log.info("The roster has changed: stopping the server %s", spawner._log_name)
            try:
                await self.app.proxy.delete_user(record, spawner.name)
                await record.stop(spawner.name)
            except Exception:
                self.app.log.exception("The server %s did not stop; trying again", spawner._log_name)
                return
        self._to_stop.discard(name)
