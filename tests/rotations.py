"""A log that is written to, and all that can be done to a log."""

import bz2
import gzip
import lzma
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import zstandard

PACK: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": zstandard.compress,
}

LOGROTATE = shutil.which("logrotate", path=f"{os.environ['PATH']}:/usr/sbin") or "logrotate"


class Log:
    """The log at `path`, which remembers every line that was written to it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines: list[str] = []
        path.touch()

    def write(self, count: int = 3, header: str = "") -> None:
        """Append so many lines, of which none is like another, and before them `header`."""
        first = len(self.lines)
        self.append(header, *(f"line {number} of a log" for number in range(first, first + count)))

    def append(self, *lines: str) -> None:
        lines = tuple(filter(None, lines))
        with self.path.open("a") as file:
            file.writelines(line + "\n" for line in lines)
        self.lines += lines

    def beside(self, suffix: str) -> Path:
        return self.path.with_name(self.path.name + suffix)

    def shift(self) -> Path:
        """Make room for a first rotated file, and give its name."""
        rotated = {
            int(match[1]): match[2]
            for path in self.path.parent.iterdir()
            if (match := re.fullmatch(re.escape(self.path.name) + r"\.(\d+)(\.\w+)?", path.name))
        }
        for number in sorted(rotated, reverse=True):
            suffix = rotated[number] or ""
            self.beside(f".{number}{suffix}").rename(self.beside(f".{number + 1}{suffix}"))
        return self.beside(".1")

    def pack(self, path: Path, suffix: str = ".gz") -> None:
        packed = path.with_name(path.name + suffix)
        packed.write_bytes(PACK[suffix](path.read_bytes()))
        path.unlink()


Rotate = Callable[[Log], None]


def numbered(log: Log) -> None:
    log.path.rename(log.shift())
    log.path.touch()


def packed(suffix: str) -> Rotate:
    def rotate(log: Log) -> None:
        numbered(log)
        log.pack(log.beside(".1"), suffix)

    return rotate


def packed_later(log: Log) -> None:
    numbered(log)
    if log.beside(".2").exists():
        log.pack(log.beside(".2"))


def dated(log: Log) -> None:
    days = len(list(log.path.parent.glob("app*.log-*")))
    log.path.rename(log.beside(f"-202611{days + 1:02}"))
    log.path.touch()


def named_before_the_suffix(log: Log) -> None:
    hours = len(list(log.path.parent.glob("app-*.log")))
    log.path.rename(log.path.with_name(f"app-2026-11-22_{hours:02}.log"))
    log.path.touch()


def copied_and_truncated(log: Log) -> None:
    shutil.copyfile(log.path, log.shift())
    os.truncate(log.path, 0)


def copied_truncated_and_packed(log: Log) -> None:
    copied_and_truncated(log)
    log.pack(log.beside(".1"))


ROTATIONS: dict[str, Rotate] = {
    "numbered": numbered,
    "delaycompress": packed_later,
    **{suffix: packed(suffix) for suffix in PACK},
    "dated": dated,
    "dated before .log": named_before_the_suffix,
    "copytruncate": copied_and_truncated,
    "copytruncate and .gz": copied_truncated_and_packed,
}


def logrotate(*directives: str) -> Rotate:
    """The real one, with `directives` in its configuration."""

    def rotate(log: Log) -> None:
        config = log.path.with_name("logrotate.conf")
        lines = "\n".join(directives)
        config.write_text(f"{log.path} {{\nrotate 100\nmissingok\n{lines}\n}}\n")
        config.chmod(0o644)
        _let_a_day_pass(log)
        state = log.path.with_name("logrotate.state")
        subprocess.run([LOGROTATE, "-f", "-s", state, config], check=True)

    return rotate


def _let_a_day_pass(log: Log) -> None:
    """Date what logrotate dated today back, since it rotates once a day."""
    for path in sorted(log.path.parent.glob("app*-20*")):
        name = re.sub(r"20\d{6}", lambda date: str(int(date[0]) - 1), path.name)
        path.rename(path.with_name(name))


LOGROTATIONS: dict[str, Rotate] = {
    "create": logrotate("create"),
    "compress": logrotate("create", "compress"),
    "delaycompress": logrotate("create", "compress", "delaycompress"),
    "extension": logrotate("create", "extension .log", "compress"),
    "dateext": logrotate("create", "dateext"),
    "dateext, extension, compress": logrotate("dateext", "extension .log", "compress", "create"),
    "copytruncate": logrotate("copytruncate"),
    "copytruncate, compress": logrotate("copytruncate", "compress"),
    "copytruncate, dateext": logrotate("copytruncate", "dateext", "delaycompress", "compress"),
    "copy": logrotate("copy"),
    "copy, compress": logrotate("copy", "compress"),
}
