"""JSON by the two C functions under the standard library's `json`, without the modules around them.

Every start of a container waits for what the runtime handler imports, and `json` imports regular expressions: ten
milliseconds more than everything else that a call needs. On a Python that has these functions otherwise or not at all,
`json` itself is taken. What is refused: `NaN` and `Infinity`, which are no JSON.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

__all__ = ["dumps", "loads"]

_BLANKS = " \t\n\r"


def loads(text: bytes | str) -> Any:
    """Return the value that a text in UTF-8 is of; raise `ValueError` when it is of none."""
    decoded = text if isinstance(text, str) else text.decode()
    start = len(decoded) - len(decoded.lstrip(_BLANKS))
    try:
        value, end = _scan(decoded, start)
    except (StopIteration, RecursionError, SystemError) as error:  # the last of Python 3.11, for want of `json.decoder`
        raise ValueError("no JSON") from error
    if decoded[end:].strip(_BLANKS):
        raise ValueError(f"more than one value, from character {end} on")
    return value


def dumps(value: object) -> str:
    """Return the shortest text of a value, in ASCII; raise `TypeError`, `ValueError` for what has none."""
    return "".join(_encode(value, 0))


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _no_value(value: object) -> NoReturn:
    raise TypeError(f"{type(value).__name__} is no JSON")


class _Rules:
    """As `json.JSONDecoder` has them, whose attributes the scanner reads."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int
    parse_constant = staticmethod(_no_number)


def _functions() -> tuple[Callable[[str, int], tuple[Any, int]], Callable[[object, int], Any]]:
    try:
        from _json import (
            encode_basestring_ascii,
            make_encoder,
            make_scanner,
        )

        encoder = make_encoder(None, _no_value, encode_basestring_ascii, None, ":", ",", False, False, False)  # noqa: FBT003
        scanner = make_scanner(_Rules)  # type: ignore[arg-type]  # stubs want its own class
        if scanner('{"a":[1]}', 0) == ({"a": [1]}, 9) and "".join(encoder({"a": [1]}, 0)) == '{"a":[1]}':
            return scanner, encoder
    except (ImportError, TypeError, AttributeError, ValueError):
        pass  # another Python: as below
    import json

    whole = json.JSONEncoder(separators=(",", ":"), allow_nan=False)
    return json.JSONDecoder(parse_constant=_no_number).raw_decode, lambda value, _: whole.encode(value)


_scan, _encode = _functions()
