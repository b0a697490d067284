"""How many streams there may be at the same time, in all and for each address."""

from collections import Counter
from ipaddress import IPv6Address, ip_address

from server.web.addresses import is_loopback


class StreamQuota:
    """At most `most` streams, and `most_per_address` from one address but the `uncounted` ones."""

    def __init__(self, most: int, most_per_address: int, uncounted: tuple[str, ...] = ()) -> None:
        self.most = most
        self._most_per_address = most_per_address
        self._uncounted = uncounted
        self.used: Counter[str] = Counter()

    def take(self, address: str) -> str | None:
        """Count a stream of `address`, or say why there may be no more."""
        if self.used.total() >= self.most:
            return "too many clients"
        counted = address not in self._uncounted and not is_loopback(address)
        if counted and self.used[network_of(address)] >= self._most_per_address:
            return "too many clients from this address"
        self.used[network_of(address)] += 1
        return None

    def release(self, address: str) -> None:
        """Count a stream of `address` no more."""
        network = network_of(address)
        self.used[network] -= 1
        if not self.used[network]:
            del self.used[network]


def network_of(address: str) -> str:
    """What counts as one address: of IPv6 a /64, which any one client has for itself."""
    try:
        ip = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if not isinstance(ip, IPv6Address) or ip.ipv4_mapped:
        return address
    return str(IPv6Address(int(ip) >> 64 << 64)) + "/64"
