"""An environment on a real S3: pushed, realised elsewhere, changed, mended; and what it costs in requests."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from machines import Machine
from s3_server import S3Server

from breakbulk.errors import IntegrityError
from breakbulk.hub.layout import object_key
from breakbulk.hub.opening import open_hub
from breakbulk.library.remote import RemoteEnvironment
from breakbulk.settings import Settings

pytestmark = pytest.mark.integration


@pytest.fixture
def at_bucket(s3_server: S3Server, settings: Settings) -> Settings:
    return replace(s3_server.settings(settings), hub=f"s3://{s3_server.new_bucket()}/team")


def data_of(machine: Machine, name: str = "ada/tool") -> str:
    lowers = RemoteEnvironment.open(name, machine.settings, machine).realise().lowers
    return next(path for lower in lowers for path in lower.glob("opt/tool/data")).read_text()


def test_what_is_pushed_to_a_bucket_is_realised_from_it(at_bucket: Settings, tmp_path: Path) -> None:
    here, there = Machine(tmp_path / "here", at_bucket), Machine(tmp_path / "there", at_bucket)
    project = here.project()
    first = here.push(project)
    assert data_of(there) == "one\n"
    (project / "tool" / "data").write_text("two\n")
    assert here.push(project).recorded.change.generation == 2
    assert data_of(there) == "two\n"
    assert data_of(there, "ada/tool:1") == "one\n"
    assert not here.push(project).new
    hub = open_hub(at_bucket)
    hub.objects.delete([object_key(first.recorded.change.lock.sha256)])
    with pytest.raises(Exception, match=first.recorded.change.lock.sha256):
        data_of(Machine(tmp_path / "late", at_bucket), "ada/tool:1")


def test_a_damaged_object_in_a_bucket_is_never_realised(at_bucket: Settings, tmp_path: Path) -> None:
    here, there = Machine(tmp_path / "here", at_bucket), Machine(tmp_path / "there", at_bucket)
    change = here.push(here.project()).recorded.change
    hub = open_hub(at_bucket)
    [package] = hub.prepared(change, "x86_64-linux").packages.values()
    [archive] = change.archives
    for blob in (package.blob, archive):
        data = hub.objects.get(object_key(blob.sha256))
        hub.objects.replace(object_key(blob.sha256), data[:-1] + b"?")
    with pytest.raises(IntegrityError) as refused:
        data_of(there)
    assert archive.sha256 in str(refused.value)
    assert "ada/tool:1" in str(refused.value)
    assert any(package.blob.sha256 in note for note in there.notes)


def test_an_environment_that_is_here_costs_a_list_and_a_change(
    at_bucket: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from breakbulk.hub.backends.stored import StoredObjects

    here = Machine(tmp_path / "here", at_bucket)
    here.push(here.project())
    data_of(here)
    asked: Counter[str] = Counter()
    for method in ("get", "list", "stat", "stream"):
        original = getattr(StoredObjects, method)

        def counting(self, *arguments, original=original, method=method, **options):
            asked[method] += 1
            return original(self, *arguments, **options)

        monkeypatch.setattr(StoredObjects, method, counting)
    data_of(here)
    assert asked == {"list": 1, "get": 1}
