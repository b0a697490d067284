"""The pages, in a real browser, against a real server."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect, sync_playwright

from tests.running import Server, running

pytestmark = pytest.mark.long

HTML = Path(__file__).parent.parent / "html"
SCREENSHOTS = Path(__file__).parent / "screenshots"
PAGES = ["index.html", "client_listen_logs.html", "client_listen_number.html"]

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

PATIENCE = 20_000
"""Milliseconds."""

expect.set_options(timeout=PATIENCE)

LINES = "[...document.querySelectorAll('#log .line:not(.fact)')].map(line => line.textContent)"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=ARGUMENTS)
        yield browser
        browser.close()


OpenPage = Callable[..., Page]


@pytest.fixture
def open_page(browser: Browser) -> Iterator[OpenPage]:
    """Opens a page in a context of its own; in the end, no page may have met an error."""
    contexts: list[BrowserContext] = []
    errors: list[str] = []

    def open_page(url: str, script: str = "", **options: object) -> Page:
        context = browser.new_context(**({"locale": "en-US"} | options))  # type: ignore[arg-type]
        contexts.append(context)
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: errors.append(message.text))
        if script:
            page.add_init_script(script)
        if url.startswith("file:"):
            # the address that is in the field at first, whoever listens there now
            page.route("http://127.0.0.1:8000/**", lambda route: route.abort("connectionrefused"))
        page.goto(url)
        return page

    yield open_page
    for context in contexts:
        context.close()
    # a page cannot keep the browser from reporting that the server did not answer, or refused
    network = re.compile(
        r"net::ERR_(CONNECTION|INCOMPLETE|EMPTY|NETWORK|FAILED)|status of [45]\d\d|CORS policy"
    )
    assert [error for error in errors if not network.search(error)] == []


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "app.log"
    path.write_text("")
    return path


@pytest.fixture
def server(tmp_path: Path, log: Path) -> Iterator[Server]:
    with running(tmp_path, "--retry", "50", "--allow-origin", "*", log) as server:
        yield server


def write(log: Path, *lines: str) -> None:
    with log.open("a") as file:
        file.write("".join(f"{line}\n" for line in lines))


def wait_for_state(page: Page, state: str) -> None:
    expect(page.locator("#state")).to_have_attribute("data-state", state)


def wait_for_lines(page: Page, lines: list[str]) -> None:
    """Wait until the last of `lines` is there, then compare them all."""
    page.wait_for_function(f"last => {LINES}.at(-1) === last", arg=lines[-1])
    assert page.evaluate(LINES) == lines


def numbered(first: int, last: int) -> list[str]:
    return [f"line {number}" for number in range(first, last + 1)]


@pytest.fixture(params=["served", "from disk"])
def open_at(request: pytest.FixtureRequest, server: Server, open_page: OpenPage) -> OpenPage:
    """Opens a page by its name, once from the server and once from disk."""

    def open_at(name: str) -> Page:
        if request.param == "served":
            page = open_page(f"{server.url}/{name}")
            expect(page.get_by_label("Server address")).to_be_hidden()
        else:
            page = open_page((HTML / name).as_uri())
            expect(page.get_by_label("Server address")).to_have_value("http://127.0.0.1:8000")
            if "autostart" in (page.locator("main").evaluate("main => ({...main.dataset})")):
                page.click("#stop")
            page.get_by_label("Server address").fill(server.url)
        return page

    return open_at


def starts_by_itself(page: Page) -> bool:
    """Whether it listens without a click. It asks first what logs there are."""
    return page.url.startswith("http") and page.locator("[data-autostart]").count() > 0


@pytest.mark.parametrize(
    ("locale", "words"),
    [
        ("en-US", "Waiting for {}, which does not exist yet."),
        ("pt-BR", "Aguardando {}, que ainda não existe."),
    ],
)
@pytest.mark.parametrize("name", ["index.html", "client_listen_logs.html"])
@pytest.mark.parametrize("file", ["new.log", "<b>{problem}.log"])
def test_a_page_says_that_the_log_does_not_exist_until_it_does(
    file: str, name: str, locale: str, words: str, open_page: OpenPage, tmp_path: Path
) -> None:
    log = tmp_path / file
    with running(tmp_path, log) as server:
        page = open_page(f"{server.url}/{name}", locale=locale)
        absence = page.locator("#absence")
        if not starts_by_itself(page):
            expect(absence).to_be_hidden()
            page.click("#start")
        expect(absence).to_have_text(words.format(file))
        wait_for_state(page, "listening")
        SCREENSHOTS.mkdir(exist_ok=True)
        page.screenshot(path=SCREENSHOTS / f"absent-{name.removesuffix('.html')}-{locale}.png")
        page.click("#stop")
        expect(absence).to_be_hidden()
        page.click("#start")
        expect(absence).to_be_visible()
        write(log, "the first line")
        wait_for_lines(page, ["the first line"])
        expect(absence).to_be_hidden()


def test_a_page_says_that_an_empty_log_exists_as_soon_as_it_looks_again(
    open_page: OpenPage, tmp_path: Path
) -> None:
    log = tmp_path / "new.log"
    with running(tmp_path, log) as server:
        page = open_page(f"{server.url}/client_listen_logs.html")
        page.click("#start")
        expect(page.locator("#absence")).to_be_visible()
        log.touch()
        expect(page.locator("#absence")).to_be_hidden()
        wait_for_state(page, "listening")


# --- listening ----------------------------------------------------------------------


def test_log_page(open_at: OpenPage, log: Path) -> None:
    write(log, *numbered(1, 20))
    page = open_at("client_listen_logs.html")
    start, stop = page.get_by_role("button", name="Start"), page.get_by_role("button", name="Stop")
    wait_for_state(page, "stopped")
    expect(page.locator("#state")).to_have_text("Stopped")
    expect(stop).to_be_disabled()
    page.get_by_label("Lines from before").fill("5")
    start.click()
    wait_for_state(page, "listening")
    expect(page.locator("#state")).to_have_text("Listening")
    expect(start).to_be_disabled()
    expect(page.locator("[name=backlog]")).to_be_disabled()
    wait_for_lines(page, numbered(16, 20))
    write(log, "line 21")
    wait_for_lines(page, numbered(16, 21))
    expect(page.locator("#count")).to_have_text("6")
    stop.click()
    wait_for_state(page, "stopped")
    expect(start).to_be_enabled()
    page.get_by_role("button", name="Clear").click()
    assert page.evaluate(LINES) == []
    expect(page.locator("#count")).to_have_text("0")


def test_number_page(open_at: OpenPage) -> None:
    page = open_at("client_listen_number.html")
    expect(page.locator("[name=interval]")).to_have_value("0.3")
    page.get_by_label("To").fill("5")
    page.get_by_label("Interval").fill("0.01")
    for _ in range(2):  # after the end, it begins anew
        page.click("#start")
        wait_for_state(page, "finished")
        wait_for_lines(page, ["1", "2", "3", "4", "5"])
        expect(page.locator(".fact")).to_have_text("The server has finished.")
        expect(page.locator("#count")).to_have_text("5")
        expect(page.locator("#start")).to_be_enabled()
        expect(page.locator("#stop")).to_be_disabled()


def test_overview(open_at: OpenPage, server: Server, log: Path) -> None:
    write(log, "the first", "the second")
    page = open_at("index.html")
    if not starts_by_itself(page):
        page.click("#start")
    wait_for_lines(page, ["the second"])
    expect(page.locator("#up")).to_have_text("The server is up")
    expect(page.locator("[data-field=name]")).to_have_text("app.log")
    write(log, "the third")
    wait_for_lines(page, ["the third"])
    expect(page.locator("[data-field=size]")).to_have_text("31")
    end = server.json("/logs")["logs"][0]["end"]
    expect(page.locator("[data-field=end]")).to_have_text(end)
    for path in ("/stream-logs", "/stream-numbers", "/slow-numbers", "/logs"):
        expect(page.get_by_role("link", name=path)).to_have_attribute("href", server.url + path)
    expect(page.locator("pre").last).to_have_text(f"curl {server.url}/logs")
    server.kill()
    expect(page.locator("#up")).to_have_text("The server does not answer")
    wait_for_state(page, "reconnecting")
    server.start()
    wait_for_state(page, "listening")
    expect(page.locator("#up")).to_have_text("The server is up")


def test_the_log_goes_on_after_the_server_was_killed(
    open_page: OpenPage, server: Server, log: Path
) -> None:
    page = open_page(f"{server.url}/client_listen_logs.html")
    page.click("#start")
    wait_for_state(page, "listening")
    write(log, *numbered(1, 50))
    wait_for_lines(page, numbered(1, 50))
    for round in (1, 2):
        server.kill()
        wait_for_state(page, "reconnecting")
        expect(page.locator("#stop")).to_be_enabled()
        write(log, *numbered(round * 50 + 1, round * 50 + 49))
        server.start()
        wait_for_state(page, "listening")
        write(log, f"line {round * 50 + 50}")
        wait_for_lines(page, numbered(1, round * 50 + 50))
    expect(page.locator("#count")).to_have_text("150")


def test_a_shutdown_is_told(open_page: OpenPage, server: Server) -> None:
    page = open_page(f"{server.url}/client_listen_logs.html")
    page.click("#start")
    wait_for_state(page, "listening")
    server.end()
    expect(page.locator(".fact")).to_have_text("The server is shutting down.")
    wait_for_state(page, "reconnecting")
    expect(page.locator("#state")).to_have_text("Not connected; trying again…")
    page.click("#stop")
    wait_for_state(page, "stopped")


def test_nothing_is_lost_between_stop_and_start(
    open_page: OpenPage, server: Server, log: Path
) -> None:
    page = open_page(f"{server.url}/client_listen_logs.html")
    page.click("#start")
    wait_for_state(page, "listening")
    write(log, "line 1")
    for number in range(2, 40, 2):
        wait_for_lines(page, numbered(1, number - 1))
        page.click("#stop")
        write(log, f"line {number}")
        page.click("#start")
        write(log, f"line {number + 1}")
    wait_for_lines(page, numbered(1, 39))
    # clearing while it listens changes nothing of that
    page.click("#clear")
    write(log, "line 40")
    wait_for_lines(page, ["line 40"])
    page.click("#stop")
    write(log, *numbered(41, 60))
    page.click("#start")
    wait_for_lines(page, numbered(40, 60))


@pytest.mark.parametrize("change", ["clear", "field"])
def test_start_afresh(change: str, open_page: OpenPage, server: Server, log: Path) -> None:
    write(log, *numbered(1, 30))
    page = open_page(f"{server.url}/client_listen_logs.html")
    page.click("#start")
    wait_for_lines(page, numbered(21, 30))
    page.click("#stop")
    write(log, *numbered(31, 50))
    if change == "clear":
        page.click("#clear")
    else:
        page.fill("[name=backlog]", "3")
    page.click("#start")
    wait_for_lines(page, numbered(41, 50) if change == "clear" else numbered(48, 50))


def test_numbers_go_on_after_a_stop(open_page: OpenPage, server: Server) -> None:
    page = open_page(f"{server.url}/client_listen_number.html")
    page.fill("[name=to]", "30")
    page.fill("[name=interval]", "0.02")
    page.click("#start")
    page.wait_for_function(f"() => {LINES}.length >= 3")
    page.click("#stop")
    wait_for_state(page, "stopped")
    page.click("#start")
    wait_for_state(page, "finished")
    wait_for_lines(page, [str(number) for number in range(1, 31)])


def test_pages_work_under_a_prefix(open_page: OpenPage, server: Server) -> None:
    def forward(route: Route) -> None:
        # no redirect, so that the page sees the prefix only; whole bodies, so numbers only
        url = route.request.url.replace("/some/prefix/", "/")
        route.fulfill(response=route.fetch(url=url))

    page = open_page("about:blank")
    page.route("**", lambda route: route.abort())
    page.route("**/some/prefix/**", forward)
    page.goto(f"{server.url}/some/prefix/client_listen_number.html")
    page.fill("[name=interval]", "0")
    page.click("#start")
    wait_for_lines(page, [str(number) for number in range(1, 11)])


@pytest.mark.parametrize("where", ["served", "from disk"])
def test_a_refusal_is_told_with_the_server_s_reason(
    where: str, open_page: OpenPage, server: Server
) -> None:
    base = server.url if where == "served" else HTML.as_uri()
    page = open_page(f"{base}/client_listen_number.html")
    if where == "from disk":
        page.get_by_label("Server address").fill(server.url)
    page.fill("[name=from]", "20")
    page.click("#start")
    reason = server.get("/stream-numbers?from=20&to=10")[2].decode().strip()
    expect(page.locator("#state")).to_have_text(f"Stopped: the server refused: {reason}")
    wait_for_state(page, "stopped")
    expect(page.locator("#start")).to_be_enabled()


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"status": 204}, "the server has no more to send"),
        (
            {"status": 502, "body": "<h1>Bad</h1>", "content_type": "text/html"},
            "the server refused: HTTP 502",
        ),
        (
            {"status": 404, "body": "no such log\nmore", "content_type": "text/plain"},
            "the server refused: no such log",
        ),
    ],
)
def test_the_reason_is_the_answer_s(
    answer: dict[str, Any], said: str, open_page: OpenPage, server: Server
) -> None:
    page = open_page(f"{server.url}/client_listen_logs.html")
    page.route("**/stream-logs*", lambda route: route.fulfill(**answer))
    page.click("#start")
    expect(page.locator("#state")).to_have_text(f"Stopped: {said}")


@pytest.mark.parametrize("then", ["up", "gone"])
def test_a_refusal_that_is_over_is_told(then: str, open_page: OpenPage, server: Server) -> None:
    page = open_page(f"{server.url}/client_listen_logs.html")
    if then == "gone":
        page.route("**/stream-logs*", lambda route: route.abort("connectionrefused"))
    page.route("**/stream-logs*", lambda route: route.fulfill(status=500), times=1)
    page.click("#start")
    expect(page.locator("#state")).to_have_text(
        "Stopped: the server refused, but would not do so now. Start again"
        if then == "up"
        else "Stopped: the server cannot be reached"
    )


@pytest.mark.parametrize(
    ("locale", "state", "up"),
    [
        (
            "en-US",
            (
                "Stopped: the server does not let pages from disk read. "
                "Start it with --allow-origin null"
            ),
            "The server does not let this page read",
        ),
        (
            "pt-BR",
            "Parado: o servidor não deixa páginas do disco lerem. Inicie-o com --allow-origin null",
            "O servidor não deixa esta página ler",
        ),
    ],
)
def test_a_page_from_disk_says_that_the_server_does_not_let_it_read(
    locale: str, state: str, up: str, open_page: OpenPage, tmp_path: Path, log: Path
) -> None:
    with running(tmp_path, log) as server:
        page = open_page((HTML / "index.html").as_uri(), locale=locale)
        page.click("#stop")
        page.fill("#server", server.url)
        page.click("#start")
        expect(page.locator("#state")).to_have_text(state)
        expect(page.locator("#up")).to_have_text(up)


def test_a_page_from_disk_comes_back_to_a_server_that_is_not_there(
    open_page: OpenPage, server: Server
) -> None:
    server.kill()
    page = open_page((HTML / "index.html").as_uri())
    page.click("#stop")
    page.fill("#server", server.url)
    page.click("#start")
    wait_for_state(page, "reconnecting")
    expect(page.locator("#up")).to_have_text("The server does not answer")
    server.start()
    wait_for_state(page, "listening")
    expect(page.locator("#up")).to_have_text("The server is up")


def test_a_field_out_of_bounds_is_not_sent(open_page: OpenPage, server: Server) -> None:
    page = open_page(f"{server.url}/client_listen_logs.html")
    for text in ("", "-1", "1.5"):
        page.fill("[name=backlog]", text)
        page.click("#start")
        assert page.evaluate("document.activeElement.name") == "backlog"
        wait_for_state(page, "stopped")


def test_facts_in_plain_words(open_page: OpenPage, server: Server, log: Path) -> None:
    write(log, "line 1")
    page = open_page(f"{server.url}/client_listen_logs.html")
    page.click("#start")
    wait_for_lines(page, ["line 1"])
    log.rename(log.with_name("app.log.1"))
    write(log, "line 2")
    wait_for_lines(page, ["line 1", "line 2"])
    expect(page.locator(".fact")).to_have_text("The log was rotated: a new file begins here.")
    page.click("#stop")
    server.kill()
    log.with_name("app.log.1").unlink()
    log.write_text("something else\naltogether\n")
    server.start()
    page.click("#start")
    wait_for_lines(page, ["line 1", "line 2", "something else", "altogether"])
    expect(page.locator(".fact").last).to_have_text(
        "Gap: the place to continue from was not found. It goes on here."
    )


def test_a_clipped_line_is_told(open_page: OpenPage, tmp_path: Path, log: Path) -> None:
    write(log, "x" * 20_000)
    with running(tmp_path, "--max-line", "8192", log) as server:
        page = open_page(f"{server.url}/client_listen_logs.html")
        page.click("#start")
        expect(page.locator(".fact")).to_have_text(
            "The next line has 20,000 bytes; only the first 8,192 are shown."
        )
        wait_for_lines(page, ["x" * 8192])


# --- what is shown ------------------------------------------------------------------


def test_a_line_is_never_markup(open_page: OpenPage, server: Server, log: Path) -> None:
    lines = [
        "<img src=x onerror=\"document.title='broken into'\">",
        "<script>document.title = 'broken into'</script>&amp;",
        "  two spaces,\ttab  ",
        "coração ✓ 🌊",
    ]
    write(log, *lines)
    page = open_page(f"{server.url}/client_listen_logs.html")
    page.click("#start")
    wait_for_lines(page, lines)
    assert page.locator("#log .line > *").count() == 0
    assert page.title() == "Log – Riacho"
    assert page.locator("#log .line").nth(2).inner_text() == lines[2]


def test_a_line_of_several_lines(open_page: OpenPage, server: Server, log: Path) -> None:
    log.write_bytes(b"one\rtwo\rthree\n\nthe end\n")
    page = open_page(f"{server.url}/client_listen_logs.html")
    page.click("#start")
    wait_for_lines(page, ["one\ntwo\nthree", "", "the end"])
    heights = page.evaluate("[...document.querySelectorAll('.line')].map(l => l.clientHeight)")
    assert heights[0] > 2.5 * heights[1] > 0


def test_levels(open_page: OpenPage, server: Server, log: Path) -> None:
    write(log, "a DEBUG", "[INFO] b", "WARNING:c", "x - ERROR - y", "CRITICAL", "INFORMAL errors")
    page = open_page(f"{server.url}/client_listen_logs.html")
    page.click("#start")
    expect(page.locator("#log .line")).to_have_class(
        [
            "line debug",
            "line info",
            "line warning",
            "line error",
            "line critical",
            re.compile("^line ?$"),
        ]
    )


def test_a_burst_stays_bounded(open_page: OpenPage, server: Server, log: Path) -> None:
    page = open_page(f"{server.url}/client_listen_logs.html")
    page.click("#start")
    wait_for_state(page, "listening")
    page.evaluate(
        """() => {
            window.most = 0;
            const log = document.querySelector("#log");
            const look = () => { most = Math.max(most, log.childElementCount); };
            new MutationObserver(look).observe(log, {childList: true});
        }"""
    )
    write(log, *numbered(1, 600))
    wait_for_lines(page, numbered(1, 600))
    write(log, *numbered(601, 20_600))
    wait_for_lines(page, numbered(19_601, 20_600))
    expect(page.locator("#count")).to_have_text("20,600")
    assert page.evaluate("most") == 1000


def test_a_tab_that_draws_nothing_stays_bounded(
    open_page: OpenPage, server: Server, log: Path
) -> None:
    # A hidden tab is not given frames. Here they are held back, and what waits for the
    # next one is measured where the page must hold it: in arrays.
    hold = """
        window.frames_ = [];
        window.requestAnimationFrame = draw => frames_.push(draw);
        window.longest = window.seen = 0;
        const push = Array.prototype.push;
        Array.prototype.push = function (...items) {
            const length = push.apply(this, items);
            if (items[0]?.text?.startsWith("line ")) {
                seen++;
                longest = Math.max(longest, length);
            }
            return length;
        };
    """
    page = open_page(f"{server.url}/client_listen_logs.html", hold)
    page.click("#start")
    wait_for_state(page, "listening")
    write(log, *numbered(1, 20_000))
    page.wait_for_function("() => seen === 20000", polling=50)
    assert page.evaluate(LINES) == []
    assert 1000 <= page.evaluate("longest") <= 2001
    assert page.evaluate("frames_.length") == 1
    page.evaluate("frames_[0]()")
    assert page.evaluate(LINES) == numbered(19_001, 20_000)


def test_the_log_follows_its_end_until_the_reader_scrolls(
    open_page: OpenPage, server: Server, log: Path
) -> None:
    at_end = """() => {
        const log = document.querySelector("#log");
        return log.scrollHeight - log.scrollTop - log.clientHeight < 2;
    }"""
    write(log, *numbered(1, 200))
    page = open_page(f"{server.url}/client_listen_logs.html")
    page.fill("[name=backlog]", "200")
    page.click("#start")
    wait_for_lines(page, numbered(1, 200))
    assert page.evaluate(at_end)
    jump = page.get_by_role("button", name="Jump to the end")
    expect(jump).to_be_hidden()
    page.locator("#log").focus()
    page.keyboard.press("Home")
    expect(jump).to_be_visible()
    page.wait_for_function("() => document.querySelector('#log').scrollTop === 0")
    write(log, *numbered(201, 210))
    wait_for_lines(page, numbered(1, 210))
    assert page.evaluate("document.querySelector('#log').scrollTop") == 0
    jump.click()
    expect(jump).to_be_hidden()
    assert page.evaluate(at_end)
    write(log, *numbered(211, 220))
    wait_for_lines(page, numbered(1, 220))
    page.wait_for_function(at_end)
    write(log, *["a long line " * 20] * 50)
    page.wait_for_function(f"() => {LINES}.length === 270")
    for width in (400, 1000, 300):
        page.set_viewport_size({"width": width, "height": 700})
        page.wait_for_function(f"width => innerWidth === width && ({at_end})()", arg=width)
        expect(jump).to_be_hidden()


def test_keyboard(open_page: OpenPage, server: Server) -> None:
    page = open_page(f"{server.url}/client_listen_number.html")
    page.fill("[name=interval]", "0")
    page.keyboard.press("Enter")
    wait_for_state(page, "finished")
    # the button that was pressed is disabled: the focus goes to the one that makes sense
    assert page.evaluate("document.activeElement.id") == "start"


# --- languages, screens, safety -----------------------------------------------------

VISIBLE_TEXTS = r"""
    (() => {
        const roots = [document, ...[...document.querySelectorAll("template")].map(t => t.content)];
        const texts = [];
        for (const root of roots) {
            const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
            while (walker.nextNode()) {
                const node = walker.currentNode;
                if (!node.parentElement?.closest("script, code, .brand, #log, [data-address]"))
                    texts.push(node.data.trim());
            }
        }
        for (const e of document.querySelectorAll("[aria-label]")) texts.push(e.ariaLabel);
        return texts.filter(text => /\p{L}/u.test(text));
    })()
