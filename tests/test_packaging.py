"""What is installed: the wheel, and the environments of pip and conda."""

import asyncio
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application

from server.settings import Settings
from server.web.context import Context
from tests.rotations import Log
from tests.running import following, running

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def requirements(lines: list[str]) -> dict[str, str]:
    """Names and bounds."""
    found = {}
    for line in lines:
        match = re.fullmatch(r"([\w.-]+(?:\[\S+\])?)\s*(\S*)", line)
        assert match, line
        found[match[1]] = match[2]
    return found


def test_the_conda_environment_agrees_with_the_package() -> None:
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    *names, pip = environment["dependencies"]
    assert pip == {"pip": ["-e ."]}
    conda = requirements(names)
    assert conda.pop("pip") == ""
    assert conda.pop("python") == PROJECT["requires-python"]
    assert conda.pop("coreutils") == ""  # GNU tail, which is no Python package
    extras = PROJECT["optional-dependencies"]
    packages = PROJECT["dependencies"] + [
        one for extra in ("notebooks", "zstd", "filters") for one in extras[extra]
    ]
    assert conda == requirements(packages)


WITHOUT_LINUX = """
import fcntl, os, select, signal, socket
for module, names in (
    (os, "preadv RWF_NOWAIT posix_fadvise pidfd_open O_PATH O_TMPFILE O_DIRECT"),
    (fcntl, "F_SETLEASE F_GETLEASE F_NOTIFY F_SETSIG F_SETPIPE_SZ F_GETPIPE_SZ"),
    (socket, "TCP_USER_TIMEOUT TCP_KEEPIDLE SO_PEERCRED SO_BINDTODEVICE AF_NETLINK SOCK_CLOEXEC"),
    (select, "epoll"),
    (signal, "pidfd_send_signal sigtimedwait SIGPWR SIGPOLL"),
):
    for name in names.split():
        if hasattr(module, name):
            delattr(module, name)
"""
"""Takes away what other systems, as macOS, do not have."""

NO_PROC = [
    "unshare",
    "--map-root-user",
    "--mount",
    "sh",
    "-c",
    'mount -t tmpfs none /proc && exec "$@"',
]
"""Starts a command for which /proc is empty."""

IMPORTS = """
import importlib, pathlib, pkgutil, server
assert not pathlib.Path("/proc/self").exists()
modules = [one.name for one in pkgutil.walk_packages(server.__path__, "server.")]
for name in modules:
    if not name.endswith("__main__"):
        importlib.import_module(name)
print(len(modules))
"""


@pytest.mark.linux
@pytest.mark.usefixtures("namespaces")
def test_every_module_can_be_imported_without_what_only_linux_has() -> None:
    command = [*NO_PROC, "sh", sys.executable, "-c", WITHOUT_LINUX + IMPORTS]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.stderr == ""
    assert int(result.stdout) > 50


@pytest.mark.linux
@pytest.mark.usefixtures("namespaces")
def test_a_log_is_streamed_through_a_rotation_without_what_only_linux_has(tmp_path: Path) -> None:
    start = "import sys; sys.argv[1:] = sys.argv[4:]; from server.cli import main; main()"
    before = [*NO_PROC, "sh", sys.executable, "-c", WITHOUT_LINUX + start]
    log = Log(tmp_path / "app.log")
    log.write(3)
    with running(tmp_path, log.path, before=before) as server, following(server) as client:
        client.wait_for(3)
        log.path.rename(log.shift())
        log.write(3)
        assert client.wait_for(6) == log.lines
        server.get("/metrics")


def test_every_dependency_has_a_reason() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    for name in requirements(PROJECT["dependencies"]):
        assert re.search(rf'"{name}[^"]*",\s*# \w', text), name


def test_the_wheel_carries_the_pages(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--quiet", "-w", str(tmp_path)]
    subprocess.run([*command, str(ROOT)], check=True, capture_output=True)
    [wheel] = tmp_path.glob("riacho-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    for path in (ROOT / "html").iterdir():
        assert f"server/html/{path.name}" in names
    for path in (ROOT / "server").rglob("*.py"):
        assert str(path.relative_to(ROOT)) in names
    config = "data/etc/jupyter/jupyter_server_config.d/riacho.json"  # which Jupyter reads
    assert [name for name in names if name.endswith(config)]
    assert not [name for name in names if name.startswith(("tests", "benchmarks", "notebooks"))]


def test_imports_go_in_one_direction() -> None:
    """A module imports only from those above it in CONTRIBUTING.md's table."""
    table = (ROOT / "CONTRIBUTING.md").read_text()
    order = re.findall(r"^\| `([\w/]+)\.py`", table, re.MULTILINE)
    package = ROOT / "server"
    paths = {str(path.relative_to(package))[:-3] for path in package.rglob("*.py")}
    modules = {path for path in paths if not path.endswith(("__init__", "__main__"))}
    assert set(order) == modules
    for index, module in enumerate(order):
        text = (package / f"{module}.py").read_text()
        used = re.findall(r"^\s*from server\.([\w.]+) import", text, re.MULTILINE)
        assert {name.replace(".", "/") for name in used} <= set(order[:index]), module


def test_the_stream_that_contributing_shows_works(tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(), re.DOTALL)
    names: dict[str, Any] = {}
    exec(blocks[0], names)

    async def main() -> bytes:
        context = Context(Settings())
        server = HTTPServer(Application([("/", names["ClockHandler"])], riacho=context))
        server.add_sockets(sockets := bind_sockets(0, "127.0.0.1"))
        port = sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.0\r\n\r\n")
        data = await reader.readuntil(b"\n\n")
        writer.close()
        server.stop()
        await context.shut_down(1)
        await server.close_all_connections()
        return data

    assert re.search(rb"\ndata: \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\n\n$", asyncio.run(main()))
