"""What stands at a log's path, and why it cannot be read."""

import logging
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from server.logs.files import File
from server.logs.path import LogPath

INSTEAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "nothing": (lambda path: None, "does not exist yet"),
    "a directory": (Path.mkdir, "is not a regular file"),
    "a FIFO": (os.mkfifo, "is not a regular file"),
    "a link to itself": (lambda path: path.symlink_to(path), "cannot be read: "),
}


@pytest.mark.parametrize("name", INSTEAD)
def test_what_stands_in_the_log_s_place_is_said_once_in_words(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    make, problem = INSTEAD[name]
    path = LogPath(tmp_path / "app.log")
    make(path.path)
    with caplog.at_level(logging.WARNING):
        assert not path.is_readable()
        assert not path.is_readable()
    assert path.problem.startswith(problem)
    assert [record.getMessage() for record in caplog.records] == [f"{path.path} {path.problem}"]


def test_a_file_that_is_there_again_is_no_problem(tmp_path: Path) -> None:
    path = LogPath(tmp_path / "app.log")
    assert not path.is_readable()
    path.path.touch()
    assert path.is_readable()
    assert path.problem == ""


def test_a_path_names_the_file_that_it_leads_to(tmp_path: Path) -> None:
    target, link = tmp_path / "0.log", tmp_path / "app.log"
    target.touch()
    link.symlink_to(target)
    path, file = LogPath(link), File.open(target)
    assert path.names(file)
    target.rename(tmp_path / "0.log.1")
    assert not path.names(file)
    target.touch()
    assert not path.names(file)
