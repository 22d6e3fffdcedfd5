"""Plans of realised environments."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from breakbulk.manifest.reading import from_builtins
from breakbulk.manifest.schema import Manifest
from breakbulk.node.realising.planning import groups_of, members_of, own_trees, plan_of
from breakbulk.node.records import MountPlan

CHANGE = SimpleNamespace(environment="ada/web", generation=3, digest="sha256:" + "a" * 64)
MANIFEST = {
    "vars": {"COLOUR": "$SHADE blue"},
    "hook": {"on-activate": "export SHADE=light"},
    "options": {"locales": ["de_DE.UTF-8"]},
    "containerize": {"config": {"cmd": ["serve", "--all"], "working-dir": "/srv"}},
}


def lower(place: Path, *paths: str, passwd: str = "") -> Path:
    for path in paths:
        (place / path).mkdir(parents=True)
    if passwd:
        (place / "etc").mkdir(parents=True)
        (place / "etc" / "passwd").write_text(passwd)
    return place


def test_a_plan_says_what_an_image_of_the_environment_would(tmp_path) -> None:
    lowers = [lower(tmp_path / "base", passwd="root:x:0:0::/root:/bin/sh\n"), lower(tmp_path / "tool", "opt/tool/bin")]
    plan = plan_of(CHANGE, from_builtins(MANIFEST), lowers)
    assert plan.lowers == [str(path) for path in lowers]
    assert plan.path.endswith(":/bin:/opt/tool/bin")
    assert plan.variables["LANG"] == "de_DE.UTF-8"
    assert plan.variables["FLOX_ENV"] == "/"
    assert plan.variables["BREAKBULK_ENV_PROJECT"] == "/srv"
    assert plan.vars == {"COLOUR": "$SHADE blue"}
    assert plan.hook == "export SHADE=light"
    assert plan.command == ["serve", "--all"]
    assert plan.working_directory == "/srv"
    assert plan.groups == {"0": 0}
    assert "HOME" not in plan.variables


def test_a_plan_is_read_as_it_was_written_and_under_no_other_name(tmp_path) -> None:
    (tmp_path / "plans").mkdir()
    plan = plan_of(CHANGE, Manifest(), [])
    plan.write(str(tmp_path))
    read = MountPlan.read(str(tmp_path), "ada/web", "a" * 64)
    assert read is not None
    assert {name: getattr(read, name) for name in MountPlan.__slots__} == {
        name: getattr(plan, name) for name in MountPlan.__slots__
    }
    assert MountPlan.read(str(tmp_path), "bob/web", "a" * 64) is None
    assert MountPlan.read(str(tmp_path), "../ada/web", "a" * 64) is None


def test_programs_of_own_trees_are_found_in_every_layer(tmp_path) -> None:
    one, two = lower(tmp_path / "1", "opt/b/bin", "opt/nothing/lib"), lower(tmp_path / "2", "opt/a/bin")
    (two / "opt" / "file").write_text("")
    assert own_trees([one, two, tmp_path / "gone"]) == ["a", "b"]


def test_the_topmost_list_of_users_counts_and_its_first_entry(tmp_path) -> None:
    above = lower(tmp_path / "1", passwd="web:x:33:44::/:/bin/sh\nagain:x:33:1::/:/bin/sh\n# no user\nodd:x:y:z::/:\n")
    below = lower(tmp_path / "2", passwd="root:x:0:0::/root:/bin/sh\n")
    assert groups_of([tmp_path / "none", above, below]) == {"33": 44}


def test_users_are_members_of_what_the_topmost_list_of_groups_says(tmp_path) -> None:
    place = lower(tmp_path / "1", passwd="web:x:33:44::/:/bin/sh\nagain:x:33:1::/:/bin/sh\nalone:x:5:5::/:/bin/sh\n")
    (place / "etc" / "group").write_text("web:x:44:web\naudio:x:29:web,root\nssl:x:7:web\nodd:x:y:web\nno:x:8:again\n")
    below = lower(tmp_path / "2", passwd="")
    assert members_of([tmp_path / "none", place, below]) == {"33": [29, 7]}


def test_a_list_of_users_that_is_a_link_is_not_followed(tmp_path) -> None:
    (tmp_path / "secret").write_text("root:x:0:77::/:/bin/sh\n")
    place = lower(tmp_path / "1", "etc")
    (place / "etc" / "passwd").symlink_to(tmp_path / "secret")
    assert groups_of([place]) == {}


@pytest.mark.parametrize("digest", ["", "a" * 63, "../" + "a" * 61, "A" * 64])
def test_no_digest_leads_elsewhere(tmp_path, digest) -> None:
    assert MountPlan.read(str(tmp_path), "ada/web", digest) is None
