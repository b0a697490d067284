"""Files are known again by their number together with how they begin, packed ones by that alone."""

import pytest

from server.logs.sightings import MOST_KNOWN, Sight, Sightings

LINE = b"the first line of a file\n"
OTHER = b"another line of another file\n"


def plain(number: int, text: bytes = LINE, *, is_log: bool = False) -> Sight:
    return Sight((1, number), text, is_packed=False, is_log=is_log)


def packed(number: int, text: bytes = LINE) -> Sight:
    return Sight((1, number), text, is_packed=True, is_log=False)


def unreadable(number: int) -> Sight:
    return Sight((1, number), b"", is_packed=True, is_log=False, is_unknown=True)


def is_earlier(looks: list[list[Sight]]) -> bool:
    """Whether file 1 of the last look counts as seen before file 2, which is new there."""
    sightings = Sightings()
    for sights in looks:
        _, since = sightings.look(sights)
    return since[1, 1] < since[1, 2]


@pytest.mark.parametrize(
    ("looks", "is_known"),
    [
        ([[plain(1)], [plain(1), plain(2, OTHER)]], True),
        ([[plain(1)], [plain(1, LINE + OTHER), plain(2, OTHER)]], True),  # it has grown
        ([[plain(1)], [plain(1, OTHER), plain(2, OTHER)]], False),  # it got the number
        ([[plain(1, b"")], [plain(1), plain(2, OTHER)]], False),  # of an empty file
        ([[unreadable(1)], [packed(1), plain(2, OTHER)]], False),  # of one that could not be read
        ([[plain(1)], [packed(1), plain(2, OTHER)]], True),  # by how it begins
        ([[plain(3)], [packed(1), plain(2, OTHER)]], True),  # it was compressed
        ([[plain(3)], [packed(1, LINE + OTHER), plain(2, OTHER)]], True),  # after it had grown
        ([[plain(3, b"1\n")], [packed(1, b"1\n2\n"), plain(2, OTHER)]], False),  # by chance
        ([[plain(3)], [plain(4)], [packed(1), plain(2, OTHER)]], False),  # two begin so
        ([[packed(3)], [plain(1), plain(2, OTHER)]], False),
        ([[], [plain(1), plain(2, OTHER, is_log=True)]], True),  # the log is the youngest
        ([[], [plain(1), plain(2, OTHER)]], False),
    ],
)
def test_a_file_that_was_seen_before_is_known_again(
    looks: list[list[Sight]], is_known: bool
) -> None:
    assert is_earlier(looks) is is_known


def test_the_log_keeps_its_place_when_it_is_rotated_and_compressed() -> None:
    sightings = Sightings()
    sightings.look([plain(1), plain(2, OTHER, is_log=True)])
    _, since = sightings.look([plain(1), plain(2, OTHER), plain(3, b"new\n", is_log=True)])
    assert since[1, 1] < since[1, 2] < since[1, 3]
    _, since = sightings.look([plain(1), packed(4, OTHER), plain(3, b"new\n", is_log=True)])
    assert since[1, 1] < since[1, 4] < since[1, 3]


def test_what_was_watched_is_told_in_that_order_also_after_it_was_compressed() -> None:
    sightings = Sightings()
    sightings.watch((1, 2), OTHER)
    sightings.watch((1, 1), LINE)
    assert sightings.look([plain(1), plain(2, OTHER)])[0] == {(1, 2): 0, (1, 1): 1}
    assert sightings.look([packed(3), plain(2, OTHER)])[0] == {(1, 2): 0, (1, 3): 1}


def test_no_more_files_are_remembered_than_the_bound_says() -> None:
    sightings = Sightings()
    first = [plain(number, b"file %d\n" % number) for number in range(1, MOST_KNOWN + 2)]
    _, since = sightings.look(first)
    assert len(since) == MOST_KNOWN
