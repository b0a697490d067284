"""Who may read: hosts, origins and tokens."""

import hmac
import re
import secrets
import socket
from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit

from server.errors import StartError
from server.inputs import read_input
from server.settings import Settings
from server.web.addresses import is_address, is_loopback
from server.web.guessing import Guesses, TooSoonError

_HOST = re.compile(r"[\w-]+(\.[\w-]+)*", re.ASCII)
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://([a-z0-9_.-]+|\[[0-9a-f:.]+\])(:\d{1,5})?", re.ASCII)


def allow_origin_header(origin: str | None, allowed: tuple[str, ...]) -> str | None:
    """The value of `Access-Control-Allow-Origin` for a page of `origin`, None for no header.

    See the Fetch standard, section 3.3 "CORS protocol". A page of the server's own
    origin needs none.
    """
    if "*" in allowed:
        return "*"
    return origin if origin is not None and origin in allowed else None


def with_token(settings: Settings) -> Settings:
    """The settings with the token that they ask for: given, from a file, or made.

    Raises StartError if the token is invalid.
    """
    token = settings.token
    if settings.token_file:
        if token is not None:
            raise StartError("--token and --token-file are both given: choose one")
        token = read_token(settings.token_file)
    elif token is not None:
        _check_token(token, "--token")
    elif not is_loopback(settings.host):
        token = secrets.token_urlsafe(24)
    return replace(settings, token=token)


def read_token(path: Path) -> str:
    """The token that is the first line of a file. Raises StartError if there is none."""
    name = f"--token-file {path}"
    try:
        token = read_input(path).partition("\n")[0].strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise StartError(f"{name} cannot be read ({reason}): name a text file") from None
    _check_token(token, name)
    return token


def _check_token(token: str, name: str) -> None:
    if not re.fullmatch(r"[!-~]+", token):
        raise StartError(f"{name} has no token: give printable ASCII characters without spaces")


def check_names(settings: Settings) -> None:
    """Raise StartError for an origin, a host or a proxy that no request can ever match."""
    for origin in settings.allow_origin:
        if origin not in ("*", "null") and not _ORIGIN.fullmatch(origin):
            raise StartError(
                f"--allow-origin {origin!r} is no origin: give one such as https://a.example "
                "(lower case, without a path), or * or null"
            )
    for host in settings.allow_host:
        if host != "*" and not _HOST.fullmatch(host):
            raise StartError(
                f"--allow-host {host!r} is no host name: give one such as logs.example.org, "
                "without scheme and port, or *"
            )
    for address in settings.trusted_proxy:
        if not is_address(address):
            raise StartError(
                f"--trusted-proxy {address!r} is no address: give the one that the proxy has"
            )


class Access:
    """Decides about a request by its headers alone."""

    def __init__(self, settings: Settings) -> None:
        self._token = settings.token
        self._guesses = Guesses()
        self._origins = settings.allowed_origins
        self._hosts = {host.lower() for host in settings.allow_host}
        if not is_loopback(settings.host):
            self._hosts |= {socket.gethostname().lower(), settings.host.lower()}

    def use_token(self, token: str) -> None:
        """Ask for another token from now on; cookies that the former one gave are void."""
        if token != self._token:
            self._guesses.forget()
        self._token = token

    @property
    def has_token(self) -> bool:
        return self._token is not None

    @property
    def cookie_secret(self) -> str:
        """Signs cookies: whoever has one has shown the token, and no cookie tells it."""
        return hmac.digest((self._token or "").encode(), b"riacho cookie", sha256).hex()

    def is_token(self, text: str) -> bool:
        """Whether `text` is the token; how long that takes says nothing about it.

        Digests are compared, since to compare texts takes a time that tells their length.
        """
        if self._token is None:
            return False
        return hmac.compare_digest(*(sha256(one.encode()).digest() for one in (text, self._token)))

    def accepts(self, token: str, address: str) -> bool:
        """Whether `address` has shown the token. Raises TooSoonError while it has to wait."""
        if self._guesses.is_known(address, token):
            return False
        if wait := self._guesses.wait(address):
            raise TooSoonError(wait)
        is_right = self.is_token(token)
        if not is_right:
            self._guesses.note_wrong(address, token)
        return is_right

    def knows_host(self, host: str) -> bool:
        """Whether the header `Host` names this server.

        A page of another site can have its own name lead to our address (DNS rebinding)
        and so pass for one of ours, but it cannot choose what the browser sends here.
        An address is no name, and `localhost` leads nowhere else (RFC 6761, section 6.3).
        """
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        name = name.lower().removesuffix(".")
        if name == "localhost" or name.endswith(".localhost") or is_address(name):
            return True
        return name in self._hosts or "*" in self._hosts

    def admits_page(self, headers: Mapping[str, str]) -> bool:
        """Whether the page that makes a browser send this may do so."""
        return may_page_read(headers, self._origins)


def may_page_read(headers: Mapping[str, str], origins: tuple[str, ...]) -> bool:
    """Whether a page that makes a browser send these headers is our own, or one of `origins`.

    See Fetch Metadata Request Headers, section 2, and the Fetch standard, section 3.2 "`Origin`
    header". No page can set these headers; other clients send none.
    """
    site, origin = headers.get("Sec-Fetch-Site"), headers.get("Origin")
    if site in ("same-origin", "none") or "*" in origins:
        return True
    if origin is not None:
        # behind "//" stands what `Host` says, if the page is our own
        return origin in origins or origin.partition("//")[2] == headers.get("Host")
    mode, target = headers.get("Sec-Fetch-Mode"), headers.get("Sec-Fetch-Dest")
    if mode == "navigate" and target in ("iframe", "frame"):
        return bool(origins)  # of which the browser knows by `frame-ancestors`
    # a link to here is no more than the address typed in
    return site is None or (mode, target) == ("navigate", "document")
