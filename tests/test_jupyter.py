"""Riacho inside a real Jupyter: its extension, its icon in the launcher, its magic."""

import dataclasses
import http.client
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import nbformat
import psutil
import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import start_new_kernel
from playwright.sync_api import Browser, Locator, Page, Request, expect

from server.doctor.asking import Target
from server.doctor.examination import examine, start_page
from server.jupyter import DECIDED_BY_JUPYTER, Riacho, named_origins
from server.settings import Settings
from tests.rotations import Log
from tests.running import PATIENCE, Client, Server, children, following, is_gone, wait_until
from tests.test_pages import SCREENSHOTS, browser, wait_for_lines, wait_for_state

__all__ = ["browser"]  # a fixture

pytestmark = pytest.mark.long

TOKEN = "a-token-of-this-test"
LOGIN = {"Authorization": f"token {TOKEN}"}
BASE = "/x/y"


class Jupyter(Server):
    """`jupyter` with `arguments`, under a base URL, with directories of its own in `cwd`."""

    def __init__(self, cwd: Path, *arguments: object) -> None:
        self.runtime = cwd / "runtime"
        self.root = cwd / "root"
        self.root.mkdir(exist_ok=True)
        env = {
            "HOME": str(cwd / "home"),
            "IPYTHONDIR": str(cwd / "ipython"),
            "JUPYTER_CONFIG_DIR": str(cwd / "config"),
            "JUPYTER_DATA_DIR": str(cwd / "data"),
            "JUPYTER_RUNTIME_DIR": str(self.runtime),
            "JUPYTER_TOKEN": TOKEN,
        }
        super().__init__(cwd, *arguments, env=env)

    def start(self) -> None:
        self.log = (self.cwd / "server.err").open("ab")
        terminal, inside = os.openpty()  # Ctrl+C is another thing for Jupyter without one
        options = {
            "ip": "127.0.0.1",
            "port": self.port,
            "base_url": f"{BASE}/",
            "root_dir": self.root,
            "open_browser": False,
            "allow_root": True,
            "answer_yes": True,  # to the question that SIGINT makes it ask
            "log_level": "DEBUG",
        }
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "jupyter", *self.arguments),
                *(f"--ServerApp.{name}={value}" for name, value in options.items()),
            ],
            cwd=self.cwd,
            env=self.env,
            stdin=inside,
            stdout=subprocess.PIPE,
            stderr=self.log,
        )
        os.close(inside)
        self.terminal = open(terminal, "wb")  # noqa: SIM115
        try:
            ended = self.process.poll
            wait_until(lambda: self._is_up() or ended() is not None, "Jupyter is up", 2 * PATIENCE)
            assert self.process.poll() is None, self.errors()
        except BaseException:
            self.abandon()
            self.terminal.close()
            raise

    def _is_up(self) -> bool:
        # `jupyter` replaces itself by the command that it was given.
        path = self.runtime / f"jpserver-{self.process.pid}.json"
        try:
            self.port = json.loads(path.read_text())["port"]
            self.url = f"http://127.0.0.1:{self.port}{BASE}/riacho"
            return self.get(f"{BASE}/api")[0] == 200
        except (OSError, ValueError):
            return False

    def send(self, method: str, path: str) -> None:
        """Ask Jupyter's own interface to change something."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        connection.request(method, path, headers=LOGIN)
        assert connection.getresponse().status in (200, 204, 404)
        connection.close()

    def last_activity(self) -> str:
        status = json.loads(self.get(f"{BASE}/api/status", **LOGIN)[2])
        return str(status["last_activity"])

    def has_idle_kernel(self) -> bool:
        """Whether a notebook in a browser is connected to a kernel that is ready."""
        status, _, body = self.get(f"{BASE}/api/kernels", **LOGIN)
        return status == 200 and any(  # an error while one starts
            one["connections"] and one["execution_state"] == "idle" for one in json.loads(body)
        )

    def kernels(self) -> list[psutil.Process]:
        """The kernels that run."""
        return children(self.proc, "ipykernel_launcher", recursive=False)

    def cookie(self) -> str:
        """What a browser has after a login."""
        headers = self.get(f"{BASE}/tree?token={TOKEN}")[1]
        return "; ".join(cookie.partition(";")[0] for cookie in headers.get_all("Set-Cookie", []))


def end(jupyter: Jupyter, number: int = signal.SIGTERM) -> None:
    """End it, and see that it leaves nothing behind."""
    family = jupyter.proc.children(recursive=True)
    try:
        code = jupyter.end(number)
    finally:
        jupyter.process.kill()
        jupyter.terminal.close()
    assert code == 0
    wait_until(lambda: all(is_gone(child) for child in family), "the processes it started end")


@pytest.fixture(scope="module")
def jupyter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jupyter]:
    path = tmp_path_factory.mktemp("jupyter")
    (path / "root/logs").mkdir(parents=True)
    (path / "root/logs/app.log").touch()
    arguments = [
        "lab",
        "--Riacho.log=logs/app.log",
        "--Riacho.retry=50",
        "--ServerApp.tornado_settings={'compress_response': True}",
    ]
    jupyter = Jupyter(path, *arguments)
    try:
        yield jupyter
    finally:
        end(jupyter)


@pytest.fixture(scope="module")
def log(jupyter: Jupyter) -> Log:
    log = Log(jupyter.root / "logs/app.log")
    log.write(20)
    return log


def stream(jupyter: Jupyter, query: str = "", **kwargs: Any) -> Any:
    return following(jupyter, f"/stream-logs?token={TOKEN}&{query}", **kwargs)


# --- settings ---------------------------------------------------------------------


def test_each_setting_is_a_trait_with_the_same_default() -> None:
    traits = Riacho.class_own_traits(config=True)
    fields = {field.name: field for field in dataclasses.fields(Settings)}
    own = {"log", "logs", "counts_as_activity"}
    assert traits.keys() == (fields.keys() - DECIDED_BY_JUPYTER) | own
    for name in traits.keys() & fields.keys() - own:
        assert getattr(Riacho(), name) == fields[name].default
        assert traits[name].help


# --- who may read -----------------------------------------------------------------


@pytest.mark.parametrize("way", ["header", "query", "cookie"])
def test_who_is_logged_in_to_jupyter_may_read(jupyter: Jupyter, log: Log, way: str) -> None:
    query = f"?token={TOKEN}" if way == "query" else ""
    headers = {"header": LOGIN, "cookie": {"Cookie": jupyter.cookie()}}.get(way, {})
    status, _, body = jupyter.get(f"{BASE}/riacho/logs/app.log{query}", **headers)
    assert status == 200
    assert body == log.path.read_bytes()


@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "token wrong"}, {"Cookie": "username-127-0-0-1-0=wrong"}]
)
@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("riacho/stream-logs", 403),
        ("riacho/stream-logs?token=wrong", 403),
        ("riacho/stream-logs?from=start", 403),
        ("riacho/stream-numbers", 403),
        ("riacho/slow-numbers", 403),
        ("riacho/logs", 403),
        ("riacho/logs/app.log", 403),
        ("riacho/", 302),
        ("riacho/client_listen_logs.html", 302),
        ("riacho-server/stream-logs", 302),
    ],
)
def test_nobody_else_reads_a_byte(
    jupyter: Jupyter, log: Log, path: str, status: int, headers: dict[str, str]
) -> None:
    for method in ("GET", "HEAD"):
        connection = http.client.HTTPConnection("127.0.0.1", jupyter.port, timeout=PATIENCE)
        connection.request(method, f"{BASE}/{path}", headers=headers)
        response = connection.getresponse()
        assert response.status == status
        assert b"line" not in response.read()
        if status == 302:
            assert response.headers["Location"].startswith(f"{BASE}/login?")
        connection.close()


AUTHORIZER = """
from jupyter_server.auth.authorizer import Authorizer

