"""Whether a log that became shorter was cut back to what it had."""

import os
from pathlib import Path

import pytest

from server.logs.checkpoints import KEPT, Checkpoints
from server.logs.files import File


def content(lines: int) -> bytes:
    return b"".join(b"line %d of a log that is cut back\n" % number for number in range(lines))


@pytest.mark.parametrize("size", [100, KEPT, KEPT + 1, 1_000_000])
@pytest.mark.parametrize("grown", [False, True])
def test_a_log_that_was_cut_back_is_known(tmp_path: Path, size: int, grown: bool) -> None:
    path, whole = tmp_path / "app.log", content(60_000)
    path.write_bytes(whole)
    file = File.open(path)
    if grown:  # as it was followed from its start
        checkpoints = Checkpoints(b"")
        for start in range(0, len(whole), 50_000):
            position = file.position(start)
            assert position
            checkpoints.add(whole[start : start + 50_000], position)
    else:
        checkpoints = Checkpoints.of(file, len(whole))
    os.truncate(path, size)
    assert checkpoints.equal(file) == size


@pytest.mark.parametrize("size", [100, KEPT, 1_000_000])
def test_a_log_that_was_written_anew_is_not(tmp_path: Path, size: int) -> None:
    path, whole = tmp_path / "app.log", content(60_000)
    path.write_bytes(whole)
    file = File.open(path)
    checkpoints = Checkpoints.of(file, len(whole))
    for same in (0, 50, KEPT - 1 if size > KEPT else 50):  # a header that both have
        path.write_bytes(whole[:same] + b"x" * (size - same))
        assert checkpoints.equal(file) == whole[:same].rfind(b"\n") + 1, same


@pytest.mark.parametrize("left", [0, 100, 350_000])
@pytest.mark.parametrize("lines", [1000, 200_000])
def test_what_came_after_a_log_was_seen_to_be_shorter_is_new(
    tmp_path: Path, left: int, lines: int
) -> None:
    path, whole = tmp_path / "app.log", content(60_000)
    path.write_bytes(whole)
    file = File.open(path)
    checkpoints = Checkpoints.of(file, len(whole))
    path.write_bytes(whole[:left] + b"new\n" * lines)
    assert checkpoints.equal(file, left) == left


def test_the_start_is_known_where_nothing_that_is_remembered_behind_it_stands_there(
    tmp_path: Path,
) -> None:
    path, whole = tmp_path / "app.log", content(60_000)
    path.write_bytes(whole)
    file = File.open(path)
    checkpoints = Checkpoints.of(file, len(whole))
    path.write_bytes(whole[: KEPT + 100] + b"new\n" * 200_000)
    assert checkpoints.equal(file) == KEPT


def test_what_an_editor_writes_anew_in_place_is_not_new(tmp_path: Path) -> None:
    """Though the log was shorter than that for a moment."""
    path, whole = tmp_path / "app.log", content(1000)
    path.write_bytes(whole)
    file = File.open(path)
    checkpoints = Checkpoints.of(file, len(whole))
    same = whole.index(b"line 500 ")
    path.write_bytes(whole[:same] + b"new\n" * 1000)
    assert checkpoints.equal(file, 100) == same


def test_little_is_remembered(tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    with path.open("wb") as made:
        made.truncate(1 << 30)
    file = File.open(path)
    checkpoints = Checkpoints(b"x" * KEPT)
    for offset in range(KEPT, 1 << 30, 1 << 20):
        position = file.position(offset)
        assert position
        checkpoints.add(b"y", position)
    assert checkpoints.count <= 128
