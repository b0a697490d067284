"""A look at a log's directory: what it costs, and that it is true."""

import gzip
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from server.logs.files import File
from server.logs.listing import DOUBTFUL, OUTDATED, Listing
from server.logs.names import mark_of
from server.logs.observed import Observed
from server.logs.snapshot import Entry, Facts, Snapshot
from tests.descriptors import open_below


def names(listing: Listing) -> list[str]:
    return [entry.path.name for entry in listing.look().entries]


def make(directory: Path, *names: str, age: float = 0) -> None:
    for number, name in enumerate(names):
        path = directory / name
        path.write_text(f"{name}\n")
        written = path.stat().st_mtime - age + 10 * number
        os.utime(path, (written, written))


def test_files_come_oldest_first_and_the_log_last(tmp_path: Path) -> None:
    make(tmp_path, "app.log.2.gz", "app.log.1", "app.log", "other.log", "app.log~", age=100)
    listing = Listing(tmp_path / "app.log")
    assert names(listing) == ["app.log.2.gz", "app.log.1", "app.log"]
    log = listing.look().log
    assert log
    assert log.path == tmp_path / "app.log"


def test_only_regular_files_count(tmp_path: Path) -> None:
    (tmp_path / "app.log.1").mkdir()
    os.mkfifo(tmp_path / "app.log.2")
    (tmp_path / "app.log.3").symlink_to(tmp_path / "app.log")
    (tmp_path / "app.log").touch()
    assert names(Listing(tmp_path / "app.log")) == ["app.log"]


def test_a_directory_that_is_gone_has_no_files(tmp_path: Path) -> None:
    assert names(Listing(tmp_path / "gone" / "app.log")) == []


def test_a_change_is_seen_at_once(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    make(tmp_path, "app.log")
    listing = Listing(log)
    for number in range(1, 50):
        log.rename(tmp_path / f"app.log.{100 - number}")
        log.touch()
        assert len(listing.look().entries) == number + 1


def test_a_look_at_a_directory_that_has_not_changed_reads_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path, *(f"app.log.{number}" for number in range(1, 50)), "app.log")
    os.utime(tmp_path, (1e9, 1e9))  # its last change is long ago
    listing = Listing(tmp_path / "app.log")
    first = listing.look()
    calls: list[str] = []

    def spy(name: str) -> Callable[..., Any]:
        real = getattr(os, name)

        def counted(*arguments: Any) -> Any:
            calls.append(name)
            return real(*arguments)

        return counted

    for name in ("listdir", "open"):
        monkeypatch.setattr(os, name, spy(name))
    for _ in range(10):
        assert listing.look() is first
    assert calls == []


def test_what_is_known_of_a_file_is_remembered_while_it_does_not_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path, *(f"app.log.{number}" for number in range(1, 50)), "app.log")
    listing = Listing(tmp_path / "app.log")
    listing.look()
    opened: list[str] = []
    real = os.open

    def spy(path: str, *arguments: int) -> int:
        opened.append(os.path.basename(path))
        return real(path, *arguments)

    monkeypatch.setattr(os, "open", spy)
    make(tmp_path, "app.log-20261122")
    assert len(listing.look().entries) == 51
    assert opened == ["app.log-20261122"]


@pytest.mark.linux
def test_no_file_stays_open(tmp_path: Path) -> None:
    make(tmp_path, *(f"app.log.{number}" for number in range(1, 200)), "app.log")
    listing = Listing(tmp_path / "app.log")
    listing.look()
    assert open_below(tmp_path) == 0
    assert OUTDATED < 60


def test_a_file_that_was_watched_keeps_its_place_whatever_its_name(tmp_path: Path) -> None:
    make(tmp_path, "app.log.3", "app.log.1", "app.log", age=100)
    listing = Listing(tmp_path / "app.log")
    order = listing.look()
    assert names(listing) == ["app.log.3", "app.log.1", "app.log"]
    for name in ("app.log.1", "app.log.3"):
        entry = next(entry for entry in order.entries if entry.path.name == name)
        listing.watch(entry.identity, entry.facts.head)
    assert names(listing) == ["app.log.1", "app.log.3", "app.log"]


