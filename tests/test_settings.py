"""What the settings mean together."""

import dataclasses
import os
from contextlib import suppress
from typing import Any

import pytest

from server.settings import DEMO_LOG, Settings


def test_without_a_log_it_is_the_demo_which_writes_and_lets_any_page_read() -> None:
    settings = Settings()
    assert settings.given_logs == (str(DEMO_LOG),)
    assert settings.writes_log
    assert settings.allowed_origins == ("*",)


@pytest.mark.parametrize(
    ("given", "logs"),
    [
        ({"logs": ("app.log",)}, ("app.log",)),
        ({"logs": ("app.log", "logs")}, ("app.log", "logs")),
        ({"command": ("app=ls",)}, ()),
        ({"journal": ("app",)}, ()),
    ],
)
def test_with_a_log_nothing_is_written_and_no_other_page_may_read(
    given: dict[str, Any], logs: tuple[str, ...]
) -> None:
    settings = Settings(**given)
    assert settings.given_logs == logs
    assert not settings.writes_log
    assert settings.allowed_origins == ()


@pytest.mark.parametrize("logs", [(), ("app.log",)])
@pytest.mark.parametrize("writes", [True, False])
def test_what_is_said_counts(logs: tuple[str, ...], writes: bool) -> None:
    settings = Settings(logs=logs, log_writer=writes, allow_origin=("https://a.example",))
    assert settings.writes_log is writes
    assert settings.allowed_origins == ("https://a.example",)


def test_a_process_s_number_is_one_that_the_system_can_take() -> None:
    [field] = [field for field in dataclasses.fields(Settings) if field.name == "pid"]
    with suppress(ProcessLookupError, PermissionError):  # what is not suppressed: OverflowError
        os.kill(field.metadata["most"], 0)


def test_every_default_is_within_its_bounds() -> None:
    for field in dataclasses.fields(Settings):
        if field.default is None:
            continue  # it depends on others
        least, most = field.metadata.get("least"), field.metadata.get("most")
        assert least is None or least <= field.default, field.name
        assert most is None or field.default <= most, field.name
