"""`/stream-logs` and `/logs`: the lines of logs as events, and what logs there are."""

import re
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from difflib import get_close_matches

from tornado.web import HTTPError

from server.feeds.contract import (
    FORMS,
    MOST_LOGS,
    Feed,
    Last,
    Logs,
    LogSource,
    Oldest,
    Since,
    Start,
)
from server.feeds.ending import ending
from server.logs.moment import Moment, parse_moment
from server.settings import MAX_BACKLOG
from server.web.base import BaseHandler
from server.web.events import EventStreamHandler
from server.web.filtering import PARAMETERS, filter_of

_MOST_NAMED = 20
"""Names of logs in an answer that refuses a request."""


class LogStreamHandler(EventStreamHandler):
    """`/stream-logs`: the lines of one log, or of several in one stream."""

    parameters = frozenset({"backlog", "from", "since", "until", "log", "format"}) | PARAMETERS

    def initialize(self, logs: Logs) -> None:
        self._logs = logs

    def opening(self) -> AbstractAsyncContextManager[Feed]:
        """See `EventStreamHandler.opening`."""
        since, until = self._moment("since"), self._moment("until")
        if since and until and until.seconds < since.seconds:
            raise HTTPError(400, "until lies before since: give a later time")
        opening = self._opening()
        return ending(opening, until) if until else opening

    @property
    def tells_progress(self) -> bool:
        """See `EventStreamHandler.tells_progress`."""
        return filter_of(self) is not None

    async def has_all(self, last_event_id: str) -> bool:
        """See `EventStreamHandler.has_all`."""
        if self._moment("until") is None:
            return False
        async with self.opening() as feed:
            return feed.end.id == last_event_id

    def _opening(self) -> AbstractAsyncContextManager[Feed]:
        """One log in the form that is asked for; several always as JSON, with their names."""
        wanted, filter = self.get_query_arguments("log", strip=False), filter_of(self)
        form = self.get_query_argument("format", None)
        if form is not None and form not in FORMS:
            known = " or ".join(FORMS)
            raise HTTPError(400, f"format={form!r} is not known: give {known}")
        if not wanted:
            return self._only().opened(form or "text", filter)
        if len(wanted) == 1 and not _is_pattern(wanted[0]):
            return find(self._logs, wanted[0]).opened(form or "text", filter)
        if form == "text":
            raise HTTPError(400, "format=text has no names of logs: give format=json for several")
        return self._logs.merged(self._patterns(wanted), filter)

    def _only(self) -> LogSource:
        names = self._logs.names
        only = self._logs.get(names[0]) if len(names) == 1 else None
        if only is None:
            raise HTTPError(400, f"there are several logs: give log=NAME, one of {_listed(names)}")
        return only

    def _patterns(self, wanted: Sequence[str]) -> Sequence[str]:
        for name in wanted:
            if not _is_pattern(name):
                find(self._logs, name)
        count = len(self._logs.matching(wanted))
        if count > MOST_LOGS:
            raise HTTPError(
                400, f"{count} logs are too many for one stream: give {MOST_LOGS} at the most"
            )
        return sorted(set(wanted))

    def start_at(self) -> Start:
        backlog = self.integer("backlog", self.context.settings.backlog, 0, MAX_BACKLOG)
        since = self._moment("since")
        if since:
            return Since(since)
        start = self.get_query_argument("from", None)
        if start not in (None, "start"):
            raise HTTPError(400, f"from={start!r} is not known: give from=start, or leave it out")
        if start or (self._moment("until") and self.get_query_argument("backlog", None) is None):
            return Oldest()
        return Last(backlog)

    def _moment(self, name: str) -> Moment | None:
        """The moment that a parameter names, None if it is not given."""
        text = self.get_query_argument(name, None)
        try:
            return None if text is None else parse_moment(text, datetime.now().astimezone())
        except ValueError as error:
            raise HTTPError(400, "%s=%r %s", name, text and text[:100], str(error)) from None


class LogsHandler(BaseHandler):
    """`/logs`: the logs that are served, as JSON."""

    def initialize(self, logs: Logs) -> None:
        self._logs = logs

    async def get(self) -> None:
        self.finish(await self._logs.describe())


def find(logs: Logs, name: str) -> LogSource:
    """The log that is called so. Raises HTTPError 404 that names the nearest ones."""
    log = logs.get(name)
    if log is None:
        near = get_close_matches(name, logs.names, _MOST_NAMED, 0.3)
        raise HTTPError(404, "there is no log %r: %s", name, _listed(near or logs.names))
    return log


def _is_pattern(name: str) -> bool:
    return re.search(r"[*?\[]", name) is not None


def _listed(names: Sequence[str]) -> str:
    listed = ", ".join(names[:_MOST_NAMED]) or "there are no logs yet"
    return f"{listed}, and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else listed
