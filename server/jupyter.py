"""Riacho inside Jupyter Server: the same handlers under its base URL, behind its login.

Jupyter Server is a Tornado application, too. Who may read, from which origin, and under
which address is for Jupyter to say; this adds what there is to read.
"""

import asyncio
import dataclasses
import logging
import os
import re
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from jupyter_core.paths import jupyter_runtime_dir
from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.extension.application import ExtensionApp
from jupyter_server.serverapp import ServerApp
from jupyter_server.utils import ensure_async, url_path_join
from tornado.web import Application, HTTPError, RedirectHandler, RequestHandler, authenticated
from traitlets import Bool, Float, Int, List, TraitError, TraitType, Unicode
from traitlets.config import Configurable

from server.app import DRAIN, find_pages, routes
from server.catalog.specs import STANDARD_INPUT
from server.errors import StartError
from server.serving import Serving
from server.settings import DEMO_LOG, VIEWER_VARIABLE, Settings
from server.web.access import may_page_read
from server.web.base import BaseHandler
from server.web.context import Context
from server.web.pages import PageHandler
from server.web.quota import StreamQuota

NAME = "riacho"
"""The extension's name, and its place under Jupyter's base URL."""

DECIDED_BY_JUPYTER = {
    *("host", "port", "prefix", "certfile", "keyfile", "log_format", "pid"),
    *("allow_origin", "allow_host", "token", "token_file"),
    *("trusted_proxy", "max_clients_per_address"),
    *("logs", "command", "journal", "state_dir", "spool_size"),
}
"""Settings that are none of a server inside Jupyter, or have another form there."""

ACTIVITY_INTERVAL = 1.0
"""Seconds between two looks at whether there are streams that count as activity."""

FIELDS = [field for field in dataclasses.fields(Settings) if field.name not in DECIDED_BY_JUPYTER]


@dataclasses.dataclass
class JupyterContext(Context):
    """What the handlers share, which may be asked before the log is found."""

    is_up: asyncio.Event = dataclasses.field(default_factory=asyncio.Event)
    """Set as soon as there is a log to read, or trouble."""

    trouble: str = ""
    """Why there is nothing to read."""

    is_activity: bool = False
    """Whether a stream keeps the server from being taken for idle."""


class LoginRequired(JupyterHandler):
    """Lets in whom Jupyter lets in, whatever the method."""

    auth_resource = NAME

    async def prepare(self) -> None:  # type: ignore[override]
        await super().prepare()
        if not self._finished:  # by being sent to the login page
            await ensure_async(self._let_in())

    @authenticated
    @authorized
    async def _let_in(self) -> None:
        await self.jupyter_context.is_up.wait()
        if self.jupyter_context.trouble:
            raise HTTPError(503, "%s", self.jupyter_context.trouble)

    @property
    def jupyter_context(self) -> JupyterContext:
        return cast(JupyterContext, self.settings[NAME])


class DataLoginRequired(LoginRequired, BaseHandler):
    """For what programs read: no login page, errors in plain text, no other site's pages."""

    async def prepare(self) -> None:  # type: ignore[override]
        await super().prepare()
        if not may_page_read(self.request.headers, self._named_origins()):
            raise HTTPError(403, "pages of other sites may not read: see ServerApp.allow_origin")
        if not self.check_origin():
            raise HTTPError(403, "pages of this origin may not read: see ServerApp.allow_origin")

    def get_login_url(self) -> str:
        raise HTTPError(403, "log in to Jupyter, or send its token")

    def set_default_headers(self) -> None:
        super().set_default_headers()  # Jupyter's, which hide those of `BaseHandler`
        self.set_header("Cache-Control", "no-cache")
        is_named = bool(self._named_origins())
        policy = "cross-origin" if is_named else "same-origin"
        self.set_header("Cross-Origin-Resource-Policy", policy)

    def _named_origins(self) -> tuple[str, ...]:
        origin = self.request.headers.get("Origin")
        return named_origins(self.allow_origin, self.allow_origin_pat, origin)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        BaseHandler.write_error(self, status_code, **kwargs)


def named_origins(allowed: str, pattern: str | None, origin: str | None) -> tuple[str, ...]:
    """The request's own `origin`, if Jupyter's settings name it; nothing else.

    Who sends no origin is a `<script>`, an `<img>` or a frame, with the login's cookie, of no
    matter what page: no setting can name that one.
    """
    if origin is None:
        return ()
    if allowed:  # then Jupyter does not look at the pattern
        return (origin,) if allowed in ("*", origin) else ()
    return (origin,) if pattern and re.fullmatch(pattern, origin) else ()


def behind_login(handler: type[RequestHandler]) -> type[RequestHandler]:
    """The same handler on Jupyter's base class, which comes first and so has its way."""
    required = LoginRequired if issubclass(handler, PageHandler) else DataLoginRequired
    return type(f"Jupyter{handler.__name__}", (required, handler), {})


def _trait(field: "dataclasses.Field[Any]") -> TraitType[Any, Any]:
    """The trait that sets one field of `Settings`."""
    bounds = {}
    if field.type in (int, float):
        bounds = {"min": field.metadata["least"], "max": field.metadata["most"]}
    kind: Any = {int: Int, float: Float, bool: Bool}[cast(type, field.type)]
    trait: TraitType[Any, Any] = kind(
        field.default, allow_none=field.default is None, help=field.metadata["help"], **bounds
    )
    return trait.tag(config=True)


