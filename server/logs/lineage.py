"""In which order the files of a log were written: pure functions over what was observed.

A name is a hint, never a proof. What was watched decides first, then what the files hold (the
times of their first and last lines), then when they were last written to. The order of names and
the direction in which they count only break ties.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from functools import reduce
from itertools import pairwise

from server.logs.comparing import (
    TICK,
    are_consecutive,
    are_sure,
    compare,
    contradictions,
    doubts,
    has_kept_time,
    is_backwards,
)
from server.logs.membership import members
from server.logs.observed import SLACK, Chain, Observed


def in_order(
    files: Sequence[Observed], directions: Mapping[str, bool] | None = None
) -> list[Observed]:
    """The files that belong to the log, oldest first, the log itself last.

    directions: for shapes of names, whether their numbers rise with time, as earlier files of the
        log have shown; it tells the order where nothing else does.
    """
    belonging = members(files)
    chains: dict[tuple[str, str], Chain] = defaultdict(list)
    for file in sorted(belonging, key=lambda file: file.name):
        if file.mark and not file.is_empty and not file.is_blank:
            chains[file.mark.shape, file.mark.packing].append(file)
    by_shape: dict[str, list[Chain]] = defaultdict(list)
    for (shape, _), chain in sorted(chains.items()):
        by_shape[shape].append(chain)
    log = next((file for file in belonging if file.mark is None), None)
    merged = [
        _order_shape(of_shape, log, (directions or {}).get(shape))
        for shape, of_shape in by_shape.items()
    ]
    nothing: Chain = []
    rotated = reduce(_merge_by_time, merged, nothing)
    rotated = _insert_by_name(rotated, [file for file in belonging if file.mark and file.is_blank])
    empty = [file for file in belonging if file.mark and file.is_empty]
    return _insert(rotated, empty) + [file for file in belonging if file.mark is None]


def _order_shape(chains: list[Chain], log: Observed | None, rises: bool | None) -> Chain:
    """All files of one shape, oldest first.

    Where each name is there once, in whatever packing, the names tell the order, but for the
    direction in which they count. A name that is there twice, plain and compressed, is left
    over from before the packing was changed: then each packing has an order of its own.
    """
    names = Counter(file.rank for chain in chains for file in chain)
    if max(names.values()) == 1:
        return _order_chain([file for chain in chains for file in chain], log, rises)
    ordered = [_order_chain(chain, log, rises) for chain in chains]
    return reduce(_merge_by_time, ordered)


def _order_chain(chain: Chain, log: Observed | None, rises: bool | None) -> Chain:
    """Files whose names differ, oldest first.

    Those that were there before others were seen have an order of their own: they may be left over
    from another way of rotation, which counts otherwise. But first lines with times tell more.
    """
    since = min((file.since for file in chain if file.since is not None), default=None)
    left = [file for file in chain if file.since in (None, since)]
    if len(left) == len(chain) or all(file.first is not None for file in chain):
        return _order_names(chain, log, rises)
    others = [file for file in chain if file not in left]
    return _order_names(left, log, rises) + _order_names(others, log, rises)


def _order_names(chain: Chain, log: Observed | None, rises: bool | None) -> Chain:
    """The files in the order of their times, or else of their names.

    Dates rise with time. A number beside a date does, too, as log4j counts. A number alone counts
    up to the oldest, as logrotate does, unless earlier files or the times say otherwise. Where
    names in neither direction agree with the times, the times decide; but not where a file is
    younger than the log itself: then the clock was set back, and names that agree with most of
    the times decide.
    """
    dated = any(_is_dated(file) for file in chain)
    rising = sorted(chain, key=lambda file: file.rank)
    falling = sorted(chain, key=lambda file: (file.rank[0], [-n for n in file.rank[1]]))
    first, second = (rising, falling) if dated or rises else (falling, rising)
    wrong, known = contradictions(first)
    if not known and is_backwards(first):
        first = second
    elif wrong * 2 >= known:
        first = min((first, second), key=doubts)
        wrong, known = contradictions(first)
    if wrong and (by_time := _by_trusted_times(first, log)):
        return by_time
    if wrong * 3 > known:
        return sorted(chain, key=_time_key)
    return [file for moment in _untold(first) for file in _by_kept_times(moment)]


def _untold(chain: Chain) -> list[Chain]:
    """The files in the same order, those together between which nothing tells the order."""
    moments = [chain[:1]]
    for before, file in pairwise(chain):
        if compare(before, file):
            moments.append([])
        moments[-1].append(file)
    return moments


def _by_kept_times(moment: Chain) -> Chain:
    """The files in the order of their times, if all have kept these, or one was compressed already
    when the other one was still written to.

    Their numbers may have been given in another way than those of the other files, or in two ways.
    """
    if are_sure(moment) and is_backwards(moment):
        return moment[::-1]
    return sorted(moment, key=_written) if _tell_times(moment) else moment


def _tell_times(moment: Chain) -> bool:
    """Whether the times of files that stand in the order of their names tell their order, though
    these are about the same.

    All have kept them. But one that was compressed may have been written to much earlier: that it
    is older than one that was not, as the names say, is not contradicted by its time. And numbers
    that follow each other were given in one way: where some of these rise with the times and others
    fall, the files were compressed in any order, and renamed since.
    """
    latest = 0
    for file in moment:
        if file.is_late:
            latest = max(latest, file.written)
        elif file.written < latest:
            return False
    ranked = sorted(moment, key=lambda file: file.rank)
    rises = {
        one.written < other.written
        for one, other in pairwise(ranked)
        if are_consecutive(one, other) and one.written != other.written
    }
    return len(rises) < 2 and all(map(has_kept_time, moment))


def _by_trusted_times(chain: Chain, log: Observed | None) -> Chain | None:
    """The files by their times, None where these are not known well or cannot be right.

    A log that is not there for a moment, or holds nothing yet, says nothing against them: its
    files stay in their order meanwhile.

    Compressed files that were last written to, or compressed, at about the same time stay in the
    order of `chain` where their times contradict it: a program that compresses several need not
    keep these.
    """
    firsts = [file.first for file in chain if file.first is not None]
    if len(firsts) == len(chain):
        is_right = log is None or log.first is None or max(firsts) <= log.first + SLACK
        return sorted(chain, key=_first) if is_right else None
    if log and not log.is_empty and max(file.written for file in chain) > log.written:
        return None
    return [file for moment in _moments(chain) for file in moment]


def _moments(chain: Chain) -> list[Chain]:
    """The files, those together that were written to at times that say little of their order."""
    moments: list[Chain] = []
    before: Observed | None = None
    for file in sorted(chain, key=_written):
        tick = TICK if file.is_late or (before and before.is_late) else 0
        if before is None or file.written - before.written > tick:
            moments.append([])
        moments[-1].append(file)
        before = file
    return [_by_name_if_contradicted(moment, chain) for moment in moments]


def _by_name_if_contradicted(moment: Chain, chain: Chain) -> Chain:
    """Files by their times, or as in `chain` if numbers that follow each other say otherwise, but
    not where all say the opposite, or all have kept these times.
    """
    named = [file for file in chain if file in moment]
    if is_backwards(named) or _tell_times(named):
        return moment
    is_contradicted = any(
        one.written > other.written for one, other in pairwise(named) if are_consecutive(one, other)
    )
    return named if is_contradicted else moment


def _first(file: Observed) -> float:
    return file.first or 0.0


def _written(file: Observed) -> int:
    return file.written


def _changed(file: Observed) -> int:
    return file.changed


def _time_key(file: Observed) -> tuple[float, float, str]:
    written = file.written / 1e9
    return (file.first if file.first is not None else written, written, file.name)


def _merge_by_time(one: Chain, other: Chain) -> Chain:
    """Two chains in one, the order of each as it was, by what their files hold and their times.

    A file whose first time is not known is no older than the one before it in its chain.
    """
    firsts = _firsts(one) | _firsts(other)

    def order(left: Observed, right: Observed) -> int:
        first, second = firsts[left.identity], firsts[right.identity]
        are_watched = left.is_watched and right.is_watched
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
    if one.written != other.written:
        return -1 if one.written < other.written else 1
    return -1 if one.name < other.name else 1


def _insert(chain: Chain, empty: Chain) -> Chain:
    """All files: each that holds nothing stands before the first that was surely written to later.

    What is written to it by a writer that was not told of its rotation comes after what was written
    before it was renamed. Of a compressed file it is not known when it was written to.
    """
    merged: Chain = []
    left = sorted(empty, key=_changed, reverse=True)
    for file in chain:
        while left and not file.is_packed and left[-1].changed < file.modified:
            merged.append(left.pop())
        merged.append(file)
    return merged + left[::-1]


def _insert_by_name(chain: Chain, blank: Chain) -> Chain:
    """All files: each of which nothing is known stands where its name does among those like it,
    but before all that were surely written later.
    """
    merged = list(chain)
    for one in sorted(blank, key=_written):
        younger = (place for place, file in enumerate(merged) if _is_surely_older(one, file))
        merged.insert(min(_place_by_name(one, merged), *younger, len(merged)), one)
    return merged


def _place_by_name(one: Observed, chain: Chain) -> int:
    """Where a file stands among those with names like its own; at the end if there are none."""
    alike = [file for file in chain if file.shape == one.shape]
    if not alike:
        return len(chain)
    rises = [earlier.rank < later.rank for earlier, later in pairwise(alike)]
    is_rising = sum(rises) * 2 > len(rises) if rises else _is_dated(one)
    before = [file for file in alike if (file.rank < one.rank) == is_rising]
    return chain.index(before[-1]) + 1 if before else chain.index(alike[0])


def _is_surely_older(one: Observed, other: Observed) -> bool:
    """Whether a file without a line was last written to before the other one.

    A compressed one was so at the latest when its time says, and no line is older than its own.
    """
    if other.first is not None:
        return one.written / 1e9 < other.first - SLACK
    return not other.is_late and compare(one, other) < 0


def _is_dated(file: Observed) -> bool:
    return file.mark is not None and file.mark.date is not None
