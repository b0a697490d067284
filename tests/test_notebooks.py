"""The notebooks: run from top to bottom, and used in a real JupyterLab as a reader does."""

import asyncio
import json
import re
import shutil
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

import nbformat
import psutil
import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from nbclient.client import NotebookClient
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect
from traitlets.config import Config

from server.notebook.widgets import INTERVAL
from tests.running import PATIENCE, children, is_gone, wait_until
from tests.test_jupyter import BASE, LOGIN, TOKEN, Jupyter, end, run
from tests.test_pages import SCREENSHOTS, browser

__all__ = ["browser"]  # a fixture

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
NAMES = [path.stem for path in NOTEBOOKS]


def servers(process: psutil.Process, tails: bool = True) -> list[psutil.Process]:
    """The Riacho servers that it has started, with their tails or without."""
    return children(process, "server", *(["tail"] if tails else []))


# --- as they stand in git -------------------------------------------------------------


def test_there_is_one_for_each_step() -> None:
    assert [name[:3] for name in NAMES] == [f"{number:02}_" for number in range(1, 8)]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=NAMES)
def test_it_stands_in_git_without_outputs(path: Path) -> None:
    notebook = json.loads(path.read_text())
    nbformat.validate(notebook)
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert notebook["metadata"] == {
        "kernelspec": {
            "display_name": "Python 3 (ipykernel)",
            "language": "python",
            "name": "python3",
        },
        "language_info": {"name": "python"},
    }
    for cell in notebook["cells"]:
        assert cell["metadata"] == {}
        assert cell.get("outputs", []) == []
        assert cell.get("execution_count") is None
    assert notebook["cells"][0]["source"][0].startswith("# ")


# --- from top to bottom ---------------------------------------------------------------

SHOWN = {
    "01_what_sse_is": [
        r"Content-Type: text/event-stream; charset=utf-8",
        r"\d\.\d s  b': keep-alive\\n\\n'",
        r"\[\('message', '2', '2'\),\n \('message', '3', '3'\),\n \('close', ",
        r"cut in the middle +\[\('message', 'one', ''\)\]",
        r"HTTP/1.1 204 No Content",
    ],
    "02_numbers": [
        r"message  id='5'   data='5'\nclose    id=None",
        r"\[\('7', 'price 100'\)\]",
        r"\[\('7', 'one'\), \(None, 'two'\)\]",
        r"ChunkedEncodingError after \['1', '2', '3'\]",
        r"data='3'\n +\(a new server process\)\nmessage  id='4' +data='4'\n",
        r"\([1-9]\d*, 'stopped'\)",
    ],
    "03_logs": [
        r"stopped, \d+ lines\n",
        r"\['[^']*ERROR - the price cannot be calculated',\n 'Traceback",
        r"15,0\d\d lines; the event loop was late by",
    ],
    "04_coming_back": [
        r"15-d26c5f52-d26c5f52 line 2\n",
        r"b'line 0\\nline 1\\nline 2\\n'",
        r"line 3\n\S+ line 4\n\S+ line 5\n\S+ line 6\n",
        r"1,407 written, 1,407 received\n0 missing, 0 doubled, in order: True",
        r"gap \{.*\nmessage line 1410\nmessage line 1411\n",
    ],
    "05_live_plot": [r"'INFO': [1-9]\d*, "],
    "06_many_clients": [
        r"line 97\nline 98\nline 99\n",
        r"tail \d+\n200 clients, 1 child process\n",
        r" 200 clients: median",
        r"500,000 deliveries in",
    ],
    "07_your_own_stream": [
        r"\[\('', '20\d\d-.*'\),\n \('', '20\d\d-.*'\),\n \('', '20\d\d-.*'\)\]",
        r"\[\('2', 'it rains in Recife'\), \('3', 'the lift works again'\), \('3', '\{\}'\)\]",
    ],
}


AT_ONCE = 4
"""Notebooks that run at the same time: each has a kernel, and servers that it measures."""

