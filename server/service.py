"""What systemd is told by a server that it runs: sd_notify(3), sd_watchdog_enabled(3)."""

import asyncio
import os
import re
import socket
from collections.abc import Callable

from server.reporting import printable


def notify(*assignments: str) -> None:
    """Tell systemd such as `READY=1`; nothing happens where there is none, or it cannot be told.

    It cannot be told while this process has no descriptor left: what matters is told again.
    """
    address = os.environ.get("NOTIFY_SOCKET", "")
    if address.startswith("@"):
        address = "\0" + address[1:]  # "a Linux abstract namespace socket"
    elif not address.startswith("/"):
        return
    # a name in it is any bytes, and must not begin another assignment
    message = "\n".join(map(printable, assignments)).encode()
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            channel.setblocking(False)
            channel.sendto(message, address)
    except OSError:
        pass  # systemd draws its own conclusions from silence


def watchdog_interval() -> float | None:
    """Seconds after which systemd takes a silent process for hung; None if it never does."""
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    meant = os.environ.get("WATCHDOG_PID") in (None, str(os.getpid()))
    if not (meant and re.fullmatch("[0-9]{1,18}", microseconds) and int(microseconds)):
        return None
    return int(microseconds) / 1e6


async def feed_watchdog(is_well: Callable[[], bool]) -> None:
    """Give a sign of life "every half of the time" for as long as `is_well`; for ever.

    Return at once where no watchdog waits for it.
    """
    interval = watchdog_interval()
    while interval:
        if is_well():
            notify("WATCHDOG=1")
        await asyncio.sleep(interval / 2)
