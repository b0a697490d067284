"""The command line: from arguments, environment and configuration file to `Settings`."""

import asyncio
import dataclasses
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
from server.settings import Settings
from server.web.access import check_names, with_token

PREFIX = "RIACHO"
"""What the names of environment variables begin with."""


def main() -> None:
    """Run the server; what prevents it is one line on stderr and exit code 2."""
    try:
        code = command.main(prog_name="python -m server", standalone_mode=False)
    except click.Abort:
        code = 130
    except click.UsageError as error:
        click.echo(f"riacho: {error.format_message()} See python -m server --help.", err=True)
        code = 2
    except (click.ClickException, StartError) as error:
        click.echo(f"riacho: {error}", err=True)
        code = 2
    sys.exit(code)


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
        values = tomllib.loads(path.read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise click.BadParameter(f"{path}: {error}") from None
    fields = {field.name: field for field in dataclasses.fields(Settings)}
    settings: dict[str, Any] = {}
    for key, value in values.items():
        name = key.replace("-", "_")
        if name not in fields:
            raise click.BadParameter(f"{path}: there is no setting {key!r}.")
        if name in settings:
            raise click.BadParameter(f"{path}: {key!r} is there twice.")
        wanted = _wanted(fields[name], value)
        if wanted:
            raise click.BadParameter(f"{path}: {key} = {value!r}: give {wanted}.")
        settings[name] = value
    context.default_map = settings


def _wanted(field: "dataclasses.Field[Any]", value: object) -> str | None:
    """What a TOML file has to give for a setting, if `value` is of another kind."""
    kind = type(value)
    if field.type is bool:
        return None if kind is bool else "true or false"
    if field.type in (int, int | None):
        return None if kind is int else "a whole number"
    if field.type is float:
        return None if kind in (int, float) else "a number"
    if isinstance(field.default, tuple):
        texts = kind is list and all(type(one) is str for one in value)  # type: ignore[attr-defined]
        return None if texts else 'a list of texts, as in ["one", "two"]'
    return None if kind is str else "a text in quotes"


def _show_version(context: click.Context, param: click.Parameter, wanted: bool) -> None:
    if wanted:
        click.echo(f"riacho {__version__}")
        context.exit()


def _run(**values: Any) -> None:
    _check_log(values["log"])
    given = Settings(**{**values, "prefix": _normal(values["prefix"])})
    check_names(given)
    settings = with_token(given)
    secrets = reporting.configure(settings.log_format, settings.token)
    made = settings.token if given.token is None and given.token_file is None else None
    asyncio.run(run(settings, lambda url: _announce(settings, url, made), secrets.hide))


def _check_log(log: Path | None) -> None:
    """Raise StartError for what other programs take for several files, or for a stream."""
    text = str(log)
    if text == "-":
        raise StartError("-: standard input cannot be followed: let its writer append to a file")
    if log and re.search(r"[*?\[]", text) and not log.exists():
        raise StartError(f"{text}: nothing is called that, and it is no pattern: name one log")


def _normal(prefix: str) -> str:
    """A path prefix with a slash before it and none behind; none at all for the root."""
    path = prefix.strip("/")
    if path and not re.fullmatch(r"[\w.~-]+(/[\w.~-]+)*", path, re.ASCII):
        raise StartError(f"--prefix {prefix!r}: give a path such as /riacho")
    return f"/{path}" if path else ""


def _announce(settings: Settings, url: str, made_token: str | None) -> None:
    what = f"{settings.log_path}"
    if settings.writes_log:
        what += f", written here every {settings.writer_interval:g} s"
    click.echo(f"Riacho streams {what}")
    query = f"?token={made_token}" if made_token else ""
    for path, meaning in (
        ("/", "the pages"),
        ("/stream-logs", "the log's lines as events"),
        ("/stream-numbers", "numbers as events"),
        ("/slow-numbers", "a page that arrives in pieces"),
    ):
        click.echo(f"  {url}{path + query:<17} {meaning}")
    if settings.host in ("0.0.0.0", "::", ""):
        click.echo(f"From other machines: the same with this one's name, {socket.gethostname()}")
    click.echo("Ctrl+C stops it.")


command = click.Command(
    "riacho",
    callback=_run,
    params=[
        click.Argument(["log"], required=False, type=click.Path(path_type=Path, readable=False)),
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