STOPPED = ("06_many_clients", "07_your_own_stream")
"""Those whose last cell stops their server."""

FAMILY = """
import psutil
print("family:", *[child.pid for child in psutil.Process().children(recursive=True)])
"""


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What each notebook says when it is run, in the repository's root or where it stands."""

    places = asyncio.Semaphore(AT_ONCE)

    async def execute(path: Path, cwd: Path) -> str:
        async with places:
            return await run_all(path, cwd)

    async def run_all(path: Path, cwd: Path) -> str:
        sockets = tmp_path_factory.mktemp("kernel") / "socket"
        notebook = nbformat.read(path, 4)  # type: ignore[no-untyped-call]
        notebook.cells.append(nbformat.v4.new_code_cell(FAMILY))  # type: ignore[no-untyped-call]
        resources = {"metadata": {"path": str(cwd)}}
        client = NotebookClient(
            notebook,
            timeout=PATIENCE * 3,
            startup_timeout=PATIENCE * 3,
            resources=resources,
            # Not by TCP: another process could take a port before the kernel does.
            config=Config({"ConnectionFileMixin": {"transport": "ipc", "ip": str(sockets)}}),
        )
        await client.async_execute()
        return "".join(
            output.get("text") or output.get("data", {}).get("text/plain", "") + "\n"
            for cell in notebook.cells
            for output in cell.get("outputs", [])
        )

    async def all_of_them() -> list[str]:
        directories = [ROOT, ROOT / "notebooks"] * len(NOTEBOOKS)
        return await asyncio.gather(*map(execute, NOTEBOOKS, directories))

    return dict(zip(NAMES, asyncio.run(all_of_them()), strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_it_runs_from_top_to_bottom_and_shows_what_it_tells(
    outputs: dict[str, str], name: str
) -> None:
    for pattern in SHOWN[name]:
        assert re.search(pattern, outputs[name]), f"{pattern} in\n{outputs[name]}"


@pytest.mark.parametrize("name", NAMES)
def test_its_servers_end_with_its_kernel(outputs: dict[str, str], name: str) -> None:
    [family] = re.findall(r"^family:(.*)", outputs[name], re.MULTILINE)
    pids = {int(pid) for pid in family.split()}
    assert pids or name in STOPPED
    wait_until(lambda: not pids & set(psutil.pids()), "its servers and their tails end")


# --- in JupyterLab --------------------------------------------------------------------


@pytest.fixture(scope="module")
def jupyter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jupyter]:
    path = tmp_path_factory.mktemp("lab")
    shutil.copytree(ROOT / "notebooks", path / "root/notebooks")
    (path / "config/labconfig").mkdir(parents=True)
    disabled = {"@jupyterlab/apputils-extension:announcements": True}
    config = {"disabledExtensions": disabled}  # asks a question in front of everything
    (path / "config/labconfig/page_config.json").write_text(json.dumps(config))
    jupyter = Jupyter(path, "lab")
    try:
        yield jupyter
    finally:
        end(jupyter)


PROMPTS = """() => [...document.querySelectorAll(
    '.jp-NotebookPanel:not(.lm-mod-hidden) .jp-CodeCell .jp-InputPrompt'
)].map(prompt => prompt.textContent)"""


class Notebook:
    """One that is open in JupyterLab, all of its cells having been run."""

    def __init__(self, jupyter: Jupyter, page: Page, name: str) -> None:
        self.jupyter = jupyter
        self.page = page
        self.batches: list[datetime] = []
        page.on("websocket", lambda socket: socket.on("framereceived", self._note_batch))
        page.goto(
            f"http://127.0.0.1:{jupyter.port}{BASE}/lab/tree/notebooks/{name}.ipynb"
            f"?reset&token={TOKEN}"
        )
        wait_until(jupyter.has_idle_kernel, "the notebook's kernel is idle")
        page.keyboard.press("Control+b")  # more room: no file browser
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        select = page.get_by_role("button", name="Select Kernel")
        ran = page.locator(".jp-InputPrompt", has_text=re.compile(r"\[[\d*]+\]"))
        expect(select.or_(ran).first).to_be_visible()
        if select.is_visible():  # Lab asks where it is slow to find the one it has started
            select.click()
        cells = json.loads((jupyter.root / f"notebooks/{name}.ipynb").read_text())["cells"]
        self.wait_for_cells(sum(cell["cell_type"] == "code" for cell in cells))
        assert page.locator("[data-mime-type='application/vnd.jupyter.stderr']").count() == 0

    def wait_for_cells(self, count: int) -> None:
        """Wait until so many code cells have been run."""
        self.page.wait_for_function(
            f"""count => {{
                const prompts = ({PROMPTS})();
                return prompts.length === count && prompts.every(one => /\\[\\d+\\]/.test(one));
            }}""",
            arg=count,
            timeout=PATIENCE * 2000,
        )

    def execute(self, code: str) -> None:
        """Write code into a new cell at the end, and run it."""
        count = len(self.page.evaluate(PROMPTS))
        self.page.locator(".jp-Cell").last.click()
        for key in ("Escape", "b", "Enter"):
            self.page.keyboard.press(key)
        self.page.keyboard.insert_text(code)
        self.page.keyboard.press("Control+Enter")
        self.wait_for_cells(count + 1)

    def run_again(self, code: str) -> None:
        """Run the cell that has this code once more."""
        cells = self.page.locator(".jp-CodeCell", has_text=code)
        cells.first.locator(".jp-InputPrompt").click()
        self.page.keyboard.press("Control+Enter")

    def button(self, name: str, number: int = 0) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True).nth(number)

    def show(self, choice: str, number: int = 0) -> None:
        """Choose what a log viewer shows."""
        self.page.locator(".widget-dropdown select").nth(number).select_option(choice)

    def state(self, number: int = 0) -> Locator:
        """What stands beside the buttons."""
        return self.page.locator(".widget-label", has_text=re.compile(r"\d (lines|numbers)")).nth(
            number
        )

    def count(self, number: int = 0) -> int:
        """How many have come, as the view says."""
        match = re.search(r"([\d,]+) (lines|numbers)", self.state(number).text_content() or "")
        assert match
        return int(match[1].replace(",", ""))

    def area(self, number: int = 0) -> Locator:
        return self.page.locator(".riacho-lines").nth(number)

    def lines(self, number: int = 0) -> list[str]:
        """The lines in an area, without the facts."""
        return self.area(number).locator("div:not(.fact)").all_text_contents()

    def screenshot(self, name: str) -> None:
        """To be looked at."""
        self.button("Start").evaluate("button => button.scrollIntoView({block: 'center'})")
        expect(self.button("Stop")).to_be_in_viewport()
        self.page.screenshot(path=SCREENSHOTS / f"{name}.png")

    def wait_for_more(self, number: int = 0, more: int = 3) -> None:
        before = self.count(number)
        wait_until(lambda: self.count(number) >= before + more, "more lines")

    def _note_batch(self, frame: str | bytes) -> None:
        """Note each message that brings lines to the page."""
        text = frame if isinstance(frame, str) else frame.decode(errors="replace")
        if '"method": "custom"' in text and '"lines"' in text:
            found = re.search(r'"date": ?"([^"]+)"', text)
            assert found
            self.batches.append(datetime.fromisoformat(found[1]))

    @property
    def kernel(self) -> psutil.Process:
        [kernel] = self.jupyter.kernels()
        return kernel

    def ask(self, code: str) -> str:
        """What the kernel prints, asked by another client, without a cell."""
        [path] = self.jupyter.runtime.glob("kernel-*.json")
        client = BlockingKernelClient(connection_file=str(path))
        client.load_connection_file()
        client.start_channels()
        try:
            return run(client, code)
        finally:
            client.stop_channels()


