"""What all peers share: a log's new lines, and a socket to listen on."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator

READ_SIZE = 64 * 1024


def tail_command(log: str, offset: int) -> list[str]:
    """The command that writes what `log` holds from `offset` on, and all that is appended."""
    return ["tail", f"--bytes=+{offset + 1}", "--follow", f"--pid={os.getpid()}", log]


async def new_lines(log: str) -> AsyncIterator[list[tuple[int, str]]]:
    """What is appended to `log` from now on: lines, each with the offset at which it ends.

    They come in batches, all lines of one read: faster than `readline`.
    """
    offset = os.stat(log).st_size
    tail = await asyncio.create_subprocess_exec(
        *tail_command(log, offset), stdout=asyncio.subprocess.PIPE
    )
    assert tail.stdout is not None
    rest = b""
    while data := await tail.stdout.read(READ_SIZE):
        *lines, rest = (rest + data).split(b"\n")
        batch = []
        for line in lines:
            offset += len(line) + 1
            batch.append((offset, line.decode()))
        yield batch


def listen(scheme: str = "http") -> socket.socket:
    """A socket on a free port, whose address is told on stdout."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    print(f"  {scheme}://127.0.0.1:{listener.getsockname()[1]}/", flush=True)
    return listener
