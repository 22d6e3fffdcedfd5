"""The stages of a Dockerfile, and what of them makes the image: the last one, with those it is built on. Pure."""

from __future__ import annotations

import msgspec

from breakbulk.importing.dockerfile.instructions import Instruction
from breakbulk.importing.dockerfile.words import Words

__all__ = ["Stage", "find_stage", "lineage", "read_stages"]


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """What follows one FROM.

    Attributes:
        start: The FROM itself.
        base: The image or stage that it names, expanded.
        name: Its own name, its number if it has none.
        arguments: Values of ARG before the first FROM, which its own ARG may ask for.

    """

    start: Instruction
    base: str
    name: str
    arguments: dict[str, str]
    instructions: tuple[Instruction, ...]


def read_stages(instructions: list[Instruction]) -> list[Stage]:
    """Return the stages in order; what comes before the first is ARG and nothing else."""
    arguments: dict[str, str] = {}
    stages: list[Stage] = []
    current: list[Instruction] = []
    for instruction in instructions:
        if instruction.keyword == "FROM":
            current = []
            stages.append(_stage(instruction, len(stages), arguments))
        elif stages:
            current.append(instruction)
            stages[-1] = msgspec.structs.replace(stages[-1], instructions=tuple(current))
        elif instruction.keyword == "ARG":
            name, _, value = instruction.text.partition("=")
            arguments[name.strip()] = Words(arguments, instruction.escape).expand(value)
    return stages


def _stage(start: Instruction, number: int, arguments: dict[str, str]) -> Stage:
    words = Words(arguments, start.escape).split(start.text)
    named = len(words) > 2 and words[1].upper() == "AS"
    return Stage(
        start=start,
        base=words[0] if words else "",
        name=words[2].lower() if named else str(number),
        arguments=dict(arguments),
        instructions=(),
    )


def find_stage(name: str, before: list[Stage]) -> Stage | None:
    """Return the stage that COPY --from or FROM names, by name or number, among those before it."""
    named = next((stage for stage in reversed(before) if stage.name == name.lower()), None)
    if named is None and name.isdecimal() and len(name) < 9 and int(name) < len(before):
        return before[int(name)]
    return named


def lineage(stage: Stage, stages: list[Stage]) -> list[Stage]:
    """Return the stages that `stage` is built on, the lowest first, itself last."""
    chain = [stage]
    while True:
        before = stages[: stages.index(chain[0])]
        base = find_stage(chain[0].base, before)
        if base is None or chain[0].base.isdecimal():
            return chain
        chain.insert(0, base)
