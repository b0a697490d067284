"""Which file holds a position, and what a forged position costs."""

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest

from server.logs.archive import Archive, UnpackingNeededError
from server.logs.files import File, PackedFile
from server.logs.position import HEAD, START, Position
from server.logs.search import LIKELY_LAG, MOST_UNPACKED, SMALL, Search

LINE = b"line %d of file %d\n"


def content(file: int, count: int = 1000) -> bytes:
    return b"".join(LINE % (number, file) for number in range(count))


def position(data: bytes, offset: int) -> Position:
    found = Position.at(offset, lambda at, count: data[at : at + count])
    assert found
    return found


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    """Two compressed files, a plain one, and the log."""
    (tmp_path / "app.log.3.gz").write_bytes(gzip.compress(content(3)))
    (tmp_path / "app.log.2.gz").write_bytes(gzip.compress(content(2)))
    (tmp_path / "app.log.1").write_bytes(content(1))
    (tmp_path / "app.log").write_bytes(content(0))
    archive = Archive(tmp_path / "app.log", 2**30)
    yield archive
    archive.stop()


@pytest.mark.parametrize(
    "forged",
    [
        Position(5, 1, 1),
        Position(1, crc32(b"l"), 7),
        position(b"another log\n" * 90, 900),
        position(b"another log\n" * 900, 9000),
        Position(900, crc32(content(2)[:900]), 1),
    ],
)
def test_a_position_in_no_file_is_not_found_and_nothing_is_unpacked_for_it(
    archive: Archive, forged: Position
) -> None:
    assert Search(archive).find(forged, may_unpack=False) is None


@pytest.mark.parametrize("file", [0, 1])
def test_a_position_in_a_plain_file_needs_no_unpacking(archive: Archive, file: int) -> None:
    place = position(content(file), 9000 if file else 900)
    found = Search(archive).find(place, may_unpack=False)
    assert found
    assert found.start == place


@pytest.mark.parametrize("offset", [900, HEAD, 9000])
def test_a_position_in_a_compressed_file_is_found_once_that_is_unpacked(
    archive: Archive, offset: int
) -> None:
    search, place = Search(archive), position(content(2), offset)
    with pytest.raises(UnpackingNeededError):
        search.find(place, may_unpack=False)
    assert search.find(place)
    found = search.find(place, may_unpack=False)  # it is unpacked by now
    assert found
    assert found.file.size == len(content(2))


@pytest.mark.parametrize(
    ("lag", "is_found"), [(1, True), (LIKELY_LAG, True), (LIKELY_LAG + 1, False)]
)
def test_a_file_that_ends_long_before_a_position_is_no_copy(
    archive: Archive, lag: int, is_found: bool
) -> None:
    """It may have been cut back and written on: then its last lines are new."""
    whole = content(1) + content(9, 9000)
    place = position(whole, len(content(1)) + lag)
    assert (Search(archive).find_elsewhere(place) is not None) is is_found


@pytest.mark.parametrize(
    ("younger", "size", "is_found"), [(10, 1, True), (20, 1, False), (5, 9, False)]
)
def test_a_place_in_a_file_whose_front_was_cut_off_is_looked_for_in_so_many_files_and_bytes(
    tmp_path: Path, younger: int, size: int, is_found: bool
) -> None:
    whole = content(0)
    end, kept = whole.index(b"\n", 9000) + 1, whole[4000:]
    place = position(whole, end)
    (tmp_path / f"app.log.{younger}").write_bytes(kept[kept.index(b"\n") + 1 :])
    for number in range(1, younger):
        file = tmp_path / f"app.log.{number}"
        file.write_bytes(b"%d\n" % number)
        with file.open("r+b") as made:
            made.truncate(size * 1024 * 1024)
    (tmp_path / "app.log").write_bytes(content(1))
    found = Search(Archive(tmp_path / "app.log", 2**30)).find_elsewhere(place)
    assert (found is not None) is is_found
    if found:
        assert found.file.read(found.start.offset, 40) == whole[end : end + 40]


@pytest.mark.parametrize("most", [1, MOST_UNPACKED])
def test_a_place_behind_any_number_of_small_compressed_files_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr("server.logs.search.MOST_UNPACKED", most)
    whole = content(0)
    end, kept = whole.index(b"\n", 9000) + 1, whole[4000:]
    (tmp_path / "app.log.10").write_bytes(kept[kept.index(b"\n") + 1 :])
    for number in range(1, 10):
        (tmp_path / f"app.log.{number}.gz").write_bytes(gzip.compress(content(number)))
    (tmp_path / "app.log").write_bytes(content(11))
    archive = Archive(tmp_path / "app.log", 2**30)
    try:
        assert Search(archive).find_elsewhere(position(whole, end))
    finally:
        archive.stop()


def test_a_forged_position_unpacks_only_the_youngest_files(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many as SECURITY.md says."""
    assert (MOST_UNPACKED, SMALL) == (3, 64 * 1024)
    monkeypatch.setattr("server.logs.search.MOST_UNPACKED", 1)
    monkeypatch.setattr("server.logs.search.SMALL", 0)
    unpacked, unpack = [], PackedFile.unpack

    def noted(file: PackedFile, *args: Any) -> File:
        unpacked.append(file.path.name)
        return unpack(file, *args)

    monkeypatch.setattr(PackedFile, "unpack", noted)
    for offset in (900, 9000):
        forged = position(b"another log\n" * 900, offset)
        assert Search(archive).find(forged) is None
        assert unpacked == []
    assert Search(archive).find_elsewhere(forged) is None
    assert unpacked == ["app.log.2.gz"]


def test_what_is_nowhere_as_it_was_is_not_found_elsewhere(archive: Archive) -> None:
    search = Search(archive)
    for nowhere in (Position(5, 1, 1), Position(10**9, 1, 1)):
        assert search.find_elsewhere(nowhere) is None
    assert archive.end_before(START, None, lambda trace: True) is None


def test_a_log_whose_front_was_cut_off_still_holds_what_stood_before_a_position(
    archive: Archive, tmp_path: Path
) -> None:
    whole = content(0)
    (tmp_path / "app.log").write_bytes(whole[5005:])
    archive = Archive(tmp_path / "app.log", 2**30)
    place = position(whole, len(whole))
    assert Search(archive).find(place) is None
    found = Search(archive).find_elsewhere(place)
    assert found
    assert found.start.offset == len(whole) - 5005


def test_a_hole_is_no_proof_that_a_file_is_a_copy(tmp_path: Path) -> None:
    """Files that begin with NUL bytes begin in the same way, though no line is in both of them."""
    whole = b"\0" * 1_000_000 + content(0)
    for rotated in (b"\0" * 5000, b"\0" * 5000 + content(1)):
        (tmp_path / "app.log.1").write_bytes(rotated)
        (tmp_path / "app.log").write_bytes(content(2))
        archive = Archive(tmp_path / "app.log", 2**30)
        assert Search(archive).find_elsewhere(position(whole, len(whole))) is None
