"""The demo's log writer: a program that logs, as any would, while the server runs."""

import errno
import itertools
import logging
import random
import sys
from logging.handlers import RotatingFileHandler
from pathlib import Path

from tornado.ioloop import PeriodicCallback

from server.errors import StartError

_log = logging.getLogger(__name__)

FORMAT = "%(asctime)s - %(name)s - %(levelname)s - %(message)s"

MAX_BYTES = 1024 * 1024
"""Size at which the log is rotated."""

BACKUPS = 3
"""Rotated files that are kept, so that the demo never fills a disk."""

# (how often, level, message): something to filter, in the proportions of a real log
_MESSAGES = [
    (30, logging.DEBUG, "cache lookup for item %d"),
    (50, logging.INFO, "request %d served"),
    (12, logging.WARNING, "request %d took longer than a second"),
    (6, logging.ERROR, "request %d failed: the database did not answer"),
    (2, logging.CRITICAL, "no disk space left for request %d"),
]


class _Handler(RotatingFileHandler):
    """Drops lines that cannot be written, as on a full disk, and says so once."""

    _is_failing = False

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        if not self._is_failing:
            self._is_failing = True
            why = sys.exc_info()[1]
            _log.error("%s cannot be written, its lines are dropped: %s", self.baseFilename, why)

    def flush(self) -> None:
        super().flush()
        if self._is_failing and self.stream:
            self._is_failing = False
            _log.info("%s can be written again", self.baseFilename)


class LogWriter:
    """Appends a line to the log at `path` every `interval` seconds.

    Raises StartError if the file cannot be written.
    """

    def __init__(self, path: Path, interval: float) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.exists() and not path.is_file():  # to open a FIFO would wait for its reader
                raise OSError(errno.EINVAL, "it is not a regular file")
            handler = _Handler(path, maxBytes=MAX_BYTES, backupCount=BACKUPS, encoding="utf-8")
        except OSError as error:
            raise StartError(
                f"the demo cannot write {path} ({error.strerror}): "
                "start it in a directory that you may write to, or name a log to stream"
            ) from None
        handler.setFormatter(logging.Formatter(FORMAT))
        self._handler = handler
        # a logger of its own, outside the program's tree of loggers
        self._logger = logging.Logger("log_writer")
        self._logger.addHandler(handler)
        self._numbers = itertools.count(1)
        self._callback = PeriodicCallback(self.write_line, interval * 1000)

    def start(self) -> None:
        """Start to write, on the current event loop, if that was not done yet."""
        if not self._callback.is_running():
            self._callback.start()

    def stop(self) -> None:
        """Stop writing and close the file."""
        self._callback.stop()
        self._handler.close()

    def write_line(self) -> None:
        """Append one line."""
        weights = [weight for weight, _, _ in _MESSAGES]
        [(_, level, message)] = random.choices(_MESSAGES, weights)
        self._logger.log(level, message, next(self._numbers))