def test_the_number_of_a_deleted_file_says_nothing_about_the_next_one(tmp_path: Path) -> None:
    make(tmp_path, "app.log.1", "app.log", age=100)
    listing = Listing(tmp_path / "app.log")
    before = listing.look()
    old = before.entries[0]
    (tmp_path / "app.log.1").write_text("quite another file\n")  # of the same number
    after = listing.look()
    assert before.place_of(old) == 0
    assert before.place_of(after.entries[0]) is None


def entry(name: str, head: bytes, size: int = 100) -> Entry:
    """A file of one and the same number, as it was seen."""
    mark = mark_of(name, "app.log")
    return Entry(
        Path(name),
        Observed(name, mark, (1, 7), size, 0, 0),
        Facts(head, head.lstrip(b"\0"), None, None, True),
    )


@pytest.mark.parametrize(
    ("before", "after", "is_same"),
    [
        (entry("app.log.1", b"one\n"), entry("app.log.2", b"one\n"), True),
        (entry("app.log", b"one\n", 4), entry("app.log.1", b"one\ntwo\n", 8), True),
        (entry("app.log.1", b"one\n", 8), entry("app.log.1", b"one\n", 4), False),
        (entry("app.log.1", b"one\n"), entry("app.log.1", b"two\n"), False),
        (entry("app.log.1", b""), entry("app.log.2", b"two\n"), False),
        (entry("app.log.1", bytes(9)), entry("app.log.2", bytes(9)), True),  # of NUL bytes alone
        (entry("app.log.1", bytes(9)), entry("app.log.2", bytes(9) + b"one\n"), True),
        (entry("app.log.1.gz", b""), entry("app.log.2.gz", b"two\n"), False),  # of nothing
        (entry("app.log.1", b"one\n"), entry("app.log.1.gz", b"one\ntwo\n"), False),
    ],
)
def test_a_file_is_known_again_by_its_number_and_how_it_begins(
    before: Entry, after: Entry, is_same: bool
) -> None:
    assert Snapshot([before]).place_of(after) == (0 if is_same else None)


@pytest.mark.parametrize(
    ("known", "head", "is_same"),
    [
        (b"one\n", b"one\n", True),
        (b"one\n", b"one\ntwo\n", True),
        (b"one\ntwo\n", b"one\n", True),
        (b"one\n", b"two\n", False),
        (b"", b"one\n", False),  # it may have grown, or be another one
        (b"one\n", b"", False),
    ],
)
def test_a_number_counts_only_if_what_is_known_of_the_beginnings_agrees(
    known: bytes, head: bytes, is_same: bool
) -> None:
    found = Snapshot([entry("app.log.1", known)]).index_of_number((1, 7), head)
    assert found == (0 if is_same else None)


