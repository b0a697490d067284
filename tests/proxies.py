"""The real proxies, run with the very files of deploy/.

Only addresses, ports and paths in them are replaced, as whoever uses them does.
"""

import http.client
import os
import shutil
import signal
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import cycle
from pathlib import Path
from typing import ClassVar

from tests.running import PATIENCE, Client, Server, wait_until

DEPLOY = Path(__file__).parent.parent / "deploy"

PREFIX = "/riacho"


def find(name: str) -> str:
    """The program, also where only root has it in the path."""
    return shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin") or name


_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_PORTS = cycle(range(20_000 + 1000 * _WORKER, 21_000 + 1000 * _WORKER))


def free_port() -> int:
    """A port that no other test gets before a program listens there.

    The system gives those from 32768 on to whoever asks for any (ip(7)); each worker has its own.
    """
    for port in _PORTS:
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise AssertionError("there is always one more")


class Certificate:
    """A certificate for `localhost`, made by openssl in `directory`."""

    def __init__(self, directory: Path) -> None:
        self.path, self.key = directory / "riacho.pem", directory / "riacho.key"
        subprocess.run(
            [
                *("openssl", "req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=localhost"),
                *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
                *("-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"),
                *("-keyout", str(self.key), "-out", str(self.path)),
            ],
            check=True,
            capture_output=True,
        )
        self.both = directory / "both.pem"
        self.both.write_bytes(self.path.read_bytes() + self.key.read_bytes())

    def trusted(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.path)


