"""The pages of a server that has several logs: which are shown, together or one at a time."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.running import Server, running, wait_until
from tests.test_pages import (
    HTML,
    LINES,
    SCREENSHOTS,
    OpenPage,
    browser,
    numbered,
    open_page,
    wait_for_lines,
    wait_for_state,
    write,
)

__all__ = ["browser", "open_page"]  # fixtures

PAGE = "client_listen_logs.html"

OPTIONS = "[...document.querySelectorAll('#choice option')].map(option => option.text)"

HOSTILE = "<img src=x onerror=alert(1)>&log=web.log"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A server of `app.log` and `web.log`, and of others as they appear."""
    write(tmp_path / "app.log", *(f"2026-11-22 22:04:0{n} app {n}" for n in range(3)))
    write(tmp_path / "web.log", *(f"2026-11-22 22:04:0{n} web {n}" for n in range(3)))
    logs = ["app.log", "web.log", "*.log"]
    with running(tmp_path, *logs, "--retry", "50", "--allow-origin", "*") as server:
        yield server


def of(log: str, *numbers: int, name: str = "") -> list[str]:
    return [f"{name}2026-11-22 22:04:0{number} {log} {number}" for number in numbers]


def together(*numbers: int) -> list[str]:
    logs = ("app", "web")
    return [of(log, n, name=f"{log}.log ")[0] for n in numbers for log in logs]


def wait_for_options(page: Page, options: list[str]) -> None:
    page.wait_for_function(f"options => String({OPTIONS}) === String(options)", arg=options)


def test_one_log_has_a_name_and_no_picker(open_page: OpenPage, tmp_path: Path) -> None:
    write(tmp_path / "app.log", "line 1")
    with running(tmp_path, "app.log", "--retry", "50") as server:
        page = open_page(f"{server.url}/{PAGE}")
        expect(page.locator("#shown")).to_have_text("app.log")
        page.click("#start")
        wait_for_lines(page, ["line 1"])
        expect(page.locator("#choice")).to_be_hidden()
        expect(page.get_by_text("From the start")).to_be_hidden()
        expect(page).to_have_title("Log – Riacho")
        # the server is started again with another log, and the page stays with this one
        server.kill()
        write(tmp_path / "app.log", "line 2")
        write(tmp_path / "web.log", "another")
        server.arguments.append("web.log")
        server.start()
        wait_for_lines(page, ["line 1", "line 2"])
        expect(page.locator("#choice")).to_have_value("log=app.log")
        assert page.locator(".fact").count() == 0


@pytest.mark.parametrize("where", ["served", "from disk"])
def test_a_log_is_chosen_and_the_choice_is_in_the_address(
    where: str, open_page: OpenPage, server: Server, tmp_path: Path
) -> None:
    page = open_page(f"{server.url}/{PAGE}" if where == "served" else (HTML / PAGE).as_uri())
    if where == "from disk":
        page.get_by_label("Server address").fill(server.url)
        page.get_by_label("Server address").blur()
    picker = page.get_by_role("combobox", name="Log")
    expect(picker).to_be_visible()
    wait_for_options(page, ["All logs together", "app.log", "web.log"])
    page.get_by_label("Lines from before").fill("2")
    picker.select_option("web.log")
    assert parse_qs(urlsplit(page.url).query) == {"log": ["web.log"]}
    wait_for_state(page, "stopped")
    page.click("#start")
    wait_for_lines(page, of("web", 1, 2))
    expect(page.locator("#shown")).to_have_text("web.log")
    expect(page).to_have_title("web.log – Riacho")
    # another one, while it listens: the fields stay as they are
    picker.select_option("app.log")
    wait_for_lines(page, of("app", 1, 2))
    wait_for_state(page, "listening")
    write(tmp_path / "web.log", "not shown")
    write(tmp_path / "app.log", "shown")
    wait_for_lines(page, [*of("app", 1, 2), "shown"])
    page.reload()
    if where == "from disk":
        page.get_by_label("Server address").fill(server.url)
    expect(picker).to_have_value("log=app.log")
    page.click("#start")
    wait_for_lines(page, [*of("app", 0, 1, 2), "shown"])


