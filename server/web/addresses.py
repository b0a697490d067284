"""Addresses and host names: which reach only this machine, and who calls through a proxy."""

import ipaddress


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a server that listens on `host`."""
    return host == "localhost" or is_address(host, loopback=True)


def is_address(text: str, loopback: bool = False) -> bool:
    """Whether `text` is an IP address, and if `loopback`, one of this machine alone."""
    try:
        address = ipaddress.ip_address(text.strip("[]").partition("%")[0])
    except ValueError:
        return False
    return address.is_loopback or not loopback


def client_address(address: str, forwarded_for: str, trusted: tuple[str, ...]) -> str:
    """Who calls, if `address` is that of a proxy which is trusted to say so.

    Some proxies add the port to the address that they forward.
    """
    for hop in reversed([_without_port(hop.strip()) for hop in forwarded_for.split(",")]):
        if address not in trusted or not is_address(hop):
            break
        address = hop
    return address


def _without_port(hop: str) -> str:
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop
