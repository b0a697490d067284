"""Writing of what commands tell: stdout and stderr may be full, or closed, or have no reader."""

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import click


class UntoldError(click.ClickException):
    """Says why stdout could not be written."""

    def __init__(self, why: str | None) -> None:
        super().__init__(f"stdout cannot be written ({why})")


class UnreadError(UntoldError):
    """Nobody reads stdout any more, as after `| head -1`."""


class Command(click.Command):
    """A command that raises UntoldError if its help or its version cannot be written."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        with telling():
            return super().parse_args(ctx, args)


@contextmanager
def telling() -> Iterator[None]:
    """Raise UntoldError for an error of the system: what is done meanwhile is to write."""
    try:
        yield
    except OSError as error:
        # what is left in the buffer is written once more at the exit, which must not fail
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        kind = UnreadError if error.errno == errno.EPIPE else UntoldError
        raise kind(error.strerror) from None


def tell(text: str, *, color: bool | None = None) -> None:
    """Write to stdout; what it cannot encode, it escapes. Raises UntoldError.

    Colours in it are written if `color` says so, and by default to a terminal only.
    """
    if sys.stdout is None:  # it was closed before the start
        raise UntoldError(os.strerror(errno.EBADF))
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    with telling():
        click.echo(text.encode(encoding, "backslashreplace").decode(encoding), color=color)


def complain(text: str) -> None:
    """Write to stderr. Where that fails, the exit code must do: it is no reason for another one."""
    with suppress(OSError):
        click.echo(text, err=True)


def give_up_what_is_left() -> None:
    """Before an exit: Python writes what is left in a buffer, and exits with 120 if that fails."""
    for number, stream in ((1, sys.stdout), (2, sys.stderr)):
        try:
            if stream:
                stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), number)
