"""Which file follows a generation, and when that cannot be proved."""

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from server.logs.archive import Archive
from server.logs.files import File
from server.logs.generation import Trace
from server.logs.position import START
from server.logs.succession import DOUBTFUL, Succession
from tests.rotations import Log, copied_and_truncated


def truncated(log: Log) -> None:
    log.path.write_bytes(b"")
    log.write()


def copied_twice(log: Log) -> None:
    copied_and_truncated(log)
    log.write(9)
    copied_and_truncated(log)


def copied_twice_and_the_first_copy_removed(log: Log) -> None:
    copied_twice(log)
    log.beside(".2").unlink()


@pytest.mark.parametrize(
    ("happens", "follows", "why"),
    [
        (truncated, "app.log", ""),
        (copied_and_truncated, "app.log.1", ""),
        (copied_twice, "app.log.2", ""),
        (copied_twice_and_the_first_copy_removed, "app.log.1", DOUBTFUL),
    ],
)
def test_what_follows_a_log_that_is_truncated(
    tmp_path: Path, happens: Callable[[Log], None], follows: str, why: str
) -> None:
    """Of six lines three were taken. A copy that is gone may have held the other ones."""
    log = Log(tmp_path / "app.log")
    log.write(3)
    archive = Archive(log.path, 2**30)
    file = File.open(log.path)
    end = file.position(file.size)
    assert end
    trace = Trace(file.identity, archive.snapshot(), 0, file.read(0, file.size))
    log.write(3)
    happens(log)
    found = Succession(archive).following(None, end, trace)
    assert found
    assert (found.file.path.name, found.why) == (follows, why)


def test_a_few_bytes_in_common_make_no_copy_of_a_file_that_is_still_there(tmp_path: Path) -> None:
    """Or the second line would begin in its middle: "76" instead of "176"."""
    log = Log(tmp_path / "app.log")
    log.beside(".2").write_bytes(b"1")
    log.beside(".1").write_bytes(b"176\n177\n")
    file = File.open(log.beside(".2"))
    end = file.position(file.size)
    assert end
    found = Succession(Archive(log.path, 2**30)).following(file, end, None)
    assert found
    assert (found.file.path.name, found.start) == ("app.log.1", START)


def test_a_file_of_nothing_does_not_hide_those_that_stand_before_it(tmp_path: Path) -> None:
    """It was there before the generation, but its name is that of a younger one."""
    log = Log(tmp_path / "app.log")
    log.beside(".1.gz").write_bytes(gzip.compress(b""))
    log.append("2026-11-29 10:00:01 one")
    archive = Archive(log.path, 2**30)
    file = File.open(log.path)
    end = file.position(file.size)
    assert end
    snapshot = archive.snapshot()
    trace = Trace(file.identity, snapshot, snapshot.index[file.identity], file.read(0, file.size))
    log.path.unlink()
    log.append("2026-11-29 10:00:02 two, which nobody has read")
    log.path.rename(log.beside(".2"))
    log.path.touch()
    found = Succession(archive).following(None, end, trace)
    assert found
    assert found.file.path.name == "app.log.2"