class Refuse(Authorizer):
    def is_authorized(self, handler, user, action, resource):
        return (action, resource) != ("read", "riacho")

c.ServerApp.authorizer_class = Refuse
"""


def test_who_is_logged_in_but_not_authorized_reads_nothing(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config/jupyter_server_config.py").write_text(AUTHORIZER)
    jupyter = Jupyter(tmp_path, "server")
    try:
        for path in ("stream-logs", "logs", "logs/log_gerado.log", "client_listen_logs.html"):
            status, _, body = jupyter.get(f"{BASE}/riacho/{path}", **LOGIN)
            assert status == 403
            assert b"log_writer" not in body
        end(jupyter)
    finally:
        jupyter.process.kill()


def test_a_page_of_another_origin_may_not_read(jupyter: Jupyter, log: Log) -> None:
    headers = {"Cookie": jupyter.cookie(), "Origin": "https://other.example"}
    for path in ("stream-logs", "logs", "logs/app.log"):
        status, answer, body = jupyter.get(f"{BASE}/riacho/{path}", **headers)
        assert status == 403
        assert answer["Access-Control-Allow-Origin"] is None
        assert b"line" not in body


@pytest.mark.parametrize(
    ("allowed", "pattern", "origin", "is_named"),
    [
        ("", None, "https://a.example", False),
        ("", None, None, False),
        ("https://a.example", None, "https://a.example", True),
        ("https://a.example", None, "https://b.example", False),
        ("https://a.example", None, "null", False),
        ("https://a.example", None, None, False),
        ("*", None, "https://b.example", True),
        ("*", None, None, False),
        ("", r"https://.*\.example", "https://a.example", True),
        ("", r"https://.*\.example", "https://a.example.evil", False),
        ("", r"https://.*\.example", None, False),
        ("https://a.example", r"https://.*\.example", "https://b.example", False),
    ],
)
def test_an_origin_is_named_only_for_a_request_that_says_it(
    allowed: str, pattern: str | None, origin: str | None, is_named: bool
) -> None:
    assert named_origins(allowed, pattern, origin) == ((origin,) if is_named else ())


def fetched(site: str, mode: str, target: str, **headers: str) -> dict[str, str]:
    """What a browser says of a request that a page makes it send."""
    fetch = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": mode, "Sec-Fetch-Dest": target}
    return {**fetch, **headers}


@pytest.fixture(scope="module")
def open_jupyter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jupyter]:
    """One whose settings name an origin."""
    path = tmp_path_factory.mktemp("open")
    (path / "root").mkdir()
    (path / "root/app.log").write_text("line 0\n")
    origin = "--ServerApp.allow_origin=https://a.example"
    jupyter = Jupyter(path, "server", "--Riacho.log=app.log", origin)
    try:
        yield jupyter
    finally:
        end(jupyter)


FETCHES = [
    # what is asked for, and whether it is answered where no origin and where A's is named
    (fetched("same-origin", "cors", "empty"), True, True),
    (fetched("none", "navigate", "document"), True, True),
    (fetched("cross-site", "navigate", "document"), True, True),
    (fetched("cross-site", "no-cors", "script"), False, False),
    (fetched("cross-site", "no-cors", "image"), False, False),
    (fetched("same-site", "no-cors", "image"), False, False),
    (fetched("cross-site", "navigate", "iframe"), False, False),
    (fetched("cross-site", "cors", "empty", Origin="https://a.example"), False, True),
    (fetched("cross-site", "cors", "script", Origin="https://a.example"), False, True),
    (fetched("cross-site", "cors", "empty", Origin="https://b.example"), False, False),
    (fetched("cross-site", "cors", "empty", Origin="null"), False, False),
]


@pytest.mark.parametrize(("headers", "is_answered", "is_answered_openly"), FETCHES)
def test_a_cookie_opens_nothing_to_pages_that_are_not_named(
    jupyter: Jupyter,
    log: Log,
    open_jupyter: Jupyter,
    headers: dict[str, str],
    is_answered: bool,
    is_answered_openly: bool,
) -> None:
    for one, is_so in ((jupyter, is_answered), (open_jupyter, is_answered_openly)):
        cookie = {"Cookie": one.cookie()}
        is_named = is_so and "Origin" in headers
        for path in ("logs", "logs/app.log"):
            status, answer, body = one.get(f"{BASE}/riacho/{path}", **cookie, **headers)
            assert status == (200 if is_so else 403)
            assert is_so or b"line" not in body
            policy = answer.get_all("Cross-Origin-Resource-Policy")
            assert policy == ["cross-origin" if is_named else "same-origin"]
        path = f"{BASE}/riacho/stream-logs"
        assert one.status(path, **cookie, **headers) == (200 if is_so else 403)


def test_a_browser_keeps_the_log_from_a_page_of_another_origin(
    jupyter: Jupyter, log: Log, browser: Browser
) -> None:
    with browser.new_context() as context:
        context.route("http://other.example/", lambda route: route.fulfill(body="<p>other"))
        context.request.get(f"http://127.0.0.1:{jupyter.port}{BASE}/tree?token={TOKEN}")
        page = context.new_page()
        page.goto("http://other.example/")
        read = """url => new Promise(resolve => {
            const source = new EventSource(url, {withCredentials: true});
            source.onmessage = event => resolve(event.data);
            source.onerror = () => resolve(source.readyState);
        })"""
        assert page.evaluate(read, f"{jupyter.url}/stream-logs") == 2  # closed for good


# --- the stream -------------------------------------------------------------------


def test_an_event_arrives_while_nothing_follows_it(jupyter: Jupyter, log: Log) -> None:
    """Neither Jupyter's buffers nor its compression, switched on here, hold it back."""
    connection = http.client.HTTPConnection("127.0.0.1", jupyter.port, timeout=PATIENCE)
    connection.request(
        "GET", f"{BASE}/riacho/stream-logs?backlog=0", headers={**LOGIN, "Accept-Encoding": "gzip"}
    )
    response = connection.getresponse()
    assert response.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    assert response.headers["Content-Encoding"] == "identity"
    assert response.headers["Cache-Control"] == "no-cache, no-transform"
    data = b""
    for _ in range(3):
        while not data.endswith(b"\n\n"):
            data += response.read1()
        log.write(1)
        data += response.read1()
        assert data.endswith(f"data: {log.lines[-1]}\n\n".encode())
    connection.close()


