"""Who may read, as a real browser sees it: cookies, other sites' pages, and policies."""

import http.server
import itertools
import re
import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Error, Page, expect, sync_playwright

from tests.running import PATIENCE, running, wait_until
from tests.test_pages import (
    ARGUMENTS,
    HTML,
    PAGES,
    SCREENSHOTS,
    wait_for_lines,
    wait_for_state,
    write,
)

TOKEN = "correct-horse-battery-staple"
SECRET = "the line that no other site may read"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with cert.pem and key.pem, and the certificate's key pinned in spki."""
    path = tmp_path_factory.mktemp("certificate")
    command = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
        " -keyout key.pem -out cert.pem -subj /CN=localhost"
        " -addext subjectAltName=DNS:localhost,IP:127.0.0.1 && "
        "openssl x509 -in cert.pem -pubkey -noout | openssl pkey -pubin -outform der"
        " | openssl dgst -sha256 -binary | openssl base64 -out spki"
    )
    subprocess.run(command, shell=True, cwd=path, check=True, capture_output=True)
    return path


@pytest.fixture(scope="module")
def browser(certificate: Path) -> Iterator[Browser]:
    pin = (certificate / "spki").read_text().strip()
    arguments = [
        *ARGUMENTS,
        f"--ignore-certificate-errors-spki-list={pin}",
        "--host-resolver-rules=MAP *.example 127.0.0.1",
        # what newer browsers do beside; we do not count on it
        "--disable-features=LocalNetworkAccessChecks",
    ]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    with closing(browser.new_context(locale="en-US")) as context:
        context.set_default_timeout(PATIENCE * 1000)
        yield context


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "app.log"
    path.write_text(f"{SECRET}\n")
    return path


def serving(log: Path, *options: object, token: str | None = None) -> Any:
    env = {"RIACHO_TOKEN": token} if token else None
    return running(log.parent, *options, log, env=env)


def enter(page: Page, address: str) -> None:
    """Open a page with the token in its address, and wait until it is out of it."""
    page.goto(address)
    page.wait_for_url(lambda url: TOKEN not in url)


# --- the token --------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_page_moves_the_token_from_its_address_into_a_cookie(
    scheme: str, context: BrowserContext, log: Path, certificate: Path
) -> None:
    tls = ["--certfile", certificate / "cert.pem", "--keyfile", certificate / "key.pem"]
    with serving(log, *(tls if scheme == "https" else []), token=TOKEN) as server:
        assert server.url.startswith(f"{scheme}://")
        page = context.new_page()
        enter(page, f"{server.url}/client_listen_logs.html?token={TOKEN}&lang=x")
        assert page.url == f"{server.url}/client_listen_logs.html?lang=x"
        [cookie] = context.cookies()
        assert cookie["httpOnly"] is True
        assert cookie["sameSite"] == "Strict"
        assert cookie["secure"] is (scheme == "https")
        assert TOKEN not in cookie["value"]
        assert page.evaluate("document.cookie") == ""
        page.click("#start")  # EventSource sends the cookie
        wait_for_lines(page, [SECRET])
        page.get_by_role("link", name="Home").click()
        wait_for_lines(page, [SECRET])
        names = page.evaluate("performance.getEntries().map(entry => entry.name).join()")
        assert TOKEN not in names + page.evaluate("document.referrer")
        page.go_back()
        assert page.url == f"{server.url}/client_listen_logs.html?lang=x"
        assert page.evaluate("history.length") == 3  # about:blank and the two pages
        if scheme == "https":
            curl = ["curl", "-sS", "--cacert", f"{certificate}/cert.pem", f"{server.url}/logs"]
            bearer = ["-H", f"Authorization: Bearer {TOKEN}"]
            told = subprocess.run([*curl, *bearer], check=True, capture_output=True).stdout
            assert b'"app.log"' in told
    assert TOKEN not in server.errors()
    assert str(cookie["value"]) not in server.errors()


