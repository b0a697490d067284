"""The certificate: what is wrong with it is named in one line."""

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