def test_what_is_no_event_stream_is_compressed_as_jupyter_wishes(jupyter: Jupyter) -> None:
    path = f"{BASE}/riacho/client_listen_logs.html"
    headers = jupyter.get(path, **{**LOGIN, "Accept-Encoding": "gzip"})[1]
    assert headers["Content-Encoding"] == "gzip"


def test_a_client_goes_on_after_its_last_event_id(jupyter: Jupyter, log: Log) -> None:
    with stream(jupyter, "from=start") as client:
        client.wait_for(len(log.lines))
        client.drop()
        log.write(5)
        assert client.wait_for(len(log.lines)) == log.lines
        assert client.connects > 1


def test_a_rotation_is_followed(jupyter: Jupyter, log: Log) -> None:
    with stream(jupyter, "backlog=0") as client:
        before = len(log.lines)
        log.path.rename(log.shift())
        log.write(3)
        assert client.wait_for(3) == log.lines[before:]
        assert len(client.facts("rotated")) == 1


def test_a_stream_ends_when_its_client_leaves(jupyter: Jupyter) -> None:
    with stream(jupyter, "backlog=7"):
        assert "backlog=7" not in jupyter.errors()
    wait_until(lambda: re.search(r"backlog=7 .*; client left", jupyter.errors()), "its end")


