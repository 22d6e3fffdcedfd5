"""Networks of a cluster: never one that this machine uses already."""

from ipaddress import IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakbulk.cluster.addresses import allot, overlapping
from breakbulk.cluster.model import NODES_MAX
from breakbulk.errors import ClusterError


@st.composite
def networks(draw: st.DrawFn) -> IPv4Network:
    """Draw a network where clusters are, as routes of companies and other clusters are, too."""
    first = draw(st.sampled_from([10, 100, 172, 198]))
    address = (first << 24) + draw(st.integers(0, 2**24 - 1))
    return IPv4Network((address, draw(st.integers(12, 32))), strict=False)


@given(st.lists(networks(), max_size=20))
def test_no_network_of_a_cluster_overlaps_one_in_use(used: list[IPv4Network]) -> None:
    addresses = allot(used)
    assert not overlapping(addresses.all, used)
    for network in addresses.all:
        assert overlapping([network], addresses.all) == [network]


@given(st.lists(networks(), max_size=5))
def test_nodes_and_their_pods_are_where_they_belong(used: list[IPv4Network]) -> None:
    addresses = allot(used)
    numbers = range(1, NODES_MAX + 1)
    assert len({addresses.gateway, *map(addresses.node, numbers)}) == NODES_MAX + 1
    assert all(addresses.node(number) in addresses.nodes for number in numbers)
    pods = [addresses.pods_of(number) for number in numbers]
    assert all(one.subnet_of(addresses.pods) for one in pods)
    assert all(overlapping([one], pods) == [one] for one in pods)


def test_many_clusters_fit_on_one_machine() -> None:
    used: list[IPv4Network] = []
    for _ in range(20):
        addresses = allot(used)
        assert not overlapping(addresses.all, used)
        used += addresses.all


def test_where_everything_is_in_use_the_error_says_what_to_do() -> None:
    with pytest.raises(ClusterError, match="ip -4 route") as raised:
        allot([IPv4Network("0.0.0.0/1"), IPv4Network("128.0.0.0/1")])
    assert raised.value.reference == "address-taken"
