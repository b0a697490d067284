"""Which files of a directory were rotated from others: a table of names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.catalog.siblings import Relation, relations
from server.logs.names import mark_of

NAMES = [
    # a file, the log that it may have been rotated from, and whether hardly any other may be it
    ("app.log.1", "app.log", True),
    ("app.log.10.gz", "app.log", True),
    ("app.log-20261127", "app.log", True),
    ("app.log-20261127.xz", "app.log", True),
    ("app-2026-11-27.log", "app.log", True),
    ("app-2026-11-27.12.log", "app.log", True),
    ("app-2026-11-27.log.1", "app.log", True),
    ("app-2026-11-27.log-1.gz", "app.log", True),
    ("app__2026-11-27_10-20-30.log", "app.log", True),
    ("app20261127.log", "app.log", True),
    ("app.log.2026-11-27T10-20-30Z", "app.log", True),
    ("app-1.log", "app.log", False),
    ("app1.log", "app.log", False),
    ("app.1.log", "app.log", False),
    ("worker-1", "worker", False),
    ("syslog.1", "syslog", True),
    ("@400000006b02308a00000000.s", "current", True),
    ("2app.log.3", "2app.log", True),
    ("app2.log.1", "app2.log", True),
    ("v1.2.log.1", "v1.2.log", True),
    ("app.log.bak", "app.log", None),
    ("app.log.1x", "app.log", None),
    ("web.log", "app.log", None),
    ("app.log", "app.log", None),
    ("1", "app.log", None),
]


@pytest.mark.parametrize(("name", "log", "is_strong"), NAMES)
def test_a_name_tells_from_which_log_a_file_was_rotated(
    name: str, log: str, is_strong: bool | None
) -> None:
    wanted = {} if is_strong is None else {name: Relation(log, is_strong)}
    assert relations([name, log, "other.txt"]) == wanted
    assert relations([name], [log, "other.txt"]) == wanted
    assert relations([name]) == {}


def test_of_several_logs_one_whose_name_is_sure_is_taken() -> None:
    assert relations(["app-1.log.2", "app-1.log", "app.log"])["app-1.log.2"] == Relation(
        "app-1.log", True
    )


parts = st.sampled_from(["app", "log", "1", "20261127", ".", "-", "_", ".gz", "2026-11-27"])


@given(st.lists(st.lists(parts, min_size=1, max_size=6).map("".join), max_size=6, unique=True))
def test_it_is_what_each_pair_of_names_says(names: list[str]) -> None:
    found = relations(names)
    for name in names:
        marks = [mark for log in names if log != name and (mark := mark_of(name, log))]
        assert (name in found) == bool(marks)
        if marks:
            assert found[name].is_strong == any(mark.is_strong for mark in marks)
