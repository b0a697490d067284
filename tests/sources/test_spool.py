"""A spool: its bound, its lock, what it does after a kill and on a full disk."""

import os
from pathlib import Path

import pytest

from server.errors import StartError
from server.sources import spool as module
from server.sources.spool import LEAST_SIZE, Spool, check_name
from server.sources.spool_files import FILES
from tests.sources.hosting import hosting, spooled


def lines(first: int, count: int) -> bytes:
    return b"".join(b"%099d\n" % number for number in range(first, first + count))


def test_it_never_takes_more_than_its_size(tmp_path: Path) -> None:
    spool = Spool("app", tmp_path, LEAST_SIZE)
    for first in range(0, 400_000, 5000):
        spool.write(lines(first, 5000))
        files = list(spool.directory.glob("app.log*"))
        assert len(files) <= FILES
        assert sum(file.stat().st_size for file in files) <= LEAST_SIZE
    spool.close()
    kept = spooled(spool.path)
    assert len(kept) > LEAST_SIZE * 0.7
    assert lines(0, 400_000).endswith(kept)
    assert all(file.read_bytes().endswith(b"\n") for file in spool.directory.glob("app.log*"))


@pytest.mark.parametrize(
    ("cut", "left", "expected"),
    [
        (False, b"", b"new\n"),
        (False, b"old\n", b"old\nnew\n"),
        (False, b"old\nunfin", b"old\nunfin\nnew\n"),
        (False, b"unfin", b"unfin\nnew\n"),
        (True, b"old\nunfin", b"old\nnew\n"),
        (True, b"old\n", b"old\nnew\n"),
        (True, b"unfin", b"new\n"),
        (True, b"old\n" + b"x" * 200_000, b"old\nnew\n"),
    ],
)
def test_it_goes_on_where_another_was_killed(
    tmp_path: Path, cut: bool, left: bytes, expected: bytes
) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "app.log").write_bytes(left)
    spool = Spool("app", tmp_path, cut=cut)
    spool.write(b"new\n")
    spool.close()
    assert spool.path.read_bytes() == expected


def test_a_rotation_that_was_cut_short_costs_nothing(tmp_path: Path) -> None:
    spool = Spool("app", tmp_path, LEAST_SIZE)
    quarter = LEAST_SIZE // FILES // 100
    for turn in range(3):
        spool.write(lines(turn * quarter, quarter))
    os.replace(spool.path.with_name("app.log.1"), spool.path.with_name("app.log.2"))
    spool.write(lines(3 * quarter, quarter))
    spool.close()
    assert spooled(spool.path) == lines(quarter, 3 * quarter)


def test_a_file_that_somebody_has_moved_is_begun_anew(tmp_path: Path) -> None:
    spool = Spool("app", tmp_path)
    spool.write(b"one\n")
    spool.path.rename(tmp_path / "moved")
    spool.write(b"two\n")
    spool.path.unlink()
    spool.write(b"three\n")
    assert (tmp_path / "moved").read_bytes() == b"one\n"
    assert spool.path.read_bytes() == b"three\n"
    for path in spool.directory.iterdir():
        path.unlink()
    spool.directory.rmdir()
    spool.write(b"four\n")
    assert spool.path.read_bytes() == b"four\n"
    spool.close()


def test_a_second_one_is_told_what_to_do(tmp_path: Path) -> None:
    first = Spool("app", tmp_path)
    with pytest.raises(StartError) as caught:
        Spool("app", tmp_path)
    assert str(caught.value) == (
        f"another server writes to {tmp_path}/app: "
        "stop it, or choose another directory with --state-dir"
    )
    Spool("other", tmp_path).close()
    first.close()
    first.open()
    first.close()
    Spool("app", tmp_path).close()


def test_a_lock_goes_with_a_process_that_is_killed(tmp_path: Path) -> None:
    with hosting("command", tmp_path, "app=sleep 1000") as host:
        host.wait_for("source-started")
        with hosting("command", tmp_path, "app=sleep 1000") as second:
            assert second.wait() == 1
        assert second.errors.count("\n") == 1
        assert "--state-dir" in second.errors
        host.kill()
        Spool("app", tmp_path).close()


@pytest.mark.parametrize("what", ["file", "fifo", "directory"])
def test_what_cannot_be_written_is_told_at_the_start(tmp_path: Path, what: str) -> None:
    if what == "file":
        (tmp_path / "app").touch()
    else:
        (tmp_path / "app").mkdir()
        make = os.mkfifo if what == "fifo" else os.mkdir
        make(tmp_path / "app" / "app.log")
    with pytest.raises(StartError, match=r"cannot be written \(.*\): choose .* --state-dir"):
        Spool("app", tmp_path)


def test_what_cannot_be_written_is_held_and_what_is_too_much_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = []
    spool = Spool("app", tmp_path, lost=lambda *what: lost.append(what))
    write = os.write
    with monkeypatch.context() as patch:
        patch.setattr(module, "HELD", 1000)

        def fails(descriptor: int, data: bytes) -> int:
            raise OSError(5, os.strerror(5))

        patch.setattr(os, "write", fails)
        for number in range(20):
            spool.write(lines(number, 1))
        assert not spool.settle()
        assert "Input/output error" in spool.problem
        assert str(spool.directory) in spool.problem
        assert not lost
        patch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:7]))
        assert spool.settle()
    assert spool.problem == ""
    [(count, size, why)] = lost
    assert (count, size) == (10, 1000)
    assert "Input/output error" in why
    spool.write(lines(20, 1))
    spool.close()
    assert spool.path.read_bytes() == lines(0, 10) + lines(20, 1)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "empty"),
        ("a/b", "slash"),
        ("..", "directory"),
        ("a\nb", "control"),
        ("a\x85b", "control"),
        ("a\udcffb", "no text"),
        ("x" * 201, "200 bytes"),
    ],
)
def test_names_that_cannot_be(name: str, why: str) -> None:
    with pytest.raises(StartError, match=why) as caught:
        check_name(name, f"--command {name!r}")
    assert "\n" not in str(caught.value)
    assert check_name("ngïnx@1.service", "") == "ngïnx@1.service"
