"""What a program has started is gone, whatever ends it, its keeper or the server."""

import asyncio
import os
import re
import signal
from pathlib import Path

import psutil
import pytest

from server.sources.keeper import Kept, run_kept, start_kept
from tests.descriptors import held
from tests.running import is_gone, wait_until
from tests.sources.hosting import hosting, spooled, until

PIPELINE = "(trap '' TERM; while :; do echo on; sleep 0.05; done) | cat"
ESCAPED = "setsid sh -c 'trap \"\" TERM; while :; do sleep 0.05; done' & sleep 1000"
DOUBLE = "(setsid sh -c 'sleep 1000 & sleep 1000' &); exec sleep 1000"


@pytest.mark.linux
@pytest.mark.parametrize("command", [PIPELINE, ESCAPED, DOUBLE, "sleep 1000"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_nothing_outlives_the_server(tmp_path: Path, command: str, number: signal.Signals) -> None:
    with hosting("command", tmp_path, f"app={command}") as host:
        host.wait_for_program("sleep")
        before = [process for process, _ in host.everyone().values()]
        assert len(before) >= 3  # with two shells that keep it
        host.process.send_signal(number)
        host.wait()
        wait_until(lambda: not host.everyone(), "nothing is left")
        assert all(map(is_gone, before))


@pytest.mark.linux
def test_a_keeper_that_is_killed_does_no_harm(tmp_path: Path) -> None:
    """A second shell still watches."""
    with hosting("command", tmp_path, "app=exec sleep 1000") as host:
        [program] = host.wait_for_program("sleep")
        killed = parent_of(program)
        killed.kill()
        wait_until(lambda: is_gone(killed), "it is killed")
        assert not is_gone(program)
        program.kill()
        assert host.wait_for("source-ended")["why"] == "has ended, and how is not known"
        [program] = host.wait_for_program("sleep")
        parent_of(program).kill()
        host.kill()
        wait_until(lambda: not host.everyone(), "nothing is left")


def parent_of(program: psutil.Process) -> psutil.Process:
    parent = program.parent()
    assert parent
    return parent


@pytest.mark.linux
def test_what_a_program_leaves_behind_goes_with_it(tmp_path: Path) -> None:
    go = tmp_path / "go"
    os.mkfifo(go)
    command = f"app=(sleep 1000 &); (setsid sleep 1000 &); cat {go}; rm {go}; exit 7"
    with hosting("command", tmp_path, command) as host:
        before = host.wait_for_program("sleep", 2)
        go.write_text("")
        assert host.wait_for("source-ended")["code"] == 7
        wait_until(lambda: all(map(is_gone, before)), "nothing is left")


def test_a_program_that_ends_gets_the_time_to_write_what_is_left(tmp_path: Path) -> None:
    script = "trap 'sleep 0.2; echo last; exit' TERM; echo first; while :; do sleep 0.05; done"
    with hosting("command", tmp_path, f"app={script}") as host:
        path = tmp_path / "app" / "app.log"
        host.wait_for("source-started")
        wait_until(lambda: b"first" in path.read_bytes(), "it runs")
        host.end()
    assert spooled(path).startswith(b"first\n")
    assert b"last\n" in spooled(path)


@pytest.mark.linux
def test_a_program_has_no_descriptor_of_the_server(tmp_path: Path) -> None:
    async def main() -> bytes:
        other = os.open(tmp_path, os.O_RDONLY)
        words = ["/bin/sh", "-c", "ls -l /proc/self/fd; grep -h Sig[BI] /proc/self/status"]
        kept = await start_kept(words, {})
        os.close(other)
        return await asyncio.to_thread(read_all, kept.out, kept)

    def read_all(descriptor: int, kept: Kept) -> bytes:
        data = b""
        while more := os.read(descriptor, 65536):
            data += more
        asyncio.run(kept.close())
        return data

    said = asyncio.run(main()).decode()
    ours = {name for name in os.listdir("/proc/self/fd") if is_inherited(int(name))}
    assert str(tmp_path) not in said
    assert "socket" not in said
    assert set(re.findall(r" (\d+) ->", said)) <= {"0", "1", "2", "3"} | ours  # 3: what is listed
    # what Python ignores on its own account, a program does not
    assert ignored_in(said) <= ignored_in(Path("/proc/self/status").read_text()) - {
        signal.SIGPIPE,
        signal.SIGXFSZ,
    }


def ignored_in(status: str) -> set[int]:
    """The signals that are ignored: see proc(5)."""
    [mask] = re.findall(r"SigIgn:\t(\w+)", status)
    return {number for number in range(1, 65) if int(mask, 16) >> number - 1 & 1}


def is_inherited(descriptor: int) -> bool:
    try:
        return os.get_inheritable(descriptor)
    except OSError:
        return False


def test_one_that_cannot_be_started_says_why() -> None:
    async def main() -> int | None:
        kept = await start_kept(["/no/such/program"], {})
        return await run_kept("app", kept, said.append, complained.append, Settled())

    said: list[bytes] = []
    complained: list[bytes] = []
    assert asyncio.run(main()) == 127
    assert b"not found" in b"".join(complained)


class Settled:
    is_settled = True

    def settle(self) -> bool:
        return True


def test_no_descriptor_and_no_process_is_left(tmp_path: Path) -> None:
    async def main() -> None:
        before = held()
        for number in range(1, 11):
            kept = await start_kept(["/bin/sh", "-c", "sleep 1000"], {})
            running = asyncio.create_task(
                run_kept("app", kept, lambda data: None, lambda data: None, Settled())
            )
            for _ in range(number):
                await asyncio.sleep(0)
            running.cancel()
            await asyncio.wait({running})
        await until(lambda: psutil.Process().children() == [], "all are gone")
        assert not held() - before

    asyncio.run(main())


def test_a_start_that_is_cancelled_leaves_nothing() -> None:
    async def main() -> None:
        before = held()
        starting = asyncio.create_task(start_kept(["/bin/sh", "-c", "sleep 1000"], {}))
        await asyncio.sleep(0)
        starting.cancel()
        await asyncio.wait({starting})
        assert starting.cancelled()
        assert psutil.Process().children() == []
        assert not held() - before

    asyncio.run(main())
