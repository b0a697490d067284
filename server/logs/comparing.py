"""Tells from the times of files in which order they were written: pure functions."""

from itertools import pairwise

from server.logs.observed import Chain, Observed

TICK = 500_000_000
"""Nanoseconds between two times of writing that say nothing about the order of rotations: files
are copied and compressed within this time, in any order."""

PLAIN_TICK = 20_000_000
"""The same of files that are not compressed, of which one is written to after the other."""


def compare(one: Observed, other: Observed) -> int:
    """-1 if `one` is older than `other`, 1 if it is younger, 0 if that cannot be told.

    It is told by the order in which they were watched, by what they hold, by when they were seen
    first and by when they were written to.

    A compressed file was last written to at the latest when it was compressed, perhaps much
    earlier: only a time before that of another file says anything. That is different where a look
    has shown when it was written to before that.
    """
    if one.watched is not None and other.watched is not None and one.watched != other.watched:
        return -1 if one.watched < other.watched else 1
    if one.first is not None and other.first is not None and one.first != other.first:
        return -1 if one.first < other.first else 1
    if one.since is not None and other.since is not None and one.since != other.since:
        return -1 if one.since < other.since else 1
    if one.is_late != other.is_late:
        late, known = (one, other) if one.is_late else (other, one)
        if late.written >= known.written:
            return 0
    tick = TICK if one.is_late or other.is_late else PLAIN_TICK
    if abs(one.written - other.written) > tick:
        return -1 if one.written < other.written else 1
    return 0


def contradictions(chain: Chain) -> tuple[int, int]:
    """How many neighbours stand in the wrong order by their times, and how many have times."""
    results = [compare(*pair) for pair in _neighbours(chain)]
    return results.count(1), len(results) - results.count(0)


def _neighbours(chain: Chain) -> list[tuple[Observed, Observed]]:
    """Each file with the one before it, or, where nothing tells their order, with the last one
    before it whose time is known as well, or as badly, as its own.

    One of the other kind hides nothing of what those around it tell.
    """
    pairs: list[tuple[Observed, Observed]] = []
    last = {file.is_late: file for file in chain[:1]}
    for before, file in pairwise(chain):
        is_told = compare(before, file) != 0
        pairs.append((before if is_told else last.get(file.is_late, before), file))
        last[file.is_late] = file
    return pairs


def is_backwards(chain: Chain) -> bool:
    """Whether the times of writing, though about the same, are all in the opposite order.

    Two files may have such times by chance, and the more there are, the less; but not if what has
    compressed them has kept these times, nor if one was already compressed when the other one was
    still written to. That a file was compressed after another one had been written to says nothing.
    """
    times = [file.written for file in chain]
    least = 2 if are_sure(chain) else 3
    is_told = not any(one.is_late and not other.is_late for one, other in pairwise(chain))
    return is_told and len(set(times)) >= least and times == sorted(times, reverse=True)


def are_sure(chain: Chain) -> bool:
    """Whether the times of writing say something even if they are about the same."""
    return all(map(has_kept_time, chain)) or all(
        other.is_late and not one.is_packed for one, other in pairwise(chain)
    )


def has_kept_time(file: Observed) -> bool:
    """Whether its time of writing was set, as gzip(1) does, or it was renamed since.

    To write to a file changes both of its times to the same one (inode(7)).
    """
    return file.changed != file.modified or file.kept is not None


def doubts(chain: Chain) -> tuple[int, int, int]:
    """How many neighbours stand in the wrong order, and of these, how many have numbers that follow
    each other: those were given in one way, others may have been given in two. The less are in the
    right order, the greater the doubts.
    """
    results = [(compare(*pair), pair) for pair in _neighbours(chain)]
    wrong = [pair for result, pair in results if result == 1]
    right = sum(result == -1 for result, _ in results)
    return len(wrong), sum(are_consecutive(*pair) for pair in wrong), -right


def are_consecutive(one: Observed, other: Observed) -> bool:
    (date, numbers), (other_date, other_numbers) = one.rank, other.rank
    if date != other_date or not numbers or len(numbers) != len(other_numbers):
        return False
    return numbers[:-1] == other_numbers[:-1] and abs(numbers[-1] - other_numbers[-1]) == 1