def test_all_logs_together_go_on_after_a_stop_and_a_kill(
    open_page: OpenPage, server: Server, tmp_path: Path
) -> None:
    page = open_page(f"{server.url}/{PAGE}?backlog=4")
    expect(page.get_by_role("combobox", name="Log")).to_have_value("log=*")
    expect(page.get_by_label("Lines from before")).to_have_value("4")
    page.click("#start")
    wait_for_lines(page, together(1, 2))
    expect(page.locator("#shown")).to_have_text("All logs together")
    page.click("#stop")
    write(tmp_path / "web.log", "INFO while it was stopped")
    page.click("#start")
    shown = [*together(1, 2), "web.log INFO while it was stopped"]
    wait_for_lines(page, shown)
    expect(page.locator(".line").last).to_have_class("line info")
    server.kill()
    write(tmp_path / "app.log", "while the server was gone")
    server.start()
    shown += ["app.log while the server was gone"]
    wait_for_lines(page, shown)
    (tmp_path / "app.log").rename(tmp_path / "app.log.1")
    write(tmp_path / "app.log", "in a new file")
    wait_for_lines(page, [*shown, "app.log in a new file"])
    expect(page.locator(".fact")).to_have_text(
        "app.log The log was rotated: a new file begins here."
    )


def test_from_the_start(open_page: OpenPage, server: Server, tmp_path: Path) -> None:
    (tmp_path / "web.log").write_text("".join(f"{line}\n" for line in numbered(1, 40)))
    page = open_page(f"{server.url}/{PAGE}?log=web.log")
    page.click("#start")
    wait_for_lines(page, numbered(31, 40))
    page.click("#stop")
    page.get_by_label("From the start").check()
    page.click("#start")
    wait_for_lines(page, numbered(1, 40))
    page.select_option("#choice", "log=app.log")
    wait_for_lines(page, of("app", 0, 1, 2))


def test_a_log_that_appears_and_goes_is_told_and_can_be_chosen(
    open_page: OpenPage, server: Server, tmp_path: Path
) -> None:
    page = open_page(f"{server.url}/{PAGE}?backlog=0")
    wait_for_options(page, ["All logs together", "app.log", "web.log"])
    page.click("#start")
    wait_for_state(page, "listening")
    write(tmp_path / HOSTILE, "<b>the first</b>")
    wait_for_lines(page, [f"{HOSTILE} <b>the first</b>"])
    expect(page.locator(".fact")).to_have_text(f"{HOSTILE} This log is new.")
    wait_for_options(page, ["All logs together", "app.log", "web.log", HOSTILE])
    page.select_option("#choice", label=HOSTILE)
    wait_for_state(page, "listening")
    write(tmp_path / HOSTILE, "<b>the second</b>")
    wait_for_lines(page, ["<b>the second</b>"])
    assert parse_qs(urlsplit(page.url).query)["log"] == [HOSTILE]
    expect(page).to_have_title(f"{HOSTILE} – Riacho")
    assert page.locator("main img").count() == 0
    page.select_option("#choice", "log=*")
    wait_for_state(page, "listening")
    (tmp_path / HOSTILE).unlink()
    expect(page.locator(".fact")).to_have_text(f"{HOSTILE} This log is gone.")
    wait_for_options(page, ["All logs together", "app.log", "web.log"])


def test_a_log_that_is_not_there_can_be_left(open_page: OpenPage, server: Server) -> None:
    page = open_page(f"{server.url}/{PAGE}?log=wob.log#listen")
    expect(page.locator("#state")).to_contain_text("there is no log 'wob.log': web.log")
    expect(page.locator("#shown")).to_have_text("wob.log")
    wait_for_options(page, ["All logs together", "app.log", "web.log", "wob.log"])
    page.select_option("#choice", "log=web.log")
    page.click("#start")
    wait_for_lines(page, of("web", 0, 1, 2))


@pytest.mark.parametrize(
    ("query", "shown", "lines"),
    [
        ("", "All logs together", together(0, 1, 2)),
        ("?log=w*", "w*", of("web", 0, 1, 2, name="web.log ")),
        ("?log=web.log&log=app.log", "web.log, app.log", together(0, 1, 2)),
    ],
)
def test_a_frame_shows_several_logs_at_once(
    query: str, shown: str, lines: list[str], open_page: OpenPage, server: Server
) -> None:
    page = open_page(f"{server.url}/{PAGE}{query}#listen")
    wait_for_lines(page, lines)
    expect(page.locator("#shown")).to_have_text(shown)
    expect(page.locator("#choice option:checked")).to_have_text(shown)


