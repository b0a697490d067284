"""A log, and a server that is no superuser, for the tests of logs."""

import os
import sys
from pathlib import Path

import pytest

from tests.rotations import Log

pytest.register_assert_rewrite("tests.logs.befallen")  # so that a failure shows what came


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path / "app.log")


@pytest.fixture
def no_superuser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server may not read what file modes forbid."""
    if os.geteuid() == 0:
        lost = "-dac_override,-dac_read_search"
        python = tmp_path / "python"
        setpriv = f"setpriv --bounding-set={lost} --inh-caps={lost}"
        python.write_text(f'#!/bin/sh\nexec {setpriv} "{sys.executable}" "$@"\n')
        python.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(python))
