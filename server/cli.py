"""The command line: from arguments, environment and configuration file to `Settings`."""

import asyncio
import dataclasses
import logging
import re
import socket
import sys
import tomllib
from pathlib import Path
from typing import Any

import click

from server import __version__, reporting
from server.app import run
from server.errors import StartError
from server.inputs import read_input
from server.output import Command, UntoldError, complain, give_up_what_is_left, tell
from server.settings import Settings
from server.web.access import check_names, with_token

PREFIX = "RIACHO"
"""What the names of environment variables begin with."""

_LONGEST = 200
"""Characters of a value that an error shows."""

_log = logging.getLogger(__name__)


def main() -> None:
    """Run the server; what prevents it is one line on stderr and exit code 2."""
    try:
        code = command.main(prog_name="python -m server", standalone_mode=False)
    except click.Abort:
        code = 130
    except click.UsageError as error:
        _refuse(f"{error.format_message()} See python -m server --help.")
        code = 2
    except (click.ClickException, StartError) as error:
        _refuse(str(error))
        code = 2
    give_up_what_is_left()
    sys.exit(code)


def _refuse(why: str) -> None:
    complain(f"riacho: {reporting.printable(why)}")


def _option(field: "dataclasses.Field[Any]") -> click.Option:
    """The option that sets one field of `Settings`."""
    name = field.name.replace("_", "-")
    least, most = field.metadata["least"], field.metadata["most"]
    kind: Any = str
    if field.type in (int, int | None):
        kind = click.IntRange(least, most)
    elif field.type is float:
        kind = _Seconds(least, most)
    elif field.type == Path | None:
        kind = click.Path(path_type=Path)
    elif field.name == "command":
        kind = _Command()
    elif field.metadata["choices"]:
        kind = click.Choice(field.metadata["choices"])
    flag = field.type is bool
    return click.Option(
        [f"--{name}/--no-{name}" if flag else f"--{name}"],
        type=None if flag else kind,
        default=field.default,
        multiple=isinstance(field.default, tuple),
        help=field.metadata["help"],
        envvar=f"{PREFIX}_{field.name.upper()}",
        show_default=bool(field.default) and not isinstance(field.default, tuple),
        show_envvar=True,
    )


class _Command(click.ParamType[str]):
    """Any text. Those of an environment variable stand on lines of their own."""

    name = "NAME=CMD"
    envvar_list_splitter = "\n"


class _Seconds(click.FloatRange):
    """A range of numbers to which nan does not belong."""

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        number = super().convert(value, param, ctx)
        if number != number:
            self.fail(f"{value!r} is not a number.", param, ctx)
        return number


def _read_config(context: click.Context, param: click.Parameter, path: Path | None) -> None:
    """Take the keys of a TOML file as defaults of the options."""
    if path is None:
        return
    try:
        values = tomllib.loads(read_input(path))
    except RecursionError:
        raise click.BadParameter(f"{path}: its values are nested too deeply.") from None
    except OSError as error:
        raise click.BadParameter(f"{path}: it cannot be read ({error.strerror}).") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise click.BadParameter(f"{path}: {error}.") from None
    except ValueError:
        raise click.BadParameter(f"{path}: a number in it has too many digits.") from None
    fields = {field.name: field for field in dataclasses.fields(Settings)}
    settings: dict[str, Any] = {}
    for key, value in values.items():
        name = "logs" if key == "log" else key.replace("-", "_")
        if name not in fields:
            raise click.BadParameter(f"{path}: there is no setting {key!r}.")
        if name in settings:
            raise click.BadParameter(f"{path}: {key!r} is there twice.")
        wanted = _wanted(fields[name], value)
        if wanted:
            raise click.BadParameter(f"{path}: {key} = {_shown(value)}: give {wanted}.")
        settings[name] = [value] if name == "logs" and isinstance(value, str) else value
    context.default_map = settings