def test_no_history_shows_the_token(browser: Browser, log: Path, tmp_path: Path) -> None:
    """Nor the browser's own on disk, from which it also makes its suggestions."""
    profile = tmp_path / "profile"
    with serving(log, token=TOKEN) as server:
        context = browser.browser_type.launch_persistent_context(
            profile, executable_path="/usr/bin/chromium", args=ARGUMENTS
        )
        page = context.pages[0]
        enter(page, f"{server.url}/?token={TOKEN}")
        page.goto(f"{server.url}/client_listen_logs.html")
        context.close()
    with closing(sqlite3.connect(profile / "Default" / "History")) as history:
        shown = [url for (url,) in history.execute("select url from urls where not hidden")]
    assert f"{server.url}/" in shown
    assert [url for url in shown if TOKEN in url] == []


def test_the_login_page_asks_for_the_token(context: BrowserContext, log: Path) -> None:
    with serving(log, "--prefix", "/riacho", token=TOKEN) as server:
        page = context.new_page()
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(f"{server.url}/client_listen_logs.html?token=wrong#listen")
        wrong = page.get_by_role("alert")
        expect(wrong).to_be_visible()
        assert page.url == f"{server.url}/client_listen_logs.html#listen"
        page.goto(f"{server.url}/client_listen_logs.html")
        expect(page.get_by_role("heading")).to_have_text("A token, please")
        expect(wrong).to_be_hidden()
        SCREENSHOTS.mkdir(exist_ok=True)
        page.screenshot(path=SCREENSHOTS / "login.png")
        field = page.get_by_label("Token")
        expect(field).to_be_focused()
        field.fill("wrong")
        page.keyboard.press("Enter")
        expect(wrong).to_be_visible()
        page.screenshot(path=SCREENSHOTS / "login-wrong.png")
        field.fill(f" {TOKEN} ")
        page.keyboard.press("Enter")
        expect(page.locator("#start")).to_be_visible()
        assert page.url == f"{server.url}/client_listen_logs.html"
        [cookie] = context.cookies()
        assert cookie["path"] == "/riacho/"
        page.click("#start")
        wait_for_lines(page, [SECRET])
        assert errors == []
    assert TOKEN not in server.errors()


def test_the_login_page_says_when_a_token_was_not_looked_at(
    context: BrowserContext, log: Path
) -> None:
    with serving(log, token=TOKEN) as server:
        page = context.new_page()
        texts = {401: page.locator("#wrong"), 429: page.locator("#wait")}
        guesses = (f"wrong{number}" for number in itertools.count())

        def open_with_token() -> int:
            page.goto(f"{server.url}/?token={next(guesses)}")
            return next(status for status, text in texts.items() if text.is_visible())

        def enter_token() -> int:
            page.get_by_label("Token").fill(next(guesses))
            with page.expect_response(server.url + "/") as answer:
                page.keyboard.press("Enter")
            expect(texts[answer.value.status]).to_be_visible()
            return answer.value.status

        assert open_with_token() == 401
        assert enter_token() == 401
        # each guess that is looked at makes the next wait longer
        for guess in (open_with_token, enter_token):
            wait_until(lambda guess=guess: guess() == 429, "a wait")  # type: ignore[misc]
            expect(texts[401]).to_be_hidden()
            assert page.url == f"{server.url}/"
        page.screenshot(path=SCREENSHOTS / "login-wait.png")
        page.goto(server.url)
        expect(texts[429]).to_be_hidden()


def test_the_login_page_works_without_scripts(browser: Browser, log: Path) -> None:
    with (
        serving(log, token=TOKEN) as server,
        closing(browser.new_context(java_script_enabled=False)) as context,
    ):
        page = context.new_page()
        page.goto(server.url)
        page.fill("[name=token]", TOKEN)
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="A live log")).to_be_visible()
        assert page.url == f"{server.url}/"


