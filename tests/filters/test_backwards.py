"""Where the last lines that are wanted begin, in one file."""

from pathlib import Path

import pytest

from server.filters import backwards
from server.filters.backwards import Looked, look_back
from server.filters.filter import Filter, Selection
from server.logs.files import File

MAX_LINE = 8192

TEXT = b"one\ntwo\nthree\ntwo again\nfour\n"


@pytest.mark.parametrize(
    ("wish", "count", "found"),
    [
        (Filter(("two",)), 1, Looked(14, 1)),
        (Filter(("two",)), 2, Looked(4, 2)),
        (Filter(("two",)), 3, Looked(0, 2)),
        (Filter(("one",)), 1, Looked(0, 1)),
        (Filter(("x",)), 1, Looked(0, 0)),
        (Filter(("two",), invert=True), 2, Looked(8, 2)),
        # lines that follow each other count one by one
        (Filter(("x",), invert=True), 2, Looked(14, 2)),
        (Filter(("t",)), 2, Looked(8, 2)),
    ],
)
@pytest.mark.parametrize("block", [1024, 16, 8])
def test_the_last_lines_wanted_are_found_from_the_end(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    wish: Filter,
    count: int,
    found: Looked,
    block: int,
) -> None:
    """However much is read at a time: no line is cut in two."""
    monkeypatch.setattr(backwards, "BLOCK", block)
    path = tmp_path / "app.log"
    path.write_bytes(TEXT)
    file = File.open(path)
    looked = look_back(file, len(TEXT), count, Selection(wish, MAX_LINE))
    assert (looked.offset, looked.found) == found[:2]
    assert looked.is_all is (looked.found == count)


@pytest.mark.parametrize(
    ("end", "count", "room", "found"),
    [
        (29, 1, 1000, Looked(24, 1, 5, is_all=True)),
        (29, 2, 1000, Looked(14, 2, 15, is_all=True)),
        (29, 5, 1000, Looked(0, 5, 29, is_all=True)),
        (29, 6, 1000, Looked(0, 5, 29)),
        (29, 5, 29, Looked(0, 5, 29, is_all=True)),
        # as many lines as there is room for
        (29, 5, 28, Looked(4, 4, 25, is_all=True)),
        (29, 5, 15, Looked(14, 2, 15, is_all=True)),
        (29, 5, 14, Looked(24, 1, 5, is_all=True)),
        # one line, however long it is
        (29, 5, 1, Looked(24, 1, 5, is_all=True)),
        (24, 5, 1, Looked(14, 1, 10, is_all=True)),
        # before a place within a line, what has begun counts
        (26, 1, 1000, Looked(24, 1, 2, is_all=True)),
        (26, 2, 1000, Looked(14, 2, 12, is_all=True)),
        (0, 1, 1000, Looked(0, 0)),
    ],
)
@pytest.mark.parametrize("block", [1024, 16, 8])
def test_the_last_lines_of_all_are_found_within_the_room_there_is(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    end: int,
    count: int,
    room: int,
    found: Looked,
    block: int,
) -> None:
    monkeypatch.setattr(backwards, "BLOCK", block)
    path = tmp_path / "app.log"
    path.write_bytes(TEXT)
    assert look_back(File.open(path), end, count, None, room) == found


def test_it_stops_after_a_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that others have their turn, and who has left is noticed."""
    monkeypatch.setattr(backwards, "BLOCK", 16)
    monkeypatch.setattr(backwards, "STEP", 16)
    path = tmp_path / "app.log"
    path.write_bytes(b"needle\n" + 100 * b"hay\n")
    file, selection = File.open(path), Selection(Filter(("needle",)), MAX_LINE)
    looked, steps = Looked(path.stat().st_size, 0), 0
    while looked.offset and not looked.found:
        before = looked.offset
        looked = look_back(file, before, 1, selection)
        steps += 1
        assert before - looked.offset <= 32
    assert looked[:2] == (0, 1)
    assert steps > 10


@pytest.mark.parametrize("at", ["start", "end"])
def test_a_line_longer_than_a_step_is_gone_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    monkeypatch.setattr(backwards, "BLOCK", 16)
    monkeypatch.setattr(backwards, "STEP", 64)
    path, long = tmp_path / "app.log", b"x" * 1000 + b"\n"
    path.write_bytes(b"needle\n" + long if at == "end" else long + b"needle\n")
    file, selection = File.open(path), Selection(Filter(("needle",)), MAX_LINE)
    looked = Looked(path.stat().st_size, 0)
    while looked.offset and not looked.found:
        looked = look_back(file, looked.offset, 1, selection)
    assert looked[:2] == (0 if at == "end" else len(long), 1)
