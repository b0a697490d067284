"""Which logs there are: real directories, looked at again after something has changed."""

import asyncio
import gzip
import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.catalog import directories, discovery, judging, matching
from server.catalog.discovery import Changes, Discovery, Found, Problem, View, changes
from server.catalog.specs import parse_specs
from server.logs.layout import SETTLED, DatedLayout, FixedLayout
from tests.rotations import Log, numbered
from tests.running import wait_until


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    (tmp_path / "logs").mkdir()
    return tmp_path / "logs"


def discover(
    directory: Path, *texts: str, excluded: tuple[Path, ...] = (), reserved: tuple[str, ...] = ()
) -> Discovery:
    return Discovery(parse_specs(texts, directory=directory), excluded, reserved)


def write(path: Path, content: str | bytes = "a line\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def settle(*paths: Path) -> None:
    """Wait until a change of these directories would change their times."""
    wait_until(
        lambda: all(time.time() - path.stat().st_ctime > 2 * SETTLED for path in paths),
        "their times are past",
    )


def names(view: View) -> list[str]:
    return sorted(one.name for one in view.found)


def left_out(view: View, directory: Path) -> dict[str, str]:
    return {os.path.relpath(one.path, directory): one.why for one in view.left_out}


# --- what is a log --------------------------------------------------------------------


def test_files_that_the_user_names_are_logs_whatever_they_are(logs: Path) -> None:
    write(logs / "app.log")
    write(logs / "packed.gz", gzip.compress(b"x"))
    (logs / "directory.log").mkdir()
    os.mkfifo(logs / "pipe")
    texts = ["app.log", "later.log", "p=packed.gz", "pipe", "app-%Y.log", "x/y.log"]
    one = discover(logs, *texts)
    assert one.look().found == (
        Found("app.log", logs / "app.log"),
        Found("later.log", logs / "later.log", "does not exist yet"),
        Found("p", logs / "packed.gz"),
        Found(
            "pipe", logs / "pipe", "is not a regular file: name a file that a program appends to"
        ),
        Found(
            "logs/app.log",
            logs / "app-%Y.log",
            "does not exist yet",
            True,
        ),
        Found("y.log", logs / "x/y.log", "does not exist yet"),
    )
    later = write(logs / "later.log")
    write(logs / "app-2026.log")
    problems = {found.name: found.problem for found in one.look().found}
    assert problems["later.log"] == problems["logs/app.log"] == ""
    later.unlink()
    later.mkdir()
    problems = {found.name: found.problem for found in one.look().found}
    assert problems["later.log"] == "is a directory: name a log file in it"


def test_a_log_that_is_found_tells_how_its_files_are_laid_out(tmp_path: Path) -> None:
    assert isinstance(Found("app", tmp_path / "app.log").layout(), FixedLayout)
    dated = Found("app", tmp_path / "app-%Y.log", is_dated=True).layout()
    assert isinstance(dated, DatedLayout)
    assert dated.path == tmp_path / "app-%Y.log"


def test_files_that_are_logs_of_their_own_are_told_without_links(logs: Path) -> None:
    (logs.parent / "link").symlink_to(logs)
    for name in ("app.log", "app-1.log", "app.log.1"):
        write(logs / name)
    write(logs.parent / "given" / "other.log")
    (logs.parent / "given.log").symlink_to(logs.parent / "given" / "other.log")
    one = discover(logs.parent, "link", "given.log", "later.log")
    one.look()
    expected = {logs / "app.log", logs / "app-1.log", logs.parent / "given" / "other.log"}
    assert set(one.served) == {*map(str, expected), str(logs.parent / "later.log")}
    (logs / "app-1.log").rename(logs / "web.log")
    settle(logs)
    one.look()
    assert str(logs / "web.log") in one.served


def database(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE t (x)")
    connection.close()


def binary(content: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(content)


NATURES: list[tuple[str, Callable[[Path], object], str | None]] = [
    # a file in a directory, and why it is no log, if it is none
    ("text", binary(b"a line\n"), None),
    ("latin", binary(b"caf\xe9\n"), None),
    ("utf-16", binary("a line\n".encode("utf-16")), None),
    ("empty", binary(b""), None),
    ("hole", binary(bytes(10_000) + b"a line\n"), None),
    ("nothing", binary(bytes(10_000)), "holds nothing but NUL bytes so far"),
    ("wtmp", binary(b"\7\0\0\0tty"), "is not text: it has NUL bytes"),
    ("program", binary(b"\x7fELF\2\1\1\0"), "is a program"),
    ("gzip", binary(gzip.compress(b"a line\n")), "is compressed by gzip"),
    ("x.gz", binary(b""), "is compressed: give the log that it was rotated from"),
    ("x.zst", binary(b""), "is compressed: give the log that it was rotated from"),
    ("xz", binary(b"\xfd7zXZ\0..."), "is compressed by xz"),
    ("bz2", binary(b"BZh9"), "is compressed by bzip2"),
    ("zst", binary(b"\x28\xb5\x2f\xfd"), "is compressed by zstd"),
    ("db", database, "is a database of SQLite"),
    ("x.journal", binary(b"LPKSHHRH\0"), "is a journal of systemd: follow its units instead"),
    ("app.log~", binary(b"a line\n"), "is an editor's copy"),
    ("pipe", os.mkfifo, "is not a regular file"),
]


@pytest.mark.parametrize(("name", "make", "why"), NATURES)
def test_what_is_not_text_is_left_out_of_a_directory_with_the_reason(
    logs: Path, name: str, make: Callable[[Path], object], why: str | None
) -> None:
    make(logs / name)
    (logs / ".hidden.log").touch()
    (logs / "deeper").mkdir()
    for text in ("logs", "*/*", "logs/*", "**"):
        view = discover(logs.parent, text).look()
        assert names(view) == ([] if why else [name])
        assert left_out(view, logs) == ({name: why} if why else {})


def test_a_file_that_may_not_be_read_is_left_out_until_it_may_be(
    logs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(logs / "app.log")
    monkeypatch.setattr(discovery, "OUTDATED", 0)
    one, opened = discover(logs, "*.log"), os.open

    def refuse(what: object, *args: int) -> int:
        raise PermissionError(13, "Permission denied", str(what))

    monkeypatch.setattr(os, "open", refuse)
    view = one.look()
    assert left_out(view, logs) == {"app.log": "cannot be read: give this user read permission"}
    monkeypatch.setattr(os, "open", opened)
    assert [found.path for found in one.look().found] == [path]


def test_a_file_that_was_empty_is_looked_into_once_it_holds_something(
    logs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text, data = write(logs / "text", ""), write(logs / "data", "")
    one = discover(logs, "../logs")
    assert names(one.look()) == ["data", "text"]
    settle(logs)
    text.write_text("a line\n")
    data.write_bytes(b"\1\0\2")
    assert names(one.look()) == ["text"]
    data.write_text("a line\n")
    assert names(one.look()) == ["text"]  # it was judged
    monkeypatch.setattr(discovery, "OUTDATED", 0)
    assert names(one.look()) == ["data", "text"]  # for some time


# --- which files belong together ------------------------------------------------------


def test_rotated_files_belong_to_their_log(logs: Path) -> None:
    for name in (
        *("app.log", "app.log.1", "app.log.2.gz", "app.log-20261127", "app-2026-11-26.log"),
        *("app-1.log", "app.bak", "web.1", "web.2", "syslog", "syslog.1", "current"),
        *("@400000006b02308a00000000.s", "day-2026-11-26.log", "day-2026-11-26.log.1"),
    ):
        write(logs / name)
    view = discover(logs, "../logs").look()
    assert names(view) == [
        *("app-1.log", "app.bak", "app.log", "current", "day-2026-11-26.log", "syslog"),
        *("web.1", "web.2"),
    ]
    assert left_out(view, logs) == {}


def test_rotated_files_whose_log_is_not_asked_for_are_logs(logs: Path) -> None:
    write(logs / "app.log")
    write(logs / "app-2026-11-26.log")
    assert names(discover(logs, "app-*.log").look()) == ["app-2026-11-26.log"]
    assert names(discover(logs, "app-*.log", "x=app.log").look()) == ["x"]
    assert names(discover(logs, "*.log", "later.log").look()) == ["app.log", "later.log"]


def test_a_rotation_adds_and_removes_nothing(logs: Path) -> None:
    log = Log(logs / "app.log")
    one = discover(logs, "../logs")
    assert names(one.look()) == ["app.log"]
    for _ in range(3):
        log.write()
        numbered(log)
        assert names(one.look()) == ["app.log"]
    log.path.rename(log.shift())
    assert [found.problem for found in one.look().found] == ["was removed"]
    log.path.touch()
    assert one.look().found == (Found("app.log", log.path),)
    log.path.rename(log.shift())
    one.look()
    assert one.look().found == ()  # but none of the rotated ones instead
    log.path.touch()
    assert one.look().found == (Found("app.log", log.path),)


def test_a_doubtful_name_belongs_to_a_log_that_was_seen_to_be_renamed(logs: Path) -> None:
    write(logs / "app.log", "one\n")
    write(logs / "app.9.log", "another program's\n")
    one = discover(logs, "*.log")
    assert names(one.look()) == ["app.9.log", "app.log"]
    for number in range(2):
        for last in range(number, 0, -1):
            (logs / f"app.{last}.log").rename(logs / f"app.{last + 1}.log")
        (logs / "app.log").rename(logs / "app.1.log")
        write(logs / "app.log", "next\n")
        assert names(one.look()) == ["app.9.log", "app.log"]
    assert len(list(logs.iterdir())) == 4


def test_the_files_of_a_log_with_dates_are_no_logs_of_their_own(logs: Path) -> None:
    for name in ("app-2026-11-26.log", "app-2026-11-27.log", "app-2026-11-25.log.gz", "web.log"):
        write(logs / name)
    view = discover(logs, "app-%Y-%m-%d.log", "../logs").look()
    assert names(view) == ["app.log", "web.log"]
    assert left_out(view, logs) == {}


def test_a_file_is_found_once_whatever_leads_to_it(tmp_path: Path) -> None:
    real = write(tmp_path / "pods/0.log")
    (tmp_path / "links").mkdir()
    (tmp_path / "links/a.log").symlink_to(real)
    (tmp_path / "links/b.log").symlink_to("a.log")
    (tmp_path / "links/nowhere.log").symlink_to("nothing")
    (tmp_path / "links/itself.log").symlink_to("itself.log")
    (tmp_path / "links/pods").symlink_to(tmp_path / "pods")
    view = discover(tmp_path, "**/*.log", "links", "pods").look()
    assert names(view) == ["0.log"]
    assert left_out(view, tmp_path) == {
        "links/a.log": f"is the same file as {real}",
        "links/b.log": f"is the same file as {real}",
    }
    assert names(discover(tmp_path, "links").look()) == ["a.log"]
    assert names(discover(tmp_path, "*/pods/*.log").look()) == ["0.log"]
    assert names(discover(tmp_path, "x=links/a.log", "**/*.log").look()) == ["x"]
    link = discover(tmp_path, "x=links/b.log", "links").look()
    assert left_out(link, tmp_path) == {"links/a.log": "is the same file as x"}


# --- where it is looked for -----------------------------------------------------------


def test_globs_match_as_in_a_shell(tmp_path: Path) -> None:
    for name in ("a.log", "x/a.log", "x/y/b.log", ".h/c.log", "x/.d.log", "x/y/z/a.txt", "[1]/e"):
        write(tmp_path / name)
    wanted = {
        "*.log": ["a.log"],
        "**/*.log": ["a.log", "x/a.log", "x/y/b.log"],
        "**": ["[1]/e", "a.log", "x/a.log", "x/y/b.log", "x/y/z/a.txt"],
        "x/**/**/[ab].*": ["x/a.log", "x/y/b.log", "x/y/z/a.txt"],
        "x/[!a]*/?.log": ["x/y/b.log"],
        "*/.*": ["x/.d.log"],
        ".h/*": [".h/c.log"],
        "*/": ["[1]/e", "x/a.log"],
        "[1]": ["[1]/e"],
        "x/y/z/a.*": ["x/y/z/a.txt"],
        "nothing/*": [],
    }
    for text, paths in wanted.items():
        found = discover(tmp_path, text).look().found
        assert sorted(str(one.path.relative_to(tmp_path)) for one in found) == paths, text


def test_what_finds_nothing_is_said_and_the_others_go_on(tmp_path: Path) -> None:
    write(tmp_path / "app.log")
    texts = ("app.log", "gone/*.log", "later/", "*.txt", "app.log/", "empty")
    (tmp_path / "empty").mkdir()
    view = discover(tmp_path, *texts).look()
    assert names(view) == ["app.log"]
    assert view.problems == (
        Problem("gone/*.log", f"cannot be searched: {tmp_path}/gone does not exist yet"),
        Problem("later/", f"cannot be searched: {tmp_path}/later does not exist yet"),
        Problem("*.txt", "matches no file yet: it is looked for again and again"),
        Problem("empty", "has no files yet: it is looked at again and again"),
    )


def test_a_file_in_the_place_of_a_directory_is_said(tmp_path: Path) -> None:
    one = discover(tmp_path, "later/")
    write(tmp_path / "later")
    assert one.look().problems[0].why.endswith("/later is not a directory")


def test_a_directory_that_may_not_be_listed_holds_no_other_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "open/app.log")
    write(tmp_path / "closed/app.log")
    scandir = os.scandir

    def refuse(path: str) -> object:
        if path.endswith("closed"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    one = discover(tmp_path, "**/*.log", "closed")
    view = one.look()
    assert names(view) == ["app.log"]
    assert left_out(view, tmp_path) == {
        "closed": "cannot be listed: give this user read permission"
    }
    assert view.problems == (
        Problem(
            "closed",
            f"cannot be searched: {tmp_path}/closed cannot be listed: "
            "give this user read permission",
        ),
    )
    monkeypatch.setattr(os, "scandir", scandir)
    (tmp_path / "closed").chmod(0o700)
    assert names(one.look()) == ["app.log", "closed/app.log"]


def test_the_server_s_own_directory_is_left_out(tmp_path: Path) -> None:
    write(tmp_path / "app.log")
    state = write(tmp_path / "state/spool/0.log").parent.parent
    (tmp_path / "link").symlink_to(state)
    view = discover(tmp_path, "**/*.log", "*/spool/*.log", excluded=(tmp_path / "link",)).look()
    assert names(view) == ["app.log"]
    assert "state" in left_out(view, tmp_path)
    view = discover(tmp_path, "state/spool/*.log", excluded=(state,)).look()
    assert view.found == ()
    assert view.problems[0].why.endswith("is the server's own directory: leave it out")


def test_links_that_lead_in_a_circle_are_not_followed(tmp_path: Path) -> None:
    write(tmp_path / "a/app.log")
    (tmp_path / "a/up").symlink_to(tmp_path)
    (tmp_path / "a/self").symlink_to("self")
    assert names(discover(tmp_path, "**/*.log").look()) == ["app.log"]
    assert names(discover(tmp_path, "*/*/*/*.log").look()) == ["app.log"]


# --- bounds ---------------------------------------------------------------------------


def test_no_more_logs_than_a_bound_are_found_and_no_glob_takes_the_place_of_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(discovery, "MOST_LOGS", 10)
    for number in range(30):
        write(tmp_path / f"many/{number:02}.log")
    for number in range(3):
        write(tmp_path / f"few/{number}.txt")
    one = discover(tmp_path, "many/*.log", "few", "many/29.log")
    view = one.look()
    few, many = ["0.txt", "1.txt", "2.txt"], [f"{number:02}.log" for number in range(7)]
    assert names(view) == sorted([*few, *many, "29.log"])
    [problem] = view.problems
    assert problem.text == "many/*.log"
    assert problem.why.startswith("stands for more than 7 logs, the others are left out: give a ")
    write(tmp_path / "many/!.log")
    assert one.look() == view  # what was found stays
    (tmp_path / "many/03.log").unlink()
    one.look()
    assert names(one.look()) == sorted([*few, "!.log", *many[:3], *many[4:], "29.log"])


def test_no_more_directories_and_entries_than_a_bound_are_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(9):
        write(tmp_path / f"tree/{number}/app.log")
    write(tmp_path / "other/app.log")
    monkeypatch.setattr(matching, "MOST_DIRECTORIES", 5)
    view = discover(tmp_path, "tree/**/*.log", "other").look()
    assert len(view.found) == 5
    [problem] = view.problems
    assert problem.why.startswith("leads into too many directories, the last ones are left out: ")
    monkeypatch.setattr(matching, "MOST_ENTRIES", 10)
    view = discover(tmp_path, "tree/**/*.log", "other").look()
    assert len(view.found) == 2
    monkeypatch.setattr(directories, "MOST_ENTRIES", 4)
    for number in range(9):
        write(tmp_path / f"flat/{number}.log")
    view = discover(tmp_path, "flat").look()
    assert len(view.found) == 4
    assert view.problems[0].why.startswith("finds only some of the files in /")


def test_only_so_much_is_told_of_what_is_left_out(
    logs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(discovery, "MOST_LEFT_OUT", 2)
    for number in range(5):
        write(logs / f"{number}.gz")
    view = discover(logs, "*").look()
    assert (len(view.left_out), view.more) == (2, 3)


def test_what_is_remembered_is_bounded(logs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging, "MOST_REMEMBERED", 3)
    one = discover(logs, "*.log")
    for number in range(9):
        path = write(logs / f"{number}.log")
        assert f"{number}.log" in names(one.look())
        path.unlink()
    assert len(one._judge._names) == 3
    assert len(one._judge._natures) <= 1


# --- what it costs --------------------------------------------------------------------


def test_what_has_not_changed_is_neither_listed_nor_opened_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parents = [tmp_path / f"{number}" for number in range(3)]
    for parent in parents:
        for number in range(5):
            write(parent / f"{number}.log")
    settle(tmp_path, *parents)
    one = discover(tmp_path, "**/*.log", "0", "x=0/0.log")
    first = one.look()
    opened: list[str] = []
    listed: list[str] = []
    open_file, scandir = os.open, os.scandir

    def note_opened(path: str, *how: int) -> int:
        opened.append(os.path.basename(path))
        return open_file(path, *how)

    def note_listed(path: str) -> object:
        listed.append(os.path.basename(path))
        return scandir(path)

    monkeypatch.setattr(os, "open", note_opened)
    monkeypatch.setattr(os, "scandir", note_listed)
    assert one.look() is first
    os.truncate(parents[1] / "0.log", 3)
    assert one.look() is first
    assert (opened, listed) == ([], [])
    (parents[1] / "new.log").hardlink_to(parents[1] / "0.log")
    assert len(one.look().found) == len(first.found) + 1
    assert (opened, listed) == (["new.log"], ["1"])


@pytest.mark.parametrize(
    ("spent", "before", "seconds"),
    [
        (0.0, 0.0, 2),
        (0.001, 0.001, 2),
        (0.5, 0.001, 2),  # something has changed, once
        (0.05, 0.1, 5),
        (0.1, 0.05, 5),
        (9.0, 9.0, 30),
    ],
)
def test_looks_that_cost_much_come_seldom(spent: float, before: float, seconds: float) -> None:
    assert discovery.pause_after(spent, before) == pytest.approx(seconds)


names_of_files = st.sampled_from(
    ["a.log", "b.log", "c.txt", "d/a.log", "d/e/a.log", "d/b.log", "f/a.log"]
)
happenings = st.lists(
    st.tuples(st.sampled_from(["write", "remove", "move"]), names_of_files, names_of_files),
    max_size=12,
)


def happen(directory: Path, what: str, name: str, other: str) -> None:
    path, second = directory / name, directory / other
    second.parent.mkdir(parents=True, exist_ok=True)
    with suppress(OSError):
        if what == "write":
            write(path)
        elif what == "remove":
            shutil.rmtree(path.parent) if path.parent != directory else path.unlink()
        else:
            path.rename(second)


@given(st.lists(happenings, max_size=5))
def test_what_is_remembered_is_what_a_first_look_finds(
    looks: list[list[tuple[str, str, str]]],
) -> None:
    texts = ("**/*.log", "d/", "*/a.*", "x=f/a.log")
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        one = discover(directory, *texts)
        for happened in looks:
            for each in happened:
                happen(directory, *each)
            one.look()
            seen, fresh = one.look(), discover(directory, *texts).look()
            assert {log.path: log.problem for log in seen.found} == {
                log.path: log.problem for log in fresh.found
            }
            assert (seen.left_out, seen.problems) == (fresh.left_out, fresh.problems)
        one.close()


# --- what has changed -----------------------------------------------------------------


def test_what_has_changed_between_two_looks() -> None:
    a, b, c = (Found(name, Path(f"/{name}")) for name in "abc")
    ill, moved = a._replace(problem="was removed"), b._replace(path=Path("/x/b"))
    table = [
        ((), (a, b), Changes((a, b), (), ())),
        ((a, b), (a, b), Changes((), (), ())),
        ((a, b), (b, c), Changes((c,), (a,), ())),
        ((a,), (ill,), Changes((), (), (ill,))),
        ((b,), (moved,), Changes((moved,), (b,), ())),
    ]
    for before, now, wanted in table:
        assert changes(View(before), View(now)) == wanted


def test_names_stay_while_logs_come_and_go(tmp_path: Path) -> None:
    write(tmp_path / "a/app.log")
    one = discover(tmp_path, "**/*.log", reserved=("web.log",))
    assert names(one.look()) == ["app.log"]
    write(tmp_path / "b/app.log")
    write(tmp_path / "b/web.log")
    assert names(one.look()) == ["app.log", "b/app.log", "b/web.log"]
    shutil.rmtree(tmp_path / "a")
    one.look()
    assert names(one.look()) == ["b/app.log", "b/web.log"]


def test_a_watch_tells_what_comes_and_goes(
    logs: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(discovery, "PAUSE", 0.01)

    async def test() -> None:
        told: asyncio.Queue[tuple[View, Changes]] = asyncio.Queue()
        one = discover(logs, "*.log")
        task = asyncio.create_task(one.watch(lambda *what: told.put_nowait(what)))
        async with asyncio.timeout(20):
            view, changed = await told.get()
            assert (view.found, changed) == ((), Changes((), (), ()))
            path = write(logs / "app.log")
            view, changed = await told.get()
            assert view.found == changed.added == (Found("app.log", path),)
            assert one.view is view
            path.unlink()
            _, changed = await told.get()
            assert [found.problem for found in changed.changed] == ["was removed"]
            _, changed = await told.get()
            assert [found.path for found in changed.removed] == [path]
        task.cancel()
        one.close()

    asyncio.run(test())
    assert caplog.messages[0] == ("*.log matches no file yet: it is looked for again and again")
