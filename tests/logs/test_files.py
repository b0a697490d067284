"""Which files are a log's, in which order, and what a compressed one holds."""

import bz2
import gzip
import lzma
import os
from collections.abc import Callable
from pathlib import Path
from threading import Event

import pytest
import zstandard

from server.logs.files import File, PackedFile, open_all, rotated
from server.logs.position import HEAD, Position

NAMES = [
    # the log, the names beside it, its rotated files oldest first
    ("app.log", ["app.log.1", "app.log.2", "app.log.10"], ["app.log.10", "app.log.2", "app.log.1"]),
    ("app.log", ["app.log.2.gz", "app.log.1"], ["app.log.2.gz", "app.log.1"]),
    ("app.log", ["app.log.1", "app.log.1.gz"], ["app.log.1"]),
    ("app.log", ["app.log-20261122", "app.log-20251231.gz"],
     ["app.log-20251231.gz", "app.log-20261122"]),
    ("app.log", ["app.log-20261122-1766361600", "app.log-20261122-1766275200"],
     ["app.log-20261122-1766275200", "app.log-20261122-1766361600"]),
    ("app.log", ["app.log.2026-11-22_10", "app.log.2026-11-22_09"],
     ["app.log.2026-11-22_09", "app.log.2026-11-22_10"]),
    ("app.log", ["app-20261122.log", "app-20261121.log.zst", "app.1.log"],
     ["app-20261121.log.zst", "app-20261122.log", "app.1.log"]),
    ("0.log", ["0.log.20261122-101500", "0.log.20261121-101500.gz", "1.log"],
     ["0.log.20261121-101500.gz", "0.log.20261122-101500"]),
    ("syslog", ["syslog.1", "syslog.2.bz2", "syslog.3.xz"],
     ["syslog.3.xz", "syslog.2.bz2", "syslog.1"]),
    ("app.log", ["app.log.bak", "app.log~", "app.log.old", "app.logx", "app.log-errors", "app2.log",
                 "my-app.log.1", "app.log.1.tmp", "app.log.", "app.log.1234567890123456.part"], []),
]  # fmt: skip


@pytest.mark.parametrize(("log", "names", "expected"), NAMES)
def test_rotated_files_are_found_oldest_first(
    tmp_path: Path, log: str, names: list[str], expected: list[str]
) -> None:
    for name in [log, *names]:
        (tmp_path / name).touch()
    assert [path.name for path in rotated(tmp_path / log)] == expected
    assert [file.path.name for file in open_all(tmp_path / log)] == [*expected, log]


@pytest.mark.parametrize("first", ["numbers", "dates"])
def test_a_rotation_that_began_to_name_files_in_another_way_keeps_their_order(
    tmp_path: Path, first: str
) -> None:
    numbers, dates = ["app.log.2.gz", "app.log.1"], ["app.log-20261121", "app.log-20261122"]
    names = [*numbers, *dates] if first == "numbers" else [*dates, *numbers]
    for time, name in enumerate(names):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (time, time))
    assert [path.name for path in rotated(tmp_path / "app.log")] == names


def test_only_regular_files_count(tmp_path: Path) -> None:
    (tmp_path / "app.log.1").mkdir()
    os.mkfifo(tmp_path / "app.log.2")
    (tmp_path / "app.log.3").symlink_to(tmp_path / "app.log")
    (tmp_path / "app.log").touch()
    assert [file.path.name for file in open_all(tmp_path / "app.log")] == ["app.log"]


def test_a_directory_that_is_gone_has_no_files(tmp_path: Path) -> None:
    assert open_all(tmp_path / "gone" / "app.log") == []


def test_an_open_file_stays_this_one(tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    path.write_text("first")
    file = File.open(path)
    path.rename(tmp_path / "app.log.1")
    path.write_text("second")
    assert file.read(0, 100) == b"first"
    assert file.is_same(File.open(tmp_path / "app.log.1"))
    assert not file.is_same(File.open(path))


def test_what_the_system_has_in_memory_is_read_without_waiting(tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    path.write_bytes(b"0123456789" * 1000)  # just written, so it is in memory
    file = File.open(path)
    for offset, length in [(0, 10), (5, 20_000), (9_999, 5), (10_000, 5)]:
        assert file.read_cached(offset, length) in (file.read(offset, length), None)


def test_a_file_is_closed_when_nobody_holds_it(tmp_path: Path) -> None:
    (tmp_path / "app.log").touch()
    before = len(os.listdir("/proc/self/fd"))
    file = File.open(tmp_path / "app.log")
    assert len(os.listdir("/proc/self/fd")) == before + 1
    del file
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_writer_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    path.touch()
    file = File.open(path)
    assert file.has_writer() is False
    with path.open("a"):
        assert file.has_writer() is True
        (tmp_path / "app.log").rename(tmp_path / "app.log.1")
        assert file.has_writer() is True
    assert file.has_writer() is False


PACKERS: list[tuple[str, Callable[[bytes], bytes]]] = [
    (".gz", gzip.compress),
    (".bz2", bz2.compress),
    (".xz", lzma.compress),
    (".zst", zstandard.compress),
]
TEXT = b"".join(b"line %d of a log that is rotated\n" % number for number in range(100_000))


@pytest.mark.parametrize(("suffix", "pack"), PACKERS)
def test_a_compressed_file_holds_what_was_compressed(
    tmp_path: Path, suffix: str, pack: Callable[[bytes], bytes]
) -> None:
    (tmp_path / f"app.log.1{suffix}").write_bytes(pack(TEXT))
    [file] = open_all(tmp_path / "app.log")
    assert isinstance(file, PackedFile)
    end = Position.at(len(TEXT), lambda offset, length: TEXT[offset : offset + length])
    assert end
    assert file.head() == TEXT[:HEAD]
    assert file.unpack(Event()).ends_at(end)
    assert not file.unpack(Event()).holds(end._replace(tail=1))


@pytest.mark.parametrize(("suffix", "pack"), PACKERS)
def test_of_a_compressed_file_that_is_cut_short_the_whole_part_is_read(
    tmp_path: Path, suffix: str, pack: Callable[[bytes], bytes]
) -> None:
    packed = pack(TEXT)
    (tmp_path / f"app.log.1{suffix}").write_bytes(packed[: len(packed) // 2])
    [file] = open_all(tmp_path / "app.log")
    assert isinstance(file, PackedFile)
    content = file.unpack(Event())
    assert TEXT.startswith(content.read(0, len(TEXT)))
    assert content.size < len(TEXT)


def test_a_compressed_file_may_be_garbage(tmp_path: Path) -> None:
    (tmp_path / "app.log.1.gz").write_bytes(b"no gzip at all")
    [file] = open_all(tmp_path / "app.log")
    assert isinstance(file, PackedFile)
    assert file.head() == b""
    assert file.unpack(Event()).size == 0