def test_a_page_says_when_the_token_is_another_by_now(context: BrowserContext, log: Path) -> None:
    with serving(log, "--retry", "50", token=TOKEN) as server:
        page, home = context.new_page(), context.new_page()
        enter(page, f"{server.url}/client_listen_logs.html?token={TOKEN}")
        page.click("#start")
        wait_for_lines(page, [SECRET])
        home.goto(server.url)
        wait_for_state(home, "listening")
        server.end()
        server.env["RIACHO_TOKEN"] = f"new-{TOKEN}"
        server.start()
        expect(page.locator("#state")).to_contain_text("Stopped: the server asks for its token")
        expect(home.locator("#up")).to_have_text("The server asks for its token")
        wait_for_lines(page, [SECRET])  # what has come is still there
        page.screenshot(path=SCREENSHOTS / "token-changed.png")
        page.get_by_role("button", name="Enter the token").click()
        page.get_by_label("Token").fill(f"new-{TOKEN}")
        with page.expect_navigation():  # before its scripts run, a click does nothing
            page.keyboard.press("Enter")
        page.click("#start")
        wait_for_lines(page, [SECRET])


def test_a_page_from_disk_leads_to_the_page_of_the_server_that_asks_for_its_token(
    context: BrowserContext, log: Path
) -> None:
    with serving(log, "--allow-origin", "null", token=TOKEN) as server:
        page = context.new_page()
        page.goto((HTML / "client_listen_logs.html").as_uri())
        page.get_by_label("Server address").fill(server.url)
        page.click("#start")
        expect(page.locator("#state")).to_contain_text("Stopped: the server asks for its token")
        page.get_by_role("button", name="Enter the token").click()
        page.get_by_label("Token").fill(TOKEN)
        with page.expect_navigation():
            page.keyboard.press("Enter")
        page.click("#start")
        wait_for_lines(page, [SECRET])
        assert page.url == f"{server.url}/client_listen_logs.html"


# --- other sites ------------------------------------------------------------------

ATTEMPTS = """async (url) => {
    const patience = 3000;
    const after = (make) => new Promise((resolve) => {
        setTimeout(() => resolve("nothing"), patience);
        make(resolve);
    });
    const read = async (options) => {
        try { return await (await fetch(url + "/logs", options)).text(); }
        catch (error) { return "refused"; }
    };
    const element = (name, attribute, path) => after((resolve) => {
        const one = document.createElement(name);
        one.onload = () => {
            let text = "loaded";
            try { text += one.contentDocument?.body?.textContent ?? ""; } catch { }
            resolve(text);
        };
        one.onerror = () => resolve("refused");
        if (name === "link") one.rel = "stylesheet";
        one[attribute] = url + path;
        document.body.append(one);
    });
    const events = (withCredentials) => after((resolve) => {
        const source = new EventSource(url + "/stream-logs", { withCredentials });
        source.onopen = () => resolve("opened");
        source.onerror = () => resolve("refused");
    });
    return Object.fromEntries(await Promise.all(Object.entries({
        fetch: read({}),
        "fetch with cookies": read({ credentials: "include" }),
        "fetch without cors": read({ mode: "no-cors", credentials: "include" }),
        "fetch with a header": read({ headers: { "Last-Event-ID": "1" } }),
        EventSource: events(false),
        "EventSource with cookies": events(true),
        script: element("script", "src", "/stream-logs?backlog=1"),
        "script of the raw log": element("script", "src", "/logs/app.log"),
        image: element("img", "src", "/logs/app.log"),
        style: element("link", "href", "/logs/app.log"),
        iframe: element("iframe", "src", "/logs"),
        "iframe of a page": element("iframe", "src", "/client_listen_logs.html"),
        object: element("object", "data", "/logs"),
    }).map(async ([name, attempt]) => [name, await attempt])));
}"""

