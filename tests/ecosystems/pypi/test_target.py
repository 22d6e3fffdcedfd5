"""The platform that uv is told is the one by which wheels are chosen."""

from __future__ import annotations

import pytest
from packaging.utils import parse_wheel_filename

from breakbulk.ecosystems.pypi.target import Target

BOOKWORM = Target("x86_64", "3.11", 36)
ARM = Target("aarch64", "3.13", 40)


def rank(target: Target, tag: str) -> int | None:
    return target.rank(parse_wheel_filename(f"demo-1-{tag}.whl")[3])


def test_uv_is_told_the_same_platform() -> None:
    assert (BOOKWORM.uv_platform, BOOKWORM.tag) == ("x86_64-manylinux_2_36", "cpython-311")
    assert (ARM.uv_platform, ARM.tag) == ("aarch64-manylinux_2_40", "cpython-313")


def test_the_most_special_wheel_is_best() -> None:
    tags = [
        "cp311-cp311-manylinux_2_36_x86_64",
        "cp311-cp311-manylinux2014_x86_64",
        "cp311-cp311-manylinux1_x86_64",
        "cp311-cp311-linux_x86_64",
        "cp311-abi3-manylinux_2_28_x86_64",
        "cp38-abi3-manylinux_2_28_x86_64",
        "py3-none-manylinux_2_28_x86_64",
        "py3-none-any",
    ]
    ranks = [rank(BOOKWORM, tag) for tag in tags]
    assert None not in ranks
    assert ranks == sorted(ranks, key=lambda each: each or 0)


@pytest.mark.parametrize(
    "tag",
    [
        "cp312-cp312-manylinux_2_17_x86_64",
        "cp311-cp311-manylinux_2_37_x86_64",
        "cp311-cp311-manylinux_2_17_aarch64",
        "cp311-cp311-musllinux_1_2_x86_64",
        "cp312-abi3-manylinux_2_17_x86_64",
        "cp311-cp311-win_amd64",
        "py2-none-any",
    ],
)
def test_wheels_for_others_do_not_suit(tag: str) -> None:
    assert rank(BOOKWORM, tag) is None


def test_there_are_no_arm_wheels_older_than_manylinux2014() -> None:
    assert rank(ARM, "cp313-cp313-manylinux2014_aarch64") is not None
    assert rank(ARM, "cp313-cp313-manylinux2010_aarch64") is None
