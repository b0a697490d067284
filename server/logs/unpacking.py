"""What compressed files hold, unpacked once for all who ask, within the room there is.

Clients ask in crowds: all of them after a restart, and some for positions that never were.
All of this reads files, and so belongs in a thread; several may use it at once.
"""

import logging
import os
import tempfile
import threading
import time
from collections import OrderedDict
from concurrent.futures import Future

from server.logs.files import File, PackedFile, Version
from server.logs.trouble import CannotUnpackError

KEPT = 256 * 1024 * 1024
"""Bytes of unpacked files that are kept for the next who asks, beside the youngest."""

MOST_KEPT = 16
"""How many of them: each takes two descriptors."""

LEAST_RESERVE = 16 * 1024 * 1024
MOST_RESERVE = 1024 * 1024 * 1024
"""Bytes between which the reserve lies: a tenth of the disk, which stays free for others."""

REFUSED_FOR = 60.0
"""Seconds for which a file that could not be unpacked is not tried again."""

_log = logging.getLogger(__name__)


def room() -> int:
    """Bytes that may be written for unpacked files now, so that the reserve stays free.

    Other programs write to the same disk, often the log's own: a reader must never make a
    writer lose lines.
    """
    disk = os.statvfs(tempfile.gettempdir())
    reserve = min(MOST_RESERVE, max(LEAST_RESERVE, disk.f_blocks * disk.f_frsize // 10))
    return disk.f_bavail * disk.f_frsize - reserve


class Unpacker:
    """Unpacks files of up to `most` bytes, and keeps what it has unpacked, up to `kept` bytes."""

    def __init__(self, most: int, kept: int = KEPT) -> None:
        self._most = most
        self._kept = kept
        self._files: OrderedDict[Version, tuple[Future[File], float]] = OrderedDict()
        self._refused: dict[Version, tuple[CannotUnpackError, float]] = {}
        self._lock = threading.Lock()
        self._stopped = threading.Event()

    def unpack(self, packed: PackedFile) -> File:
        """Its content as a file without a name.

        Raises CannotUnpackError where there is no room for it, and OSError, with errno EINTR
        after `stop`.
        """
        version = packed.version
        with self._lock:
            refused, since = self._refused.get(version, (None, 0.0))
            if refused and time.monotonic() - since < REFUSED_FOR:
                raise refused
            future, _ = self._files.get(version, (None, 0))
            is_new = future is None
            future = future or Future()
            self._files[version] = future, time.monotonic()
            self._files.move_to_end(version)
        if is_new:
            try:
                future.set_result(packed.unpack(self._stopped, self._most, room))
            except BaseException as error:
                with self._lock:
                    self._files.pop(version, None)
                    if isinstance(error, CannotUnpackError):
                        self._refuse(version, error)
                future.set_exception(error)
            self._keep_few()
        return future.result()

    def has(self, packed: PackedFile) -> bool:
        """Whether its content is at hand, so that it need not be unpacked."""
        version = packed.version
        with self._lock:
            future, _ = self._files.get(version, (None, 0))
        return future is not None and future.done() and future.exception() is None

    def _refuse(self, version: Version, error: CannotUnpackError) -> None:
        _log.warning("%s", error)
        if len(self._refused) >= MOST_KEPT:
            del self._refused[next(iter(self._refused))]
        self._refused[version] = error, time.monotonic()

    def _keep_few(self) -> None:
        with self._lock:
            files = [(version, future) for version, (future, _) in self._files.items()]
            size = 0
            for number, (version, future) in enumerate(reversed(files)):
                if future.done() and not future.exception():
                    size += future.result().size
                    if number and (size > self._kept or number >= MOST_KEPT):
                        del self._files[version]

    def drop_idle(self, seconds: float) -> None:
        """Forget what nobody has asked for in `seconds`, so that its disk space is freed."""
        if not self._files:
            return
        with self._lock:
            for version, (future, used) in list(self._files.items()):
                if future.done() and time.monotonic() - used > seconds:
                    del self._files[version]

    def stop(self) -> None:
        """Give up what is being unpacked."""
        self._stopped.set()
