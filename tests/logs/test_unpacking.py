"""Compressed files are unpacked once for all who ask, and not kept for ever."""

import gzip
import shutil
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from server.logs.files import File, PackedFile
from server.logs.trouble import CannotUnpackError
from server.logs.unpacking import LEAST_RESERVE, MOST_KEPT, Unpacker, room
from tests.descriptors import open_below

MOST = 1 << 30
TEXT = b"".join(b"line %d of a log that is rotated\n" % number for number in range(10_000))


def packed(path: Path, text: bytes = TEXT) -> PackedFile:
    path.write_bytes(gzip.compress(text))
    return PackedFile.open(path)


def test_many_who_ask_get_the_same_file(tmp_path: Path) -> None:
    packed(tmp_path / "app.log.1.gz")
    unpacker = Unpacker(MOST)

    def ask(_: int) -> File:
        return unpacker.unpack(PackedFile.open(tmp_path / "app.log.1.gz"))

    with ThreadPoolExecutor(20) as threads:
        files = list(threads.map(ask, range(100)))
    assert len(set(map(id, files))) == 1
    assert files[0].read(0, len(TEXT) + 1) == TEXT


def test_a_file_that_was_written_to_is_unpacked_again(tmp_path: Path) -> None:
    unpacker = Unpacker(MOST)
    first = unpacker.unpack(packed(tmp_path / "app.log.1.gz", TEXT[:33]))
    second = unpacker.unpack(packed(tmp_path / "app.log.1.gz"))
    assert (first.size, second.size) == (33, len(TEXT))


def test_what_is_kept_is_bounded(tmp_path: Path) -> None:
    unpacker = Unpacker(MOST, kept=2 * len(TEXT))
    files = [
        packed(tmp_path / f"app.log.{number}.gz", b"%d" % number + TEXT[1:]) for number in range(5)
    ]
    unpacked = [unpacker.unpack(file) for file in files]
    for number, is_kept in ((4, True), (3, True), (0, False)):
        assert (unpacker.unpack(files[number]) is unpacked[number]) is is_kept, number
    large = Unpacker(MOST, kept=0)
    assert large.unpack(files[0]) is large.unpack(files[0])


@pytest.mark.linux
def test_few_descriptors_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    unpacker = Unpacker(MOST)
    for number in range(1, 60):
        unpacker.unpack(packed(tmp_path / f"app.log.{number}.gz", b"short %d\n" % number))
    assert 0 < open_below(tmp_path) <= 2 * MOST_KEPT


def test_what_nobody_asks_for_is_dropped(tmp_path: Path) -> None:
    file, unpacker = packed(tmp_path / "app.log.1.gz"), Unpacker(MOST)
    first = unpacker.unpack(file)
    unpacker.drop_idle(60)
    assert unpacker.unpack(file) is first
    unpacker.drop_idle(-1)
    assert unpacker.unpack(file) is not first


def test_after_a_stop_nobody_waits(tmp_path: Path) -> None:
    file, unpacker = packed(tmp_path / "app.log.1.gz"), Unpacker(MOST)
    unpacker.stop()
    with pytest.raises(InterruptedError):
        unpacker.unpack(file)
    with pytest.raises(InterruptedError):
        file.unpack(_set(), MOST, room)


def _set() -> threading.Event:
    event = threading.Event()
    event.set()
    return event


def test_what_cannot_be_unpacked_is_not_tried_again_at_once(tmp_path: Path) -> None:
    file, unpacker = packed(tmp_path / "app.log.1.gz"), Unpacker(most=1000)
    raised = []
    for _ in range(2):
        with pytest.raises(CannotUnpackError) as error:
            unpacker.unpack(file)
        raised.append(error.value)
    assert raised[0] is raised[1]


def test_a_reserve_stays_free() -> None:
    free = shutil.disk_usage(tempfile.gettempdir()).free
    assert room() <= free - LEAST_RESERVE + 1024 * 1024
