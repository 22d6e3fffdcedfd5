"""Turn plain values (of TOML or JSON) into the values of `schema`, strictly, with the key path of every fault.

The schema's own annotations decide. msgspec cannot choose between structs that carry no tag, nor say which key of a
mapping holds a wrong value, hence this walk: of several tables that are possible at one place, the **discriminating
key** (the first required key of each: `pypi`, `deb`, `path`, ...) says which is meant. Counterpart: `encode`, which
gives the plain values back.
"""

from __future__ import annotations

import datetime as dt
import functools
import math
import types
import typing
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from breakbulk.manifest.faults import Fault, KeyPath, nearest

__all__ = ["decode", "discriminating_key", "encode", "keys_of"]

_INT64 = range(-(2**63), 2**63)
_KINDS: dict[Any, str] = {str: "a string", int: "an integer", bool: "true or false", float: "a number"}


def decode(hint: Any, value: Any, path: KeyPath) -> Any:
    """Return `value` as the type `hint` of the schema; raise `Fault` where it does not fit."""
    origin = typing.get_origin(hint)
    if origin in {typing.Union, types.UnionType}:
        return _union(_alternatives(hint), value, path)
    if hint is Any:
        return _free(value, path)
    if origin is Literal:
        return _literal(typing.get_args(hint), value, path)
    if origin is tuple:
        return _array(typing.get_args(hint)[0], value, path)
    if origin is dict:
        return _mapping(typing.get_args(hint)[1], value, path)
    if _is_struct(hint):
        return _table(hint, value, path)
    return _scalar(hint, value, path)


def encode(value: Any) -> Any:
    """Return schema values as plain ones that JSON can hold; what equals its default is left out."""
    if isinstance(value, msgspec.Struct):
        fields = msgspec.structs.fields(value)
        present = ((f, getattr(value, f.name)) for f in fields)
        return {f.encode_name: encode(held) for f, held in present if not _is_default(f, held)}
    if isinstance(value, tuple | list):
        return [encode(element) for element in value]
    if isinstance(value, Mapping):
        return {key: encode(element) for key, element in value.items()}
    return value


def keys_of(struct: type[msgspec.Struct]) -> dict[str, msgspec.structs.FieldInfo]:
    """Return the fields of a table by their names in the manifest."""
    return {field.encode_name: field for field in msgspec.structs.fields(struct)}


def discriminating_key(struct: type[msgspec.Struct]) -> str:
    """Return the key whose presence says that a table is this one: its first required key."""
    return next(name for name, field in keys_of(struct).items() if field.required)


def _union(alternatives: tuple[Any, ...], value: Any, path: KeyPath) -> Any:
    if len(alternatives) == 1:
        return decode(alternatives[0], value, path)
    if isinstance(value, dict):
        structs = [hint for hint in alternatives if _is_struct(hint)]
        if len(structs) > 1:
            return decode(_chosen(structs, value, path), value, path)
    for hint in alternatives:
        if _kind(value) == _expected_kind(hint):
            return decode(hint, value, path)
    if float in alternatives and type(value) is int:
        return float(value)
    expected = " or ".join(dict.fromkeys(_expectation(hint) for hint in alternatives))
    raise Fault(path, f"is {_found(value)}, expected {expected}")


def _chosen(structs: list[Any], value: dict[str, Any], path: KeyPath) -> Any:
    """Return the struct whose discriminating key is in `value`; raise unless exactly one is."""
    by_key = {discriminating_key(struct): struct for struct in structs}
    present = [key for key in value if key in by_key]
    if len(present) == 1:
        return by_key[present[0]]
    if present:
        words = " and ".join(f"`{key}`" for key in present)
        raise Fault((*path, present[1]), f"cannot stand beside `{present[0]}`: {words} exclude each other",
                    hint=f"keep one of {words}")  # fmt: skip
    known = {name for struct in structs for name in keys_of(struct)}
    for key in value:
        if key not in known:
            raise _unknown(key, path, by_key)
    choices = ", ".join(f"`{key}`" for key in by_key)
    raise Fault(path, f"has none of the keys {choices}", hint="say where it comes from with exactly one of them")


def _table(struct: type[msgspec.Struct], value: Any, path: KeyPath) -> Any:
    if not isinstance(value, dict):
        raise Fault(path, f"is {_found(value)}, expected a table")
    fields = keys_of(struct)
    for key in value:
        if key not in fields:
            raise _unknown(key, path, fields, struct)
    for key, field in fields.items():
        if field.required and key not in value:
            raise Fault(path, f"has no `{key}`", hint=f"add the key `{key}`")
    hints = _hints(struct)
    return struct(**{fields[k].name: decode(hints[fields[k].name], v, (*path, k)) for k, v in value.items()})


