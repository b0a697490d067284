"""What stands in the place of a log that the user has named."""

import errno
import os
import stat

from server.logs.layout import DatedLayout, FixedLayout, Layout


class Standing:
    """Looks at the place of a log, whose files are laid out like that."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self._path = str(layout.path) if isinstance(layout, FixedLayout) else ""
        self._permissions: tuple[int, ...] = ()

    @property
    def is_dated(self) -> bool:
        """Whether each date has a file of its own."""
        return isinstance(self.layout, DatedLayout)

    def look(self) -> str:
        """Why the log cannot be read, in words that follow its name; empty if it can."""
        try:
            path = self._path or str(self.layout.target())
            status = os.stat(path)
        except (OSError, ValueError) as error:
            return _in_words(error)
        if stat.S_ISDIR(status.st_mode):
            return "is a directory: name a log file in it"
        if not stat.S_ISREG(status.st_mode):
            return "is not a regular file: name a file that a program appends to"
        permissions = status.st_ino, status.st_mode, status.st_uid, status.st_gid
        if permissions != self._permissions:
            if not os.access(path, os.R_OK):
                return "cannot be read: give this user read permission"
            self._permissions = permissions
        return ""


def _in_words(error: OSError | ValueError) -> str:
    if not isinstance(error, OSError):
        return "is not a path"
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return "does not exist yet"
    if error.errno == errno.EACCES:
        return "cannot be read: give this user read permission, also to its directory"
    return f"cannot be read: {error.strerror}"
