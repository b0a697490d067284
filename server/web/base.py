"""What every handler does first and last: who may read, CORS, errors, numbers in the query."""

import math
import re
from collections.abc import AsyncIterator, Awaitable
from types import MappingProxyType
from typing import Any

from tornado.iostream import IOStream
from tornado.web import HTTPError, RequestHandler, create_signed_value, decode_signed_value

from server.web.access import Access, allow_origin_header
from server.web.addresses import client_address
from server.web.body import Body, Caller
from server.web.context import Context
from server.web.guessing import TooSoonError

REFUSED_FOR = 60
"""Seconds after which a client that was refused comes back, more or less."""

CHALLENGE = 'Bearer realm="riacho"'
"""What a client has to show (RFC 6750, section 3)."""

# int() and float() take underscores and the digits of all scripts, too
_FLAGS = MappingProxyType({"1": True, "true": True, "0": False, "false": False})
_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)(e[+-]?[0-9]+)?", re.IGNORECASE)

COOKIE_DAYS = 30
"""How long a browser that has shown the token is known by its cookie."""


class BaseHandler(RequestHandler):
    """A handler that asks first who may read, with errors in plain text."""

    needs_token = True
    _wait = 0

    @property
    def context(self) -> Context:
        context: Context = self.application.settings["riacho"]
        return context

    def prepare(self) -> Awaitable[None] | None:
        """Raises HTTPError for a request that the access does not let in."""
        access = self.context.access
        if access:
            host = self.request.host
            if not access.knows_host(host):
                raise HTTPError(403, "not known as %r: name it with --allow-host", host)
            if not access.admits_page(self.request.headers):
                raise HTTPError(403, "pages of other sites may not read: see --allow-origin")
            # a preflight request never has credentials (Fetch standard, section 3.3.5)
            if self.needs_token and self.request.method != "OPTIONS":
                self._ask_for_token()
        return super().prepare()

    def _ask_for_token(self) -> None:
        if self.knows_token:
            return
        if self._wait:
            raise HTTPError(429, f"too many wrong tokens from this address: wait {self._wait} s")
        wrong = "the token is wrong" if self._shown_token() else "a token is needed"
        raise HTTPError(401, f"{wrong}: Authorization: Bearer TOKEN, or ?token=TOKEN")

    def _shown_token(self) -> str | None:
        """The token that the request has, None if it has none.

        Raises HTTPError 400 if it has several: one request is one guess.
        """
        scheme, _, token = self.request.headers.get("Authorization", "").partition(" ")
        tokens = [token.strip()] if scheme.lower() == "bearer" else []
        shown = {token for token in (*tokens, *self.get_query_arguments("token")) if token}
        if len(shown) > 1:
            raise HTTPError(400, "the request has several tokens: send one")
        return shown.pop() if shown else None

    def shows_token(self, access: Access) -> bool:
        """Whether this very request has the token. It does not while its address has to wait."""
        shown = self._shown_token()
        try:
            return shown is not None and access.accepts(shown, self.client)
        except TooSoonError as error:
            self._wait = error.seconds
            return False

    @property
    def knows_token(self) -> bool:
        """Whether this client has shown the token, now or before, or need not."""
        access = self.context.access
        if access is None or not access.has_token:
            return True
        return self.shows_token(access) or self._has_cookie(access)

    @property
    def _cookie_name(self) -> str:
        # cookies are shared by all ports of a host (RFC 6265, section 8.5)
        return f"riacho-{self.context.settings.port}"

    def _has_cookie(self, access: Access) -> bool:
        name = self._cookie_name
        value = self.get_cookie(name)
        known = decode_signed_value(access.cookie_secret, name, value or "", COOKIE_DAYS)
        return known is not None

    def give_cookie(self, access: Access) -> None:
        """Let this browser in from now on; it has shown the token."""
        settings, name = self.context.settings, self._cookie_name
        self.set_cookie(
            name,
            create_signed_value(access.cookie_secret, name, "in"),
            expires_days=COOKIE_DAYS,
            path=f"{settings.prefix}/",
            httponly=True,
            samesite="Strict",
            secure=self.is_secure,
        )

    @property
    def is_secure(self) -> bool:
        """Whether the browser speaks TLS, with us or with the proxy in between."""
        trusted = self.request.remote_ip in self.context.settings.trusted_proxy
        forwarded = trusted and self.request.headers.get("X-Forwarded-Proto") == "https"
        return self.request.protocol == "https" or forwarded

    @property
    def client(self) -> str:
        """The address of who asks."""
        forwarded_for = ",".join(self.request.headers.get_list("X-Forwarded-For"))
        return client_address(
            self.request.remote_ip or "local", forwarded_for, self.context.settings.trusted_proxy
        )

    def set_default_headers(self) -> None:
        super().set_default_headers()
        self.clear_header("Server")
        self.set_header("Cache-Control", "no-cache")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Referrer-Policy", "no-referrer")
        self.set_header("Cross-Origin-Resource-Policy", "same-origin")
        self.set_header("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
        allowed = self.context.settings.allowed_origins
        origin = allow_origin_header(self.request.headers.get("Origin"), allowed)
        if origin:
            self.set_header("Access-Control-Allow-Origin", origin)
            self.set_header("Cross-Origin-Resource-Policy", "cross-origin")
            if origin not in ("*", "null"):
                self.set_header("Access-Control-Allow-Credentials", "true")
        if allowed and origin != "*":
            self.set_header("Vary", "Origin")

    def head(self, *args: str) -> Awaitable[None] | None:
        """The same as GET without its content, which Tornado leaves out (RFC 9110, 9.3.2)."""
        answer: Awaitable[None] | None = self.get(*args)
        return answer

    def options(self, *args: str) -> None:
        """The answer to a preflight request (Fetch standard, section 3.3)."""
        allowed = "Authorization, Last-Event-ID, Cache-Control"
        self.set_header("Access-Control-Allow-Methods", "GET, HEAD, OPTIONS")
        self.set_header("Access-Control-Allow-Headers", allowed)
        self.set_header("Access-Control-Max-Age", "600")
        self.set_status(204)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        error = kwargs.get("exc_info", (None, None))[1]
        reason = None
        if isinstance(error, HTTPError) and error.log_message:
            reason = error.log_message % error.args
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.set_challenge(status_code)
        if status_code == 405:
            self.set_header("Allow", ", ".join(self._methods()))
        self.finish(f"{reason or self._reason}\n")

    def set_challenge(self, status_code: int) -> None:
        """Say what a refused client has to show, or when it may try again."""
        if status_code == 401:
            self.set_header("WWW-Authenticate", CHALLENGE)
        if status_code == 429:
            self.set_header("Retry-After", self._wait)

    def _methods(self) -> list[str]:
        """What this handler answers (RFC 9110, section 10.2.1)."""
        names = [name.lower() for name in self.SUPPORTED_METHODS]
        return [
            name.upper()
            for name in names
            if getattr(type(self), name) is not getattr(RequestHandler, name)
        ]

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        if not isinstance(value, HTTPError):  # that one is in the line of its request
            super().log_exception(typ, value, tb)

    def _request_summary(self) -> str:
        return f"{self.request.method} {self.request.path} ({self.client})"

    def number(self, name: str, default: float, least: float, most: float) -> float:
        """A number in the query. Raises HTTPError 400 unless `least` <= number <= `most`."""
        text = self.get_query_argument(name, None)
        value = default
        if text is not None:
            value = float(text) if _NUMBER.fullmatch(text) else math.nan
        if not least <= value <= most:
            raise HTTPError(400, f"{name}={text!r} is not a number from {least:g} to {most:g}")
        return value

    def integer(self, name: str, default: int, least: int, most: int) -> int:
        """The same for a whole number."""
        text = self.get_query_argument(name, None)
        value = default
        if text is not None:
            value = int(text) if _INTEGER.fullmatch(text) else least - 1
        if not least <= value <= most:
            raise HTTPError(400, f"{name}={text!r} is not a whole number from {least} to {most}")
        return value

    def flag(self, name: str) -> bool:
        """Whether a query parameter is 1 or true. Raises HTTPError 400 unless it is a flag."""
        text = self.get_query_argument(name, "0")
        if text not in _FLAGS:
            raise HTTPError(400, f"{name}={text!r} is not known: give {name}=1, or leave it out")
        return _FLAGS[text]


class StreamingHandler(BaseHandler):
    """Answers with a body that is sent piece by piece."""

    def reserve(self) -> str | None:
        """Count one more stream; or say why there may be no more."""
        if self.context.quota is None:
            return None
        refused: str | None = self.context.quota.take(self.client)
        self.context.ended["refused"] += refused is not None
        return refused

    def release(self) -> None:
        """Count one stream less: one that was reserved, and that no `Body` has taken over."""
        if self.context.quota is not None:
            self.context.quota.release(self.client)

    def refuse(self, why: str) -> None:
        """Answer that there may be no more streams."""
        self.set_status(503)
        self.clear_header("Content-Length")
        self.set_header("Retry-After", REFUSED_FOR)
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish(f"{why}\n")

    def send(self, pieces: AsyncIterator[bytes], length: int | None = None) -> None:
        """Send `pieces`, of `length` bytes if that is known, after what is written by now.

        Where the quota is used up, the answer is a 503 instead. HEAD gets the headers alone.
        """
        if length is not None:
            self.set_header("Content-Length", length)
        if self.request.method == "HEAD":
            self.flush()
            return
        refused = self.reserve()
        if refused:
            self.refuse(refused)
            return
        if length is not None:
            self.set_header("Connection", "close")
        connection, caller = self.let_go()
        chunked = length is None and self.request.version == "HTTP/1.1"
        Body(self.context, connection, chunked, caller).start(pieces)

    def let_go(self, after: str | None = None) -> tuple[IOStream, Caller]:
        """Send what is written, and give the connection away, for what a `Body` makes of it."""
        if self.settings.get("compress_response"):
            # The only thing that keeps Tornado from compressing what it takes for text.
            self.set_header("Content-Encoding", "identity")
        self.flush()
        return self.detach(), Caller(self.client, self.request.uri or "", after)