def _unknown(
    key: str, path: KeyPath, known: Mapping[str, Any], struct: type[msgspec.Struct] | None = None
) -> Fault:  # fmt: skip
    meant = nearest(key, known)
    if meant:
        hint = f"write `{meant}`"
    elif struct is not None and (owner := _owner(key, struct)):
        hint = f"`{key}` belongs to an install with `{owner}`"
    else:
        hint = "the keys here are " + ", ".join(f"`{name}`" for name in known)
    return Fault((*path, key), "is not a key of a manifest", hint=hint, identifier="manifest-unknown-key")


def _owner(key: str, struct: type[msgspec.Struct]) -> str | None:
    """Return the discriminating key of a sibling table that has `key`."""
    for parent in (base for base in struct.__bases__ if issubclass(base, msgspec.Struct)):
        for sibling in parent.__subclasses__():
            fields = keys_of(sibling)
            if key in fields and any(field.required for field in fields.values()):
                return discriminating_key(sibling)
    return None


def _array(element: Any, value: Any, path: KeyPath) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise Fault(path, f"is {_found(value)}, expected an array", hint="put it in brackets: [...]")
    return tuple(decode(element, item, (*path, index)) for index, item in enumerate(value))


def _mapping(element: Any, value: Any, path: KeyPath) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Fault(path, f"is {_found(value)}, expected a table")
    return {key: decode(element, item, (*path, key)) for key, item in value.items()}


def _literal(allowed: tuple[Any, ...], value: Any, path: KeyPath) -> Any:
    if value in allowed and isinstance(value, str):
        return value
    meant = nearest(value, allowed) if isinstance(value, str) else None
    choices = " or ".join(f'"{choice}"' for choice in allowed)
    raise Fault(path, f"is {_found(value)}, expected {choices}", hint=f'write "{meant}"' if meant else None)


def _scalar(hint: Any, value: Any, path: KeyPath) -> Any:
    if hint is float and type(value) is int:
        return float(value)
    if type(value) is hint and (hint is not int or value in _INT64):
        return value
    correction = None
    if hint is str and type(value) in {int, float, bool}:
        correction = "put it in quotes"
    raise Fault(path, f"is {_found(value)}, expected {_expectation(hint)}", hint=correction)


def _free(value: Any, path: KeyPath) -> Any:
    """Return a value of a table without schema; JSON must be able to hold it, as the lock carries it."""
    if isinstance(value, dict):
        return {key: _free(item, (*path, key)) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_free(item, (*path, index)) for index, item in enumerate(value)]
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    if (type(value) is float and not math.isfinite(value)) or (type(value) is int and value not in _INT64):
        raise Fault(path, f"is {value}, which JSON cannot hold", hint="put it in quotes")
    return value


@functools.cache
def _hints(struct: type[msgspec.Struct]) -> dict[str, Any]:
    return typing.get_type_hints(struct)


def _alternatives(hint: Any) -> tuple[Any, ...]:
    return tuple(part for part in typing.get_args(hint) if part is not types.NoneType)


def _is_struct(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, msgspec.Struct)


def _is_default(field: msgspec.structs.FieldInfo, value: Any) -> bool:
    if field.default_factory is not msgspec.NODEFAULT:
        return bool(value == field.default_factory())
    return field.default is not msgspec.NODEFAULT and bool(value == field.default)


def _kind(value: Any) -> str:
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list | tuple):
        return "an array"
    return _KINDS.get(type(value), "a date or time")


def _expected_kind(hint: Any) -> str:
    origin = typing.get_origin(hint)
    if origin is Literal:
        return "a string"
    if origin is tuple:
        return "an array"
    if origin is dict or _is_struct(hint):
        return "a table"
    return _KINDS[hint]


def _expectation(hint: Any) -> str:
    if typing.get_origin(hint) is Literal:
        return " or ".join(f'"{choice}"' for choice in typing.get_args(hint))
    return _expected_kind(hint)


def _found(value: Any) -> str:
    """Return what stands there, for a message: its kind, and the value where it is short."""
    kind = _kind(value)
    if isinstance(value, str) and len(value) <= 60:
        return f'"{value}"'
    if type(value) is bool:
        return str(value).lower()
    return f"{kind} ({value})" if type(value) in {int, float} else kind
