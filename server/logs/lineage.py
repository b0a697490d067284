"""In which order the files of a log were written: pure functions over what was observed.

A name is a hint, never a proof. What was watched decides first, then what the files hold (the
times of their first and last lines), then when they were last written to. The order of names and
the direction in which they count only break ties.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from functools import reduce
from itertools import pairwise

from server.logs.membership import members
from server.logs.observed import SLACK, Chain, Observed

TICK = 500_000_000
"""Nanoseconds between two times of writing that say nothing about the order of rotations: files
are copied and compressed within this time, in any order."""

PLAIN_TICK = 20_000_000
"""The same of files that are not compressed, of which one is written to after the other."""


def in_order(files: Sequence[Observed]) -> list[Observed]:
    """The files that belong to the log, oldest first, the log itself last."""
    belonging = members(files)
    chains: dict[tuple[str, str], Chain] = defaultdict(list)
    for file in sorted(belonging, key=lambda file: file.name):
        if file.mark and not file.is_empty and not file.is_blank:
            chains[file.mark.shape, file.mark.packing].append(file)
    by_shape: dict[str, list[Chain]] = defaultdict(list)
    for (shape, _), chain in sorted(chains.items()):
        by_shape[shape].append(chain)
    log = next((file for file in belonging if file.mark is None), None)
    merged = [_order_shape(of_shape, log) for of_shape in by_shape.values()]
    nothing: Chain = []
    rotated = reduce(_merge_by_time, merged, nothing)
    rotated = _insert_by_name(rotated, [file for file in belonging if file.mark and file.is_blank])
    empty = [file for file in belonging if file.mark and file.is_empty]
    return _insert(rotated, empty) + [file for file in belonging if file.mark is None]


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
    places = [place for place, file in enumerate(files) if file.is_proven and file.mark]
    watched = sorted((files[place] for place in places), key=_watched)
    result = list(files)
    for place, file in zip(places, watched, strict=True):
        result[place] = file
    return result


def _rank(file: Observed) -> tuple[float, tuple[int, ...]]:
    assert file.mark
    return file.mark.rank


def compare(one: Observed, other: Observed) -> int:
    """-1 if `one` is older than `other`, 1 if it is younger, 0 if that cannot be told.

    It is told by the order in which they were watched, by what they hold, by when they were seen
    first and by when they were written to.

    A compressed file was last written to at the latest when it was compressed, perhaps much
    earlier: only a time before that of a plain file says anything.
    """
    if one.watched is not None and other.watched is not None and one.watched != other.watched:
        return -1 if one.watched < other.watched else 1
    if one.first is not None and other.first is not None and one.first != other.first:
        return -1 if one.first < other.first else 1
    if one.since is not None and other.since is not None and one.since != other.since:
        return -1 if one.since < other.since else 1
    if one.is_packed != other.is_packed:
        packed, plain = (one, other) if one.is_packed else (other, one)
        if packed.modified >= plain.modified:
            return 0
    tick = TICK if one.is_packed or other.is_packed else PLAIN_TICK
    if abs(one.modified - other.modified) > tick:
        return -1 if one.modified < other.modified else 1
    return 0


def _order_shape(chains: list[Chain], log: Observed | None) -> Chain:
    """All files of one shape, oldest first.

    Where each name is there once, in whatever packing, the names tell the order, but for the
    direction in which they count. A name that is there twice, plain and compressed, is left
    over from before the packing was changed: then each packing has an order of its own.
    """
    names = Counter(_rank(file) for chain in chains for file in chain)
    if max(names.values()) == 1:
        return _order_chain([file for chain in chains for file in chain], log)
    ordered = [_order_chain(chain, log) for chain in chains]
    return reduce(_merge_by_time, ordered)


def _order_chain(chain: Chain, log: Observed | None) -> Chain:
    """Files whose names differ, oldest first.

    Those that were there before others were seen have an order of their own: they may be left over
    from another way of rotation, which counts otherwise. But first lines with times tell more.
    """
    since = min((file.since for file in chain if file.since is not None), default=None)
    left = [file for file in chain if file.since in (None, since)]
    if len(left) == len(chain) or all(file.first is not None for file in chain):
        return _order_names(chain, log)
    return _order_names(left, log) + _order_names([f for f in chain if f not in left], log)


def _order_names(chain: Chain, log: Observed | None) -> Chain:
    """The files in the order of their times, or else of their names.

    Dates rise with time. A number beside a date does, too, as log4j counts. A number alone counts
    up to the oldest, as logrotate does, unless the times say otherwise. Where names in neither
    direction agree with the times, the times decide; but not where a file is younger than the log
    itself: then the clock was set back, and names that agree with most of the times decide.
    """
    dated = any(file.mark and file.mark.date is not None for file in chain)
    rising = sorted(chain, key=_rank)
    falling = sorted(chain, key=lambda file: (_rank(file)[0], [-n for n in _rank(file)[1]]))
    first, second = (rising, falling) if dated else (falling, rising)
    wrong, known = _contradictions(first)
    if wrong * 2 > known:
        wrong, first = min((wrong, first), (_contradictions(second)[0], second), key=_by_count)
    if wrong and (by_time := _by_trusted_times(chain, log)):
        return by_time
    if wrong * 3 > known:
        return sorted(chain, key=_time_key)
    return first


def _by_trusted_times(chain: Chain, log: Observed | None) -> Chain | None:
    """The files by their times, None where these are not known well or cannot be right."""
    firsts = [file.first for file in chain if file.first is not None]
    if len(firsts) == len(chain):
        is_right = log is None or log.first is None or max(firsts) <= log.first + SLACK
        return sorted(chain, key=_first) if is_right else None
    if log is None or (any(file.is_packed for file in chain) and not _are_apart(chain)):
        return None
    is_known = max(file.modified for file in chain) <= log.modified
    return sorted(chain, key=_modified) if is_known else None


def _are_apart(chain: Chain) -> bool:
    """Whether each compressed file was last written to, or compressed, at a time of its own.

    Files that are compressed together by a program that does not keep their times are not.
    """
    return all(
        later.modified - earlier.modified > TICK
        for earlier, later in pairwise(sorted(chain, key=_modified))
        if earlier.is_packed or later.is_packed
    )


def _watched(file: Observed) -> int:
    return file.watched or 0


def _first(file: Observed) -> float:
    return file.first or 0.0


def _modified(file: Observed) -> int:
    return file.modified


def _by_count(way: tuple[int, Chain]) -> int:
    return way[0]


def _contradictions(chain: Chain) -> tuple[int, int]:
    """How many neighbours stand in the wrong order by their times, and how many have times."""
    results = [compare(one, other) for one, other in pairwise(chain)]
    return results.count(1), len(results) - results.count(0)


def _time_key(file: Observed) -> tuple[float, float, str]:
    written = file.modified / 1e9
    return (file.first if file.first is not None else written, written, file.name)


def _merge_by_time(one: Chain, other: Chain) -> Chain:
    """Two chains in one, the order of each as it was, by what their files hold and their times.

    A file whose first time is not known is no older than the one before it in its chain.
    """
    firsts = _firsts(one) | _firsts(other)

    def order(left: Observed, right: Observed) -> int:
        first, second = firsts[left.identity], firsts[right.identity]
        are_watched = left.is_proven and right.is_proven
        if not are_watched and first is not None and second is not None and first != second:
            return -1 if first < second else 1
        return compare(left, right) or _compare_times(left, right)

    merged: Chain = []
    left, right = list(reversed(one)), list(reversed(other))
    while left and right:
        merged.append((left if order(left[-1], right[-1]) <= 0 else right).pop())
    return merged + left[::-1] + right[::-1]


def _firsts(chain: Chain) -> dict[tuple[int, int], float | None]:
    """The first time of each file, or else of the last one before it that has any."""
    firsts: dict[tuple[int, int], float | None] = {}
    known = next((file.first for file in chain if file.first is not None), None)
    for file in chain:
        known = file.first if file.first is not None else known
        firsts[file.identity] = known
    return firsts


def _compare_times(one: Observed, other: Observed) -> int:
    """By when they were written to, for want of better."""
    if one.modified != other.modified:
        return -1 if one.modified < other.modified else 1
    return -1 if one.name < other.name else 1


def _insert(chain: Chain, empty: Chain) -> Chain:
    """All files: each that holds nothing stands before the first that was surely written to later.

    Of a compressed file that is not known.
    """
    merged: Chain = []
    left = sorted(empty, key=_modified, reverse=True)
    for file in chain:
        while left and not file.is_packed and left[-1].modified < file.modified:
            merged.append(left.pop())
        merged.append(file)
    return merged + left[::-1]


def _insert_by_name(chain: Chain, blank: Chain) -> Chain:
    """All files: each of which nothing is known stands where its name does among those like it."""
    merged = list(chain)
    for one in sorted(blank, key=_modified):
        alike = [file for file in merged if _shape(file) == _shape(one)]
        if not alike:
            merged = _insert(merged, [one])
            continue
        rises = [_rank(earlier) < _rank(later) for earlier, later in pairwise(alike)]
        is_rising = sum(rises) * 2 > len(rises) if rises else _is_dated(one)
        before = [file for file in alike if (_rank(file) < _rank(one)) == is_rising]
        place = merged.index(before[-1]) + 1 if before else merged.index(alike[0])
        merged.insert(place, one)
    return merged


def _shape(file: Observed) -> str:
    return file.mark.shape if file.mark else ""


def _is_dated(file: Observed) -> bool:
    return file.mark is not None and file.mark.date is not None
