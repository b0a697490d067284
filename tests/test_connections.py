"""A browser has six connections to a server: Riacho's pages leave some of them to others."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.running import Server, running
from tests.test_pages import LINES, browser, wait_for_lines, wait_for_state, write

__all__ = ["browser"]  # a fixture

MOST = 4
"""Pages that hold a stream at the same time."""

NO_CONNECTION = "No free connection"

SEEN = """isSeen => {
    const value = isSeen ? "visible" : "hidden";
    Object.defineProperty(document, "visibilityState", { value, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
}"""
"""What happens when another tab is chosen: a browser without windows shows all of its tabs."""


@pytest.fixture
def log(tmp_path: Path) -> Path:
    write(tmp_path / "app.log", "line 1")
    return tmp_path / "app.log"


@pytest.fixture
def server(tmp_path: Path, log: Path) -> Iterator[Server]:
    with running(tmp_path, log, "--retry", "50") as server:
        yield server


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(locale="en-US")
    yield context
    context.close()


def opened(context: BrowserContext, server: Server) -> Page:
    """A page whose button to start was pressed."""
    page = context.new_page()
    page.goto(f"{server.url}/client_listen_logs.html")
    page.click("#start")
    return page


def listening(context: BrowserContext, server: Server, count: int) -> list[Page]:
    """Pages that listen, as far as there is room for them; the others say that there is none."""
    pages = []
    for number in range(count):
        page = opened(context, server)
        wait_for_state(page, "listening" if number < MOST else "queued")
        pages.append(page)
    return pages


def test_a_page_says_that_there_is_no_free_connection_and_gets_the_next_one(
    context: BrowserContext, server: Server, log: Path
) -> None:
    pages = listening(context, server, 8)
    for page in pages[MOST:]:
        expect(page.locator("#state")).to_contain_text(NO_CONNECTION)
        # other requests are answered, as that of JupyterLab which saves
        assert page.evaluate("fetch('healthz').then(answer => answer.status)") == 200
    first, *others = pages[:MOST]
    first.close()
    queued = pages[MOST:]
    expect(queued[0].locator("#state")).not_to_contain_text(NO_CONNECTION)
    write(log, "line 2")
    for page in [*others, queued[0]]:
        wait_for_lines(page, ["line 1", "line 2"])
    # those who stop, and those who stop to wait, make room
    others[0].click("#stop")
    queued[1].click("#stop")
    wait_for_state(queued[2], "listening")
    wait_for_state(queued[1], "stopped")
    wait_for_state(queued[3], "queued")


def test_a_page_that_nobody_looks_at_makes_room_for_one_that_waits_and_loses_nothing(
    context: BrowserContext, server: Server, log: Path
) -> None:
    pages = listening(context, server, MOST)
    hidden = pages[0]
    hidden.evaluate(SEEN, False)
    write(log, "line 2")
    wait_for_lines(hidden, ["line 1", "line 2"])  # as long as nobody wants its connection
    page = opened(context, server)
    wait_for_state(page, "listening")
    wait_for_state(hidden, "unseen")
    write(log, "line 3")
    wait_for_lines(page, ["line 1", "line 2", "line 3"])
    assert hidden.evaluate(LINES) == ["line 1", "line 2"]
    hidden.evaluate(SEEN, True)
    wait_for_state(hidden, "queued")
    page.close()
    wait_for_lines(hidden, ["line 1", "line 2", "line 3"])
    # one that is hidden while another one waits
    other = opened(context, server)
    wait_for_state(other, "queued")
    pages[1].evaluate(SEEN, False)
    wait_for_lines(other, ["line 1", "line 2", "line 3"])


def test_a_page_that_may_have_no_locks_listens_all_the_same(
    context: BrowserContext, server: Server
) -> None:
    context.add_init_script("""navigator.locks.request = () =>
        Promise.reject(new DOMException("not here", "SecurityError"))""")
    wait_for_state(opened(context, server), "listening")
