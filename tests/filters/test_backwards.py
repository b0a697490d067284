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
    assert look_back(file, len(TEXT), count, Selection(wish, MAX_LINE)) == found


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
    assert looked == Looked(0, 1)
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
    assert looked == Looked(0 if at == "end" else len(long), 1)