"""

SAME_IN_BOTH = {"Log", "Log – Riacho", "Bytes"}


@pytest.mark.parametrize("name", PAGES)
def test_all_texts_are_translated(name: str, open_page: OpenPage) -> None:
    url = (HTML / name).as_uri()
    blocked = "window.EventSource = class { close() {} addEventListener() {} };"
    blocked += "window.fetch = () => new Promise(() => {});"
    english = open_page(url, blocked).evaluate(VISIBLE_TEXTS)
    page = open_page(url, blocked, locale="pt-BR")
    portuguese = page.evaluate(VISIBLE_TEXTS)
    assert len(english) == len(portuguese) > 10
    assert {a for a, b in zip(english, portuguese, strict=True) if a == b} <= SAME_IN_BOTH
    assert page.evaluate("document.documentElement.lang") == "pt-BR"


def test_every_text_of_the_script_is_translated(open_page: OpenPage) -> None:
    script = "".join(
        (HTML / name).read_text() for name in ("riacho.js", "logs.js", "connection.js")
    )
    texts = set(re.findall(r'"([A-Z][^"]+[a-z.…][^"]*)"', script))
    assert len(texts) >= 14
    page = open_page((HTML / "client_listen_logs.html").as_uri())
    assert texts <= set(page.evaluate("Object.keys(riachoTexts)"))


def test_portuguese(open_page: OpenPage, server: Server) -> None:
    page = open_page(f"{server.url}/client_listen_number.html", locale="pt-BR")
    expect(page).to_have_title("Números – Riacho")
    expect(page.locator("#state")).to_have_text("Parado")
    page.get_by_label("Até").fill("3")
    page.get_by_role("button", name="Começar a ouvir").click()
    expect(page.locator("#state")).to_have_text("Terminado")
    expect(page.locator(".fact")).to_have_text("O servidor terminou.")


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1200])
def test_no_horizontal_scroll(
    name: str, scheme: str, width: int, open_page: OpenPage, server: Server, log: Path
) -> None:
    levels = ["DEBUG", "INFO", "INFO", "WARNING", "INFO", "ERROR", "INFO", "CRITICAL", "INFO"]
    write(log, *(f"2026-11-22 22:04:5{n},123 - app - {level}" for n, level in enumerate(levels)))
    write(log, "INFO " + "x" * 300)
    page = open_page(
        f"{server.url}/{name}",
        color_scheme=scheme,
        viewport={"width": width, "height": 800},
        locale="pt-BR" if scheme == "dark" else "en-US",
    )
    if not starts_by_itself(page):
        if page.locator("[name=interval]").count():
            page.fill("[name=interval]", "0")
        page.click("#start")
    expect(page.locator(".line").last).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("document.querySelector('#log').scrollWidth") <= width
    SCREENSHOTS.mkdir(exist_ok=True)
    picture = SCREENSHOTS / f"{name.removesuffix('.html')}-{scheme}-{width}.png"
    page.screenshot(path=picture, full_page=True)


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast(name: str, scheme: str, open_page: OpenPage) -> None:
    """WCAG 2.2, 1.4.3: text that is not disabled has a contrast of at least 4.5 to 1."""
    page = open_page((HTML / name).as_uri(), color_scheme=scheme)
    low = page.evaluate(
        """() => {
            const log = document.querySelector("#log");
            for (const kind of ["", "debug", "info", "warning", "error", "critical", "fact"])
                log.append(Object.assign(document.createElement("div"),
                    {className: "line " + kind, textContent: "text " + kind}));
            const channels = color => color.match(/[\\d.]+/g).map(Number);
            const light = color => {
                const [r, g, b] = channels(color).map(
                    c => (c /= 255) <= .04045 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4);
                return .2126 * r + .7152 * g + .0722 * b;
            };
            const background = element => {
                const color = getComputedStyle(element).backgroundColor;
                return channels(color)[3] === 0 ? background(element.parentElement) : color;
            };
            const contrast = element => {
                const pair = [getComputedStyle(element).color, background(element)].map(light);
                return (Math.max(...pair) + .05) / (Math.min(...pair) + .05);
            };
            const hasText = e => [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim());
            const counts = e => hasText(e) && !e.matches(":disabled") && e.checkVisibility();
            const low = [];
            for (const state of ["stopped", "connecting", "listening", "finished"]) {
                document.querySelector("#state").dataset.state = state;
                for (const e of document.body.querySelectorAll("*"))
                    if (counts(e) && contrast(e) < 4.5)
                        low.push([state, e.tagName, e.className, contrast(e)]);
            }
            return low;
        }"""
    )
    assert low == []


@pytest.mark.parametrize("name", PAGES)
def test_a_strict_content_security_policy(name: str, open_page: OpenPage, server: Server) -> None:
    def with_policy(route: Route) -> None:
        response = route.fetch()
        policy = "default-src 'self'; require-trusted-types-for 'script'; trusted-types 'none'"
        headers = {**response.headers, "content-security-policy": policy}
        route.fulfill(response=response, headers=headers)

    page = open_page("about:blank")
    page.route("**/*.html", with_policy)
    page.goto(f"{server.url}/{name}")
    if not starts_by_itself(page):
        page.click("#start")
    wait_for_state(page, "listening")  # any violation is an error on the console


@pytest.mark.parametrize("name", PAGES)
def test_nothing_comes_from_elsewhere(name: str, open_page: OpenPage, server: Server) -> None:
    page = open_page("about:blank")
    urls: list[str] = []
    page.on("request", lambda request: urls.append(request.url))
    page.goto(f"{server.url}/{name}")
    page.wait_for_load_state("load")
    assert len(urls) >= 5
    assert [url for url in urls if not url.startswith(server.url)] == []


def test_the_scripts_leave_two_globals(open_page: OpenPage) -> None:
    before = set(
        open_page((HTML / "logo.svg").as_uri()).evaluate("Object.getOwnPropertyNames(window)")
    )
    page = open_page((HTML / "client_listen_logs.html").as_uri())
    assert set(page.evaluate("Object.getOwnPropertyNames(window)")) <= before
    assert page.evaluate("[typeof riachoTexts, typeof riachoLogs]") == ["object", "function"]
