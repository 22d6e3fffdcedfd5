import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakbulk.errors import UsageError
from breakbulk.hub.names import Reference, is_reference, parse_reference

DIGEST = "sha256:" + "0123456789abcdef" * 4
EDGES = st.sampled_from("abcxyz0189")
WORDS = st.builds("".join, st.tuples(EDGES, st.text("abz09_.-", max_size=62), EDGES)) | EDGES
NUMBERS = st.none() | st.integers(1, 999_999_999)
DIGESTS = st.none() | st.text("0123456789abcdef", min_size=64, max_size=64).map("sha256:".__add__)


@given(st.builds(Reference, owner=WORDS, name=WORDS, generation=NUMBERS, digest=DIGESTS))
def test_what_is_written_is_read(reference: Reference) -> None:
    assert parse_reference(str(reference)) == reference
    assert reference.pinned == (str(reference) != reference.environment)


@pytest.mark.parametrize(
    ("text", "generation", "digest"),
    [
        ("ada/tickets", None, None),
        ("ada/tickets:12", 12, None),
        ("ada/tickets@12", 12, None),
        (f"ada/tickets@{DIGEST}", None, DIGEST),
        (f"ada/tickets:12@{DIGEST}", 12, DIGEST),
    ],
)
def test_every_form_is_understood(text: str, generation: int | None, digest: str | None) -> None:
    reference = parse_reference(text)
    assert (reference.environment, reference.generation, reference.digest) == ("ada/tickets", generation, digest)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tickets",
        "ada/",
        "/tickets",
        "ada/tickets/x",
        "../tickets",
        "ada/..",
        "ada/.",
        "ada/.hidden",
        "ada/tickets.",
        "ada\\tickets",
        "Ada/tickets",
        "ada/tickets:0",
        "ada/tickets:01",
        "ada/tickets:-1",
        "ada/tickets:",
        "ada/tickets:1:2",
        "ada/tickets:1@2",
        "ada/tickets@sha256:abc",
        f"ada/tickets@{DIGEST.upper()}",
        "ada/tickets\n",
        "ada/tick ets",
        "ada/tickets\x00",
        "ada/tick~ets",
        "ada/tíckets",
        "ada/tickets:٣",
        f"{'a' * 65}/tickets",
        f"ada/{'a' * 65}",
        "ada/tickets:9999999999",
    ],
)
def test_what_is_no_name_is_refused(text: str) -> None:
    assert not is_reference(text)
    with pytest.raises(UsageError) as error:
        parse_reference(text)
    assert error.value.reference == "reference-invalid"


@given(st.text())
def test_whatever_is_typed_is_a_name_or_refused(text: str) -> None:
    try:
        reference = parse_reference(text)
    except UsageError:
        assert not is_reference(text)
    else:
        assert is_reference(text)
        assert not {reference.owner, reference.name} & {"", ".", ".."}
