"""What was seen of the order of a log's files decides before names and times do."""

from dataclasses import replace

from server.logs.lineage import in_order
from server.logs.watched import as_seen, as_watched, directions
from tests.logs.observing import LOG, Case, files, lines


def test_what_was_watched_decides_before_everything_else() -> None:
    seen = in_order(files([("app.log.2", 1), ("app.log.1", 2), ("app.log.3", 0), (LOG, 3)]))
    assert [file.name for file in seen] == ["app.log.3", "app.log.2", "app.log.1", LOG]
    watched = {"app.log.1": 0, "app.log.3": 1, LOG: 3}
    ordered = as_watched([replace(file, watched=watched.get(file.name)) for file in seen])
    assert [file.name for file in ordered] == ["app.log.1", "app.log.2", "app.log.3", LOG]


def test_what_was_seen_earlier_comes_first_where_no_times_are_known() -> None:
    """Rotations within a second, compressed at once, named by numbers that rise."""
    case: Case = [
        ("app.log.7.gz", 10, {"since": 2}), ("app.log.5.gz", 11, {"since": 2}),
        ("app.log.26.gz", 20, {"since": 4}), ("app.log.27.gz", 20, {"since": 6}),
        ("app.log.29.gz", 20, {"since": 8}), (LOG, 20, {"since": 9}),
    ]  # fmt: skip
    wanted = files(case)
    assert as_seen(in_order(wanted[::-1])) == wanted


def test_the_times_of_first_lines_are_better_than_when_files_were_seen() -> None:
    """An old file that was put back is seen late."""
    case: Case = [
        ("app.log.2", 10, {"since": 6, **lines(1)}), ("app.log.1", 20, {"since": 2, **lines(2)}),
        (LOG, 30, {"since": 3, **lines(3)}),
    ]  # fmt: skip
    wanted = files(case)
    assert as_seen(in_order(wanted[::-1])) == wanted


def test_numbers_count_in_the_direction_in_which_earlier_files_were_numbered() -> None:
    """Two rotations within a moment, compressed at once: no time tells which came first."""
    watched: Case = [
        ("app.log.9", 1, {"watched": 0}), ("app.log.8", 2, {"watched": 1}),
        ("app.log.10", 3, {"watched": 2}), ("app.log-20261127", 3, {"watched": 3}),
        ("app.log.11.gz", 4, {"watched": 4}), (LOG, 5, {"watched": 5}),
    ]  # fmt: skip
    known = directions(files(watched))
    assert known == {"app.log.*": True}
    new = files([("app.log.12.gz", 9), ("app.log.13.gz", 9), (LOG, 9)])
    assert in_order(new[::-1], known) == new
    assert in_order(new[::-1]) == [new[1], new[0], new[2]]