class Riacho(Configurable):
    """What can be set in Jupyter's configuration, as in `c.Riacho.log = "app.log"`."""

    # A trait for each setting, from where it is declared.
    vars().update({field.name: _trait(field) for field in FIELDS})

    log = Unicode(
        None,
        allow_none=True,
        help="The log to stream, seen from Jupyter's root directory. Default: a demo's.",
    ).tag(config=True)

    logs = List(
        Unicode(), help="The same for several: files, NAME=FILE, directories, patterns."
    ).tag(config=True)

    counts_as_activity = Bool(
        False, help="Whether an open stream keeps the server from being taken for idle."
    ).tag(config=True)

    def settings(self, port: int) -> Settings:
        """The settings of a Jupyter server on `port`. Raises StartError if there is no log."""
        settings = Settings(**{field.name: getattr(self, field.name) for field in FIELDS})
        given = [*([self.log] if self.log else []), *self.logs]
        if given:
            if any(log.rpartition("=")[2] == STANDARD_INPUT for log in given):
                raise StartError("standard input is Jupyter's own: name a log file")
            return dataclasses.replace(settings, logs=tuple(given))
        if settings.log_writer is False:
            raise StartError("there is no log to stream: set Riacho.log")
        # Not among the user's notebooks. Each server has a port of its own, mostly the
        # same one when it is started again, and so clients can go on.
        directory = Path(jupyter_runtime_dir()) / f"{NAME}-{port}"
        log = str(directory / DEMO_LOG.name)
        return dataclasses.replace(settings, logs=(log,), log_writer=True)


class RiachoExtension(ExtensionApp):
    """Streams a log at `riacho/` under Jupyter's base URL."""

    name = NAME
    extension_url = f"/{NAME}/"

    _serving: asyncio.Task[None] | None = None

    @property
    def server(self) -> ServerApp:
        assert self.serverapp is not None
        return self.serverapp

    def initialize_handlers(self) -> None:
        """Jupyter loads extensions before its event loop runs and its port is known."""
        self._log_as_jupyter_does()
        self.server.io_loop.add_callback(self._begin)

    def _log_as_jupyter_does(self) -> None:
        for name in ("riacho", "server"):
            logger = logging.getLogger(name)
            logger.setLevel(self.log.getEffectiveLevel())
            logger.handlers = list(self.log.handlers)

    def _begin(self) -> None:
        web_app = cast(Application, self.server.web_app)
        path = url_path_join(web_app.settings["base_url"], NAME)
        # In the place of this object, which Jupyter keeps there for handlers of another kind.
        self._context = web_app.settings[NAME] = JupyterContext(Settings())
        try:
            configured = Riacho(parent=self.server)
            settings = configured.settings(self.server.port)
            root = Path(self.server.root_dir).absolute()
            serving = Serving(settings, root, is_lazy=True)
        except Exception as error:
            self._fail(error)
            web_app.add_handlers(".*$", [(f"{path}(?:/.*)?", DataLoginRequired)])
            return
        self._context.settings = settings
        self._context.quota = StreamQuota(settings.max_clients, settings.max_clients)
        self._context.is_activity = configured.counts_as_activity
        own = [
            (path + end, behind_login(handler), given)
            for end, handler, given in routes(serving.logs)
        ]
        web_app.add_handlers(".*$", [*own, (path, RedirectHandler, {"url": f"{path}/"})])
        os.environ[VIEWER_VARIABLE] = f"{path}/"  # kernels inherit it
        self._serving = asyncio.create_task(self._serve(serving))
        self.log.info("Riacho %s at %s/", serving.doing(), path)

    async def _serve(self, serving: Serving) -> None:
        try:
            async with serving.served():
                self._context.is_up.set()
                while True:
                    await asyncio.sleep(ACTIVITY_INTERVAL)
                    self._note_activity()
        except Exception as error:
            self._fail(error)
            await self._context.shut_down(DRAIN)

    def _note_activity(self) -> None:
        if self._context.is_activity and self._context.streams:
            # Jupyter takes the youngest of all settings with such a name.
            web_app = cast(Application, self.server.web_app)
            web_app.settings[f"{NAME}_last_activity"] = datetime.now(UTC)

    def _fail(self, error: Exception) -> None:
        """Say why there is nothing to read, here and to whoever asks."""
        self._context.trouble = f"Riacho cannot stream: {error}"
        self._context.is_up.set()
        is_expected = isinstance(error, StartError | TraitError)
        self.log.error(self._context.trouble, exc_info=not is_expected)

    async def stop_extension(self) -> None:
        """End all streams, and then the log's follower."""
        if self._serving:
            await self._context.shut_down(DRAIN)
            self._serving.cancel()
            await asyncio.wait({self._serving})


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    return [{"module": __name__, "app": RiachoExtension}]


def launcher() -> dict[str, Any]:
    """The icon in the launcher: jupyter-server-proxy starts a server and stands before it."""
    return {
        # -P: a user's own server.py in the directory must not be taken for this package
        # --pid: it ends with Jupyter, even when that is killed
        "command": [
            *(sys.executable, "-P", "-m", "server"),
            *("--port", "{port}", "--pid", str(os.getpid())),
        ],
        "timeout": 30,
        "update_last_activity": False,
        "new_browser_tab": False,
        "launcher_entry": {
            "title": "Riacho",
            "icon_path": str(find_pages() / "logo.svg"),
            "category": "Other",
        },
    }