READABLE = ("app.log", "opened", SECRET)


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[int]:
    """The port of a web server of somebody else."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!doctype html><title>elsewhere</title><body>")

        def log_message(self, format: str, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as other:
        thread = threading.Thread(target=other.serve_forever)
        thread.start()
        yield other.server_port
        other.shutdown()
        thread.join()


def texts_of_frames(page: Page) -> list[str]:
    """What the frames of a page show, once none is being replaced by the browser's own page."""
    texts: list[str] = []

    def are_at_rest() -> bool:
        try:
            frames = page.frames[1:]
            texts[:] = [one.evaluate("document.documentElement.textContent") for one in frames]
        except Error:
            return False
        return True

    wait_until(are_at_rest, "frames at rest")
    return texts


@pytest.mark.parametrize(
    ("host", "token"),
    [("evil.example", None), ("evil.example", TOKEN), ("localhost", None), ("127.0.0.1", TOKEN)],
)
def test_a_page_of_another_origin_cannot_read_the_log(
    host: str, token: str | None, context: BrowserContext, log: Path, elsewhere: int
) -> None:
    """Another site, another name of this machine, another port: all of them are other origins."""
    with serving(log, token=token) as server:
        page = context.new_page()
        if token:  # the visitor has a cookie
            enter(page, f"{server.url}/?token={TOKEN}")
        page.goto(f"http://{host}:{elsewhere}/")
        results = page.evaluate(ATTEMPTS, server.url)
        assert len(results) == 13
        for name, result in results.items():
            assert not any(word in result for word in READABLE), (name, result)
        for name in ("fetch", "EventSource", "script", "image", "EventSource with cookies"):
            assert results[name] == "refused", results
        for text in texts_of_frames(page):
            assert SECRET not in text
            assert "generations" not in text
    streams = re.findall("INFO (/stream-logs.*)", server.errors())
    own = 1 if token else 0  # that of the page which moved the token
    assert len(streams) <= own, streams


def test_a_page_of_a_named_origin_can(context: BrowserContext, log: Path, elsewhere: int) -> None:
    """The same attempts, where they may succeed: so they are real ones."""
    origin = f"http://friend.example:{elsewhere}"
    with serving(log, "--allow-origin", origin) as server:
        page = context.new_page()
        page.goto(origin)
        results = page.evaluate(ATTEMPTS, server.url)
        for name in ("fetch", "fetch with cookies", "fetch with a header"):
            assert "app.log" in results[name], name
        assert results["EventSource"] == results["EventSource with cookies"] == "opened"
        framed = page.frame(url=re.compile("client_listen_logs"))
        assert framed
        expect(framed.locator("#start")).to_be_visible()
        # data is not for frames, nor for tags that take what they get for something else
        for name in ("script", "image", "style", "object"):
            assert results[name] in ("refused", "nothing"), (name, results)


def test_any_page_may_read_the_demo(
    context: BrowserContext, tmp_path: Path, elsewhere: int
) -> None:
    with running(tmp_path) as server:
        page = context.new_page()
        page.goto(f"http://evil.example:{elsewhere}/")
        results = page.evaluate(ATTEMPTS, server.url)
        assert "log_gerado.log" in results["fetch"]
        assert results["EventSource"] == "opened"
        # but never with cookies
        assert results["fetch with cookies"] == "refused"
        assert results["EventSource with cookies"] == "refused"


@pytest.mark.parametrize("is_known", [False, True])
def test_a_name_that_was_led_here_reads_nothing(
    is_known: bool, context: BrowserContext, log: Path
) -> None:
    """DNS rebinding: the page has come from its own server, and its name leads to ours by now."""
    options = ["--allow-host", "rebound.example"] if is_known else []
    with serving(log, *options) as server:
        page = context.new_page()
        origin = f"http://rebound.example:{server.port}"
        page.route(f"{origin}/attack", lambda route: route.fulfill(body="<title>attack"))
        page.goto(f"{origin}/attack")
        results = page.evaluate(ATTEMPTS, origin)
        readable = {
            name for name, text in results.items() if any(word in text for word in READABLE)
        }
        if is_known:
            assert {"fetch", "EventSource"} <= readable
        else:
            assert readable == set()
            assert "--allow-host" in results["fetch"]


