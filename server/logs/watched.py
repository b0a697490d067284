"""What was seen of the order of a log's files while they were written: pure functions.

It is better than what names and times say.
"""

from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise

from server.logs.observed import Chain, Observed


def as_seen(files: Sequence[Observed]) -> list[Observed]:
    """The same files, none of them before one that was seen earlier; the log itself stays the last.

    Where the times of the first lines of all of them are known, these have told the order.
    """
    rotated = [file for file in files if file.mark]
    filled = [file for file in rotated if not file.is_empty and not file.is_blank]
    if all(file.first is not None for file in filled):
        return list(files)
    keys: dict[tuple[int, int], int] = {}
    latest = 0
    for file in rotated:
        latest = file.since if file.since is not None else latest
        keys[file.identity] = latest
    rotated.sort(key=lambda file: keys[file.identity])
    return rotated + [file for file in files if not file.mark]


def as_watched(files: Sequence[Observed]) -> list[Observed]:
    """The same files, those that were watched in the order in which they were.

    The log itself stays the last.
    """
    places = [place for place, file in enumerate(files) if _is_watched(file)]
    watched = sorted((files[place] for place in places), key=_watched)
    result = list(files)
    for place, file in zip(places, watched, strict=True):
        result[place] = file
    return result


def directions(files: Sequence[Observed]) -> dict[str, bool]:
    """For each shape of names, whether numbers rise with time, as files that were watched tell."""
    watched: dict[str, Chain] = defaultdict(list)
    for file in sorted(filter(_is_watched, files), key=_watched):
        watched[file.shape].append(file)
    rises = {
        shape: [one.rank < other.rank for one, other in pairwise(chain)]
        for shape, chain in watched.items()
    }
    return {shape: steps[-1] for shape, steps in rises.items() if steps}


def _is_watched(file: Observed) -> bool:
    return file.is_watched and file.mark is not None


def _watched(file: Observed) -> int:
    return file.watched or 0
