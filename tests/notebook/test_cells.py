"""What a cell has begun ends when the cell is run again: in a real IPython shell."""

import gc
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from IPython.core.interactiveshell import InteractiveShell

from server.notebook.cells import when_cell_runs_again


class Shell(InteractiveShell):
    """A shell whose cells have ids, as those of a kernel."""

    cell = "one"

    def get_parent(self) -> dict[str, object]:
        return {"metadata": {"cellId": self.cell}}

    def run(self, cell: str) -> None:
        """Let a cell begin to run."""
        self.cell = cell
        self.events.trigger("pre_run_cell", SimpleNamespace(cell_id=cell))


class Thing:
    def __init__(self) -> None:
        self.ends = 0
        when_cell_runs_again(self.end)

    def end(self) -> None:
        self.ends += 1


@pytest.fixture
def shell() -> Iterator[Shell]:
    Shell.clear_instance()
    yield Shell.instance()
    Shell.clear_instance()


def test_it_ends_when_its_cell_runs_again_and_only_once(shell: Shell) -> None:
    shell.run("one")
    thing = Thing()
    shell.run("two")
    assert thing.ends == 0
    shell.run("one")
    assert thing.ends == 1
    shell.run("one")
    assert thing.ends == 1


def test_each_run_of_a_cell_ends_what_the_one_before_has_begun(shell: Shell) -> None:
    things: list[Thing] = []
    for number in range(3):
        shell.run("one")
        assert [thing.ends for thing in things] == [1] * number
        things.append(Thing())


def test_a_thing_that_nobody_holds_is_not_kept_alive(shell: Shell) -> None:
    before = len(shell.events.callbacks["pre_run_cell"])
    shell.run("one")
    Thing()
    gc.collect()
    shell.run("two")
    assert len(shell.events.callbacks["pre_run_cell"]) == before


def test_without_cells_nothing_happens() -> None:
    Shell.clear_instance()
    assert Thing().ends == 0
