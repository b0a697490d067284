"""What can be set: each setting with its default, its bounds and its help, declared here once.

The command line, the environment and the configuration file are read elsewhere; here
is what they mean.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

DEMO_LOG = Path("logs/log_gerado.log")
"""What the demo writes and streams."""

VIEWER_VARIABLE = "JUPYTER_RIACHO_PATH"
"""Environment variable that tells a Jupyter server's kernels at which path it serves the pages."""

MAX_BACKLOG = 1_000_000
"""Lines."""

MAX_PID = 2**31 - 1
"""What a `pid_t` can hold."""


def _setting(
    default: Any,
    help: str,
    *,
    least: float | None = None,
    most: float | None = None,
    choices: tuple[str, ...] | None = None,
) -> Any:
    bounds = {"least": least, "most": most, "choices": choices}
    return field(default=default, metadata={"help": help, **bounds})


@dataclass(frozen=True)
class Settings:
    """All settings of a server."""

    logs: tuple[str, ...] = ()
    """The logs to stream, as the user has given them: see `catalog.specs`. None for the demo's."""

    command: tuple[str, ...] = _setting(
        (), "NAME=CMD: a command whose lines are a log of this name; it is started again."
    )
    journal: tuple[str, ...] = _setting(
        (), "A unit whose lines in the system's journal are a log, or `*` for all of them."
    )
    state_dir: Path | None = _setting(
        None, "Directory for what commands, standard input and the journal have written."
    )
    spool_size: int = _setting(
        64 * 1024 * 1024,
        "Bytes of that which are kept, for each of them.",
        least=8 * 1024 * 1024,
        most=1024**4,
    )
    host: str = _setting("127.0.0.1", "Address to listen on.")
    port: int = _setting(8000, "Port to listen on; 0 takes one that is free.", least=0, most=65535)
    log_writer: bool = _setting(None, "Write the demo's log. Default: only if no LOG is named.")
    writer_interval: float = _setting(
        0.3, "Seconds between two lines of the demo's log.", least=0.001, most=3600
    )
    retry: int = _setting(
        3000, "Milliseconds after which a client reconnects.", least=0, most=3_600_000
    )
    keep_alive: float = _setting(
        15.0, "Seconds of silence after which a comment is sent.", least=0.1, most=3600
    )
    backlog: int = _setting(
        10, "Lines before the live end that a new client gets.", least=0, most=MAX_BACKLOG
    )
    max_line: int = _setting(
        1024 * 1024,
        "Bytes of a line that are sent; the rest of a longer one is clipped.",
        least=8192,
        most=64 * 1024 * 1024,
    )
    memory: int = _setting(
        16 * 1024 * 1024,
        "Bytes of memory for events, recent ones above all; others are read from the log.",
        least=1024 * 1024,
        most=16 * 1024**3,
    )
    max_unpack: int = _setting(
        4 * 1024**3,
        "Bytes of a compressed file's content that are unpacked to read it.",
        least=1024 * 1024,
        most=1024**4,
    )
    allow_origin: tuple[str, ...] = _setting(
        (), "Origin of a page that may read the streams, `*` for any, `null` for files."
    )
    allow_host: tuple[str, ...] = _setting(
        (), "Host name under which clients may call the server, as behind a proxy, `*` for any."
    )
    token: str | None = _setting(
        None, "What a client has to know. Default: one is made if the host is not loopback."
    )
    token_file: Path | None = _setting(None, "File whose first line is the token.")
    certfile: Path | None = _setting(None, "Certificate (PEM, with its chain): serve by TLS.")
    keyfile: Path | None = _setting(None, "Its private key, if it is not in the same file.")
    prefix: str = _setting("", "Path under which all routes stand, as behind a proxy.")
    trusted_proxy: tuple[str, ...] = _setting(
        (), "Address of a proxy whose X-Forwarded-For names the client."
    )
    max_clients: int = _setting(
        20_000,
        "Streams at the same time; more are told to come back later.",
        least=1,
        most=1_000_000,
    )
    max_clients_per_address: int = _setting(
        200,
        "The same from one address; loopback and trusted proxies are not counted.",
        least=1,
        most=1_000_000,
    )
    pid: int | None = _setting(
        None, "End when the process with this number does.", least=1, most=MAX_PID
    )
    log_format: str = _setting("text", "Form of the server's own log.", choices=("text", "json"))

    @property
    def is_demo(self) -> bool:
        return not (self.logs or self.command or self.journal)

    @property
    def given_logs(self) -> tuple[str, ...]:
        """The same with the demo's."""
        return (str(DEMO_LOG),) if self.is_demo else self.logs

    @property
    def writes_log(self) -> bool:
        return self.is_demo if self.log_writer is None else self.log_writer

    @property
    def allowed_origins(self) -> tuple[str, ...]:
        """The demo has no secrets and lets any page read it, one opened from disk too."""
        return self.allow_origin or (("*",) if self.is_demo else ())