def test_a_stream_is_no_activity(jupyter: Jupyter, log: Log) -> None:
    with stream(jupyter, "backlog=0") as client:
        before = jupyter.last_activity()
        log.write(2)
        client.wait_for(2)
        assert jupyter.last_activity() == before


# --- pages and Lab ----------------------------------------------------------------


@pytest.fixture
def page(jupyter: Jupyter, browser: Browser) -> Iterator[Page]:
    """A page of a browser that has logged in."""
    with browser.new_context(locale="en-US", viewport={"width": 1200, "height": 800}) as context:
        page = context.new_page()
        page.goto(f"http://127.0.0.1:{jupyter.port}{BASE}/lab?token={TOKEN}")
        yield page


def test_a_page_listens_with_the_login_cookie(jupyter: Jupyter, log: Log, page: Page) -> None:
    requests: list[Request] = []
    page.on("request", lambda request: requests.append(request))
    page.goto(f"{jupyter.url}/client_listen_logs.html")
    page.get_by_label("Lines from before").fill("2")
    page.click("#start")
    wait_for_state(page, "listening")
    log.write(3)
    wait_for_lines(page, log.lines[-5:])
    page.screenshot(path=SCREENSHOTS / "jupyter-page.png")
    # what JupyterHub asks for beside a cookie
    [request] = [request for request in requests if "stream-logs" in request.url]
    assert re.search(r"&_xsrf=\S", request.url)


