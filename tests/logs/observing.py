"""What looks at directories have shown, for tests: files as `Observed`, and as `Entry`."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from server.logs.names import mark_of
from server.logs.observed import Observed
from server.logs.snapshot import Entry, Facts

LOG = "app.log"
SIZE = 100
Case = list[tuple[Any, ...]]


def files(case: Case, log: str = LOG) -> list[Observed]:
    found = []
    for number, (name, written, *more) in enumerate(case):
        known: dict[str, Any] = more[0] if more else {}
        mark = None if name == log else mark_of(name, log)
        assert name == log or mark, name
        modified = int(written * 1e9)
        observed = Observed(name, mark, (1, number), SIZE, modified, modified + 10**9)
        if "renamed" in known:
            known = dict(known)
            observed = replace(observed, changed=modified + known.pop("renamed"))
        found.append(replace(observed, **known))
    return found


def lines(first: float, last: float | None = None) -> dict[str, Any]:
    return {"first": first, "last": last}


def entry(text: str) -> Entry:
    """A file that is a letter: `app.log.1=A` is A under that name.

    `=A:B` is A, which holds what B does: A was written anew, or its number was given to B. `=A:`
    holds nothing. `@4` at the end tells when it was seen first, as `Observed.since` does.
    """
    match = re.fullmatch(r"(.+)=(\w)(?::(\w?))?(?:@(\d+))?", text)
    assert match, text
    name, file, content, since = match.groups()
    head = f"a line of {content or file}\n".encode() if content != "" else b""
    mark = None if name == LOG else mark_of(name, LOG)
    seen = Observed(name, mark, (1, ord(file)), SIZE, 0, 0, since=int(since) if since else None)
    return Entry(Path("/logs", name), seen, Facts(head, head, None, None, True))


def entries(text: str) -> list[Entry]:
    return [entry(one) for one in text.split()]
