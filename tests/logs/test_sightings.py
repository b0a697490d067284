"""Files are known again by their number together with how they begin, packed ones by that alone."""

import pytest

from server.logs.sightings import MOST_KNOWN, Sight, Sightings

LINE = b"the first line of a file\n"
OTHER = b"another line of another file\n"


def plain(number: int, text: bytes = LINE, *, is_log: bool = False) -> Sight:
    return Sight((1, number), len(text), text, is_packed=False, is_log=is_log)


def packed(number: int, text: bytes = LINE) -> Sight:
    return Sight((1, number), len(text), text, is_packed=True, is_log=False)


def unreadable(number: int, size: int = len(LINE), *, is_packed: bool = True) -> Sight:
    return Sight((1, number), size, b"", is_packed=is_packed, is_log=False, is_unknown=True)


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
        ([[packed(1)], [unreadable(1), plain(2, OTHER)]], True),  # it cannot be read now
        ([[packed(1)], [unreadable(1), plain(2, OTHER)], [packed(1), plain(2, OTHER)]], True),
        ([[packed(1)], [unreadable(1, 32), plain(2, OTHER)]], False),  # it got the number
        ([[plain(1)], [unreadable(1), plain(2, OTHER)]], False),  # of a plain one
        ([[plain(1)], [unreadable(1, 99, is_packed=False), plain(2, OTHER)]], True),  # it grows
        ([[plain(1)], [packed(1), plain(2, OTHER)]], True),  # by how it begins
        ([[plain(3)], [packed(1), plain(2, OTHER)]], True),  # it was compressed
        ([[plain(3)], [packed(1, LINE + OTHER), plain(2, OTHER)]], True),  # after it had grown
        ([[plain(3, b"1\n")], [packed(1, b"1\n2\n"), plain(2, OTHER)]], False),  # by chance
        ([[plain(3), plain(4)], [packed(1), plain(2, OTHER)]], True),  # both are as old
        ([[plain(3)], [plain(4)], [packed(1), plain(2, OTHER)]], True),  # the one that is gone now
        ([[plain(3)], [plain(3), plain(4)], [packed(1), plain(2, OTHER)]], True),  # two are gone
        ([[packed(3)], [plain(1), plain(2, OTHER)]], False),
        ([[], [plain(1), plain(2, OTHER, is_log=True)]], True),  # the log is the youngest
        ([[], [plain(1), plain(2, OTHER)]], False),
    ],
)
def test_a_file_that_was_seen_before_is_known_again(
    looks: list[list[Sight]], is_known: bool
) -> None:
    assert is_earlier(looks) is is_known


def test_of_two_files_that_begin_alike_the_one_that_has_gone_was_compressed() -> None:
    sightings = Sightings()
    sightings.look([plain(1)])
    sightings.look([plain(1), plain(2)])
    _, before = sightings.look([plain(1), plain(2), plain(3, OTHER)])
    _, since = sightings.look([packed(4), plain(2), plain(3, OTHER)])
    assert since[1, 4] == before[1, 1]
    _, since = sightings.look([packed(4), packed(5), plain(3, OTHER)])
    assert since[1, 5] == before[1, 2]


def test_the_log_keeps_its_place_when_it_is_rotated_and_compressed() -> None:
    sightings = Sightings()
    sightings.look([plain(1), plain(2, OTHER, is_log=True)])
    _, since = sightings.look([plain(1), plain(2, OTHER), plain(3, b"new\n", is_log=True)])
    assert since[1, 1] < since[1, 2] < since[1, 3]
    _, since = sightings.look([plain(1), packed(4, OTHER), plain(3, b"new\n", is_log=True)])
    assert since[1, 1] < since[1, 4] < since[1, 3]


@pytest.mark.parametrize("now", [plain(1), packed(4)])
def test_what_comes_after_a_file_was_watched_is_younger_though_both_are_seen_at_one_look(
    now: Sight,
) -> None:
    """It was the log when it was found, and what was rotated before it stood beside it."""
    sightings = Sightings()
    sightings.look([plain(1, b"", is_log=True)])
    sightings.watch((1, 1), LINE)
    _, since = sightings.look([now, plain(2, OTHER), plain(3, b"new\n", is_log=True)])
    assert since[now.identity] < since[1, 2] < since[1, 3]
    _, since = sightings.look([now, packed(5, OTHER), plain(3, b"new\n", is_log=True)])
    assert since[now.identity] < since[1, 5] < since[1, 3]


@pytest.mark.parametrize(
    ("then", "is_same"), [(plain(1), True), (plain(1, OTHER), False), (plain(2), False)]
)
def test_a_file_that_was_the_log_or_belonged_to_it_is_known_by_number_and_beginning(
    then: Sight, is_same: bool
) -> None:
    sightings = Sightings()
    sightings.look([plain(1, is_log=True)])
    sightings.belong([(1, 1)])
    sightings.look([then, plain(3, b"new\n", is_log=True)])
    sightings.look([then, plain(3, b"new\n", is_log=True)])
    assert sightings.was_log(then.identity) is is_same
    assert sightings.has_belonged(then.identity) is is_same
    assert not sightings.has_belonged((1, 3))