def test_a_file_left_out_beside_an_empty_log_is_looked_at_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Renamed within the tick of its last write, it is known by the times in the lines alone."""
    rotated, log = tmp_path / "app.1.log", tmp_path / "app.log"
    rotated.write_text("2026-11-27T10:00:00Z one\n")
    written = rotated.stat().st_ctime + 10
    os.utime(rotated, (written, written))  # not renamed since it was written to
    log.write_text("")
    os.utime(tmp_path, (1e9, 1e9))  # the directory does not change any more
    listing, now = Listing(log), 1000.0
    monkeypatch.setattr("server.logs.listing.time.monotonic", lambda: now)
    assert names(listing) == ["app.log"]
    log.write_text("2026-11-27T10:00:01Z two\n")
    now += DOUBTFUL
    assert names(listing) == ["app.1.log", "app.log"]


def test_what_one_file_holds_is_never_told_of_another_that_takes_its_name_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path, "app.log.1", "app.log")
    listing, open_file = Listing(tmp_path / "app.log"), File.open

    def rotate_and_open(path: Path) -> File:
        monkeypatch.undo()
        (tmp_path / "app.log.1").rename(tmp_path / "app.log.2")
        (tmp_path / "app.log").rename(tmp_path / "app.log.1")
        (tmp_path / "app.log").write_text("a new file\n")
        return open_file(path)

    monkeypatch.setattr(File, "open", rotate_and_open)
    with pytest.raises(OSError, match="another file has its name by now"):
        listing.look()
    heads = [entry.facts.head for entry in listing.look().entries]
    assert heads == [b"app.log.1\n", b"app.log\n", b"a new file\n"]


def test_files_that_begin_with_a_hole_are_told_apart_by_the_lines_behind_it(tmp_path: Path) -> None:
    hole, line = bytes(5000), b"2026-11-27T10:00:0%dZ text\n"
    for name, second in (("app.log.2.gz", 1), ("app-2026-11-27.1.log", 2), ("app.log.1.gz", 3)):
        content = hole + line % second
        packed = gzip.compress(content) if name.endswith(".gz") else content
        (tmp_path / name).write_bytes(packed)
    (tmp_path / "app.log").write_bytes(line % 4)
    snapshot = Listing(tmp_path / "app.log").look()
    ordered = [entry.path.name for entry in snapshot.entries]
    assert ordered == ["app.log.2.gz", "app-2026-11-27.1.log", "app.log.1.gz", "app.log"]
    other = snapshot.entries[0]._replace(seen=replace(snapshot.entries[0].seen, identity=(1, 1)))
    assert snapshot.place_of(other) == 0


def test_a_file_that_goes_during_a_look_is_looked_for_under_another_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or what is compressed meanwhile is in no file, and its lines are taken for lost."""
    make(tmp_path, "app.log.1", "app.log", age=100)
    plain, real = tmp_path / "app.log.1", os.open

    def compress_before_opening(path: str, *arguments: int) -> int:
        if os.path.basename(path) == plain.name and plain.exists():
            (tmp_path / "app.log.1.gz").write_bytes(gzip.compress(plain.read_bytes()))
            plain.unlink()
        return real(path, *arguments)

    monkeypatch.setattr(os, "open", compress_before_opening)
    assert names(Listing(tmp_path / "app.log")) == ["app.log.1.gz", "app.log"]


@pytest.mark.linux
def test_a_file_of_an_unknown_writer_is_left_out_and_told(tmp_path: Path) -> None:
    make(tmp_path, "app-2026-11-27.log", "app.log", age=100)
    listing = Listing(tmp_path / "app.log")
    with (tmp_path / "app-2026-11-27.log").open("a"):
        look = listing.look()
    assert [entry.path.name for entry in look.entries] == ["app.log"]
    assert [stranger.name for stranger in look.strangers] == ["app-2026-11-27.log"]


def test_a_time_of_which_the_first_digits_are_not_looked_at_is_none(tmp_path: Path) -> None:
    log, line = tmp_path / "app.log", b"1795773600123 text\n"
    log.write_bytes((line + (b"x" * 99 + b"\n") * 50)[:4096] + b"\n")
    assert log.stat().st_size == 4096 + 1
    [entry] = Listing(log).look().entries
    assert (entry.facts.first, entry.facts.last) == (1795773600.123, None)


def test_a_copy_comes_before_what_was_written_to_the_log_after_its_truncation(
    tmp_path: Path,
) -> None:
    """Also where the file system's clock has the same time for both, and lines name none."""
    log, copy, renamed = (tmp_path / name for name in ("app.log", "app.log.1", "app.log-20261130"))
    for names_in_order in (copy, renamed), (renamed, copy):
        first, second = names_in_order
        listing = Listing(log)
        log.write_text("a line of the log\n")
        listing.look()
        listing.watch(File.open(log).identity, log.read_bytes())
        shutil.copyfile(log, first)
        log.write_text("a line that came later\n")
        log.rename(second)
        log.touch()
        for path in (second, first):
            os.utime(path, (1e9, 1e9))
        assert [entry.path for entry in listing.look().entries] == [first, second, log]
        for path in (first, second, log):
            path.unlink()
