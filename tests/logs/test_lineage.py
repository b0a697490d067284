"""In which order the files of a log were written: a table of what programs leave behind.

Each case lists files in their true order, oldest first. A file is its name and when it was last
written to, in seconds; then what else is known of it.
"""

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.logs.lineage import in_order
from server.logs.membership import members
from server.logs.names import mark_of
from server.logs.observed import Observed
from tests.logs.observing import LOG, Case, files, lines

ORDERS: dict[str, Case] = {
    "logrotate": [("app.log.10", 1), ("app.log.2", 2), ("app.log.1", 3), (LOG, 4)],
    "names alone": [("app.log.10", 1), ("app.log.2", 1), ("app.log.1", 1), (LOG, 1)],
    "delaycompress, gzip(1)": [
        ("app.log.3.gz", 1), ("app.log.2.gz", 2), ("app.log.1", 3), (LOG, 4)
    ],
    "compressed later, by Python": [
        ("app.log.3.gz", 12), ("app.log.2.gz", 13), ("app.log.1", 11), (LOG, 14)
    ],
    "the same, where a look has shown when they were written to, and renamed since": [
        ("app.log.3.gz", 3, {"kept": 10**9}), ("app.log.2", 2), (LOG, 4)
    ],
    "compressed later by what keeps no times, and renamed since": [
        ("app.log.2.gz", 3), ("app.log.1", 2), (LOG, 4)
    ],
    "the same, the younger one later, after a look at it": [
        ("app.log.2.gz", 3), ("app.log.1.gz", 5, {"kept": 2 * 10**9}), (LOG, 4)
    ],
    "dateext": [("app.log-20261121", 1), ("app.log-20261122.gz", 2), (LOG, 3)],
    "dates, times unknown": [("app.log-20261121", 9), ("app.log-20261122", 9), (LOG, 9)],
    "compress was switched on": [
        ("app.log.3", 1), ("app.log.2", 2), ("app.log.3.gz", 3), ("app.log.2.gz", 4),
        ("app.log.1", 5), (LOG, 6),
    ],
    "gzip, bzip2, then zstd": [
        ("app.log.3.gz", 1), ("app.log.2.gz", 2), ("app.log.3.bz2", 3), ("app.log.2.bz2", 4),
        ("app.log.2.zst", 5), ("app.log.1", 6), (LOG, 7),
    ],
    "extension was added": [("app.log.2", 1), ("app.log.1", 2), ("app.1.log", 3), (LOG, 4)],
    "the date's form was changed": [
        ("app.log-20261124", 1), ("app.log-20261125", 2), ("app.log-2026-11-26", 3),
        ("app.log-1795772926", 4), (LOG, 5),
    ],
    "numbers, then dates": [("app.log.2", 1), ("app.log.1", 2), ("app.log-20261122", 3), (LOG, 4)],
    "dates, then numbers": [("app.log-20261122", 1), ("app.log.2", 2), ("app.log.1", 3), (LOG, 4)],
    "log4j, a counter beside a date": [
        *((f"app.log.2026-11-27-{number}", 1) for number in range(1, 13)), (LOG, 2)
    ],
    "logback, before the extension": [
        *((f"app-2026-11-27.{number}.log", number) for number in range(1, 13)), (LOG, 20)
    ],
    "log4j2, the lowest is the oldest": [
        ("app.log.1", 1), ("app.log.2", 2), ("app.log.3", 3), (LOG, 4)
    ],
    "the same, compressed by what keeps times, within a moment": [
        ("app.log.7.bz2", 1), ("app.log.8.bz2", 1.2), (LOG, 2)
    ],
    "logrotate, compressed within a moment by what keeps no times": [
        ("app.log.2.bz2", 1.2, {"renamed": 0}), ("app.log.1.bz2", 1, {"renamed": 0}), (LOG, 2)
    ],
    "log4j2, told by the lines": [
        ("app.log.1.gz", 9, lines(1)), ("app.log.2.gz", 9, lines(2)), ("app.log.3.gz", 9, lines(3)),
        (LOG, 9, lines(4)),
    ],
    "told by the lines of all that hold any": [
        ("app.log.2", 8, {"is_empty": True, "renamed": 0}),
        ("app.log.4", 9, lines(1)), ("app.log.3", 9, lines(2)), ("app.log.1", 9, lines(3)),
        ("app.log.5.zst", 9, lines(4)), ("app.log.6", 9, lines(5)), (LOG, 9),
    ],
    "numbers rise beside some that fell, compressed": [
        ("app.log.5", 1), ("app.log.4", 2), ("app.log.3", 3), ("app.log.3.gz", 4),
        ("app.log.2.gz", 5), ("app.log.17", 6), ("app.log.18.gz", 7), ("app.log.19", 8),
        ("app.log.20", 9), ("app.log.1.gz", 10), (LOG, 11),
    ],
    "the same, and some plain ones were written to one right after the other": [
        ("app.log.21", 1), ("app.log.22", 1.1), ("app.log.23", 1.2), ("app.log.2", 2),
        ("app.log.1.gz", 3), (LOG, 4),
    ],
    "numbers rise, rotated and compressed within a moment": [
        ("app.log.48.zst", 2.253), ("app.log.49.zst", 2.255), ("app.log.50.zst", 2.3),
        ("app.log.51.zst", 2.333), (LOG, 3),
    ],
    "numbers rise, and logrotate came in between": [
        ("app.log.18.bz2", 2), ("app.log.19.bz2", 5), ("app.log.20.bz2", 5.1),
        ("app.log.1.bz2", 5.3), ("app.log.24.bz2", 7), ("app.log.25.bz2", 8), (LOG, 9),
    ],
    "numbers rise, then logrotate came": [
        ("app.log.3.bz2", 2), ("app.log.4.bz2", 2.25), ("app.log.5.bz2", 5), ("app.log.1.bz2", 8),
        (LOG, 9),
    ],
    "numbers rise, rotated within a moment, then logrotate came": [
        ("app.log.37", 2.803), ("app.log.39", 2.814), ("app.log.40", 2.816), ("app.log.41", 2.818),
        ("app.log.1", 5), (LOG, 9),
    ],
    "the same, compressed by what keeps times, and logrotate came more than once": [
        ("app.log.34.gz", 1.651), ("app.log.37.gz", 1.683), ("app.log.38.gz", 1.688),
        ("app.log.39.gz", 1.69), ("app.log.4.gz", 3), ("app.log.3.gz", 5), ("app.log.2.gz", 6),
        ("app.log.1", 7), (LOG, 9),
    ],
    "numbers rise that fell before, and one was compressed when the next one was written": [
        ("app.log.4.gz", 1), ("app.log.3.gz", 3), ("app.log.2.gz", 5), ("app.log.1.gz", 7),
        ("app.log.12.xz", 8.252, {"renamed": 0}), ("app.log.13", 8.265, {"renamed": 0}), (LOG, 9),
    ],
    "numbers rise, and logrotate came in between, all within a moment": [
        ("app.log.9.zst", 5.634), ("app.log.10.zst", 5.693), ("app.log.11.zst", 5.694),
        ("app.log.2.zst", 5.745), ("app.log.13.zst", 5.801), (LOG, 9),
    ],
    "the same, before what came later": [
        ("app.log.3.gz", 1.067), ("app.log.18.gz", 1.082), ("app.log.22.gz", 1.791),
        ("app.log.23.gz", 1.927), ("app.log.2.gz", 1.963), ("app.log.24.gz", 9),
        ("app.log.1.gz", 10), (LOG, 11),
    ],
    "the same, and one of them was not compressed": [
        ("app.log.15.zst", 7.485), ("app.log.16.zst", 7.608), ("app.log.17.zst", 7.609),
        ("app.log.1", 7.79), (LOG, 9),
    ],
    "numbers fall, some compressed within a moment in any order, and renamed since": [
        ("app.log.12.gz", 5.2), ("app.log.11.gz", 5.15), ("app.log.10.gz", 5.05),
        ("app.log.9.gz", 5.1), ("app.log.2.gz", 7), ("app.log.1.gz", 8), (LOG, 9),
    ],
    "numbers rise, and logrotate came twice in between": [
        ("app.log.13.gz", 3), ("app.log.2.gz", 5.2), ("app.log.14.gz", 5.4),
        ("app.log.17", 6.498, {"renamed": 0}), ("app.log.18.gz", 6.548), ("app.log.1.gz", 6.957),
        (LOG, 9),
    ],
    "one that was not compressed hides nothing of what those around it tell": [
        ("app.log.4.gz", 3.195), ("app.log.21", 3.607), ("app.log.3.gz", 3.822),
        ("app.log.2.gz", 5.13), ("app.log.22.bz2", 8.794), ("app.log.1.gz", 9.203), (LOG, 14),
    ],
    "numbers rise, one was compressed when the next one was written, then logrotate came": [
        ("app.log.2.gz", 6.404), ("app.log.19", 6.559, {"renamed": 0}), ("app.log.1", 8.247),
        (LOG, 9),
    ],
    "numbers fall, some compressed within a moment by what keeps no times": [
        ("app.log.4.gz", 1.2, {"renamed": 0}), ("app.log.3.gz", 1, {"renamed": 0}),
        ("app.log.2", 3), ("app.log.1", 4), (LOG, 9),
    ],
    "numbers rise that fell before, and the rotations come one after the other": [
        ("app.log.3.gz", 10), ("app.log.2.gz", 20), ("app.log.1.gz", 30), ("app.log.15.gz", 40),
        ("app.log.16.gz", 40.06), ("app.log.17.gz", 40.07), ("app.log.18.gz", 40.08), (LOG, 50),
    ],
    "what was watched tells in which direction names count": [
        ("app.log.26", 1, {"watched": 0}), ("app.log.27", 1, {"watched": 1}),
        ("app.log.28", 1, {"watched": 2}), ("app.log.29", 1), ("app.log.30", 1), (LOG, 1),
    ],
    "an empty file beside one that was compressed after it was made": [
        ("app.log.3.gz", 20), ("app.log.2.gz", 20), ("app.log.1", 10, {"is_empty": True}), (LOG, 30)
    ],
    "a file that begins with a hole holds no other one up": [
        ("app.log.2.gz", 20, lines(1)), ("app.log.1.gz", 21), ("app-2026-11-27.1.log", 5, lines(3)),
        (LOG, 22, lines(4)),
    ],
    "files that hold a hole only, left over from numbers, before dates": [
        ("app.log.3.gz", 10, {"is_blank": True}), ("app.log.2.gz", 20, {"is_blank": True}),
        ("app.log-20261122.gz", 40, lines(30)), ("app.log-20261123.zst", 50, lines(40)),
        (LOG, 60, lines(50)),
    ],
    "the same, and nothing else was compressed, nor are there times": [
        ("app.log.2.gz", 20, {"is_blank": True}), ("app.log-20261122", 40), (LOG, 60),
    ],
    "a file that holds a hole only stands before what surely came later, whatever its name": [
        ("app.log.3", 10), ("app.log.1.gz", 15, {"is_blank": True}), ("app.log.2", 20), (LOG, 60),
    ],
    "a file was renamed while it was empty": [
        ("app.log.4", 4), ("app.log-20261122", 5),
        ("app.log.1", 3, {"is_empty": True, "renamed": 3 * 10**9}), (LOG, 7),
    ],
    "an empty file holds no other one up": [
        ("app.log.2", 2, lines(1)), ("app.log-20261122", 3, lines(2)), ("app.log.1", 9, lines(4)),
        ("app.log.3", 10, {"is_empty": True}), (LOG, 11, lines(5)),
    ],
    "the clock was set back once": [
        ("app.log.5", 1), ("app.log.4", 99), ("app.log.3", 3), ("app.log.2", 4), ("app.log.1", 5),
        (LOG, 6),
    ],
    "numbers without any order": [
        ("app.log.2", 1), ("app.log.4", 2), ("app.log.6", 3), ("app.log.1", 4), ("app.log.5", 5),
        ("app.log.3", 6), (LOG, 7),
    ],
    "winston": [("app.log.1", 1, {}), (LOG, 2)],
    "winston, tailable": [
        ("app2.log", 1, lines(1, 2)), ("app1.log", 3, lines(3, 4)), (LOG, 5, lines(5))
    ],
    "pm2-logrotate": [
        ("app__2026-11-26_00-00-00.log", 1), ("app__2026-11-27_00-00-00.log.gz", 2), (LOG, 3)
    ],
    "Python, hourly": [("app.log.2026-11-22_09", 1), ("app.log.2026-11-22_10", 1), (LOG, 1)],
    "no log yet": [("app.log.2", 1), ("app.log.1", 2)],
    "nothing": [],
}  # fmt: skip


