"""What stands at a log's path: a file that can be read, or why there is none."""

import errno
import logging
import os
from pathlib import Path

from server.logs.files import File
from server.logs.layout import Layout, layout_of

_log = logging.getLogger(__name__)


class LogPath:
    """Where the live file of a log is, and what was seen there last."""

    def __init__(self, where: Path | Layout) -> None:
        self._layout = layout_of(where)
        self.path = self._layout.path
        self.problem = ""
        """Why the log cannot be read, in words that follow its name; empty if it can."""

    def names(self, file: File) -> bool:
        """Whether this file is the live one now."""
        try:
            status = os.stat(self._layout.location())
        except OSError:
            return False
        is_named = (status.st_dev, status.st_ino) == file.identity
        if is_named:
            self.problem = ""
        return is_named

    def is_readable(self) -> bool:
        """Whether a file stands there that can be read; if not, `problem` says why."""
        try:
            File.open(self._layout.target())
        except OSError as error:
            problem = _in_words(error)
            if problem != self.problem:
                _log.warning("%s %s", self.path, problem)
            self.problem = problem
            return False
        self.problem = ""
        return True


def _in_words(error: OSError) -> str:
    if error.errno == errno.ENOENT:
        return "does not exist yet"
    if error.errno in (errno.EINVAL, errno.ENXIO, errno.EISDIR):
        return "is not a regular file"
    if error.errno == errno.EACCES:
        return "cannot be read: permission denied"
    return f"cannot be read: {error.strerror}"
