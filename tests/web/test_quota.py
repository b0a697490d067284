"""How many streams there may be at the same time."""

import pytest

from server.web.quota import StreamQuota, network_of


def test_streams_are_bounded_for_each_address_and_in_all() -> None:
    quota = StreamQuota(4, 2, uncounted=("10.0.0.1",))
    assert [quota.take("9.9.9.9") for _ in range(3)] == [
        None,
        None,
        "too many clients from this address",
    ]
    assert [quota.take("127.0.0.1"), quota.take("10.0.0.1")] == [None, None]
    assert quota.take("8.8.8.8") == "too many clients"
    quota.release("9.9.9.9")
    assert quota.take("8.8.8.8") is None
    for address in ("9.9.9.9", "127.0.0.1", "10.0.0.1", "8.8.8.8"):
        quota.release(address)
    assert not quota.used


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("9.9.9.9", "9.9.9.9"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:9.9.9.9", "::ffff:9.9.9.9"),
        ("local", "local"),
    ],
)
def test_an_ipv6_client_is_counted_by_the_network_it_has_for_itself(
    address: str, network: str
) -> None:
    assert network_of(address) == network
