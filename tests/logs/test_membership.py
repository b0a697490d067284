"""Which files belong to a log: a neighbour's name is no proof."""

from dataclasses import replace
from typing import Any

import pytest

from server.logs.membership import members
from tests.logs.observing import LOG, files, lines

NEIGHBOURS = [
    # a file with the name of a rotated one beside a log whose lines begin at 100; is it the log's?
    (("app-1.log", 50, lines(40, 50)), True),  # it ends before the log begins
    (("app-1.log", 50, lines(40, 50) | {"has_writer": True}), False),
    (("app-1.log", 300, lines(40, 300)), False),  # written to at the same time
    (("app-1.log", 150, lines(120, 150)), False),
    (("app-1.log", 50, {"renamed": 0}), False),  # neither times nor a rename speak for it
    (("app-1.log", 50, {"renamed": 5}), True),
    (("app-1.log", 300, {"renamed": 0, "watched": 0}), True),  # it was watched
    (("app-1.log", 300, {"has_writer": True, "watched": 0}), True),
    (("app-1.log.gz", 300, lines(40)), True),
    (("app-1.log.gz", 300, lines(140)), False),
    (("app-2026-11-26.log", 300, {"has_writer": True}), False),  # another program's daily log
    (("app-2026-11-26.log", 300, {"has_writer": False}), True),
    (("app.log.1", 300, {"has_writer": True}), True),  # a writer that was not told of the rotation
]


@pytest.mark.parametrize(("neighbour", "belongs"), NEIGHBOURS)
def test_a_neighbour_belongs_to_the_log_only_if_more_than_its_name_says_so(
    neighbour: tuple[Any, ...], belongs: bool
) -> None:
    [other, log] = files([neighbour, (LOG, 400, lines(100))])
    assert set(members([other, log])) == ({other, log} if belongs else {log})


def test_a_file_that_was_watched_speaks_for_all_that_are_named_in_the_same_way() -> None:
    chain = files([("app-2.log", 1, {"renamed": 0}), ("app-1.log", 2, {"renamed": 0}), (LOG, 3)])
    assert [file.name for file in members(chain)] == [LOG]
    one_is_proven = [replace(chain[0], watched=0), *chain[1:]]
    assert len(members(one_is_proven)) == 3


def test_a_writer_speaks_against_a_file_only_where_no_other_of_that_shape_was_watched() -> None:
    """Its writer was not told of a rotation while the server had no time to see it."""
    written: dict[str, Any] = {"has_writer": True, "renamed": 0}
    chain = files([("app.2.log", 1, {"watched": 0}), ("app.1.log", 2, written), (LOG, 3)])
    assert len(members(chain)) == 3
    unknown = [replace(chain[0], watched=None), *chain[1:]]
    assert "app.1.log" not in [file.name for file in members(unknown)]