def _wanted(field: "dataclasses.Field[Any]", value: object) -> str | None:
    """What a TOML file has to give for a setting, if `value` is of another kind."""
    if field.type is bool:
        return None if type(value) is bool else "true or false"
    if field.type in (int, int | None):
        return None if _is_whole_number(value) else "a whole number"
    if field.type is float:
        is_number = type(value) is float or _is_whole_number(value)
        return None if is_number else "a number"
    if field.name == "logs" and not isinstance(value, list):
        return _wanted_text(value)
    if isinstance(field.default, tuple):
        is_list = isinstance(value, list) and all(type(one) is str for one in value)
        return None if is_list else 'a list of texts, as in ["one", "two"]'
    return _wanted_text(value)


def _wanted_text(value: object) -> str | None:
    if type(value) is not str:
        return "a text in quotes"
    return "a text without NUL characters" if "\0" in value else None  # no path can have them


def _is_whole_number(value: object) -> bool:
    """Whether it is one of 64 bits: TOML has no others, though Python reads them."""
    return type(value) is int and -(2**63) <= value < 2**63


def _shown(value: object) -> str:
    """A value as Python writes it, or the beginning of that."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # a number of too many digits; lists in lists in lists
        text = "..."
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _show_version(context: click.Context, param: click.Parameter, wanted: bool) -> None:
    if wanted:
        click.echo(f"riacho {__version__}")
        context.exit()


def _run(**values: Any) -> None:
    given = Settings(**{**values, "prefix": _normal(values["prefix"])})
    check_names(given)
    settings = with_token(given)
    secrets = reporting.configure(settings.log_format, settings.token)
    made = settings.token if given.token is None and given.token_file is None else None
    is_up = False

    def announce(url: str, what: str) -> None:
        nonlocal is_up
        is_up = True
        _announce(settings, url, what, made)

    try:
        asyncio.run(run(settings, announce, secrets.hide))
    except OSError as error:
        if is_up:
            raise
        raise StartError(f"the server cannot start: {error}") from None


def _normal(prefix: str) -> str:
    """A path prefix with a slash before it and none behind; none at all for the root."""
    path = prefix.strip("/")
    if path and not re.fullmatch(r"[\w.~-]+(/[\w.~-]+)*", path, re.ASCII):
        raise StartError(f"--prefix {prefix!r}: give a path such as /riacho")
    return f"/{path}" if path else ""


def _announce(settings: Settings, url: str, what: str, made_token: str | None) -> None:
    """Say on stdout what is served where.

    Nobody may be there to read it, and a stream that runs is worth more than that. Raises
    StartError only if it has a token that is told nowhere else.
    """
    try:
        tell(_announcement(settings, url, what, made_token))
    except UntoldError as error:
        if made_token:
            raise StartError(
                f"{error} and would tell the token that was made: give one with --token-file"
            ) from None
        _log.warning("%s; the server is at %s", error, url)


def _announcement(settings: Settings, url: str, what: str, made_token: str | None) -> str:
    what = reporting.printable(what)
    if settings.writes_log:
        what += f", written here every {settings.writer_interval:g} s"
    lines = [f"Riacho {what}"]
    query = f"?token={made_token}" if made_token else ""
    for path, meaning in (
        ("/", "the pages"),
        ("/stream-logs", "the log's lines as events"),
        ("/stream-numbers", "numbers as events"),
        ("/slow-numbers", "a page that arrives in pieces"),
    ):
        lines.append(f"  {url}{path + query:<17} {meaning}")
    if settings.host in ("0.0.0.0", "::", ""):
        lines.append(f"From other machines: the same with this one's name, {socket.gethostname()}")
    return "\n".join([*lines, "Ctrl+C stops it."])


command = Command(
    "riacho",
    callback=_run,
    params=[
        click.Argument(["logs"], metavar="[LOG]...", nargs=-1),
        *(_option(field) for field in dataclasses.fields(Settings) if field.metadata),
        click.Option(
            ["--config"],
            type=click.Path(path_type=Path),
            is_eager=True,
            expose_value=False,
            callback=_read_config,
            envvar=f"{PREFIX}_CONFIG",
            show_envvar=True,
            help="TOML file with settings: the names of the options are its keys.",
        ),
        click.Option(
            ["--version"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_show_version,
            help="Show the version and exit.",
        ),
    ],
    help="""Stream the lines of LOG as server-sent events.

    Without LOG: the demo, which writes logs/log_gerado.log and streams it.
    An option wins over its environment variable, and that over the file of --config.
    """,
    context_settings={"max_content_width": 100},
)
