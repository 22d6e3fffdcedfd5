"""Trees of many files are deleted, and nothing but them."""

from pathlib import Path

from breakbulk.cluster.deletion import delete_tree
from breakbulk.reporting import SILENT


def test_everything_below_goes_and_what_links_lead_to_stays(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").touch()
    tree = tmp_path / "tree"
    for number in range(40):
        directory = tree / str(number % 7) / str(number)
        directory.mkdir(parents=True)
        (directory / "file").touch(mode=0o000)
        (directory / "directory").symlink_to(kept)
        (directory / "nowhere").symlink_to("nowhere")
        directory.chmod(0o500)
    delete_tree(tree, SILENT)
    delete_tree(tree, SILENT)
    assert [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")] == ["kept", "kept/file"]


def test_a_link_is_no_tree(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "link").symlink_to("kept")
    delete_tree(tmp_path / "link", SILENT)
    assert (tmp_path / "kept").is_dir()
