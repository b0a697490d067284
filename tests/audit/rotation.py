"""How rotated files are named and compressed: as many programs do it, and changed at times."""

import bz2
import datetime
import gzip
import lzma
import os
import random
import re
import time
from collections.abc import Callable
from pathlib import Path

import zstandard

from tests.audit.disk import Disk
from tests.audit.writer import Writer

KEEP = 15
"""Rotated files that are kept."""

PACKERS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": lambda data: gzip.compress(data, 1),
    ".bz2": lambda data: bz2.compress(data, 1),
    ".xz": lambda data: lzma.compress(data, preset=0),
    ".zst": zstandard.compress,
}


class Rotation:
    """Names rotated files in one way at a time, and compresses them at once, later or never."""

    def __init__(self, chance: random.Random, writer: Writer, disk: Disk) -> None:
        self.packing = "plain"
        """`plain`, `at once` or `later`."""
        self.suffix = ".gz"
        """What compressed files are made with."""
        self.naming: Callable[[], Path] = self.numbered
        self._random = chance
        self._writer = writer
        self._disk = disk
        self._log = disk.log
        self._number = 0
        self._keeps_times = False

    @property
    def is_dated(self) -> bool:
        return self.naming == self.dated

    @property
    def is_doubtful(self) -> bool:
        """Whether its files have names that other programs' logs may have.

        Such a file counts only when nobody writes to it any more, and after it was renamed.
        """
        return self.naming in (self.extended, self.counted)

    def switch(self) -> None:
        """Name and compress in another way from now on; older files keep their names."""
        ways = [self.numbered, self.rising, self.dated, self.counted, self.epoch, self.extended]
        self.naming = self._random.choice(ways)
        self._keeps_times = not self._writer.has_times
        self.packing = self._random.choice(["plain", "at once", "later"])
        self.suffix = self._random.choice([*PACKERS])

    def next_name(self) -> Path:
        """A free name for the log to be rotated to; the oldest files make room."""
        if self.packing == "later":
            self.reopen()
            self.pack([path for path in self.rotated() if path.suffix not in PACKERS])
        for path in self.rotated()[KEEP:]:
            path.unlink()
        return self.naming()

    def rotated(self) -> list[Path]:
        """The rotated files, youngest first."""
        files = [path for path in self._disk.files() if path != self._log]
        return sorted(files, key=self._disk.age, reverse=True)

    def pack(self, paths: list[Path]) -> None:
        """Compress files as gzip(1) does, or without their times of writing, as others do.

        Where neither their lines nor their names tell the order, only these times do.
        """
        for path in paths:
            packed = f"{path}{self.suffix}"
            if path.suffix in PACKERS or os.path.exists(packed):
                continue
            status = path.stat()
            Path(packed).write_bytes(PACKERS[self.suffix](path.read_bytes()))
            if self._keeps_times or self._random.random() < 0.5:
                os.utime(packed, ns=(status.st_atime_ns, status.st_mtime_ns))
            path.unlink()

    def reopen(self) -> None:
        """Let the writer go on in the log's own file, so that no other one changes any more."""
        with self._writer.between_lines():
            self._writer.reopen()

    # --- ways to name files ------------------------------------------------------------

    def numbered(self) -> Path:
        """`app.log.1` is the youngest: logrotate, Python."""
        return self._shifted(f"{self._log.name}.{{}}")

    def extended(self) -> Path:
        """`app.1.log`: logrotate's `extension`. Other programs' logs are called that, too."""
        self.reopen()
        return self._shifted(f"{self._log.stem}.{{}}{self._log.suffix}")

    def _shifted(self, form: str) -> Path:
        def taken(number: int) -> list[Path]:
            name = form.format(number)
            names = [name, *(name + suffix for suffix in PACKERS)]
            return [path for one in names if (path := self._log.with_name(one)).exists()]

        free = 1
        while taken(free):
            free += 1
        for number in range(free - 1, 0, -1):
            for path in taken(number):
                packing = path.suffix if path.suffix in PACKERS else ""
                path.rename(self._log.with_name(form.format(number + 1) + packing))
        return self._log.with_name(form.format(1))

    def rising(self) -> Path:
        """`app.log.1` is the oldest: log4j 2."""
        names = os.listdir(self._log.parent)
        form = re.compile(re.escape(self._log.name) + r"\.(\d+)(?:\.\w+)?")
        numbers = [int(match[1]) for name in names if (match := form.fullmatch(name))]
        return self._log.with_name(f"{self._log.name}.{max(numbers, default=0) + 1}")

    def dated(self) -> Path:
        """logrotate's `dateext` with seconds; its own must not be younger than ours."""
        return self._log.with_name(
            f"{self._log.name}-{datetime.date.today():%Y%m%d}-{self._next_number()}"
        )

    def counted(self) -> Path:
        """A counter beside a date: log4j, logback."""
        today = f"{self._log.stem}-{datetime.date.today():%Y-%m-%d}."
        names = [name for name in os.listdir(self._log.parent) if name.startswith(today)]
        numbers = [int(name[len(today) :].partition(".")[0]) for name in names]
        return self._log.with_name(f"{today}{max(numbers, default=0) + 1}{self._log.suffix}")

    def epoch(self) -> Path:
        """The date's form was changed to seconds, or milliseconds, since 1970."""
        return self._log.with_name(f"{self._log.name}-{self._next_number() % 10**13}")

    def _next_number(self) -> int:
        self._number = max(self._number + 1, time.time_ns() // 10**6)
        return self._number

    def is_a_new_second(self) -> bool:
        """Whether logrotate, which counts seconds, names a file later than the last one."""
        return time.time() > self._number / 1000 + 1.05  # time(2) may be a bit behind

    def note_second(self) -> None:
        """Note that logrotate has named a file by this second."""
        self._number = max(self._number, (int(time.time()) + 1) * 1000)
