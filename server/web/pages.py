"""The pages, and the files that they need."""

from collections.abc import Awaitable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

from tornado.web import HTTPError, RedirectHandler, StaticFileHandler

from server.web.access import Access
from server.web.base import BaseHandler


class PageHandler(BaseHandler, StaticFileHandler):
    """The pages, and the files they need.

    A page that a browser opens with the token in its address moves it into a cookie at
    once, and is then loaded without it.
    """

    def prepare(self) -> Awaitable[None] | None:
        name = self.path_args[0]
        is_page = not name or name.endswith(".html")
        self.needs_token = is_page  # styles and scripts are no secret
        prepared = super().prepare()
        access = self.context.access
        if is_page and access and access.has_token:
            accepted = self.request.headers.get("Accept", "")
            # Only the token itself is good for a cookie: a cookie must not renew itself.
            is_shown = self.shows_token(access)
            if self.get_query_arguments("token") and "text/html" in accepted:
                self._move_token_into_cookie(access, is_shown)
            elif is_shown:  # from the login page
                self.give_cookie(access)
        return prepared

    def head(self, path: str) -> Awaitable[None]:  # type: ignore[override]
        """Without a look at what is in the file."""
        return StaticFileHandler.head(self, path)

    def _move_token_into_cookie(self, access: Access, is_shown: bool) -> None:
        """Answer with the cookie if it was the token, and with the address to load instead.

        A redirect would do, but Chromium's history shows the addresses from which it was
        redirected. It hides those that are not found. And a refresh is our own doing,
        after which it sends a cookie that is SameSite=Strict, while a redirect counts as
        part of the visit, which another site may have begun.
        """
        if is_shown:
            self.give_cookie(access)
        query = urlencode(
            [(name, value) for name, value in parse_qsl(self.request.query) if name != "token"]
        )
        page = self.request.path.rpartition("/")[2] or "./"
        self.set_status(404)
        self.set_header("Cache-Control", "no-store")
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.set_header("Refresh", f"0; url={page}?{query}" if query else f"0; url={page}")
        self.finish("<!doctype html><title>Riacho</title>")  # without, it shows an error

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        if status_code not in (401, 429) or "text/html" not in self.request.headers.get(
            "Accept", ""
        ):
            super().write_error(status_code, **kwargs)
            return
        assert self.root
        self.set_extra_headers("")
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.set_challenge(status_code)
        self.finish((Path(self.root) / "login.html").read_bytes())

    def set_extra_headers(self, path: str) -> None:
        self.set_header("Cache-Control", "no-cache")
        self.set_header("Content-Security-Policy", self._policy())

    def _policy(self) -> str:
        """What a page may load, and who may frame it (CSP Level 3)."""
        framing = [one for one in self.context.settings.allowed_origins if one != "null"]
        return "; ".join(
            [
                "default-src 'none'",
                "script-src 'self'",
                "style-src 'self'",
                "img-src 'self'",
                "connect-src 'self'",
                "form-action 'self'",
                "base-uri 'none'",
                f"frame-ancestors 'self' {' '.join(framing)}".strip(),
            ]
        )


class PrefixHandler(BaseHandler, RedirectHandler):
    """The prefix without the slash behind it."""

    needs_token = False


class NothingHandler(BaseHandler):
    """Whatever has no route."""

    def prepare(self) -> Awaitable[None] | None:
        super().prepare()
        raise HTTPError(404, "there is nothing at %r", self.request.path)
