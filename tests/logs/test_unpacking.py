"""Compressed files are unpacked once for all who ask, and not kept for ever."""

import gzip
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from server.logs.files import File, PackedFile, open_all
from server.logs.position import Position
from server.logs.unpacking import MOST_KEPT, Unpacker

TEXT = b"".join(b"line %d of a log that is rotated\n" % number for number in range(10_000))


def packed(path: Path, text: bytes = TEXT) -> PackedFile:
    path.write_bytes(gzip.compress(text))
    [file] = [file for file in open_all(path.with_name("app.log")) if file.path == path]
    assert isinstance(file, PackedFile)
    return file


def position(text: bytes, offset: int) -> Position:
    found = Position.at(offset, lambda start, length: text[start : start + length])
    assert found
    return found


@pytest.mark.parametrize("offset", [1, 100, 1024, 5000, len(TEXT)])
def test_a_file_may_hold_only_what_it_begins_as(tmp_path: Path, offset: int) -> None:
    file, unpacker = packed(tmp_path / "app.log.1.gz"), Unpacker()
    place = position(TEXT, offset)
    for _ in range(2):  # read, then remembered
        assert unpacker.may_hold(file, place)
        assert not unpacker.may_hold(file, place._replace(head=1))


def test_a_short_file_does_not_hold_what_is_longer(tmp_path: Path) -> None:
    file = packed(tmp_path / "app.log.1.gz", TEXT[:33])
    assert not Unpacker().may_hold(file, position(TEXT, 34))


def test_a_damaged_file_holds_nothing(tmp_path: Path) -> None:
    (tmp_path / "app.log.1.gz").write_bytes(b"no gzip at all")
    [file] = open_all(tmp_path / "app.log")
    assert isinstance(file, PackedFile)
    assert not Unpacker().may_hold(file, Position(5, 1, 1))


def test_many_who_ask_get_the_same_file(tmp_path: Path) -> None:
    packed(tmp_path / "app.log.1.gz")
    unpacker = Unpacker()

    def ask(_: int) -> File:
        [file] = open_all(tmp_path / "app.log")  # each has opened it for itself
        assert isinstance(file, PackedFile)
        return unpacker.unpack(file)

    with ThreadPoolExecutor(20) as threads:
        files = list(threads.map(ask, range(100)))
    assert len(set(map(id, files))) == 1
    assert files[0].read(0, len(TEXT) + 1) == TEXT


def test_a_file_that_was_written_to_is_unpacked_again(tmp_path: Path) -> None:
    unpacker = Unpacker()
    first = unpacker.unpack(packed(tmp_path / "app.log.1.gz", TEXT[:33]))
    second = unpacker.unpack(packed(tmp_path / "app.log.1.gz"))
    assert (first.size, second.size) == (33, len(TEXT))


def test_what_is_kept_is_bounded(tmp_path: Path) -> None:
    unpacker = Unpacker(kept=2 * len(TEXT))
    for number in range(5):
        packed(tmp_path / f"app.log.{number}.gz", b"%d" % number + TEXT[1:])
    files = [file for file in open_all(tmp_path / "app.log") if isinstance(file, PackedFile)]
    unpacked = [unpacker.unpack(file) for file in files]
    for number, is_kept in ((4, True), (3, True), (0, False)):
        assert (unpacker.unpack(files[number]) is unpacked[number]) is is_kept, number
    large = Unpacker(kept=0)
    assert large.unpack(files[0]) is large.unpack(files[0])


def test_few_descriptors_are_kept(tmp_path: Path) -> None:
    unpacker = Unpacker()
    for number in range(1, 60):
        unpacker.unpack(packed(tmp_path / f"app.log.{number}.gz", b"short %d\n" % number))
    assert len(unpacker._files) <= MOST_KEPT


def test_what_nobody_asks_for_is_dropped(tmp_path: Path) -> None:
    file, unpacker = packed(tmp_path / "app.log.1.gz"), Unpacker()
    first = unpacker.unpack(file)
    unpacker.drop_idle(60)
    assert unpacker.unpack(file) is first
    unpacker.drop_idle(-1)
    assert unpacker.unpack(file) is not first


def test_after_a_stop_nobody_waits(tmp_path: Path) -> None:
    file, unpacker = packed(tmp_path / "app.log.1.gz"), Unpacker()
    unpacker.stop()
    with pytest.raises(InterruptedError):
        unpacker.unpack(file)
    with pytest.raises(InterruptedError):
        file.unpack(_set())


def _set() -> threading.Event:
    event = threading.Event()
    event.set()
    return event
