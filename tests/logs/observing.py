"""What looks at directories have shown, for tests: files as `Observed`."""

from dataclasses import replace
from typing import Any

from server.logs.names import mark_of
from server.logs.observed import Observed

LOG = "app.log"
Case = list[tuple[Any, ...]]


def files(case: Case, log: str = LOG) -> list[Observed]:
    found = []
    for number, (name, written, *more) in enumerate(case):
        known: dict[str, Any] = more[0] if more else {}
        mark = None if name == log else mark_of(name, log)
        assert name == log or mark, name
        modified = int(written * 1e9)
        observed = Observed(name, mark, (1, number), 100, modified, modified + 10**9)
        if "renamed" in known:
            known = dict(known)
            observed = replace(observed, changed=modified + known.pop("renamed"))
        found.append(replace(observed, **known))
    return found


def lines(first: float, last: float | None = None) -> dict[str, Any]:
    return {"first": first, "last": last}
