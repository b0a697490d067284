"""How far a spool has got: what is kept of it, and that the mark is replaced as a whole."""

from pathlib import Path

import pytest

from server.sources.bookmark import MOST_UNKNOWN, Bookmark, Mark, size_to_keep

MANY = MOST_UNKNOWN + 1


@pytest.mark.parametrize(
    ("mark", "file", "size", "kept"),
    [
        (None, 1, 0, 0),
        (None, 1, 500, 0),  # killed in the first batch
        (None, 1, MANY, MANY),  # the bookmark was deleted
        (Mark(1, 500, "c"), 1, 500, 500),
        (Mark(1, 500, "c"), 1, 700, 500),  # killed between the batch and the bookmark
        (Mark(1, 500, "c"), 1, 500 + MANY, 500 + MANY),  # somebody else has written to it
        (Mark(1, 500, "c"), 1, 300, 300),  # somebody has cut it
        (Mark(1, 500, "c"), 2, 0, 0),  # killed after a rotation
        (Mark(1, 500, "c"), 2, 700, 0),  # and after the first batch
        (Mark(1, 500, "c"), 2, MANY, MANY),  # copied from elsewhere
    ],
)
def test_size_to_keep(mark: Mark | None, file: int, size: int, kept: int) -> None:
    assert size_to_keep(mark, file, size) == kept


@pytest.mark.parametrize(
    "text", ["", "x", "[]", "{}", '{"file": 1, "size": 2}', '{"file": 1, "size": 2, "cursor": ""}']
)
def test_a_damaged_one_counts_as_none(tmp_path: Path, text: str) -> None:
    bookmark = Bookmark(tmp_path / "cursor")
    assert bookmark.read() is None
    (tmp_path / "cursor").write_text(text)
    assert bookmark.read() is None
    for size in range(3):
        bookmark.write(Mark(1, size, "c"))
        assert bookmark.read() == Mark(1, size, "c")
    assert [path.name for path in tmp_path.iterdir()] == ["cursor"]
