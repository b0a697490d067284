"""A server of one's own, for a notebook: started from it, and gone with it."""

import html
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
import weakref
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Self

from server.catalog.specs import InputSpec, Spec, alias_of, parse_spec
from server.errors import StartError
from server.notebook.cells import when_cell_runs_again
from server.settings import VIEWER_VARIABLE

KEPT = 64 * 1024
"""Bytes of a server's own log that are kept, the last ones."""

_PAGES = re.compile(r"  (https?://\S+:(\d+)[^\s?]*)/(?:\?token=\S+)? +the pages")


class LocalServer:
    """`python -m server` on this machine, until `stop` or the end of this process.

    `log` is the log to stream, or a list of several, each as on the command line: a file,
    NAME=FILE, a directory or a glob. None is the demo's. `options` are those of the command line,
    as in `LocalServer(["app.log", "web.log"], "--retry", 100)`. It runs in `directory`: by default
    in this one, and for the demo in a new one, which goes with it. In a notebook it also ends when
    its cell is run again, unless `ends_with_cell` is false. Raises StartError, with what the
    server says, if it does not start.
    """

    def __init__(
        self,
        log: str | Path | Sequence[str | Path] | None = None,
        *options: object,
        port: int = 0,
        directory: str | Path | None = None,
        ends_with_cell: bool = True,
    ) -> None:
        given = [log] if isinstance(log, str | Path) else list(log or [])
        if directory is None and given:
            directory = Path.cwd()
        elif directory is None:
            directory = tempfile.mkdtemp(prefix="riacho-")
            weakref.finalize(self, shutil.rmtree, directory, ignore_errors=True)
        self.directory = Path(directory)
        specs = [parse_spec(str(one), directory=self.directory.absolute()) for one in given]
        self.logs = [spec.path for spec in specs if not isinstance(spec, InputSpec)]
        """The logs that are streamed, where they are: files, directories or globs."""
        self.logs = self.logs or [self.directory / "logs/log_gerado.log"]
        self.log = self.logs[0]
        """The first of them."""
        self._arguments = [str(option) for option in options]
        if specs:
            self._arguments += ["--", *map(_argument, specs)]
        self.port = port
        self.start()
        if ends_with_cell:
            when_cell_runs_again(self.stop)

    @property
    def command(self) -> str:
        """What does the same in a terminal."""
        command = ["python", "-m", "server", "--port", str(self.port)]
        return shlex.join(command + self._arguments)

    @property
    def pid(self) -> int:
        """The number of its process."""
        return self._process.pid

    @property
    def browser_url(self) -> str:
        """Where a browser finds it: behind Jupyter, which may run on another machine, if it can."""
        jupyter = os.environ.get(VIEWER_VARIABLE, "").removesuffix("riacho/")
        jupyter = jupyter or os.environ.get("JUPYTERHUB_SERVICE_PREFIX", "")
        if jupyter and find_spec("jupyter_server_proxy"):
            return f"{jupyter}proxy/{self.port}"
        return self.url

    def start(self) -> None:
        """Start it, or start it again on the same port."""
        # -P: a user's own server.py in the directory must not be taken for this package
        command = [sys.executable, "-P", "-m", "server", "--port", str(self.port)]
        self._said = said = _LastBytes()
        try:
            process = subprocess.Popen(
                [*command, "--pid", str(os.getpid()), *self._arguments],
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=said.writer,
                text=True,
                start_new_session=True,  # who interrupts the kernel does not mean the server
            )
        finally:
            os.close(said.writer)  # the server alone has it now
        self._process = process
        # when this object is gone, as when its cell is run again, and at exit
        self._end = weakref.finalize(self, _end, process)
        assert process.stdout
        for line in process.stdout:
            if match := _PAGES.match(line):
                self.url, self.port = match[1], int(match[2])
            if line.startswith("Ctrl+C"):
                return
        self.stop()
        said.wait()
        raise StartError(self.errors.strip())

    @property
    def errors(self) -> str:
        """The last `KEPT` bytes of the server's own log, which it writes on stderr."""
        return self._said.text

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def stop(self) -> None:
        """End it as Ctrl+C does: its clients are told to come back. Waits for its end."""
        self._end()

    def kill(self) -> None:
        """Pull the plug (SIGKILL)."""
        self._process.kill()
        self._end()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<server at {self.url}/, as by: {self.command}>"

    def _repr_html_(self) -> str:
        address = html.escape(f"{self.browser_url}/")
        return (
            f'A server at <a href="{address}" target="_blank">{self.url}/</a><br>'
            f"In a terminal, this would do the same: <code>{html.escape(self.command)}</code>"
        )


class _LastBytes:
    """A pipe, and a thread that keeps the last `KEPT` bytes of what is written to it.

    A writer never waits for the thread, which may be held up by a busy notebook: a write that
    finds the pipe full fails.
    """

    def __init__(self) -> None:
        self._reader, self.writer = os.pipe()
        os.set_blocking(self.writer, False)
        self._kept = b""
        # it ends when nobody can write any more, and does not keep this process from ending
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """Wait until nobody can write any more."""
        self._thread.join()

    @property
    def text(self) -> str:
        return self._kept.decode(errors="replace")

    def _read(self) -> None:
        with open(self._reader, "rb", buffering=0) as pipe:
            while data := pipe.read(KEPT):
                self._kept = (self._kept + data)[-KEPT:]


def _argument(spec: Spec) -> str:
    """What means the same log in any directory."""
    if isinstance(spec, InputSpec):
        return spec.text
    alias = alias_of(spec)
    return f"{alias}={spec.path}" if alias else str(spec.path)


def _end(process: "subprocess.Popen[str]") -> None:
    process.terminate()
    process.wait()
    assert process.stdout
    process.stdout.close()
