"""Files that are read: what they hold, who writes to them, what a compressed one holds."""

import bz2
import gzip
import lzma
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Event

import pytest
import zstandard

from server.logs import files
from server.logs.files import File, PackedFile
from server.logs.position import HEAD, Position
from server.logs.trouble import CannotUnpackError
from tests.descriptors import open_below

PLENTY = 1 << 40


def unpack(file: PackedFile, stopped: Event | None = None, most: int = PLENTY) -> File:
    return file.unpack(stopped or Event(), most, lambda: PLENTY)


def test_an_open_file_stays_this_one(tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    path.write_text("first")
    file = File.open(path)
    path.rename(tmp_path / "app.log.1")
    path.write_text("second")
    assert file.read(0, 100) == b"first"
    assert file.identity == File.open(tmp_path / "app.log.1").identity != File.open(path).identity


def test_what_is_read_without_waiting_is_the_same_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    path.write_bytes(b"0123456789" * 1000)  # just written, so it is in memory
    file = File.open(path)
    for offset, length in [(0, 10), (5, 20_000), (9_999, 5), (10_000, 5)]:
        with suppress(BlockingIOError):
            assert file.read_now(offset, length) == file.read(offset, length)


def test_no_other_file_gets_the_number_of_one_whose_content_is_still_read(tmp_path: Path) -> None:
    """A client that reads what a compressed file held was taken for one that follows the log."""
    path = tmp_path / "app.log.1.gz"
    path.write_bytes(gzip.compress(b"1\n"))
    content = unpack(PackedFile.open(path))
    path.unlink()
    others = [tmp_path / f"app.log.{number}" for number in range(100)]
    for other in others:
        other.touch()
    assert content.identity not in {File.open(other).identity for other in others}


def test_a_deleted_file_knows_its_last_name(tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    path.touch()
    file = File.open(path)
    path.rename(tmp_path / "app.log.1")
    assert (file.is_deleted, file.last_name) == (False, "app.log.1")
    (tmp_path / "app.log.1").unlink()
    assert (file.is_deleted, file.last_name) == (True, "app.log.1")


def test_a_file_of_the_future_is_as_old_as_it_is_ahead(tmp_path: Path) -> None:
    """The clock was set back: it is not being written to for that."""
    path = tmp_path / "app.log"
    path.touch()
    file = File.open(path)
    assert file.age < 60
    os.utime(path, (time.time() + 3000,) * 2)
    assert 2900 < file.age < 3100


@pytest.mark.linux
def test_a_file_is_closed_when_nobody_holds_it(tmp_path: Path) -> None:
    (tmp_path / "app.log").touch()
    file = File.open(tmp_path / "app.log")
    assert open_below(tmp_path) == 1
    del file
    assert open_below(tmp_path) == 0


@pytest.mark.linux
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
    path = tmp_path / f"app.log.1{suffix}"
    path.write_bytes(pack(TEXT))
    file = PackedFile.open(path)
    end = Position.at(len(TEXT), lambda offset, length: TEXT[offset : offset + length])
    assert end
    assert file.beginning()[0] == TEXT[:HEAD]
    assert unpack(file).ends_at(end)
    assert not unpack(file).holds(end._replace(tail=1))


@pytest.mark.parametrize(("suffix", "pack"), PACKERS)
def test_of_a_compressed_file_that_is_cut_short_the_whole_part_is_read(
    tmp_path: Path, suffix: str, pack: Callable[[bytes], bytes]
) -> None:
    packed = pack(TEXT)
    path = tmp_path / f"app.log.1{suffix}"
    path.write_bytes(packed[: len(packed) // 2])
    file = PackedFile.open(path)
    content = unpack(file)
    whole = content.read(0, len(TEXT))
    assert TEXT.startswith(whole)
    assert 0 < len(whole) < len(TEXT)
    assert whole.endswith(b"\n")  # the line that is cut is none
    assert content.damage.startswith(f"app.log.1{suffix} is damaged: it ends within a stream")


@pytest.mark.parametrize(("suffix", "pack"), PACKERS)
def test_a_compressed_file_is_damaged_wherever_it_is_cut(
    tmp_path: Path, suffix: str, pack: Callable[[bytes], bytes]
) -> None:
    """Of several streams each may be cut. What is whole is not damaged."""
    path, one = tmp_path / f"app.log.1{suffix}", pack(TEXT[:3300])
    for count in (1, 2):
        packed = one * count
        for length in range(len(packed) + 1):
            path.write_bytes(packed[:length])
            content = unpack(PackedFile.open(path))
            whole = content.read(0, len(TEXT))
            assert (TEXT[:3300] * count).startswith(whole)
            is_whole = length > 0 and length % len(one) == 0
            assert bool(content.damage) is not is_whole, length
            if is_whole:
                assert len(whole) == 3300 * length // len(one)


def test_what_comes_before_the_damage_tells_a_short_file_from_others(tmp_path: Path) -> None:
    path = tmp_path / "app.log.1.gz"
    path.write_bytes(gzip.compress(TEXT[:330])[:-4])
    assert PackedFile.open(path).beginning() == (TEXT[:330], TEXT[:330])


def test_a_zstandard_file_may_have_parts_that_are_skipped(tmp_path: Path) -> None:
    path = tmp_path / "app.log.1.zst"
    skipped = b"\x50\x2a\x4d\x18\x05\0\0\0about"
    path.write_bytes(skipped + zstandard.compress(TEXT) + skipped)
    content = unpack(PackedFile.open(path))
    assert (content.size, content.damage) == (len(TEXT), "")


@pytest.mark.parametrize("hole", [0, 1, HEAD, 5000, 1_000_000])
@pytest.mark.parametrize("name", ["app.log.1", "app.log.1.gz", "app.log.1.zst"])
def test_the_text_behind_a_hole_at_the_start_is_found(tmp_path: Path, name: str, hole: int) -> None:
    content, path = b"\0" * hole + TEXT, tmp_path / name
    packers: dict[str, Callable[[bytes], bytes]] = {
        ".1": bytes, ".gz": gzip.compress, ".zst": zstandard.compress
    }  # fmt: skip
    path.write_bytes(packers[path.suffix](content))
    file = (File if path.suffix == ".1" else PackedFile).open(path)
    assert file.beginning() == (content[:HEAD], TEXT[:HEAD])


def test_a_hole_of_any_length_costs_little(tmp_path: Path) -> None:
    with (tmp_path / "app.log").open("wb") as file:
        file.truncate(1 << 40)
    assert File.open(tmp_path / "app.log").beginning() == (bytes(HEAD), b"")


def test_a_compressed_file_may_be_garbage(tmp_path: Path) -> None:
    path = tmp_path / "app.log.1.gz"
    path.write_bytes(b"no gzip at all")
    file = PackedFile.open(path)
    assert file.beginning()[0] == b""
    content = unpack(file)
    assert (content.size, bool(content.damage)) == (0, True)


def test_too_little_memory_is_no_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "app.log.1.gz"
    path.write_bytes(gzip.compress(TEXT))

    def pieces(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(files, "pieces", pieces)
    with pytest.raises(CannotUnpackError, match="memory"):
        unpack(PackedFile.open(path))


def test_no_more_is_unpacked_than_may_be(tmp_path: Path) -> None:
    path = tmp_path / "app.log.1.gz"
    path.write_bytes(gzip.compress(TEXT))
    file = PackedFile.open(path)
    with pytest.raises(CannotUnpackError, match=r"app.log.1.gz .* more than 1000 bytes"):
        unpack(file, most=1000)
    assert unpack(file, most=len(TEXT)).size == len(TEXT)


def test_nothing_is_unpacked_into_room_that_others_need(tmp_path: Path) -> None:
    path = tmp_path / "app.log.1.gz"
    path.write_bytes(gzip.compress(TEXT))
    rooms = iter([PLENTY, 100])
    with pytest.raises(CannotUnpackError, match="no room"):
        PackedFile.open(path).unpack(Event(), PLENTY, lambda: next(rooms))