class Proxy:
    """A proxy in front of `ports`, with files of its own in `cwd`.

    `change` maps further text of the file in deploy/ to what replaces it; each must be there.
    """

    file: ClassVar[str]
    below: ClassVar[dict[str, str]]
    """What the file says to change where all is to be below a path."""

    def __init__(
        self, cwd: Path, certificate: Certificate, *ports: int, change: dict[str, str] | None = None
    ) -> None:
        self.cwd = cwd
        self.certificate = certificate
        self.port, self.admin_port = free_port(), free_port()
        first, second = ports[0], ports[-1]
        text = (DEPLOY / self.file).read_text()
        places = {"127.0.0.1:8001": f"127.0.0.1:{first}", "127.0.0.1:8002": f"127.0.0.1:{second}"}
        for old, new in {**(change or {}), **places, **self.places()}.items():
            assert old in text, old
            text = text.replace(old, new)
        (cwd / self.file).write_text(text)
        self.start()

    def places(self) -> dict[str, str]:
        """Where things are in a test."""
        raise NotImplementedError

    def command(self, *, check: bool = False) -> list[str]:
        """What runs it, or only checks its configuration."""
        raise NotImplementedError

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    def start(self) -> None:
        """Start, or start again, and wait until it is up."""
        with (self.cwd / "proxy.err").open("ab") as errors:
            self.process = subprocess.Popen(
                self.command(),
                cwd=self.cwd,
                env=self.env,
                stdout=errors,
                stderr=errors,
                start_new_session=True,  # with its workers
            )
        wait_until(lambda: self._is_up() or self.process.poll() is not None, f"{self.file} is up")
        assert self.process.poll() is None, self.errors()

    @property
    def env(self) -> dict[str, str]:
        return {**os.environ, "XDG_DATA_HOME": str(self.cwd), "XDG_CONFIG_HOME": str(self.cwd)}

    def _is_up(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def check(self) -> None:
        """Let it judge its configuration."""
        subprocess.run(
            self.command(check=True), cwd=self.cwd, env=self.env, check=True, capture_output=True
        )

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(PATIENCE)

    def errors(self) -> str:
        return (self.cwd / "proxy.err").read_text()

    def get(
        self, path: str, source: str = "127.0.0.1", **headers: str
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        """Status, headers and body of one request, from the address `source`."""
        connection = http.client.HTTPSConnection(
            "localhost",
            self.port,
            timeout=PATIENCE,
            source_address=(source, 0),
            context=self.certificate.trusted(),
        )
        try:
            connection.request("GET", path, headers=headers)
            response = connection.getresponse()
            return response.status, response.headers, response.read()
        finally:
            connection.close()

    @contextmanager
    def following(self, path: str = "/stream-logs") -> Iterator[Client]:
        """A client that has been let in, and that comes back."""
        client = TrustingClient(self.url + path, self.certificate.trusted())
        try:
            wait_until(client.opened.is_set, f"a stream through {self.file}")
            yield client
        finally:
            client.stop()


class TrustingClient(Client):
    """A client that speaks TLS."""

    def __init__(self, url: str, context: ssl.SSLContext) -> None:
        self._context = context
        super().__init__(url)

    def connect(self, address: str) -> http.client.HTTPConnection:
        return http.client.HTTPSConnection(address, timeout=60, context=self._context)


class Nginx(Proxy):
    file = "nginx.conf"
    below: ClassVar = {"location / {": f"location {PREFIX}/ {{"}

    def places(self) -> dict[str, str]:
        return {
            "listen 443": f"listen 127.0.0.1:{self.port}",
            "logs.example.org": "localhost",
            "/etc/ssl/riacho.pem": str(self.certificate.path),
            "/etc/ssl/riacho.key": str(self.certificate.key),
            "/var/log/nginx": str(self.cwd),
        }

    def command(self, *, check: bool = False) -> list[str]:
        temporary = "".join(
            f"{name}_temp_path {self.cwd / name};"
            for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        user = "user root;" if os.geteuid() == 0 else ""  # whose directories these are
        main = self.cwd / "main.conf"
        main.write_text(
            f"{user} daemon off; pid {self.cwd / 'nginx.pid'}; error_log stderr; events {{}}"
            f"http {{ {temporary} access_log off; include {self.cwd / self.file}; }}"
        )
        return [find("nginx"), "-c", str(main), *(["-t"] if check else [])]


class HAProxy(Proxy):
    file = "haproxy.cfg"
    below: ClassVar = {
        "    default_backend riacho": f"    use_backend riacho if {{ path_beg {PREFIX}/ }}",
    }

    def places(self) -> dict[str, str]:
        return {
            "bind :443": f"bind 127.0.0.1:{self.port}",
            "/etc/ssl/riacho.pem": str(self.certificate.both),
            "log /dev/log": "log stderr",
        }

    def command(self, *, check: bool = False) -> list[str]:
        return [find("haproxy"), "-f", str(self.cwd / self.file), *(["-c"] if check else [])]


class Caddy(Proxy):
    file = "Caddyfile"
    below: ClassVar = {
        "\thandle {": f"\thandle {PREFIX}/* {{",
    }

    def places(self) -> dict[str, str]:
        return {
            # Caddy would also listen on the ports 80 and 2019
            "\tgrace_period": f"\tauto_https disable_redirects\n\tadmin localhost:{self.admin_port}"
            "\n\tgrace_period",
            "logs.example.org {": f"{self.url} {{",
            "/etc/ssl/riacho.pem": str(self.certificate.path),
            "/etc/ssl/riacho.key": str(self.certificate.key),
        }

    def command(self, *, check: bool = False) -> list[str]:
        config = ["--config", str(self.cwd / self.file), "--adapter", "caddyfile"]
        return [find("caddy"), "validate" if check else "run", *config]


PROXIES: dict[str, type[Proxy]] = {"nginx": Nginx, "HAProxy": HAProxy, "Caddy": Caddy}


@contextmanager
def proxied(
    kind: type[Proxy],
    cwd: Path,
    certificate: Certificate,
    *servers: Server,
    change: dict[str, str] | None = None,
) -> Iterator[Proxy]:
    """A proxy of that kind in front of `servers`, up, and ended afterwards."""
    directory = cwd / kind.__name__
    directory.mkdir(exist_ok=True)
    proxy = kind(directory, certificate, *(one.port for one in servers), change=change)
    try:
        yield proxy
    finally:
        with suppress(ProcessLookupError):
            os.killpg(proxy.process.pid, signal.SIGKILL)
        proxy.process.wait(PATIENCE)