@pytest.mark.parametrize("name", ORDERS)
def test_files_come_in_the_order_in_which_they_were_written(name: str) -> None:
    wanted = files(ORDERS[name])
    for seed in range(20):
        seen = list(wanted)
        random.Random(seed).shuffle(seen)
        assert [file.name for file in in_order(seen)] == [file.name for file in wanted]


@pytest.mark.parametrize(
    "log", [[], [(LOG, 4.5, {"is_empty": True})]], ids=["not there", "holds nothing yet"]
)
def test_files_keep_their_order_while_the_log_says_nothing(log: Case) -> None:
    case: Case = [
        ("app.log.7.zst", 1), ("app.log.9.gz", 2), ("app.log.8.gz", 3), ("app.log.6", 4),
        ("app.log.5", 5),
    ]  # fmt: skip
    seen = files([*case, *log])
    assert [file.name for file in in_order(seen)] == [name for name, *_ in [*case, *log]]


def test_labels_of_svlogd_are_dates() -> None:
    case = [("@4000000069dddddd3b9ac9ff.s", 1), ("@4000000069ddddde00000000.u", 1), ("current", 1)]
    wanted = files(case, "current")
    assert in_order(wanted[::-1]) == wanted


def test_files_of_which_nothing_is_known_do_not_hide_what_is_known_of_others() -> None:
    """Compressed files of nothing, holes without a line, and damaged files stand by their names."""
    case: Case = [
        ("app.log.3.gz", 40, lines(1)), ("app.log.6", 40, lines(2)),
        ("app.log.5.gz", 40, {"is_blank": True}), ("app.log.1.gz", 40, lines(3)),
        ("app.log.4", 40, lines(4)), (LOG, 50, lines(5)),
    ]  # fmt: skip
    seen = files(case)
    for _ in range(20):
        random.shuffle(seen)
        ordered = [file.name for file in in_order(seen) if not file.is_blank]
        assert ordered == ["app.log.3.gz", "app.log.6", "app.log.1.gz", "app.log.4", LOG]
    case = [
        ("app.log.3.gz", 9), ("app.log.2.gz", 9, {"is_blank": True}), ("app.log.1.gz", 9), (LOG, 9)
    ]  # fmt: skip
    assert in_order(files(case)[::-1]) == files(case)


