"""What compressed files hold, unpacked once for all who ask.

Clients ask in crowds: all of them after a restart, and some for positions that never were.
All of this reads files, and so belongs in a thread; several may use it at once.
"""

import threading
import time
from collections import OrderedDict
from concurrent.futures import Future
from zlib import crc32

from server.logs.files import File, PackedFile, Version
from server.logs.position import HEAD, Position

KEPT = 256 * 1024 * 1024
"""Bytes of unpacked files that are kept for the next who asks, beside the youngest."""

MOST_KEPT = 16
"""How many of them: each takes a descriptor."""

_REMEMBERED = 1000


class Unpacker:
    """Unpacks files, and keeps for a while what it has unpacked, up to `kept` bytes."""

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._heads: OrderedDict[Version, bytes] = OrderedDict()
        self._files: OrderedDict[Version, tuple[Future[File], float]] = OrderedDict()
        self._lock = threading.Lock()
        self._stopped = threading.Event()

    def may_hold(self, packed: PackedFile, position: Position) -> bool:
        """Whether it begins as the file that `position` was taken from."""
        head = self._heads.get(packed.version)
        if head is None:
            head = packed.head()
            with self._lock:
                self._heads[packed.version] = head
                if len(self._heads) > _REMEMBERED:
                    self._heads.popitem(last=False)
        length = min(position.offset, HEAD)
        return len(head) >= length and crc32(head[:length]) == position.head

    def unpack(self, packed: PackedFile) -> File:
        """Its content as a file without a name; raises OSError, EINTR after `stop`."""
        with self._lock:
            future, _ = self._files.get(packed.version, (None, 0))
            is_new = future is None
            future = future or Future()
            self._files[packed.version] = future, time.monotonic()
            self._files.move_to_end(packed.version)
        if is_new:
            try:
                future.set_result(packed.unpack(self._stopped))
            except BaseException as error:
                with self._lock:
                    self._files.pop(packed.version, None)
                future.set_exception(error)
            self._keep_few()
        return future.result()

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
