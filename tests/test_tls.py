"""The certificate: what is wrong with it is named in one line."""

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from server.errors import StartError
from server.settings import Settings
from server.tls import tls_context


@pytest.mark.parametrize("name", ["none.pem", "x" * 300, "file/cert.pem"])
def test_a_certificate_that_cannot_be_reached_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StartError, match=f"--certfile .*{name}"):
        tls_context(Settings(certfile=tmp_path / name))


@pytest.mark.parametrize("option", ["certfile", "keyfile"])
@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir])
def test_what_is_no_regular_file_is_not_waited_for(
    tmp_path: Path, option: str, make: Callable[[Path], object]
) -> None:
    (tmp_path / "cert.pem").touch()
    make(tmp_path / "other")
    settings = Settings(certfile=tmp_path / "cert.pem")
    settings = dataclasses.replace(settings, **{option: tmp_path / "other"})  # type: ignore[arg-type]
    with pytest.raises(StartError, match=f"--{option} .*other: it is no regular file"):
        tls_context(settings)
