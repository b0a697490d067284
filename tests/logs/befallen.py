"""What befalls the server meanwhile, and that every line comes, for tests of what befalls a log."""

import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import psutil

from tests.rotations import Log
from tests.running import Client, Server, following, wait_until


@contextmanager
def stopped(server: Server) -> Iterator[None]:
    """The server sees nothing of what is done meanwhile."""
    server.process.send_signal(signal.SIGSTOP)
    wait_until(lambda: server.proc.status() == psutil.STATUS_STOPPED, "it has stopped")
    yield
    server.process.send_signal(signal.SIGCONT)


@contextmanager
def down(server: Server) -> Iterator[None]:
    server.kill()
    yield
    server.start()


def check(log: Log, client: Client) -> None:
    """All lines came, once and in order, and nothing was said to be missing."""
    assert client.wait_for(len(log.lines)) == log.lines
    assert client.facts("gap") == []


def check_returns(
    server: Server, log: Log, client: Client, step: int = 1, but: str | None = None
) -> None:
    """Clients that come back get what they missed, once and in order.

    They come back from each `step`th line that is not `but`.
    """
    events = [event for event in client.events if event.type == "message"]
    with ExitStack() as stack:
        enter = stack.enter_context
        fresh = enter(following(server, "/stream-logs?from=start"))
        back = {
            number: enter(following(server, last_event_id=events[number].id))
            for number in range(0, len(events), step)
            if events[number].data != but
        }
        log.write(1)  # comes after all that could come twice
        for number, late in back.items():
            assert late.wait_for(len(log.lines) - number - 1) == log.lines[number + 1 :]
            assert late.facts("gap") == []
        check(log, fresh)
        check(log, client)
