"""Which archive a processor takes: the levels of the psABI as a table, and the choice among a package's archives."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakbulk.errors import PlatformError
from breakbulk.lock.files import decode_lock, encode_lock
from breakbulk.lock.model import LOCK_VERSION, Lock, LockedSystem, Package, Variant
from breakbulk.lock.variants import LEVELS, chosen, chosen_of, every_variant, level_of

V2 = "cx16 lahf_lm popcnt pni sse4_1 sse4_2 ssse3"
V3 = f"{V2} abm avx avx2 bmi1 bmi2 f16c fma movbe xsave"
V4 = f"{V3} avx512f avx512bw avx512cd avx512dq avx512vl"


@pytest.mark.parametrize(
    ("flags", "level"),
    [
        ("fpu sse sse2 lm", "x86_64-v1"),  # the first Opterons
        (V2, "x86_64-v2"),  # Nehalem
        (f"{V2} avx xsave", "x86_64-v2"),  # Sandy Bridge: AVX alone is no level
        (V3, "x86_64-v3"),  # Haswell
        (V3.replace(" movbe", ""), "x86_64-v2"),
        (V4, "x86_64-v4"),  # Skylake-X
        (V4.replace(" avx512vl", ""), "x86_64-v3"),  # Knights Landing
        (V4.replace(" popcnt", ""), "x86_64-v1"),  # a virtual machine that hides one of the lowest
        ("", "x86_64-v1"),
    ],
)
def test_a_level_needs_all_of_its_flags_and_of_those_below(flags, level):
    assert level_of(flags.split()) == level


@given(st.sets(st.sampled_from(V4.split())), st.sets(st.sampled_from(V4.split())))
def test_more_flags_never_give_a_lower_level(some, more):
    assert LEVELS.index(level_of(some | more)) >= LEVELS.index(level_of(some))


def package(*levels: str) -> Package:
    archives = [
        Variant(cpu=level, file=f"tool-{level}", size=number, sha256=str(number) * 64)
        for number, level in enumerate(levels)
    ]
    lowest, *higher = archives
    plain = Package(ecosystem="hub", name="tool", version="1", purl="p", file=lowest.file, size=0, sha256="0" * 64)
    return msgspec.structs.replace(plain, cpu=lowest.cpu, variants=tuple(higher))


@pytest.mark.parametrize(
    ("level", "file"),
    [("x86_64-v2", "tool-x86_64-v2"), ("x86_64-v3", "tool-x86_64-v2"), ("x86_64-v4", "tool-x86_64-v4")],
)
def test_the_highest_that_runs_is_taken(level, file):
    taken = chosen(package("x86_64-v2", "x86_64-v4"), level)
    assert (taken.file, taken.variants) == (file, ())
    assert taken.sha256 == ("0" if file.endswith("v2") else "1") * 64


def test_a_processor_that_is_too_old_is_told():
    with pytest.raises(PlatformError) as refused:
        chosen(package("x86_64-v3"), "x86_64-v2")
    assert refused.value.reference == "cpu-unsupported"
    assert refused.value.why == "it was built for x86_64-v3 and higher, this is x86_64-v2"


def test_a_package_without_levels_is_the_same_everywhere():
    plain = msgspec.structs.replace(package("x86_64-v2"), cpu=None)
    assert chosen(plain, "x86_64-v1") is plain
    assert every_variant(plain) == (plain,)


def test_a_lock_keeps_all_of_them():
    system = LockedSystem(packages=(package("x86_64-v2", "x86_64-v3", "x86_64-v4"),))
    lock = Lock(lock_version=LOCK_VERSION, manifest={}, systems={"x86_64-linux": system})
    assert decode_lock(encode_lock(lock), "lock") == lock
    (taken,) = chosen_of(system, "x86_64-v3").packages
    assert taken == every_variant(system.packages[0])[1]
