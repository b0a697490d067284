"""Programs that sources run, of which nothing is left, whatever ends the server or them.

Between the server and a program stands a small shell, the keeper (keeper.sh), run by `sh` as tail
is. The two are connected by a pair of sockets. The system closes the server's end however the
server dies, kill -9 included; the keeper then ends the program with all that it has started. What
Linux has for this (PR_SET_PDEATHSIG) reaches one process and not its children, and is
bound to the thread that started it; a shell is everywhere, and takes a megabyte.

Once a program has ended, the keeper ends what it may have left in the background, and tells the
exit code. A program gets SIGTERM first, and SIGKILL after a second.
"""

import asyncio
import os
import secrets
import signal
import socket
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import sh

from server.logs.tail import FILE_NAMES, why_not_started
from server.sources.intake import Intake, Sink, Take

SCRIPT = Path(__file__).with_name("keeper.sh")

PATIENCE = 3.0
"""Seconds in which a keeper has to end; then it is killed with its process group."""

LINGER = 2.0
"""Seconds in which what a program has written last has to come, once it has ended."""

_CODE = 16


def _as_a_shell_would() -> None:
    """Give back the signals that Python, and `sh` in the background, ignore. In the new process."""
    for number in (signal.SIGHUP, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)


class Kept:
    """A running program, `out` and `err`: what it writes.

    Both end as soon as the program has, unless another program has taken them over.
    """

    def __init__(self, words: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start the program `words`. It waits for a new process: call it in a thread.

        Raises OSError if there cannot be one.
        """
        self.out, out = os.pipe()
        self.err, err = os.pipe()
        self._socket, other = socket.socketpair()
        self._socket.setblocking(False)
        theirs = open(other.detach(), "r+b", buffering=0)  # noqa: SIM115
        try:
            self._process = sh.Command("/bin/sh").bake(_encoding=FILE_NAMES, _close_fds=False)(
                str(SCRIPT),
                secrets.token_hex(8),
                *words,
                _in=theirs,
                _out=out,
                _err=err,
                _env={**os.environ, **environment},
                _new_session=True,
                _preexec_fn=_as_a_shell_would,
                _bg=True,
                _bg_exc=False,
                _no_out=True,
                _no_err=True,
            )
        except BaseException as error:
            self._close()
            if isinstance(error, sh.ForkException):
                raise OSError(f"it cannot be started: {why_not_started(error)}") from error
            raise
        finally:
            os.close(out)
            os.close(err)
            theirs.close()

    async def wait(self) -> int | None:
        """Wait for the program's end: its exit code as a shell has it, 128 and more for a signal.

        None if somebody has killed the keeper.
        """
        told = await asyncio.get_running_loop().sock_recv(self._socket, _CODE)
        return int(told) if told.strip().isdigit() else None

    def end(self) -> None:
        """Tell the keeper to end the program, and all that it has started."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    async def close(self) -> None:
        """End what is still running, wait for that, and close the descriptors."""
        self.end()
        waiting = asyncio.create_task(asyncio.to_thread(self._process.process.wait))
        done, _ = await asyncio.wait({waiting}, timeout=PATIENCE)
        if not done:
            self._kill()
            await asyncio.wait({waiting}, timeout=PATIENCE)
        self._close()

    def _kill(self) -> None:
        with suppress(OSError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def _close(self) -> None:
        self._socket.close()
        for descriptor in (self.out, self.err):
            os.close(descriptor)


async def start_kept(words: Sequence[str], environment: Mapping[str, str]) -> Kept:
    """Start a program without holding up the event loop. Raises OSError."""
    starting = asyncio.create_task(asyncio.to_thread(Kept, words, environment))
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        with suppress(OSError):
            await (await starting).close()
        raise


async def run_kept(
    name: str, kept: Kept, out: Take, err: Take, sink: Sink, *, waits: bool = False
) -> int | None:
    """Hand over what a program writes until it ends, and give its exit code, as `Kept.wait` does.

    If this is cancelled, the program is ended, and what it has written last is handed over.
    """
    code = asyncio.create_task(kept.wait())
    try:
        intake = Intake(name, {kept.out: out, kept.err: err}, sink, waits=waits)
    except BaseException:  # there is no descriptor, or no thread
        code.cancel()
        await surely(kept.close())
        raise
    read = asyncio.create_task(intake.wait())
    try:
        await asyncio.wait({code, read}, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait({code, read}, timeout=LINGER)
        if read.done():
            read.result()
        return code.result() if code.done() else None
    finally:
        await surely(_finish(kept, intake, read, code))


async def _finish(
    kept: Kept, intake: Intake, read: asyncio.Task[None], code: asyncio.Task[int | None]
) -> None:
    kept.end()
    await asyncio.wait({read}, timeout=LINGER)
    await intake.stop()
    for task in (read, code):
        task.cancel()
    await asyncio.wait({read, code})
    await kept.close()


async def surely(finishing: Coroutine[Any, Any, object]) -> None:
    """Finish even if this is cancelled meanwhile."""
    task = asyncio.create_task(finishing)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await task
        raise
