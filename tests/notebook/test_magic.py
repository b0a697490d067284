"""`%riacho` in a real IPython shell: it starts a server, shows its page, and ends it."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from server.settings import VIEWER_VARIABLE


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[InteractiveShell]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(VIEWER_VARIABLE, raising=False)
    InteractiveShell.clear_instance()
    shell = InteractiveShell.instance()
    shell.run_line_magic("load_ext", "server.notebook.magic")
    yield shell
    shell.run_line_magic("unload_ext", "server.notebook.magic")
    InteractiveShell.clear_instance()


def shown(shell: InteractiveShell, line: str) -> str:
    """The HTML that the magic shows."""
    with capture_output() as captured:
        shell.run_line_magic("riacho", line)
    return "".join(str(one.data.get("text/html", "")) for one in captured.outputs)


def page_of(html: str) -> Any:
    match = re.search(r'src="(http://[^"#]+)', html)
    assert match, html
    return match[1]


def test_the_page_of_a_log_is_shown_and_served_until_the_end(
    shell: InteractiveShell, tmp_path: Path
) -> None:
    (tmp_path / "app.log").write_text("one\n")
    page = page_of(shown(shell, "app.log"))
    assert b"Riacho" in urlopen(page).read()
    assert page_of(shown(shell, "app.log")) == page  # the server that runs already
    shell.run_line_magic("riacho", "stop")
    with pytest.raises(OSError, match="refused"):
        urlopen(page)


def test_a_height_is_given_in_pixels(shell: InteractiveShell, tmp_path: Path) -> None:
    (tmp_path / "app.log").write_text("one\n")
    assert "123" in shown(shell, "app.log --height 123")


def test_a_log_that_cannot_be_read_is_a_usage_error_in_one_line(
    shell: InteractiveShell, tmp_path: Path
) -> None:
    with capture_output() as captured:
        result = shell.run_cell("%riacho nowhere/app.log")
    assert "create" in f"{captured.stderr}{captured.stdout}{result.error_in_exec}"
    assert "Traceback" not in captured.stdout + captured.stderr


def test_several_logs_have_one_server_and_one_page(shell: InteractiveShell, tmp_path: Path) -> None:
    for name in ("a.log", "my b.log"):
        (tmp_path / name).write_text("one\n")
    both = page_of(shown(shell, "a.log 'my b.log'"))
    assert page_of(shown(shell, "a.log 'my b.log'")) == both
    base = both.rpartition("/")[0]
    logs = json.loads(urlopen(f"{base}/logs").read())["logs"]
    assert [log["name"] for log in logs] == ["a.log", "my b.log"]
    assert page_of(shown(shell, "*.log")).rpartition("/")[0] != base
    shell.run_line_magic("riacho", "stop")
    with pytest.raises(OSError, match="refused"):
        urlopen(both)
