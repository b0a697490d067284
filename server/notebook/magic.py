"""`%riacho`: the page that listens to logs. `%load_ext server.notebook.magic` loads it."""

import html
import os
from pathlib import Path

from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import Magics, line_magic, magics_class
from IPython.core.magic_arguments import argument, magic_arguments, parse_argstring
from IPython.display import HTML, display

from server.errors import StartError
from server.notebook.local import LocalServer
from server.settings import VIEWER_VARIABLE

PAGE = "client_listen_logs.html#listen"


def load_ipython_extension(shell: InteractiveShell) -> None:
    shell.register_magics(RiachoMagics(shell))


def unload_ipython_extension(shell: InteractiveShell) -> None:
    shell.magics_manager.registry["RiachoMagics"].stop()


@magics_class
class RiachoMagics(Magics):
    """The line magic, and the servers that it has started."""

    def __init__(self, shell: InteractiveShell) -> None:
        super().__init__(shell)
        self._servers: dict[tuple[tuple[str, ...], int], LocalServer] = {}

    @magic_arguments()
    @argument(
        "logs",
        nargs="*",
        metavar="log",
        help="log to show, or several; `stop` ends the servers that were started here",
    )
    @argument("--port", type=int, default=0, help="port of the server to start; 0: a free one")
    @argument("--height", type=int, default=560, help="pixels (560)")
    @line_magic
    def riacho(self, line: str) -> None:
        """Show logs, line by line as they grow: one, or several in one stream.

        Without LOG: what Jupyter's own Riacho streams, or a demo where it has none.
        """
        arguments = parse_argstring(self.riacho, line)
        logs = tuple(_unquoted(log) for log in arguments.logs)
        if logs == ("stop",):
            self.stop()
            return
        own = os.environ.get(VIEWER_VARIABLE)
        if own and not logs and not arguments.port:
            base = own
        else:
            base = f"{self._serve(logs, arguments.port).browser_url}/"
        address = html.escape(base + PAGE)
        display(
            HTML(
                f'<iframe src="{address}" width="100%" height="{arguments.height}" '
                'style="border: 0" title="Riacho"></iframe>'
                f'<a href="{address}" target="_blank">Open in a tab</a>'
            )
        )

    def _serve(self, logs: tuple[str, ...], port: int) -> LocalServer:
        """The server of these logs, started unless it runs."""
        server = self._servers.get((logs, port))
        if server is None or not server.is_running:
            try:
                server = LocalServer(logs, port=port, directory=Path.cwd(), ends_with_cell=False)
            except StartError as error:
                raise UsageError(str(error)) from None
            self._servers[logs, port] = server
        return server

    def stop(self) -> None:
        """End the servers that were started here."""
        while self._servers:
            self._servers.popitem()[1].stop()


def _unquoted(argument: str) -> str:
    """Without the quotes around it, which IPython leaves there."""
    is_quoted = len(argument) > 1 and argument[0] == argument[-1] and argument[0] in "\"'"
    return argument[1:-1] if is_quoted else argument
