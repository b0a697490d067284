"""Which files belong to a log: pure functions over what was observed.

A name is a hint, never a proof: what another program writes is not the log's.
"""

from collections import defaultdict
from collections.abc import Sequence

from server.logs.observed import SLACK, Chain, Observed


def members(files: Sequence[Observed]) -> list[Observed]:
    """The files that belong to the log.

    The file at the log's own path always does, and one with a name that hardly anything else
    has. A name that may be another log's (`app-1.log` beside `app.log`) needs support: see
    `_is_supported`. One that another program writes to never belongs.
    """
    unique = {file.identity: file for file in sorted(files, key=_last_of_all)}.values()
    log = next((file for file in unique if file.mark is None), None)
    weak: dict[str, Chain] = defaultdict(list)
    for file in unique:
        if file.mark and not file.mark.is_strong:
            weak[file.mark.shape].append(file)
    kept = {
        file.identity
        for chain in weak.values()
        for file in chain
        if file.is_proven
        or (not _is_contradicted(file, chain, log) and _is_supported(file, chain, log))
    }
    return [
        file
        for file in unique
        if file.mark is None
        or file.identity in kept
        or (file.mark.is_strong and not _is_written_by_others(file))
    ]


def _last_of_all(file: Observed) -> tuple[bool, str]:
    """Of names of one file (hard links), the log's own wins, else the last."""
    return file.mark is None, file.name


def _is_written_by_others(file: Observed) -> bool:
    """Whether a process writes to a file that was never the log while it was watched.

    A file with the log's whole name is no other program's: its writer was not told that it was
    rotated.
    """
    is_whole = file.mark is not None and file.mark.is_whole
    return bool(file.has_writer) and not file.is_proven and not is_whole


def _is_contradicted(file: Observed, chain: Chain, log: Observed | None) -> bool:
    """Whether a file was written to while the log was, or by another program now.

    Where a file with a name of that shape was watched, it is the log's own writer that has not
    been told of the rotation yet.
    """
    if file.has_writer and not any(one.is_proven for one in chain):
        return True
    if log is None or log.first is None:
        return False
    if file.first is not None and file.first > log.first:
        return True
    return file.last is not None and file.last > log.first + SLACK


def _is_supported(file: Observed, chain: Chain, log: Observed | None) -> bool:
    """Whether anything but its name says that a file was rotated from the log.

    Its lines end before those of the log begin, or did so at an earlier look; or it was renamed
    after it was last written to, or compressed; or that is so of another one with a name of the
    same shape: a writer that is not told of a rotation at once writes to the renamed file.

    For a file that is served as a log of its own, neither its times nor other files speak.
    """
    if file.is_served:
        return file.has_belonged or _was_put_away(file)
    if log and log.first is not None and file.last is not None:
        return True  # not contradicted: it ends before
    return any(
        one.is_proven
        or ((one.has_belonged or _was_put_away(one)) and not _is_contradicted(one, chain, log))
        for one in chain
    )


def _was_put_away(file: Observed) -> bool:
    return file.is_packed or file.changed > file.modified
