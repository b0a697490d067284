"""A real journald, in namespaces of its own, with its journal in a directory."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.running import PATIENCE, wait_until

JOURNALD = "/lib/systemd/systemd-journald"

UNIT = "riacho-test.service"
"""The unit that its entries say that they are of."""

_START = f"""
mount --bind "$0" /run
mount -t tmpfs none /var/log
exec {JOURNALD}
"""


class Journald:
    """Takes entries on a socket, as programs send them, and syslog's messages."""

    def __init__(self, run: Path) -> None:
        self._run = run
        for name in ("systemd/journal", "log/journal"):
            (run / name).mkdir(parents=True)
        self.directory = run / "log" / "journal"
        self.syslog = run / "systemd" / "journal" / "dev-log"
        self._address = str(run / "systemd" / "journal" / "socket")
        self.process = subprocess.Popen(
            ["unshare", "--map-root-user", "--mount", "sh", "-c", _START, str(run)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_until(lambda: os.path.exists(self._address), "journald listens")
        wait_until(lambda: any(self.directory.rglob("*.journal")), "journald writes")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)

    def send(self, message: bytes, **fields: str) -> None:
        """An entry as sd_journal_send(3) sends it, of the unit."""
        fields = {"SYSLOG_IDENTIFIER": "app", "OBJECT_SYSTEMD_UNIT": UNIT, **fields}
        text = "".join(f"{name}={value}\n" for name, value in fields.items()).encode()
        text += b"OBJECT_PID=%d\n" % os.getpid()
        size = len(message).to_bytes(8, "little")
        self._socket.sendto(text + b"MESSAGE\n" + size + message + b"\n", self._address)

    def stop(self) -> None:
        self._socket.close()
        self.process.kill()
        self.process.wait(PATIENCE)


@contextmanager
def journald() -> Iterator[Journald]:
    """It runs meanwhile. Its directory is short: a socket's address has 107 bytes."""
    run = Path(tempfile.mkdtemp(prefix="riacho-"))
    running = None
    try:
        running = Journald(run)
        yield running
    finally:
        if running:
            running.stop()
        shutil.rmtree(run)