def test_a_page_from_disk_may_read_only_where_null_is_allowed(
    context: BrowserContext, log: Path, tmp_path: Path
) -> None:
    (tmp_path / "page.html").write_text("<!doctype html><title>from disk</title><body>")
    for options in ([], ["--allow-origin", "null"]):
        with serving(log, *options) as server:
            page = context.new_page()
            page.goto((tmp_path / "page.html").as_uri())
            results = page.evaluate(ATTEMPTS, server.url)
            assert ("app.log" in results["fetch"]) is bool(options)
            assert (results["EventSource"] == "opened") is bool(options)
            assert results["EventSource with cookies"] == "refused"


# --- our own pages ----------------------------------------------------------------


@pytest.mark.parametrize("name", [*PAGES, "login.html"])
def test_no_page_violates_its_policy(name: str, context: BrowserContext, log: Path) -> None:
    write(log, "<img src=x onerror=\"document.title='broken into'\">", "<script>1</script>")
    with serving(log, token=TOKEN) as server:
        page = context.new_page()
        violations: list[str] = []
        page.on("console", lambda one: violations.append(f"{one.type}: {one.text}"))
        if name == "login.html":
            page.goto(server.url)
        else:
            enter(page, f"{server.url}/{name}?token={TOKEN}")
        if name == "client_listen_logs.html":
            page.click("#start")
            wait_for_lines(
                page,
                [
                    SECRET,
                    "<img src=x onerror=\"document.title='broken into'\">",
                    "<script>1</script>",
                ],
            )
        page.wait_for_load_state("load")
        assert not [text for text in violations if re.match("(?!.*40[14])(error|warning)", text)]
        # and the policy would hold if a page did put markup into itself
        page.evaluate(
            """() => {
                window.blocked = [];
                addEventListener("securitypolicyviolation", (event) => {
                    blocked.push(event.effectiveDirective);
                });
                document.body.innerHTML += `<img src="x" onerror="document.title = 'broken into'">
                    <div style="color: red"></div><iframe src="about:blank"></iframe>
                    <img src="https://evil.example/">`;
                document.body.append(Object.assign(document.createElement("script"),
                    { textContent: "document.title = 'broken into'" }));
            }"""
        )
        page.wait_for_function("() => blocked.length >= 4")
        assert {"script-src-elem", "script-src-attr", "style-src-attr", "img-src"} <= set(
            page.evaluate("blocked")
        )
        assert page.title() != "broken into"


def test_a_page_says_that_there_are_too_many(context: BrowserContext, log: Path) -> None:
    with serving(log, "--max-clients", "1") as server:
        first, second = context.new_page(), context.new_page()
        for page in (first, second):
            page.goto(f"{server.url}/client_listen_logs.html")
        first.click("#start")
        wait_for_lines(first, [SECRET])
        second.click("#start")
        expect(second.locator(".fact").first).to_have_text(
            re.compile(r"There are too many clients\. Trying again in \d\d seconds\.")
        )
        wait_for_state(second, "reconnecting")


def test_a_cookie_lets_streams_in_from_the_same_site_only(
    context: BrowserContext, log: Path, elsewhere: int
) -> None:
    """SameSite=Strict: a link from elsewhere opens the login page, unless it has the token."""
    with serving(log, token=TOKEN) as server:
        page: Page = context.new_page()
        enter(page, f"{server.url}/?token={TOKEN}")
        page.goto(f"http://evil.example:{elsewhere}/")
        link = """(href) => {
            const link = Object.assign(document.createElement("a"), { href, textContent: "go" });
            document.body.append(link);
            link.click();
        }"""
        page.evaluate(link, server.url)
        expect(page.get_by_role("heading", name="A token, please")).to_be_visible()
        page.goto(f"http://evil.example:{elsewhere}/")
        page.evaluate(link, f"{server.url}/?token={TOKEN}")
        wait_for_lines(page, [SECRET])
        assert page.url == f"{server.url}/"
        assert page.evaluate("document.referrer") == ""