@pytest.fixture(scope="module")
def context(browser: Browser) -> Iterator[BrowserContext]:
    """One browser for all notebooks: it keeps Lab's scripts in its cache."""
    with browser.new_context(locale="en-US", viewport={"width": 1200, "height": 900}) as context:
        yield context


@contextmanager
def opened(jupyter: Jupyter, context: BrowserContext, name: str) -> Iterator[Notebook]:
    """A notebook that has been run; in the end its kernel is restarted and leaves nothing."""
    errors: list[str] = []
    with context.new_page() as page:
        page.on("pageerror", lambda error: errors.append(str(error)))
        try:
            notebook = Notebook(jupyter, page, name)
            yield notebook
            family = servers(notebook.kernel)
            ports = listening(family)
            assert ports
            kernel = notebook.kernel
            jupyter.send("POST", f"{BASE}/api/kernels/{kernel_id(jupyter)}/restart")
            wait_until(lambda: all(map(is_gone, [kernel, *family])), "all that it started ends")
            assert not any(map(is_open, ports))
            assert servers(notebook.kernel) == []
        finally:
            jupyter.send("DELETE", f"{BASE}/api/kernels/{kernel_id(jupyter)}")
            wait_until(lambda: not jupyter.kernels(), "the kernel ends")
    assert errors == []


