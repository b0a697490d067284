"""Small files that a start or SIGHUP reads: none can make the server wait for ever."""

import errno
import os
import select
import time
from pathlib import Path

PATIENCE = 30.0
"""Seconds in which a pipe has to end: somebody may have to type a passphrase first."""

MOST = 1024 * 1024
"""Bytes of a small file."""

_PIECE = 64 * 1024


def read_input(path: Path) -> str:
    """The text of a small file, or of a pipe that ends, as in `--token-file <(pass show riacho)`.

    Raises OSError and UnicodeDecodeError.
    """
    # O_NONBLOCK: to open a FIFO must not wait for a writer
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    descriptor = os.open(path, flags)
    try:
        return _read(descriptor).decode()
    finally:
        os.close(descriptor)


def _read(descriptor: int) -> bytes:
    """All that it holds, whatever it is: a pipe may never end, nor may /dev/zero.

    A file can be read at once, a pipe as soon as its writer has written or ended.
    """
    ready = select.poll()
    ready.register(descriptor, select.POLLIN)
    deadline = time.monotonic() + PATIENCE
    data = b""
    while len(data) <= MOST:
        left = deadline - time.monotonic()
        if left <= 0 or not ready.poll(1000 * left):
            raise TimeoutError(errno.ETIMEDOUT, f"it does not end within {PATIENCE:g} s")
        piece = os.read(descriptor, _PIECE)
        if not piece:
            return data
        data += piece
    raise OSError(errno.EFBIG, f"it has more than {MOST} bytes")
