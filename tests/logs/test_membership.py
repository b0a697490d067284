"""Which files belong to a log: a neighbour's name is no proof."""

from dataclasses import replace
from typing import Any

import pytest

from server.logs.membership import members
from tests.logs.observing import LOG, files, lines

RENAMED, WRITTEN = {"renamed": 5}, {"renamed": 0}

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
    (("app-1.log", 300, WRITTEN | {"was_log": True}), True),  # it was seen at the log's path
    (("app-1.log", 300, {"has_writer": True, "was_log": True}), True),
    (("app-1.log", 300, WRITTEN | {"has_belonged": True}), True),  # as the log's first line told
    (("app-1.log", 300, {"has_writer": True, "has_belonged": True}), False),
    (("app-1.log", 300, lines(120, 300) | {"has_belonged": True}), False),
    (("app-1.log.gz", 300, lines(40)), True),
    (("app-1.log.gz", 300, lines(140)), False),
    (("app-2026-11-26.log", 300, {"has_writer": True}), False),  # another program's daily log
    (("app-2026-11-26.log", 300, {"has_writer": False}), True),
    (("app.log.1", 300, {"has_writer": True}), True),  # a writer that was not told of the rotation
    # it is served as a log of its own
    (("app-1.log", 50, lines(40, 50) | WRITTEN | {"is_served": True}), False),
    (("app-1.log", 50, lines(40, 50) | RENAMED | {"is_served": True}), True),
    (("app-1.log", 300, lines(40, 300) | RENAMED | {"is_served": True}), False),
    (("app-1.log", 300, WRITTEN | {"was_log": True, "is_served": True}), True),
    (("app-1.log", 300, WRITTEN | {"has_belonged": True, "is_served": True}), True),
    (("app-2026-11-26.log", 300, {"has_writer": False, "is_served": True}), True),
]


@pytest.mark.parametrize(("neighbour", "belongs"), NEIGHBOURS)
def test_a_neighbour_belongs_to_the_log_only_if_more_than_its_name_says_so(
    neighbour: tuple[Any, ...], belongs: bool
) -> None:
    [other, log] = files([neighbour, (LOG, 400, lines(100))])
    assert set(members([other, log])) == ({other, log} if belongs else {log})


@pytest.mark.parametrize(
    ("other", "speaks"),
    [
        (("app-2.log", 1, WRITTEN), False),
        (("app-2.log", 1, WRITTEN | {"watched": 0}), True),
        (("app-2.log", 1, RENAMED), True),
        (("app-2.log.gz", 1, WRITTEN), True),
        (("app-2.log", 1, WRITTEN | {"has_belonged": True}), True),
        (("app-2.log", 1, RENAMED | {"has_writer": True}), False),  # it is another program's
        (("app.2.log.gz", 1, WRITTEN), False),  # another shape
    ],
)
def test_a_file_that_was_rotated_speaks_for_all_that_are_named_in_the_same_way(
    other: tuple[Any, ...], speaks: bool
) -> None:
    """A writer that was not told of the rotation has written to the renamed file last."""
    chain = files([other, ("app-1.log", 2, WRITTEN), (LOG, 3)])
    assert (chain[1] in members(chain)) is speaks


def test_a_file_that_is_served_as_a_log_of_its_own_speaks_only_for_itself() -> None:
    """As finished jobs do beside one that runs: `job-1.log`, `job-2.log`, `job.log`."""
    served: dict[str, Any] = {"is_served": True}
    case = [("app-2.log", 1, RENAMED | served), ("app-1.log", 2, WRITTEN | served), (LOG, 3)]
    other, own, log = files(case)
    assert set(members([other, own, log])) == {other, log}


def test_a_writer_speaks_against_a_file_only_where_no_other_of_that_shape_was_watched() -> None:
    """Its writer was not told of a rotation while the server had no time to see it."""
    written: dict[str, Any] = {"has_writer": True, "renamed": 0}
    chain = files([("app.2.log", 1, {"watched": 0}), ("app.1.log", 2, written), (LOG, 3)])
    assert len(members(chain)) == 3
    unknown = [replace(chain[0], watched=None), *chain[1:]]
    assert "app.1.log" not in [file.name for file in members(unknown)]