def kernel_id(jupyter: Jupyter) -> str:
    [kernel] = json.loads(jupyter.get(f"{BASE}/api/kernels", **LOGIN)[2])
    return str(kernel["id"])


def listening(processes: Iterable[psutil.Process]) -> set[int]:
    """The ports on which they listen."""
    ports = set()
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            ports |= {
                connection.laddr[1]
                for connection in process.net_connections("tcp")
                if connection.status == psutil.CONN_LISTEN
            }
    return ports


def is_open(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def test_the_numbers_start_stop_and_go_on(jupyter: Jupyter, context: BrowserContext) -> None:
    with opened(jupyter, context, "02_numbers") as notebook:
        state = notebook.state()
        expect(state).to_contain_text("stopped")
        for _ in range(2):
            notebook.button("Start").click()
            expect(state).to_contain_text("listening")
            notebook.wait_for_more()
            notebook.button("Stop").click()
            expect(state).to_contain_text("stopped")
            before = notebook.count()
        notebook.button("Start").click()
        notebook.execute("server.kill()")
        expect(state).to_contain_text("reconnecting")
        notebook.execute("server.start()")
        expect(state).to_contain_text("listening")
        assert notebook.count() >= before
        notebook.wait_for_more()
        notebook.button("Stop").click()
        expect(state).to_contain_text("stopped")
        # as many numbers as the last one says: none was lost, none came twice
        assert notebook.ask("print(numbers.number)") == f"{notebook.count()}\n"
        notebook.screenshot("lab-numbers")


def test_the_log_viewer(jupyter: Jupyter, context: BrowserContext) -> None:
    with opened(jupyter, context, "03_logs") as notebook:
        a_level_hides_what_is_below(notebook)
        it_goes_on_when_the_server_comes_back(notebook)
        a_flood_comes_in_few_messages(notebook)
        what_a_cell_began_ends_when_it_is_run_again(notebook)


def a_level_hides_what_is_below(notebook: Notebook) -> None:
    notebook.button("Start").click()
    expect(notebook.state()).to_contain_text("listening")
    notebook.wait_for_more(more=15)
    debug = notebook.area().locator(".debug")
    expect(debug).not_to_have_count(0)
    notebook.show("INFO and above")
    expect(debug).to_have_count(0)
    assert any("INFO" in line for line in notebook.lines())
    notebook.show("every line")
    expect(debug).not_to_have_count(0)
    # the second view shows errors only, with what belongs to them
    assert "Traceback (most recent call last):" in notebook.lines(1)
    assert all("INFO" not in line for line in notebook.lines(1))


def it_goes_on_when_the_server_comes_back(notebook: Notebook) -> None:
    state = notebook.state()
    notebook.button("Stop").click()
    expect(state).to_contain_text("stopped")
    before = notebook.lines()
    notebook.execute("server.kill()")
    notebook.button("Start").click()
    expect(state).to_contain_text("reconnecting")
    assert notebook.lines() == before
    notebook.execute("server.start()")
    expect(state).to_contain_text("listening")
    notebook.wait_for_more()
    notebook.screenshot("lab-logs")
    notebook.button("Stop").click()
    expect(state).to_contain_text("stopped")
    # each line that was ever written, from the first one that was shown
    shown = notebook.lines()
    written = notebook.ask("print(server.log.read_text(), end='')").splitlines()
    first = written.index(shown[0])
    assert written[first : first + len(shown)] == shown


def a_flood_comes_in_few_messages(notebook: Notebook) -> None:
    notebook.show("every line", 1)
    before, notebook.batches = notebook.count(1), []
    notebook.execute("worst = await flood(seconds=2, lines_per_second=5000)")
    expect(notebook.area(1).locator("div").last).to_have_text("INFO - line 99 of turn 99")
    wait_until(lambda: notebook.count(1) == before + 10_000, "the count of all lines")
    assert len(notebook.lines(1)) == 1000
    seconds = (notebook.batches[-1] - notebook.batches[0]).total_seconds()
    assert len(notebook.batches) <= seconds / INTERVAL * 1.1 + 2


def what_a_cell_began_ends_when_it_is_run_again(notebook: Notebook) -> None:
    count = "import threading; print([t.name for t in threading.enumerate()].count('riacho'))"
    assert notebook.ask(count) == "1\n"
    notebook.run_again("errors.start()")
    expect(notebook.state(1)).to_contain_text("listening, 10 lines")  # those from before
    assert notebook.ask(count) == "1\n"
    before = set(servers(notebook.kernel, tails=False))
    assert len(before) == 2
    notebook.run_again("own = LocalServer")

    def one_is_new() -> bool:
        now = set(servers(notebook.kernel, tails=False))
        return len(now) == 2 and len(now & before) == 1

    wait_until(one_is_new, "a new server instead of an old one")


def test_coming_back_is_proved(jupyter: Jupyter, context: BrowserContext) -> None:
    with opened(jupyter, context, "04_coming_back") as notebook:
        expect(notebook.page.get_by_text("0 missing, 0 doubled, in order: True")).to_be_visible()
        expect(notebook.state()).to_contain_text("listening")
        facts = notebook.page.locator(".riacho-lines .fact")
        expect(facts.get_by_text("The log was rotated").first).to_be_attached()
        [server] = servers(notebook.kernel, tails=False)
        server.kill()
        expect(notebook.state()).to_contain_text("reconnecting")
        notebook.execute("write(5); server.start()")
        expect(notebook.state()).to_contain_text("listening")
        expect(notebook.page.locator(".riacho-lines > div").last).to_have_text("line 1416")
        assert notebook.lines()[-6:] == [f"line {number}" for number in range(1411, 1417)]
        notebook.screenshot("lab-coming-back")


BARS = """[...document.querySelectorAll('.plot-container .bars .point path')].map(
    bar => Math.round(bar.getBBox().height)).filter(height => height > 0)"""


def test_the_plot_moves_without_being_drawn_anew(jupyter: Jupyter, context: BrowserContext) -> None:
    with opened(jupyter, context, "05_live_plot") as notebook:
        page = notebook.page
        svg = page.locator(".plot-container svg.main-svg").first
        svg.evaluate("svg => svg.dataset.mark = 'the first'")
        before = page.evaluate(BARS)
        assert before
        notebook.button("Start").click()
        page.wait_for_function(f"count => {BARS}.length > count + 5", arg=len(before))
        notebook.screenshot("lab-plot")
        expect(svg).to_have_attribute("data-mark", "the first")
        notebook.button("Stop").click()
        expect(notebook.state()).to_contain_text("stopped")
