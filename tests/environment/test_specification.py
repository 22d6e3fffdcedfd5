"""Mounts as words, and which directories of this machine may be shown."""

from pathlib import Path

import pytest

from breakbulk.environment.specification import Mount, parse_mount
from breakbulk.environment.visibility import is_system_directory
from breakbulk.errors import UsageError


@pytest.mark.parametrize(
    ("word", "source", "target", "writable"),
    [
        ("/data", "/data", "/data", True),
        ("/data:ro", "/data", "/data", False),
        ("/data:/mnt/x", "/data", "/mnt/x", True),
        ("/data:/mnt/x:ro", "/data", "/mnt/x", False),
        ("sub:/mnt/x", "/here/sub", "/mnt/x", True),
    ],
)
def test_mount(word, source, target, writable):
    expected = Mount(source=Path(source), target=target, writable=writable)
    assert parse_mount(word, Path("/here")) == expected


@pytest.mark.parametrize("word", ["", ":ro", "/a:b", "/a:/b:/c", "/a:/b:rw", "/a:/../b", "/a:/", ":/x"])
def test_bad_mount_is_refused_with_the_right_form(word):
    with pytest.raises(UsageError) as caught:
        parse_mount(word, Path("/here"))
    assert caught.value.reference == "mount-invalid"
    assert "--mount /data" in caught.value.hint


@pytest.mark.parametrize(
    "path", ["/", "/usr", "/usr/lib", "/etc/x", "/proc/1", "/dev/shm", "/home", "/var/lib", "/bin"]
)
def test_system_directories(path):
    assert is_system_directory(Path(path))


@pytest.mark.parametrize("path", ["/home/joe", "/srv/app", "/usr/src/app", "/opt/app", "/tmp", "/root", "/var/www"])
def test_other_directories(path):
    assert not is_system_directory(Path(path))
