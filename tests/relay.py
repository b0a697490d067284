"""A server of the tests that stands before a real one, and does what no real proxy does."""

import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from tests.running import PATIENCE

Pieces = Iterator[bytes]

Forward = Callable[[bytes], Pieces]

Treat = Callable[[bytes, Forward], Pieces]
"""Makes an answer of a request, and of what the real server says to one."""


class _Handler(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        server = self.server
        assert isinstance(server, _Server)
        request = b""
        self.request.settimeout(PATIENCE)
        with suppress(OSError):
            while b"\r\n\r\n" not in request:
                if not (data := self.request.recv(65536)):
                    return
                request += data
            for piece in server.treat(request, server.forward):
                self.request.sendall(piece)


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, treat: Treat, port: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.treat = treat
        self._port = port

    def forward(self, request: bytes) -> Pieces:
        """What the real server answers, as it comes, in a body without chunks."""
        with socket.create_connection(("127.0.0.1", self._port), PATIENCE) as upstream:
            upstream.sendall(request.replace(b" HTTP/1.1\r\n", b" HTTP/1.0\r\n", 1))
            while data := upstream.recv(65536):
                yield data


@contextmanager
def relaying(treat: Treat, port: int = 0) -> Iterator[str]:
    """The URL of a relay to the server at `port`."""
    with _Server(treat, port) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/"
        finally:
            server.shutdown()
            thread.join()
