"""What the agent says: errors on one line, sizes, labels, settings that travel."""

from dataclasses import replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakbulk.errors import NetworkError, UsageError
from breakbulk.node.agent.features import labels, listed
from breakbulk.node.agent.settings import AgentSettings, address_of
from breakbulk.node.agent.wording import amount, error_of, sentence
from breakbulk.node.place import NodePlace
from breakbulk.node.realising.orders import packed, unpacked
from breakbulk.node.realising.pinning import Target, pin_name

CPUINFO = """\
processor : 0
flags : fpu avx avx2 fma avx512_vnni popcnt
processor : 1
flags : fpu avx avx2 fma popcnt
"""


def test_an_error_is_one_line_with_its_fix() -> None:
    error = NetworkError("the hub\nis away", where="s3://hub", why="no \x1b[31mroute", hint="look at the cable")
    said = sentence(error)
    assert said == "the hub is away; at s3://hub; no [31mroute; fix: look at the cable"
    assert sentence(error_of(msgspec.json.decode(msgspec.json.encode(error.as_dict())))) == said


@given(st.text(max_size=50))
def test_no_error_breaks_a_line(text) -> None:
    assert sentence(NetworkError(text, hint=text)).isprintable()


def test_sizes_as_people_write_them() -> None:
    assert [amount(size) for size in (0, 999, 1000, 9_950, 12_345, 800_000_000, 2_500_000_000)] == [
        "0 bytes", "999 bytes", "1.0 kB", "9.9 kB", "12 kB", "800 MB", "2.5 GB",
    ]  # fmt: skip


@given(st.integers(0, 10**18))
def test_every_size_has_words(size) -> None:
    assert amount(size)


def test_labels_are_valid_and_say_what_every_processor_has() -> None:
    found = labels("1.2.3", "x86_64-v3", CPUINFO)
    assert found["breakbulk.dev/cpu-avx2"] == "true"
    assert "breakbulk.dev/cpu-avx512-vnni" not in found
    assert all("_" not in name for name in found)


def test_the_list_of_environments_is_bounded() -> None:
    targets = [Target(f"ada/environment-{number}", f"{number:064x}") for number in range(1000)]
    (shown,) = listed(targets).values()
    assert len(shown) < 4200
    assert shown.endswith(",...")
    assert listed([]) == {"breakbulk.dev/environments": ""}


def test_a_pin_has_a_name_that_a_pin_can_have() -> None:
    long = Target("a" * 64 + "/" + "b" * 64, "0" * 64)
    assert len(pin_name(long)) < 200
    assert pin_name(long) != pin_name(Target(long.environment, "1" * 64))


def test_settings_come_back_as_they_went(settings) -> None:
    rich = replace(settings, environment={"AWS_SECRET_ACCESS_KEY": "s"}, require_signatures=True)
    assert unpacked(msgspec.json.decode(msgspec.json.encode(packed(rich)))) == rich
    assert unpacked({**packed(rich), "unheard-of": 1}) == rich


@pytest.mark.parametrize(
    "limits",
    [
        {"disk_high_percent": 50.0, "disk_low_percent": 60.0},
        {"disk_high_percent": 101.0},
        {"concurrency": 0},
        {"metrics": "9464"},
        {"metrics": "127.0.0.1:99999"},
    ],
)
def test_settings_that_make_no_sense_are_refused(limits, settings) -> None:
    with pytest.raises(UsageError) as refused:
        AgentSettings(place=NodePlace.default(settings), settings=settings, **limits)
    assert refused.value.reference == "agent-settings-invalid"


def test_addresses() -> None:
    assert address_of("127.0.0.1:0") == ("127.0.0.1", 0)
    assert address_of("[::1]:9464") == ("::1", 9464)
    assert address_of("none") is None
