"""Counts the descriptors that this process has open.

What other tests have left is closed at any time, when the garbage collector comes to it: so no
test counts all descriptors.
"""

import os
from collections import Counter
from pathlib import Path


def held() -> Counter[str]:
    """What the descriptors of this process refer to (proc_pid_fd(5)), each as often as it does."""
    return Counter(map(_target, os.listdir("/proc/self/fd")))


def open_below(directory: Path) -> int:
    """How many descriptors refer to files below `directory`."""
    return sum(count for target, count in held().items() if target.startswith(f"{directory}/"))


def _target(descriptor: str) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{descriptor}")
    except FileNotFoundError:  # that of the list itself, which is closed by now
        return ""
