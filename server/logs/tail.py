"""GNU tail, run by `sh`: what is appended to a file, as it is appended.

Tail writes straight into a pipe that
the event loop reads, without a thread or a Python line in between; when nobody reads,
the pipe fills and tail waits.

`sh` need not close the descriptors that tail must not have (`_close_fds`): Python has opened
them close-on-exec (PEP 446), and to list them takes a /proc, which is not everywhere.
"""

import asyncio
import codecs
import os
from contextlib import suppress
from pathlib import Path

import sh

from server.errors import StartError

PIPE_READ = 64 * 1024

FILE_NAMES = "riacho_file_names"
"""The encoding of what `sh` hands to a program."""


def _find_codec(name: str) -> codecs.CodecInfo | None:
    """What encodes a name that is no text into the bytes that it has in the file system (PEP 383).

    `sh` encodes the arguments of a command strictly, but with any codec that has a name.
    """
    if name != FILE_NAMES:
        return None
    return codecs.CodecInfo(
        lambda text, errors="strict": (os.fsencode(text), len(text)),
        lambda data, errors="strict": (os.fsdecode(bytes(data)), len(data)),
        name=name,
    )


codecs.register(_find_codec)


def find_tail() -> sh.Command:
    """The command that is GNU tail: `tail`, or `gtail` where that is another one.

    Raises StartError where there is none, or no process can be started. BusyBox's and BSD's
    tail cannot follow by descriptor or end with a process; see tail(1) of GNU coreutils for
    both options.
    """
    for name in ("tail", "gtail"):
        try:
            command = sh.Command(name).bake(_encoding=FILE_NAMES, _close_fds=False)
            if "GNU coreutils" in command("--version", _tty_out=False):
                return command
        except (sh.CommandNotFound, sh.ErrorReturnCode):
            continue
        except (sh.ForkException, OSError) as error:
            raise StartError(f"{name} cannot be started: {why_not_started(error)}") from None
    raise StartError("GNU tail is not installed: install the package coreutils")


def why_not_started(error: Exception) -> str:
    """The cause; of what failed in the new process, `sh` has the whole traceback."""
    return str(error).strip().rpartition("\n")[2]


class Tail:
    """One running tail that follows the file at `path` from the byte at `offset` on.

    It follows the file that it opened, wherever that is renamed to, and ends with
    this process, however this process ends. Raises OSError if it cannot be started.
    """

    def __init__(self, command: sh.Command, path: Path, offset: int) -> None:
        self.offset = offset
        """Up to where it has handed over the file."""
        reader, writer = os.pipe()
        try:
            with open(os.devnull, "r+b", buffering=0) as null:
                self._process = command(
                    f"--bytes=+{offset + 1}",
                    "--follow=descriptor",
                    f"--pid={os.getpid()}",
                    "--",
                    str(path),
                    _in=null,
                    _out=writer,
                    _err=null,
                    _bg=True,
                    _bg_exc=False,
                    _no_out=True,
                    _no_err=True,
                )
        except BaseException as error:
            os.close(reader)
            if isinstance(error, sh.ForkException):
                raise OSError(f"tail cannot be started: {why_not_started(error)}") from error
            raise
        finally:
            os.close(writer)
        self._pipe = open(reader, "rb", buffering=0)  # noqa: SIM115
        self._transport: asyncio.ReadTransport | None = None
        self._reader = asyncio.StreamReader(PIPE_READ)

    async def read(self, timeout: float) -> bytes | None:
        """The next bytes; none at all after `timeout` seconds, None when tail has ended."""
        if self._transport is None:
            self._transport, _ = await asyncio.get_running_loop().connect_read_pipe(
                lambda: asyncio.StreamReaderProtocol(self._reader), self._pipe
            )
        try:
            async with asyncio.timeout(timeout):
                data = await self._reader.read(PIPE_READ)
        except TimeoutError:
            return b""
        self.offset += len(data)
        return data or None

    async def stop(self) -> None:
        """End tail at once, and wait for its end; what it has not handed over is dropped."""
        if self._transport:
            self._transport.close()
        else:
            self._pipe.close()
        if self._process.is_alive():
            with suppress(ProcessLookupError):
                self._process.kill()
        # no task: the end of the event loop cancels those that have not begun
        ended = asyncio.get_running_loop().run_in_executor(None, self._process.process.wait)
        try:
            await asyncio.shield(ended)
        except asyncio.CancelledError:
            await ended  # the threads of sh need the event loop until then
            raise
