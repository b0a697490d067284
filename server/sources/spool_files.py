"""The files of a spool: the live one, and those that were rotated, the higher the older."""

import os
from contextlib import suppress
from pathlib import Path

FILES = 4
"""Files of a spool, the live one among them."""

_BLOCK = 64 * 1024


class SpoolFiles:
    """The live file at `path` and those beside it, of at most `most` bytes each.

    All methods raise OSError.
    """

    def __init__(self, path: Path, most: int) -> None:
        self.path = path
        self._most = most
        self._file: int | None = None

    def append(self, data: bytes) -> int:
        """Write as much of some lines as fits into one file; say how many bytes that are.

        They are whole lines if one fits, unless the disk is full.
        """
        self._see_to_the_path()
        room = self._most - os.fstat(self._live()).st_size
        if len(data) <= room:
            return os.write(self._live(), data)
        end = data.rfind(b"\n", 0, max(room, 0)) + 1
        if end == 0 and room < self._most:
            self._rotate()
            return 0
        return os.write(self._live(), memoryview(data)[: end or self._most])

    def place(self) -> tuple[int, int]:
        """Which file is the live one, and how long it is."""
        found = os.fstat(self._live())
        return found.st_ino, found.st_size

    def last_written(self) -> float | None:
        """When something was last written, in seconds since 1970; None if nothing is there."""
        found = os.fstat(self._live())
        return found.st_mtime if found.st_size else None

    def make_room(self, count: int) -> None:
        """See to it that so many bytes fit into the live file."""
        size = os.fstat(self._live()).st_size
        if size and size + count > self._most:
            self._rotate()

    def cut_to(self, size: int) -> None:
        """Cut the live file back to this size."""
        os.ftruncate(self._live(), size)

    def whole(self) -> tuple[int, int]:
        """Where the last whole line ends in the live file, and where the file does."""
        self._live()
        with open(self.path, "rb") as file:
            size = whole = file.seek(0, os.SEEK_END)
            while whole:
                start = max(0, whole - _BLOCK)
                file.seek(start)
                newline = file.read(whole - start).rfind(b"\n") + 1
                whole = start + newline
                if newline:
                    break
        return whole, size

    def close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            os.close(file)

    def _live(self) -> int:
        if self._file is None:
            with suppress(FileExistsError):  # its directory may have been deleted
                self.path.parent.mkdir(mode=0o700, parents=True)
            # to open a FIFO must not wait for its reader
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK
            self._file = os.open(self.path, flags, 0o600)
        return self._file

    def _see_to_the_path(self) -> None:
        """Begin a file anew where somebody has moved or deleted the live one."""
        try:
            there = os.stat(self.path)
        except FileNotFoundError:
            self.close()
        else:
            if not os.path.samestat(there, os.fstat(self._live())):
                self.close()

    def _rotate(self) -> None:
        """Give each file the next number, as far as there is no gap in them, and begin a new one.

        It can be interrupted anywhere, and done again.
        """
        numbered = (self.path.with_name(f"{self.path.name}.{number}") for number in range(1, FILES))
        paths = [self.path, *numbered]
        free = next((n for n, path in enumerate(paths) if not path.exists()), FILES - 1)
        for number in range(free, 0, -1):
            os.replace(paths[number - 1], paths[number])
        self.close()
        self._live()