def test_the_start_page_shows_what_is_streamed(jupyter: Jupyter, log: Log, page: Page) -> None:
    page.goto(jupyter.url)
    expect(page.locator("[data-field=name]")).to_have_text("app.log")
    wait_for_state(page, "listening")


def test_the_launcher_starts_a_server_of_its_own(jupyter: Jupyter, page: Page) -> None:
    info = json.loads(jupyter.get(f"{BASE}/server-proxy/servers-info", **LOGIN)[2])
    [entry] = [one for one in info["server_processes"] if one["name"] == "riacho-server"]
    icon = jupyter.get(entry["launcher_entry"]["icon_url"], **LOGIN)
    assert icon[1]["Content-Type"] == "image/svg+xml"
    page.get_by_title("Riacho", exact=True).first.click()
    frame = page.frame_locator(f"iframe[src*='{BASE}/riacho-server/']")
    expect(frame.locator("#state")).to_have_attribute("data-state", "listening")
    expect(frame.locator("#log .line")).to_contain_text("log_writer")
    page.screenshot(path=SCREENSHOTS / "jupyter-launcher.png")
    url = f"http://127.0.0.1:{jupyter.port}{BASE}/riacho-server/stream-logs?token={TOKEN}"
    client = Client(url)
    client.wait_for(3)
    client.stop()


def test_the_doctor_finds_jupyter_well_and_its_proxy_particular(jupyter: Jupyter) -> None:
    def found(path: str) -> set[str]:
        base, _ = start_page(f"http://127.0.0.1:{jupyter.port}{BASE}/{path}")
        return {finding.name for finding in examine(Target(base, LOGIN), 1).findings}

    with ThreadPoolExecutor() as pool:
        served, proxied = pool.map(found, ["riacho/", "riacho-server/"])
    assert served == set()
    assert proxied == {"accept", "compression"}


def run_in_lab(jupyter: Jupyter, page: Page, name: str, *cells: str) -> Locator:
    """Write a notebook with these cells and run it in JupyterLab: the frames that it shows."""
    notebook = nbformat.v4.new_notebook(  # type: ignore[no-untyped-call]
        cells=[nbformat.v4.new_code_cell(cell) for cell in cells],  # type: ignore[no-untyped-call]
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}},
    )
    nbformat.write(notebook, jupyter.root / name)  # type: ignore[no-untyped-call]
    # Without what other tests have left open.
    page.goto(f"http://127.0.0.1:{jupyter.port}{BASE}/lab/tree/{name}?reset")
    wait_until(jupyter.has_idle_kernel, "a kernel is idle")
    expect(page.locator("#jp-main-statusbar")).to_contain_text("Idle")  # this notebook's
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    # Lab asks which kernel is meant where it is slow to find the one that it has started.
    select = page.get_by_role("button", name="Select Kernel")
    frames = page.locator(f"iframe[src^='{BASE}/riacho/']")
    expect(select.or_(frames.first).first).to_be_visible()
    if select.is_visible():
        select.click()
    return frames


def test_the_magic_shows_what_jupyter_streams(jupyter: Jupyter, log: Log, page: Page) -> None:
    cell = "%load_ext server.notebook.magic\n%riacho"
    frame = run_in_lab(jupyter, page, "magic.ipynb", cell).content_frame
    expect(frame.locator("#state")).to_have_attribute("data-state", "listening")
    log.write(1)
    expect(frame.locator("#log .line").last).to_have_text(log.lines[-1])
    page.screenshot(path=SCREENSHOTS / "jupyter-magic.png")