def test_a_log_that_is_waited_for_is_told_while_others_speak(
    open_page: OpenPage, tmp_path: Path
) -> None:
    (tmp_path / "app.log").touch()
    with running(tmp_path, "app.log", "new.log") as server:
        page = open_page(f"{server.url}/{PAGE}?log=new.log#listen")
        expect(page.locator("#absence")).to_have_text(
            "Waiting for new.log, which does not exist yet."
        )
        page.select_option("#choice", "log=app.log")
        wait_for_state(page, "listening")
        expect(page.locator("#absence")).to_be_hidden()
        page.select_option("#choice", "log=*")
        expect(page.locator("#absence")).to_be_visible()
        write(tmp_path / "app.log", "a line")
        wait_for_lines(page, ["app.log a line"])
        expect(page.locator("#absence")).to_be_visible()
        write(tmp_path / "new.log", "another")
        wait_for_lines(page, ["app.log a line", "new.log another"])
        expect(page.locator("#absence")).to_be_hidden()


def test_the_end_of_a_command_is_told(open_page: OpenPage, tmp_path: Path) -> None:
    (tmp_path / "app.log").touch()
    command = ["--command", "job=echo a line; exit 3", "--state-dir", tmp_path / "state"]
    for locale, words in (
        ("en-US", "What writes this log has ended with exit code 3. It is started again in"),
        (
            "pt-BR",
            "O que escreve este log terminou com o código de saída 3. Será iniciado de novo em",
        ),
    ):
        with running(tmp_path, *command, "--", "app.log") as server:
            page = open_page(f"{server.url}/{PAGE}#listen", locale=locale)
            expect(page.locator(".fact", has_text=words).first).to_contain_text("job")


def test_the_start_page_shows_the_latest_line_of_all_logs(
    open_page: OpenPage, server: Server, tmp_path: Path
) -> None:
    page = open_page(f"{server.url}/index.html")
    wait_for_state(page, "listening")
    expect(page.locator("[data-field=name]")).to_have_text(["app.log", "web.log"])
    write(tmp_path / "web.log", "the latest")
    wait_for_lines(page, ["web.log the latest"])
    example = page.locator("pre").first
    expect(example).to_have_text(f"curl -N '{server.url}/stream-logs?backlog=3&log=*'")


def test_too_many_logs_for_one_stream_are_shown_one_at_a_time(
    open_page: OpenPage, tmp_path: Path
) -> None:
    for number in range(65):
        write(tmp_path / f"{number:03}.log", f"line {number}")
    with running(tmp_path, "*.log") as server:
        page = open_page(f"{server.url}/{PAGE}#listen")
        wait_for_lines(page, ["line 0"])
        page.select_option("#choice", "log=*")
        expect(page.locator("#state")).to_contain_text("65 logs are too many for one stream")
        page.select_option("#choice", f"log={quote('064.log')}")
        page.click("#start")
        wait_for_lines(page, ["line 64"])


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1200])
def test_no_horizontal_scroll(
    scheme: str, width: int, open_page: OpenPage, server: Server, tmp_path: Path
) -> None:
    long = "a-name-that-is-longer-than-a-phone-is-wide-and-then-some-more-of-it-2026-11-22.log"
    write(tmp_path / long, "2026-11-22 22:04:03 ERROR " + "x" * 200, "2026-11-22 22:04:04 INFO")
    wait_until(lambda: len(server.json("/logs")["logs"]) == 3, "the server has found it")
    page = open_page(
        f"{server.url}/{PAGE}",
        color_scheme=scheme,
        viewport={"width": width, "height": 800},
        locale="pt-BR" if scheme == "dark" else "en-US",
    )
    SCREENSHOTS.mkdir(exist_ok=True)
    for query, what in (("log=*", "together"), (f"log={long}", "one")):
        page.select_option("#choice", query)
        if what == "together":
            page.click("#start")
        page.wait_for_function(f"() => {LINES}.at(-1)?.endsWith('INFO')")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate("document.querySelector('#log').scrollWidth") <= width
        page.screenshot(path=SCREENSHOTS / f"picker-{what}-{scheme}-{width}.png", full_page=True)
