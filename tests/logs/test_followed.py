"""What was taken from the file that is followed, and whether it still stands there."""

import gzip
import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from server.logs.files import File
from server.logs.followed import Followed
from server.logs.generation import Trace
from server.logs.listing import Listing
from server.logs.position import HEAD, START
from server.logs.snapshot import Snapshot
from tests.running import wait_until

MAX_LINE = 8192
CONTENT = b"".join(b"line %d of a log\n" % number for number in range(1000)) + b"half"


def followed(path: Path) -> tuple[File, Followed]:
    """All of a file, taken from its start."""
    path.write_bytes(CONTENT)
    file = File.open(path)
    trace = Trace(file.identity, Snapshot([]), 0, b"")
    one = Followed.from_position(file, START, trace, MAX_LINE)
    assert one
    assert one.holds_next(CONTENT, file.read)
    one.take(CONTENT)
    return file, one


def overwrite(offset: int) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        with path.open("r+b") as file:
            file.seek(offset)
            file.write(b"#")

    return change


@pytest.mark.parametrize(
    ("change", "is_unchanged"),
    [
        (lambda path: None, True),
        (lambda path: path.write_bytes(CONTENT + b" a line\n"), True),
        (lambda path: path.write_bytes(b""), False),
        (lambda path: os.truncate(path, len(CONTENT) - 1), False),
        (lambda path: path.write_bytes(CONTENT[:-4]), False),
        (overwrite(0), False),
        (overwrite(len(CONTENT) - 2), False),  # in the part that has no newline
        (overwrite(len(CONTENT) - 100), False),
    ],
)
def test_a_change_of_what_was_taken_is_noticed(
    tmp_path: Path, change: Callable[[Path], object], is_unchanged: bool
) -> None:
    file, one = followed(tmp_path / "app.log")
    change(tmp_path / "app.log")
    assert one.is_unchanged(file.read) is is_unchanged


def test_what_tail_says_counts_only_if_it_stands_in_the_file(tmp_path: Path) -> None:
    file, one = followed(tmp_path / "app.log")
    with (tmp_path / "app.log").open("ab") as log:
        log.write(b" a line\n")
    assert one.holds_next(b" a line\n", file.read)
    assert one.holds_next(b" a l", file.read)
    assert not one.holds_next(b" a lie\n", file.read)
    assert not one.holds_next(b" a line\nmore\n", file.read)


def test_a_look_tells_what_is_left_to_take(tmp_path: Path) -> None:
    file, one = followed(tmp_path / "app.log")
    look = one.look(is_live=True, is_unchanged=True, quiet=2.0)
    assert (look.unread, look.has_unfinished) == (0, True)
    [rest] = one.take_rest(is_unfinished=True)
    assert (rest.lines, one.taken) == (b"half", len(CONTENT))
    with (tmp_path / "app.log").open("ab") as log:
        log.write(b" a line\n")
    look = one.look(is_live=True, is_unchanged=True, quiet=2.0)
    assert (look.unread, look.has_unfinished) == (8, False)
    assert one.is_unchanged(file.read)


def test_nothing_is_followed_where_there_is_no_log() -> None:
    nothing = Followed.nothing()
    assert (nothing.file, nothing.taken, nothing.position) == (None, 0, START)
    assert not nothing.came_after(Trace((1, 1), Snapshot([]), 0, b""))


def test_the_number_of_a_deleted_file_is_no_proof_that_a_file_came_before(tmp_path: Path) -> None:
    (tmp_path / "app.log.1").write_bytes(b"the generation before\n")
    (tmp_path / "app.log").write_bytes(CONTENT)
    os.utime(tmp_path / "app.log.1", (1e9, 1e9))
    snapshot = Listing(tmp_path / "app.log").look()
    older = snapshot.entries[0].identity
    file = File.open(tmp_path / "app.log")
    trace = Trace(file.identity, snapshot, 1, CONTENT[:HEAD])
    one = Followed.from_position(file, START, trace, MAX_LINE)
    assert one

    def came_after(head: bytes) -> bool:
        return one.came_after(Trace(older, Snapshot([]), 0, head))

    assert came_after(b"the generation before\n")
    assert came_after(b"the generation before\nand more, since it grew\n")
    assert not came_after(b"another file that was given the number\n")


def test_a_compressed_file_with_the_number_of_an_empty_one_did_not_come_before(
    tmp_path: Path,
) -> None:
    """It holds what is followed, so a client that has read it back would begin once more."""
    log, old = tmp_path / "app.log", tmp_path / "app.log.1"
    old.touch()
    log.write_bytes(CONTENT)
    listing = Listing(log)
    snapshot, file = listing.look(), File.open(log)
    one = Followed.from_position(file, START, Trace(file.identity, snapshot, 1, b""), MAX_LINE)
    assert one
    one.take(CONTENT)
    number = snapshot.entries[0].identity
    log.rename(tmp_path / "app.log.1")  # which removes the empty one
    (tmp_path / "app.log.1.gz").write_bytes(gzip.compress(CONTENT))
    (tmp_path / "app.log.1").unlink()
    later = listing.look()
    [packed] = later.entries
    later = Snapshot([packed._replace(seen=replace(packed.seen, identity=number))])
    assert not one.came_after(Trace(number, later, 0, CONTENT[:HEAD]))


def test_a_file_is_known_to_have_come_before_after_it_was_compressed(tmp_path: Path) -> None:
    log, old = tmp_path / "app.log", tmp_path / "app.log.1"
    old.write_bytes(b"the generation before\n")
    log.write_bytes(CONTENT)
    os.utime(old, (1e9, 1e9))
    listing = Listing(log)
    snapshot, file = listing.look(), File.open(log)
    one = Followed.from_position(file, START, Trace(file.identity, snapshot, 1, b""), MAX_LINE)
    assert one
    (tmp_path / "app.log.1.gz").write_bytes(gzip.compress(old.read_bytes()))
    old.unlink()
    later = listing.look()
    packed = later.entries[0]
    assert packed.is_packed
    assert one.came_after(Trace(packed.identity, later, 0, packed.facts.head))


def test_a_file_that_was_truncated_before_a_place_in_it_is_read_on_is_not_followed_there(
    tmp_path: Path,
) -> None:
    """Or its first new lines count as those that were sent before."""
    path = tmp_path / "app.log"
    path.write_bytes(CONTENT)
    file = File.open(path)
    end = file.position(len(CONTENT))
    assert end
    path.write_bytes(b"new\n" * 100)
    trace = Trace(file.identity, Snapshot([]), 0, CONTENT[:HEAD])
    assert Followed.from_position(file, end, trace, MAX_LINE) is None


@pytest.mark.parametrize("settled", [0.0, 3600.0])
def test_a_file_that_has_not_been_written_to_for_a_while_is_not_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settled: float
) -> None:
    """Nothing may be concluded from times that the next change may have, too."""
    monkeypatch.setattr("server.logs.files.SETTLED", settled)
    file, one = followed(tmp_path / "app.log")
    reads = 0

    def read(offset: int, length: int) -> bytes:
        nonlocal reads
        reads += 1
        return file.read(offset, length)

    wait_until(lambda: time.time() > file.state.changed / 1e9, "time goes on")
    for _ in range(3):
        before = reads
        assert one.is_unchanged(read)
    assert (reads > before) is bool(settled)
    state = file.state
    wait_until(lambda: overwrite(0)(tmp_path / "app.log") or file.state != state, "another time")
    assert not one.is_unchanged(read)
    assert not one.is_unchanged(read)
