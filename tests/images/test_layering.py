"""Which tree is in which layer: shared between environments, in the order of the overlay where that decides."""

from collections.abc import Iterable

from breakbulk.ecosystems.interface import Entry
from breakbulk.images.content import Leaf, Tree
from breakbulk.images.layering import LAYERS_MAX, LayerPlan, plan
from breakbulk.lock.model import Package


def file(content: str = "x", size: int = 1) -> Leaf:
    return Leaf(entry=Entry("file", 0o644, content, size), source=content.encode())


def directory(mode: int = 0o755) -> Leaf:
    return Leaf(entry=Entry("directory", mode, ""), source=b"")


def tree(name: str, version: str = "1", size: int = 1, **leaves: Leaf) -> Tree:
    package = Package(
        ecosystem="deb", name=name, version=version, file="f", size=1, sha256="0" * 64, purl=f"pkg:{name}"
    )
    shown = {path.replace("__", "/"): leaf for path, leaf in leaves.items()}
    return Tree(name=f"key-{name}-{version}", package=package, size=size, leaves=shown or {name: file(version)})


def shown(layers: Iterable[LayerPlan]) -> dict[str, str]:
    """Return what the layers show, as a container engine stacks them."""
    seen: dict[str, Leaf] = {}
    for layer in layers:
        for path, leaf in layer.leaves.items():
            if leaf.entry.kind != "directory":
                seen = {name: each for name, each in seen.items() if not name.startswith(f"{path}/")}
            seen[path] = leaf
    return {path: f"{leaf.entry.kind}:{leaf.entry.content}:{leaf.entry.mode:o}" for path, leaf in seen.items()}


def test_each_package_has_a_layer_and_the_base_is_on_top() -> None:
    layers = plan(tree("base"), [tree("b"), tree("a")])
    assert [layer.title for layer in layers] == ["deb:a 1", "deb:b 1", "deb:base 1"]


def test_many_packages_are_grouped_and_another_version_changes_one_layer() -> None:
    trees = [tree(f"p{number}", size=number) for number in range(400)]
    layers = plan(None, trees)
    assert len(layers) < LAYERS_MAX <= 100
    assert len(shown(layers)) == 400
    changed = plan(None, [tree("p3", "2", size=3) if each.package.name == "p3" else each for each in trees])
    assert sum(one.leaves != other.leaves for one, other in zip(layers, changed, strict=True)) == 1
    assert plan(None, trees[::-1]) == layers


def test_where_two_do_not_agree_the_upper_one_wins() -> None:
    upper = tree("upper", d=directory(0o700), d__f=file("upper"), x=file("file"))
    lower = tree("lower", d=directory(0o755), d__f=file("lower"), d__only=file("only"), x=directory(), x__y=file("y"))
    found = shown(plan(None, [upper, tree("other"), lower]))
    assert found == {
        "d": "directory::700",
        "d/f": "file:upper:644",
        "d/only": "file:only:644",
        "x": "file:file:644",
        "other": "file:1:644",
    }
    assert "d/f" in shown(plan(None, [lower, upper]))
    assert shown(plan(None, [lower, upper]))["d/f"] == "file:lower:644"


def test_directories_that_are_equal_are_no_quarrel() -> None:
    one, other = tree("one", d=directory(), d__a=file()), tree("other", d=directory(), d__b=file())
    assert len(plan(None, [one, other])) == 2


def test_a_hard_link_to_what_is_hidden_is_a_file() -> None:
    linked = Leaf(entry=Entry("file", 0o644, "lower", 1), source=b"z", same_as="a")
    lower = tree("lower", a=file("lower"), b=linked)
    [layer] = plan(None, [tree("upper", a=file("upper")), lower])
    assert layer.leaves["b"].same_as is None
    assert layer.leaves["b"].source == b"z"