def test_six_open_logs_do_not_keep_jupyter_from_saving(
    jupyter: Jupyter, log: Log, page: Page
) -> None:
    """A browser opens six connections to a server: each frame would take one of them for good."""
    page.set_viewport_size({"width": 1200, "height": 3000})  # all of them are in view
    load, *cells = ["%load_ext server.notebook.magic", *["%riacho"] * 6]
    frames = run_in_lab(jupyter, page, "six.ipynb", load, *cells)
    expect(frames).to_have_count(6)
    states = [frames.nth(number).content_frame.locator("#state") for number in range(6)]
    settled = re.compile("listening|queued")
    for state in states:
        expect(state).to_have_attribute("data-state", settled)
    assert [state.get_attribute("data-state") for state in states].count("listening") == 4
    page.keyboard.press("Control+s")
    path = jupyter.root / "six.ipynb"
    wait_until(lambda: path.read_text().count("iframe") >= 6, "the outputs are saved")
    page.screenshot(path=SCREENSHOTS / "jupyter-six.png")


# --- the magic without Jupyter's extension ------------------------------------------


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[BlockingKernelClient]:
    manager, client = start_new_kernel(cwd=str(tmp_path), startup_timeout=PATIENCE)
    yield client
    pid = int(run(client, "import os; print(os.getpid())"))
    family = psutil.Process(pid).children(recursive=True)
    client.stop_channels()
    manager.shutdown_kernel()
    wait_until(lambda: all(is_gone(child) for child in family), "what the kernel started ends")


def run(kernel: BlockingKernelClient, code: str) -> str:
    """All that the code puts out."""
    output: list[str] = []

    def take(message: Any) -> None:
        content = message["content"]
        output.append(content.get("text", content.get("data", {}).get("text/html", "")))

    kernel.execute_interactive(code, output_hook=take, timeout=PATIENCE)
    return "".join(output)


def test_the_magic_starts_a_server_once_and_ends_it(
    kernel: BlockingKernelClient, tmp_path: Path
) -> None:
    (tmp_path / "app.log").write_text("a line\n")
    assert "not found" in run(kernel, "%riacho")
    run(kernel, "%load_ext server.notebook.magic")
    (tmp_path / "server.py").write_text("raise SystemExit('the wrong one')")
    url, again = (
        re.findall(r'src="(http://127.0.0.1:\d+/)client_listen_logs', run(kernel, line))
        for line in ("%riacho app.log", "%riacho app.log --height 200")
    )
    assert url == again
    client = Client(url[0] + "stream-logs", reconnect=False)
    assert client.wait_for(1) == ["a line"]
    run(kernel, "%riacho stop")
    client.join(PATIENCE)
    assert len(client.facts("shutdown")) == 1
    assert "missing.log: its directory does not exist" in run(kernel, "%riacho missing/missing.log")
    assert "iframe" in run(kernel, "%riacho")  # a demo, which ends with the kernel