def test_two_names_of_one_file_are_one_file() -> None:
    [one, log] = files([("app.log.1", 1), (LOG, 2)])
    assert (
        in_order([one, replace(one, name="app.log.2", mark=mark_of("app.log.2", LOG)), log])[-1]
        == log
    )
    assert len(in_order([one, replace(log, identity=one.identity)])) == 1


observed = st.builds(
    Observed,
    name=st.just(""),
    mark=st.sampled_from(
        ["app.log.1", "app.log.2", "app.log.2.gz", "app-1.log", "app.log-20261122", "app.1.log.bz2"]
    ).map(lambda name: mark_of(name, LOG)),
    identity=st.tuples(st.just(1), st.integers(0, 10**6)),
    size=st.integers(0, 100),
    modified=st.integers(0, 10**10),
    changed=st.integers(0, 10**10),
    first=st.none() | st.floats(0, 10),
    last=st.none() | st.floats(0, 10),
    has_writer=st.none() | st.booleans(),
    watched=st.none() | st.integers(0, 9),
    is_empty=st.booleans(),
)


@given(st.lists(observed, unique_by=lambda file: file.identity), st.booleans(), st.randoms())
def test_the_order_depends_on_what_was_observed_alone(
    seen: list[Observed], has_log: bool, random: random.Random
) -> None:
    seen = [replace(file, name=f"{number}") for number, file in enumerate(seen)]
    if has_log:
        seen.append(Observed(LOG, None, (2, 0), 1, 1, 1))
    ordered = in_order(seen)
    assert sorted(file.name for file in ordered) == sorted(file.name for file in members(seen))
    assert not has_log or ordered[-1].mark is None
    random.shuffle(seen)
    assert in_order(seen) == ordered