def test_what_was_watched_is_told_in_that_order_also_after_it_was_compressed() -> None:
    sightings = Sightings()
    sightings.watch((1, 2), OTHER)
    sightings.watch((1, 1), LINE)
    assert sightings.look([plain(1), plain(2, OTHER)])[0] == {(1, 2): 0, (1, 1): 1}
    assert sightings.look([packed(3), plain(2, OTHER)])[0] == {(1, 2): 0, (1, 3): 1}


@pytest.mark.parametrize(
    ("text", "copies", "is_known"),
    [
        (LINE, [plain(2, LINE + OTHER)], True),
        (LINE, [plain(2), plain(4)], False),  # which of them cannot be told
        (b"1\n", [plain(2, b"1\n2\n")], False),  # by chance
        (LINE, [plain(2, OTHER)], False),
    ],
)
def test_what_was_watched_is_known_by_its_copy_once_it_was_truncated(
    text: bytes, copies: list[Sight], is_known: bool
) -> None:
    """What is written to it after that is younger than the copy."""
    sightings = Sightings()
    sightings.look([plain(1, b"", is_log=True)])
    sightings.watch((1, 1), text)
    new = plain(3, b"new\n", is_log=True)
    watched, since = sightings.look([plain(1, b"what came later\n"), *copies, new])
    assert watched == ({(1, 2): 0} if is_known else {})
    assert (since[1, 2] < since[1, 1]) is is_known


@pytest.mark.parametrize(("seen", "is_same"), [(LINE, True), (OTHER, False)])
def test_a_copy_of_what_was_watched_was_there_since_that_was_the_log(
    seen: bytes, is_same: bool
) -> None:
    """However many looks came between the one that has shown it and its being watched."""
    sightings = Sightings()
    _, first = sightings.look([plain(1, seen, is_log=True)])
    for _ in range(3):
        sightings.look([plain(1, seen, is_log=True)])
    sightings.watch((1, 1), LINE + b"more\n")
    _, since = sightings.look([plain(1, b"new\n", is_log=True), plain(2, LINE + b"more\n")])
    assert (since[1, 2] == first[1, 1]) is is_same


@pytest.mark.parametrize(
    ("now", "is_known"),
    [
        (unreadable(1, 99, is_packed=False), True),  # it was written to while it is forbidden
        (unreadable(1, len(LINE)), False),  # a compressed file of nothing got its number
        (plain(1, b""), False),  # an empty one did
    ],
)
def test_what_was_watched_is_known_by_its_number_only_while_it_cannot_be_read(
    now: Sight, is_known: bool
) -> None:
    sightings = Sightings()
    sightings.watch((1, 1), LINE)
    sightings.look([plain(1)])
    watched, since = sightings.look([now])
    assert ((1, 1) in watched) is is_known
    assert ((1, 1) in since) is (is_known or now.is_unknown)


def test_no_more_files_are_remembered_than_the_bound_says() -> None:
    sightings = Sightings()
    first = [plain(number, b"file %d\n" % number) for number in range(1, MOST_KNOWN + 2)]
    _, since = sightings.look(first)
    assert len(since) == MOST_KNOWN


def test_when_a_file_was_written_to_is_kept_when_it_is_compressed_again_and_again() -> None:
    sightings = Sightings()
    sightings.look([plain(1)._replace(modified=5), packed(2, OTHER)._replace(modified=6)])
    later = [packed(3)._replace(modified=9), packed(4, OTHER)._replace(modified=9)]
    for _ in range(2):
        sightings.look(later)
        assert [sightings.kept(one.identity) for one in later] == [5, None]
        later = [one._replace(identity=(1, 10 + one.identity[1]), modified=12) for one in later]


@pytest.mark.parametrize(
    ("now", "is_lost"),
    [
        ([], True),
        ([plain(1, OTHER)], True),  # it was truncated, or another one got its number
        ([plain(1)], False),
        ([plain(2)], False),  # a copy
        ([packed(2)], False),
        ([plain(1, LINE + OTHER)], False),
        ([unreadable(1, is_packed=False)], False),
    ],
)
def test_a_file_of_the_log_is_lost_while_none_begins_as_it_did(
    now: list[Sight], is_lost: bool
) -> None:
    sightings = Sightings()
    _, since = sightings.look([plain(1)])
    sightings.belong([(1, 1)])
    for _ in range(2):
        sightings.look(now)
        assert sightings.lost == ({LINE: since[1, 1]} if is_lost else {})
    sightings.look([plain(3, LINE + OTHER)])
    assert not sightings.lost


def test_a_file_that_is_not_the_logs_is_not_lost() -> None:
    sightings = Sightings()
    sightings.look([plain(1)])
    sightings.look([])
    assert not sightings.lost