def test_several_logs_are_named_seen_from_the_root(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    for name in ("a.log", "b=1.log", "c.log"):
        (tmp_path / "root" / name).write_text(f"in {name}\n")
    logs = [f"--Riacho.logs={log}" for log in ("b=1.log", "x=c.log")]
    jupyter = Jupyter(tmp_path, "server", "--Riacho.log=a.log", *logs)
    try:
        listed = json.loads(jupyter.get(f"{BASE}/riacho/logs", **LOGIN)[2])["logs"]
        assert [log["name"] for log in listed] == ["a.log", "b=1.log", "x"]
        with stream(jupyter, "log=x") as client:
            assert client.wait_for(1) == ["in c.log"]
        end(jupyter)
    finally:
        jupyter.process.kill()


# --- start and end ----------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_demo_ends_with_jupyter(tmp_path: Path, number: int) -> None:
    jupyter = Jupyter(tmp_path, "server", "--Riacho.counts_as_activity=True")
    try:
        with stream(jupyter, reconnect=False) as client:
            before = jupyter.last_activity()
            client.wait_for(3)
            wait_until(lambda: jupyter.last_activity() > before, "activity")
            assert list(jupyter.root.iterdir()) == []
            demo = jupyter.runtime / f"riacho-{jupyter.port}/log_gerado.log"
            assert client.lines[0] == demo.read_text().splitlines()[0]
            tail = jupyter.tail()
            end(jupyter, number)
            client.join(PATIENCE)
            assert len(client.facts("shutdown")) == 1
            assert is_gone(tail)
    finally:
        jupyter.process.kill()


def test_the_launcher_s_server_ends_with_a_jupyter_that_is_killed(tmp_path: Path) -> None:
    jupyter = Jupyter(tmp_path, "server")
    try:
        with stream(jupyter) as client:
            client.wait_for(1)
        assert jupyter.get(f"{BASE}/riacho-server/", **LOGIN)[0] == 200
        # a tail for Jupyter's own stream, a server and its tail; Lab's extensions start others
        family = children(jupyter.proc, "tail", "server")
        assert len(family) == 3
    finally:
        jupyter.kill()
        jupyter.terminal.close()
    wait_until(lambda: all(map(is_gone, family)), "the processes it started end")


@pytest.mark.parametrize(
    ("option", "why"),
    [
        ("--Riacho.log=/dev/null", "is not a regular file: name a file that a program appends to"),
        ("--Riacho.log=-", "standard input is Jupyter's own: name a log file"),
        ("--Riacho.backlog=-1", "'backlog' trait of a Riacho instance"),
        ("--Riacho.log_writer=False", "there is no log to stream: set Riacho.log"),
    ],
)
def test_jupyter_does_not_mind_what_cannot_be_streamed(
    tmp_path: Path, option: str, why: str
) -> None:
    jupyter = Jupyter(tmp_path, "server", option)
    try:
        for path in ("", "/stream-logs", "/client_listen_logs.html"):
            status, _, body = jupyter.get(f"{BASE}/riacho{path}", **LOGIN)
            assert status == 503
            assert why in body.decode()
        assert jupyter.get(f"{BASE}/riacho/stream-logs")[0] == 403
        assert jupyter.get(f"{BASE}/api/status", **LOGIN)[0] == 200
        [line] = [line for line in jupyter.errors().splitlines() if "cannot stream" in line][:1]
        assert line.startswith("[E ")
        assert "Traceback" not in jupyter.errors()
        end(jupyter)
    finally:
        jupyter.process.kill()


FAULTY = """
import pathlib
import server.{module} as module

well = module.{name}

def fail(*arguments):
    if pathlib.Path("fail").exists():
        raise RuntimeError("a fault of its own")
    return well(*arguments)

module.{name} = fail
"""


def faulty(cwd: Path, module: str, name: str) -> None:
    """Let a function of a Jupyter that will run in `cwd` fail once there is a file `fail`."""
    (cwd / "config").mkdir()
    (cwd / "config/jupyter_server_config.py").write_text(FAULTY.format(module=module, name=name))


def told(jupyter: Jupyter) -> None:
    """See that Jupyter goes on, and that its log and whoever asks are told of the fault."""
    status, _, body = jupyter.get(f"{BASE}/riacho/stream-logs", **LOGIN)
    assert (status, body) == (503, b"Riacho cannot stream: a fault of its own\n")
    assert jupyter.get(f"{BASE}/api/status", **LOGIN)[0] == 200
    assert "RuntimeError: a fault of its own" in jupyter.errors()


def test_jupyter_goes_on_and_says_why_when_the_log_is_followed_no_more(tmp_path: Path) -> None:
    faulty(tmp_path, "logs.file_follower", "decide")
    jupyter = Jupyter(tmp_path, "server")
    try:
        with stream(jupyter) as client:
            client.wait_for(1)
            (tmp_path / "fail").touch()
            wait_until(lambda: client.connects > 1, "the stream ends")
            assert jupyter.get(f"{BASE}/api/status", **LOGIN)[0] == 200
            assert "RuntimeError: a fault of its own" in jupyter.errors()
            (tmp_path / "fail").unlink()
            client.wait_for(len(client.lines) + 3)
        end(jupyter)
    finally:
        jupyter.process.kill()


def test_jupyter_goes_on_and_says_why_when_nothing_can_be_followed(tmp_path: Path) -> None:
    faulty(tmp_path, "serving", "find_tail")
    (tmp_path / "fail").touch()
    jupyter = Jupyter(tmp_path, "server")
    try:
        told(jupyter)
        end(jupyter)
    finally:
        jupyter.process.kill()
