"""Relationship fields, as policy 7.1 writes them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakbulk.ecosystems.deb.relations import Relation, parse_field, parse_provides
from breakbulk.errors import IntegrityError


def test_reads_alternatives_versions_and_qualifiers() -> None:
    assert parse_field("libc6 (>= 2.34), default-mta | mail-transport-agent, python3:any (>> 3.9~)") == (
        (Relation("libc6", None, ">=", "2.34"),),
        (Relation("default-mta"), Relation("mail-transport-agent")),
        (Relation("python3", "any", ">>", "3.9~"),),
    )


def test_obsolete_operators_include_equality() -> None:
    assert parse_field("a (< 2), b (> 3)") == ((Relation("a", None, "<=", "2"),), (Relation("b", None, ">=", "3"),))


def test_unversioned_provides_satisfies_no_bound() -> None:
    assert Relation("x").admits(None)
    assert not Relation("x", None, ">=", "1").admits(None)


def test_provides_with_a_bound_is_ignored() -> None:
    assert parse_provides("a, b (= 2), c (>= 3)") == (Relation("a"), Relation("b", None, "=", "2"))


@pytest.mark.parametrize("field", ["a (>= 1", "a b", "a (~ 1)", "(>= 1)", "a | "])
def test_malformed_fields_are_refused_by_name(field: str) -> None:
    with pytest.raises(IntegrityError) as caught:
        parse_field(field)
    assert caught.value.reference == "deb-index-invalid"


NAMES = st.from_regex(r"[a-z0-9][a-z0-9+.-]{0,8}", fullmatch=True)
RELATIONS = st.builds(
    Relation, NAMES, st.sampled_from([None, "any"]), st.sampled_from(["<<", "<=", "=", ">=", ">>"]), st.just("1.0")
)


@given(st.lists(st.lists(RELATIONS, min_size=1, max_size=3), max_size=4))
def test_what_is_written_is_read(groups: list[list[Relation]]) -> None:
    text = ", ".join(" | ".join(map(str, group)) for group in groups)
    assert parse_field(text) == tuple(tuple(group) for group in groups)
