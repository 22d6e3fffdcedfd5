"""Keys of S3 from the files that Amazon's tools write: `~/.aws/credentials` and `~/.aws/config`.

Only what stands in them: profiles that refer to other places (single sign-on, roles to assume, programs) are for those
tools, which can put keys into the environment (`aws configure export-credentials --format env`).
"""

from __future__ import annotations

import configparser
from collections.abc import Mapping
from pathlib import Path

__all__ = ["profile_settings"]

_KEYS = {
    "aws_access_key_id": "access_key_id",
    "aws_secret_access_key": "secret_access_key",
    "aws_session_token": "session_token",
    "region": "region",
    "endpoint_url": "endpoint",
}
_ELSEWHERE = ("AWS_ACCESS_KEY_ID", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_SKIP_SIGNATURE")
_CREDENTIALS = {"access_key_id", "secret_access_key", "session_token"}


def profile_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what the files say of the profile AWS_PROFILE, without keys when the environment has some."""
    profile = environment.get("AWS_PROFILE") or "default"
    home = Path(environment.get("HOME") or "/nonexistent") / ".aws"
    files = (
        (environment.get("AWS_CONFIG_FILE") or home / "config", f"profile {profile}"),
        (environment.get("AWS_SHARED_CREDENTIALS_FILE") or home / "credentials", profile),
    )
    found: dict[str, str] = {}
    for path, section in files:
        found |= _section(Path(path), section) or _section(Path(path), profile)
    if any(environment.get(variable) for variable in _ELSEWHERE):
        return {name: value for name, value in found.items() if name not in _CREDENTIALS}
    return found


def _section(path: Path, section: str) -> dict[str, str]:
    """Return the settings of one section; nothing of a file that is not there or is none of this kind."""
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, configparser.Error):
        return {}
    if not parser.has_section(section):
        return {}
    return {_KEYS[key]: value for key, value in parser.items(section) if key in _KEYS and value}
