"""The level of CPU that counts on this machine."""

from dataclasses import replace

import pytest

from breakbulk.errors import UsageError
from breakbulk.lock.model import LockedSystem, Package
from breakbulk.lock.variants import LEVELS
from breakbulk.store import processor
from breakbulk.store.processor import for_this_machine, running_level

CPUINFO = """processor\t: 0
flags\t\t: fpu cx16 lahf_lm popcnt sse4_1 sse4_2 ssse3 avx

processor\t: 1
flags\t\t: fpu cx16 lahf_lm popcnt sse4_1 sse4_2 ssse3{}
vmx flags\t: avx2
"""


def test_a_configured_level_goes_first(settings):
    assert running_level(replace(settings, cpu="x86_64-v3")) == "x86_64-v3"
    with pytest.raises(UsageError, match="cpu-unknown"):
        running_level(replace(settings, cpu="x86-64-v3"))


@pytest.mark.parametrize(("more", "level"), [("", "x86_64-v2"), (" avx", "x86_64-v2")])
def test_otherwise_what_all_processors_can_do(settings, tmp_path, monkeypatch, more, level):
    path = tmp_path / "cpuinfo"
    path.write_text(CPUINFO.format(more))
    monkeypatch.setattr(processor, "_CPUINFO", path)
    assert running_level(settings) == level
    path.write_text("Features\t: fp asimd\n")
    assert running_level(settings) == LEVELS[0]


def test_the_machine_is_asked_only_where_it_counts(settings, monkeypatch):
    monkeypatch.setattr(processor, "_CPUINFO", None)
    package = Package(ecosystem="deb", name="a", version="1", file="f", size=1, sha256="0" * 64, purl="p")
    system = LockedSystem(packages=(package,))
    assert for_this_machine(system, settings) is system
