"""How spans of lines are joined, turned around and combined."""

from collections.abc import Iterator

import pytest

from server.filters.spans import both, joined, others


def spans(text: str) -> Iterator[tuple[int, int]]:
    for one in text.split():
        begin, end = one.split("-")
        yield int(begin), int(end)


@pytest.mark.parametrize(
    ("given_", "one", "rest"),
    [
        ("", "", "0-9"),
        ("0-9", "0-9", ""),
        ("0-2 2-4", "0-4", "4-9"),
        ("1-2 3-4 4-5 8-9", "1-2 3-5 8-9", "0-1 2-3 5-8"),
    ],
)
def test_spans_are_joined_and_turned_around(given_: str, one: str, rest: str) -> None:
    assert list(joined(spans(given_))) == list(spans(one))
    assert list(others(spans(given_), 9)) == list(spans(rest))


@pytest.mark.parametrize(
    ("one", "other", "wanted"),
    [
        ("", "0-9", ""),
        ("0-9", "0-9", "0-9"),
        ("0-4 6-9", "2-7", "2-4 6-7"),
        ("1-2 3-4", "0-1 2-3 4-9", ""),
        ("0-9", "1-2 3-4 8-9", "1-2 3-4 8-9"),
        ("0-3 3-6", "2-5", "2-3 3-5"),
    ],
)
def test_both_is_what_lies_in_each(one: str, other: str, wanted: str) -> None:
    assert list(both(spans(one), spans(other))) == list(spans(wanted))
    assert list(both(spans(other), spans(one))) == list(spans(wanted))
