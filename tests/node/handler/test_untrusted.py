"""What users write into pods never names a file of the node, and is refused in words or harmless."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from breakbulk.errors import BreakbulkError
from breakbulk.node.annotations import PASSED_ON, PodAnnotations, digest_of, environment_of
from breakbulk.node.handler import creating
from breakbulk.node.records import plan_path, record_path

TRICKS = [
    *(
        "../../etc/shadow",
        "/etc/passwd",
        "a/b@sha256:../../x",
        "a/../b",
        "..",
        ".",
        "a/b:../c",
        "a\0b",
        "a/b\n",
        "\u202e",
    ),
    *("~/x", "$(id)", "`id`", "%2e%2e/%2e%2e", "a/b@sha256:" + "d" * 63 + "/", "a~b/c", "\ud800", "x" * 5000, "a/b,c"),
]
TEXT = st.one_of(st.text(), st.sampled_from(TRICKS), st.text("./~@:abc0\\\n\0 ", max_size=40))
KEYS = st.sampled_from(
    [
        *(
            pattern.removesuffix("*") + name
            for pattern in PASSED_ON
            for name in ("environment", "skip-containers", "main")
        ),
        *(
            "flox.dev/activate-mode",
            "breakbulk.dev/skip-containers-exec",
            "breakbulk.dev/",
            "environment.breakbulk.dev/",
        ),
    ]
)
DIGESTS = st.one_of(TEXT, st.just("d" * 64))


def outcome(function, *arguments):
    """Return what a function returns, and the error of ours that it raises."""
    try:
        return function(*arguments), None
    except BreakbulkError as error:
        return None, error


@given(TEXT, DIGESTS)
def test_no_environment_and_digest_name_a_file_elsewhere(environment, digest):
    try:
        path = plan_path("/state", environment, digest)
    except ValueError:
        return
    assert os.path.normpath(path) == path
    assert str(Path(path).parent) == "/state/plans"


@given(TEXT)
def test_no_uid_names_a_file_elsewhere(uid):
    try:
        path = record_path("/run", uid)
    except ValueError:
        return
    assert os.path.normpath(path) == path
    assert str(Path(path).parent) == "/run/pods"


@given(TEXT)
def test_digests_of_references(reference):
    digest = digest_of(reference)
    assert digest is None or (len(digest) == 64 and set(digest) <= set("0123456789abcdef"))
    assert ":" not in environment_of(reference)


@given(st.dictionaries(KEYS, TEXT), TEXT)
def test_any_annotations_are_wishes_or_refused(annotations, container):
    wishes, error = outcome(PodAnnotations, annotations)
    if error is not None:
        assert error.reference == "annotation-invalid"
        assert len(str(error)) < 700
        assert str(error).isprintable()
        return
    reference = wishes.reference(container)
    assert reference is None or reference in wishes.references
    assert all(each.isprintable() and len(each) <= 4096 for each in wishes.references)


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    directory = tmp_path_factory.mktemp("untrusted")
    (directory / "store" / "locks").mkdir(parents=True)
    (directory / "store" / "locks" / "use").touch()
    (directory / "bundle" / "rootfs").mkdir(parents=True)
    return directory


NAMED = st.fixed_dictionaries({"container-name": TEXT, "image-name": TEXT, "sandbox-uid": TEXT})


@settings(max_examples=300)
@given(st.dictionaries(KEYS, TEXT), NAMED, st.sampled_from(["container", "sandbox"]))
def test_a_container_with_any_words_is_refused_or_left_alone(place, annotations, named, kind):
    """Whatever they are, there is no such environment and no agent, so that nothing may be mounted or written."""
    said = {
        "io.kubernetes.cri.container-type": kind,
        **{f"io.kubernetes.cri.{name}": value for name, value in named.items()},
        **annotations,
    }
    configuration = {
        "process": {"args": ["breakbulk-default-command"]},
        "root": {"path": "rootfs"},
        "annotations": said,
    }
    (place / "bundle" / "config.json").write_text(json.dumps(configuration))
    before = {path: path.read_bytes() for path in place.rglob("*") if path.is_file()}
    node = creating.Node(state=str(place), run=str(place), store=str(place / "store"), deadline_s=0)
    _, error = outcome(creating.create, str(place / "bundle"), node)
    expected = {"annotation-invalid", "agent-away", "environment-missing", "bundle-invalid"}
    assert error is None or error.reference in expected
    assert {path: path.read_bytes() for path in place.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("image", "stub"),
    [
        ("docker.io/breakbulk/empty:1", True),
        ("breakbulk/empty", True),
        ("flox/empty:1.0.0", True),
        ("registry:5000/mirror/flox/empty@sha256:" + "d" * 64, True),
        ("registry:5000/flox/empty:1@sha256:" + "d" * 64, True),
        ("myflox/empty:1", False),
        ("flox/empty-not:1", False),
        ("flox/empty/more", False),
        ("", False),
    ],
)
def test_which_images_are_stubs(image, stub):
    assert creating._is_stub(image) is stub
