"""`python -m server.follow URL`: the lines of a server in a terminal."""

import select
import stat
import sys
import threading
from os import fstat
from typing import Any, Unpack
from urllib.parse import SplitResult, parse_qs, urlsplit

import click

from server.client import Follower, StreamRefusedError
from server.follow.lines import Form, Plain, as_json
from server.follow.terminal import is_wanted, visible
from server.follow.words import words_of
from server.output import Command, UnreadError, complain, give_up_what_is_left, tell
from server.reporting import without_secrets
from server.sse.event import Event
from server.wanted import Wanted, address_of, has_names

_LONGEST = 1000
"""Characters that are told of an event, or of what is wrong."""


class NotComingBackError(Exception):
    """There is no connection, and `--no-reconnect` was given."""


class Following:
    """One run of the command: shows the lines of the stream at `url` until it ends.

    Raises StreamRefusedError, NotComingBackError, ValueError for a bad `url`, and UntoldError.
    """

    def __init__(
        self, url: str, form: Form, *, coloured: bool, token: str | None, comes_back: bool
    ) -> None:
        self.count = 0
        """How many lines came."""
        self._form = form
        self._coloured = coloured
        self._comes_back = comes_back
        self._is_away = False
        self._follower = Follower(url, token=token, changed=self._changed)

    def run(self) -> None:
        """Show what comes."""
        with self._follower as follower:
            self._end_when_nobody_reads()
            for event in follower:
                self._show(event)

    def _show(self, event: Event) -> None:
        name = event.name or "message"
        if name == "message":
            tell(self._form(event.data or ""), color=self._coloured)
            self.count += 1
        elif words := words_of(name, event.data or ""):
            say(words)

    def _changed(self, state: str) -> None:
        """Say once that there is no connection, and that there is one again."""
        if state == "open" and self._is_away:
            self._is_away = False
            say("connected again")
        elif state == "waiting":
            trouble = self._follower.trouble or "the stream was ended"
            if not self._comes_back:
                raise NotComingBackError(trouble)
            if not self._is_away:
                self._is_away = True
                say(f"not connected ({trouble}); trying again")

    def _end_when_nobody_reads(self) -> None:
        """End as soon as the reader of a pipe has gone, also when no line comes for long."""
        if sys.stdout is None or not hasattr(select, "poll"):
            return
        mode = fstat(1).st_mode
        if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode):
            threading.Thread(target=self._watch, daemon=True, name="stdout").start()

    def _watch(self) -> None:
        watched = select.poll()
        watched.register(1, 0)  # errors alone, which are always told
        watched.poll()
        self._follower.close()


def say(words: str) -> None:
    """Tell on stderr, in one line, what is none of the log's."""
    complain(f"follow: {visible(without_secrets(words[:_LONGEST]))}")


def stream_at(url: str) -> tuple[str, str | None]:
    """The address of a stream, and the token in it: it goes into a header, as others see addresses.

    That is `url` if it is the address of a stream, else the one of its server's logs. Raises
    ValueError for what is no address.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("it is no address of HTTP")
    others = [one for one in parts.query.split("&") if one.partition("=")[0] != "token"]
    token = parse_qs(parts.query).get("token", [None])[0]
    address = parts._replace(path=_path_of(parts), query="&".join(others), fragment="")
    return address.geturl(), token


def _path_of(parts: SplitResult) -> str:
    before, slash, last = parts.path.rpartition("/")
    if last.startswith(("stream-", "slow-")):
        return parts.path
    if last and not last.endswith(".html"):
        before, slash = parts.path, "/"
    return f"{before}{slash or '/'}stream-logs"


def _follow(
    url: str,
    token: str | None,
    color: str,
    as_objects: bool,
    reconnect: bool,
    **wanted: Unpack[Wanted],
) -> int:
    try:
        address, token_in_url = stream_at(url)
    except ValueError as error:
        remedy = "Give a URL such as http://localhost:8000/"
        raise click.UsageError(f"{url}: {error}. {remedy}.") from None
    token = token or token_in_url
    if token and not (token.isascii() and token.isprintable()):
        raise click.UsageError("--token: give one of printable ASCII characters.")
    address = address_of(address, **wanted)
    coloured = not as_objects and is_wanted(color)
    form: Form = as_json
    if as_objects:
        address = address_of(address, format="json")
    else:
        form = Plain(has_names=has_names(address), coloured=coloured)
    following = Following(address, form, coloured=coloured, token=token, comes_back=reconnect)
    try:
        following.run()
    except UnreadError:
        pass  # who has read enough ends it in this way
    except NotComingBackError as error:
        raise click.ClickException(f"not connected ({error})") from None
    except (StreamRefusedError, ValueError) as error:
        raise click.ClickException(str(error)) from None
    return 0 if following.count else 1


def _flag(*names: str, help: str) -> click.Option:
    return click.Option(names, is_flag=True, help=help)


def _text(*names: str, help: str, **more: Any) -> click.Option:
    return click.Option(names, help=help, **more)


command = Command(
    "follow",
    callback=_follow,
    params=[
        click.Argument(["url"]),
        _text("--log", multiple=True, help="A log's name, or a pattern as 'web*'. May repeat."),
        _text(
            "--grep",
            "-e",
            multiple=True,
            help="Only lines in which this regular expression is found. May repeat: all must be.",
        ),
        _flag("--invert", "-v", help="The other lines: those in which they are not all found."),
        _flag("--ignore-case", "-i", help="Upper and lower case are the same to --grep."),
        _text("--level", help="Only lines of this level or above, as 'warning'."),
        _text("--since", help="Begin at this time."),
        _text("--until", help="End at this time."),
        _text("--backlog", "-n", type=click.IntRange(0), help="Lines before the live end."),
        _flag("--from-start", help="All lines that there are."),
        _flag("--json", "as_objects", help="One JSON object a line, with the log's name."),
        _text("--token", envvar="RIACHO_TOKEN", show_envvar=True, help="The token."),
        _text(
            "--color",
            type=click.Choice(["auto", "always", "never"]),
            default="auto",
            show_default=True,
            help="Colour lines by their level; auto: on a terminal, unless NO_COLOR is set.",
        ),
        click.Option(
            ["--reconnect/--no-reconnect"],
            default=True,
            show_default=True,
            help="Whether to come back when the connection is lost, or cannot be made.",
        ),
    ],
    help="""Show the lines of the Riacho at URL as they come.

    URL is the address of its start page, or that of a stream with a query of its own.
    What happens to the stream is told on stderr. Colours that stand in the log are left out,
    and other control characters are shown as \\x1b.

    The exit code is that of grep: 0 if a line came, 1 if none came before the stream had
    finished, 2 if something is wrong.
    """,
    context_settings={"max_content_width": 100},
)


def main() -> None:
    """Follow, and exit as grep does."""
    try:
        code = command.main(prog_name="python -m server.follow", standalone_mode=False)
    except click.Abort:
        code = 130
    except click.ClickException as error:
        say(error.format_message())
        code = 2
    give_up_what_is_left()
    sys.exit(code)
