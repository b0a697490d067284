"""`/logs/NAME/lines`: a page of a log's lines, as JSON."""

import asyncio
import json

from tornado.web import HTTPError

from server.feeds.contract import (
    MOST_ON_PAGE,
    SIDES,
    CannotReadError,
    LogSource,
    LostError,
    Page,
    PageWish,
)
from server.reporting import printable
from server.web.filtering import filter_of
from server.web.raw import NamedLogHandler, absent

LIMIT = 100
"""Lines of a page, unless the request says how many."""


class LinesHandler(NamedLogHandler):
    """Lines before an event, after it or around it; the last ones if none is named."""

    _search: "asyncio.Task[Page | None] | None" = None

    async def get(self, name: str) -> None:
        log, wish = self.find(name), self._wish()
        refused = self.reserve()
        if refused:
            self.refuse(refused)
            return
        try:
            page = await self._page(log, wish)
        finally:
            self.release()
        if page:
            self.set_header("Content-Type", "application/json; charset=utf-8")
            self.finish(_body(name, page))

    def _wish(self) -> PageWish:
        limit, filter = self.integer("limit", LIMIT, 1, MOST_ON_PAGE), filter_of(self)
        given = [(side, id) for side in SIDES for id in self.get_query_arguments(side)]
        if len(given) > 1:
            raise HTTPError(400, f"{' and '.join(side for side, _ in given)}: give one of them")
        side, id = given[0] if given else ("before", None)
        return PageWish(side, id, limit, filter)

    async def _page(self, log: LogSource, wish: PageWish) -> Page | None:
        """The page, None if the client has left.

        Raises HTTPError: 404 if the log does not hold the event, or is not there, 503 if it cannot
        be read now.
        """
        self._search = asyncio.ensure_future(log.page(wish))
        try:
            await asyncio.wait({self._search})
        finally:
            self._search.cancel()
        if self._search.cancelled():
            return None
        try:
            page = self._search.result()
        except LostError as error:
            raise HTTPError(
                404,
                "%s=%r: the log holds no such line any more (%s); what it holds begins at after=%s",
                wish.side,
                wish.id,
                error.why,
                error.place.id,
            ) from None
        except CannotReadError as error:
            raise HTTPError(503, "%s", printable(str(error))) from None
        if page is None:
            raise absent(log)
        return page

    def on_connection_close(self) -> None:
        """Search no more for a client that has left."""
        super().on_connection_close()
        if self._search:
            self._search.cancel()


def _body(name: str, page: Page) -> bytes:
    told = {
        "first": page.first,
        "last": page.last,
        "more_before": page.more_before,
        "more_after": page.more_after,
    }
    lines = b",\n".join(page.entries)
    return b'{"log": %b, "lines": [%b], %b\n' % (
        json.dumps(name).encode(),
        lines,
        json.dumps(told)[1:].encode(),
    )
