"""The cells of a notebook: what one has begun ends when it is run again."""

import sys
import weakref
from collections.abc import Callable
from typing import Any


def when_cell_runs_again(method: Callable[[], object]) -> None:
    """Call `method`, once, when the cell that runs now is run another time.

    Its object is not kept alive by that. Outside notebooks this does nothing.
    """
    # not imported here: only where it runs already can there be a cell
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    if shell is None or not hasattr(shell, "get_parent"):
        return
    cell = shell.get_parent().get("metadata", {}).get("cellId")
    if cell is None:
        return
    reference = weakref.WeakMethod(method)

    def before_cell(info: Any) -> None:
        found = reference()
        if found is None or getattr(info, "cell_id", None) == cell:
            shell.events.unregister("pre_run_cell", before_cell)
            if found is not None:
                found()

    shell.events.register("pre_run_cell", before_cell)
