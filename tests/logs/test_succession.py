"""Which file follows a generation, and when that cannot be proved."""

import gzip
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from server.logs.archive import Archive
from server.logs.candidates import DOUBTFUL, STRANGE
from server.logs.files import File
from server.logs.generation import Trace
from server.logs.position import HEAD, START
from server.logs.succession import Succession
from tests.rotations import Log, copied_and_truncated, numbered


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


@pytest.mark.linux
@pytest.mark.parametrize(("comes_later", "why"), [(True, STRANGE), (False, "")])
def test_a_file_that_is_written_to_and_may_be_the_logs_makes_the_next_step_a_gap(
    tmp_path: Path, comes_later: bool, why: str
) -> None:
    """It was renamed before anybody saw it as the log, and its writer was not told: or it is not
    the log's at all, as one is not that was there at the first look.
    """
    log = Log(tmp_path / "app.log")
    log.write()
    archive = Archive(log.path, 2**30)
    other = tmp_path / "app-2026-11-27.log"
    if comes_later:
        archive.snapshot()
    with other.open("a") as writer:
        writer.write("a line of a log\n")
        writer.flush()
        snapshot, file = archive.snapshot(), File.open(log.path)
        end = file.position(file.size)
        assert end
        trace = Trace(file.identity, snapshot, snapshot.index[file.identity], file.read(0, HEAD))
        log.path.rename(log.beside(".1"))
        log.path.touch()
        log.write()
        found = Succession(archive).following(file, end, trace)
    assert found
    assert (found.file.path, found.why) == (log.path, why)


def renamed_and_removed(log: Log) -> None:
    log.path.rename(log.beside(".1"))
    log.beside(".1").unlink()


@pytest.mark.linux
@pytest.mark.parametrize(
    ("happens", "why"), [(renamed_and_removed, DOUBTFUL), (lambda log: log.path.unlink(), "")]
)
def test_an_empty_file_that_was_rotated_and_removed_may_have_had_others_after_it(
    tmp_path: Path, happens: Callable[[Log], None], why: str
) -> None:
    """One that was removed under the log's own name was followed by the next of that name."""
    log = Log(tmp_path / "app.log")
    archive = Archive(log.path, 2**30)
    file = File.open(log.path)
    snapshot = archive.snapshot()
    trace = Trace(file.identity, snapshot, snapshot.index[file.identity], b"")
    happens(log)
    log.path.with_name("new").write_bytes(b"a line\n")  # it must not get the number
    log.path.with_name("new").rename(log.path)
    found = Succession(archive).following(file, START, trace)
    assert found
    assert (found.file.path, found.why) == (log.path, why)


@pytest.mark.linux
@pytest.mark.parametrize(("is_copy", "follows"), [(True, "app.log.1"), (False, "app.log")])
def test_a_copy_of_a_log_of_which_nothing_was_taken_is_no_older_than_that(
    tmp_path: Path, is_copy: bool, follows: str
) -> None:
    """It was whole when the log was found. One that was there before the log is older."""
    log = Log(tmp_path / "app.log")
    archive = Archive(log.path, 2**30)
    log.write()
    if is_copy:
        archive.snapshot()
        shutil.copyfile(log.path, log.beside(".1"))
    else:
        log.path.rename(log.beside(".1"))
        log.write()
    snapshot, file = archive.snapshot(), File.open(log.path)
    trace = archive.trace_of(file, snapshot)
    os.truncate(log.path, 0)
    log.write()
    found = Succession(archive).following(None, START, trace)
    assert found
    assert found.file.path.name == follows


@pytest.mark.parametrize("pack", [False, True])
def test_what_follows_a_rotated_file_that_was_deleted_may_not_be_the_next_one(
    tmp_path: Path, pack: bool
) -> None:
    """It is still open, and so is what a compressed one held."""
    log = Log(tmp_path / "app.log")
    log.write()
    numbered(log)
    if pack:
        log.pack(log.beside(".1"))
    log.write()
    archive = Archive(log.path, 2**30)
    snapshot = archive.snapshot()
    file = archive.open(snapshot.entries[0])
    end = file.position(file.size)
    assert end
    trace = Trace(file.identity, snapshot, 0, file.read(0, HEAD))
    snapshot.entries[0].path.unlink()
    numbered(log)
    log.beside(".1").unlink()
    log.write()
    found = Succession(archive).following(file, end, trace)
    assert found
    assert (found.file.path, found.why) == (log.path, DOUBTFUL)


def test_an_empty_file_is_no_place_where_a_copy_ends(tmp_path: Path) -> None:
    """Every file holds its own start, so another one would be read in the copy's place."""
    log = Log(tmp_path / "app.log")
    log.beside(".2").touch()
    log.write(3)
    archive = Archive(log.path, 2**30)
    file = File.open(log.path)
    trace = Trace(file.identity, archive.snapshot(), 1, file.read(0, file.size))
    copied = file.position(file.size)
    log.beside(".1").write_bytes(log.path.read_bytes())
    log.write(3)
    end = file.position(file.size)
    assert end
    truncated(log)
    found = Succession(archive).following(None, end, trace)
    assert found
    assert found.copies == (copied,)


@pytest.mark.parametrize(
    ("holds", "kept"),
    [
        (b"2024 a line\n2024 another\n", b"2024 a line\n2024 another\n"),
        (b"2024 a line\n20", b"2024 a line\n"),
        (b"20", b""),
    ],
)
def test_a_log_that_was_replaced_has_kept_whole_lines_only(
    tmp_path: Path, holds: bytes, kept: bytes
) -> None:
    """The first bytes of a new line may be those of the old log by chance."""
    path = tmp_path / "app.log"
    path.write_bytes(b"2024 a line\n2024 another\n2024 the last\n")
    archive = Archive(path, 2**30)
    file = File.open(path)
    end = file.position(file.size)
    assert end
    trace = Trace(file.identity, archive.snapshot(), 0, file.read(0, HEAD))
    path.unlink()
    path.write_bytes(holds)
    found = Succession(archive).following(file, end, trace)
    assert found
    assert found.start.offset == len(kept)
