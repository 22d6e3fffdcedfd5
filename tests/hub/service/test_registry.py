import sqlite3
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from breakbulk.errors import HubError, NotFoundError, StoreError
from breakbulk.hub.service.audit import AuditLog, Entry
from breakbulk.hub.service.registry import DATABASE, Registry
from breakbulk.hub.service.tokens import Token, mint

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture
def registry(tmp_path: Path):
    opened = Registry(tmp_path / "state")
    yield opened
    opened.close()


def add(registry: Registry, **changes) -> tuple[Token, str]:
    values = {"subject": "ada", "owners": ("*",), "verbs": ("read",), "lifetime": timedelta(days=1), "now": NOW}
    token, text = mint(**(values | changes))
    registry.add(token, text)
    return token, text


def test_a_token_is_found_by_its_text_alone(registry: Registry) -> None:
    token, text = add(registry)
    assert registry.find(text, NOW) == token
    forged = text[:-1] + ("A" if text[-1] != "A" else "B")
    for other in (forged, "", "bbk_", f"bbk_{token.identifier}_", text.upper(), text + "\n"):
        with pytest.raises(HubError, match="token-unknown"):
            registry.find(other, NOW)


def test_only_digests_are_kept_and_only_the_owner_reads_them(registry: Registry, tmp_path: Path) -> None:
    _, text = add(registry)
    secret = text.split("_", 2)[2].encode()
    for path in (tmp_path / "state").iterdir():
        assert secret not in path.read_bytes()
    assert stat.S_IMODE((tmp_path / "state" / DATABASE).stat().st_mode) == 0o600


def test_revoking_counts_at_once_in_every_process(registry: Registry, tmp_path: Path) -> None:
    token, text = add(registry)
    secret, _ = registry.begin_session(token, NOW)
    program = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from breakbulk.hub.service.registry import Registry
Registry(Path(sys.argv[1])).revoke(sys.argv[2], datetime.now(UTC))
"""
    subprocess.run([sys.executable, "-c", program, tmp_path / "state", token.identifier], check=True, timeout=30)
    with pytest.raises(HubError, match="token-revoked"):
        registry.find(text, NOW)
    assert registry.session(secret, NOW) is None
    first = registry.token(token.identifier)
    assert registry.revoke(token.identifier, NOW + timedelta(days=5)) == first
    with pytest.raises(NotFoundError, match="token-not-found"):
        registry.revoke("nothing", NOW)


def test_sign_ins_end_with_their_token(registry: Registry) -> None:
    token, _ = add(registry, lifetime=timedelta(hours=1))
    secret, expires = registry.begin_session(token, NOW)
    assert expires == token.expires
    assert registry.session(secret, NOW) == token
    assert registry.session(secret, NOW + timedelta(hours=1)) is None
    assert registry.session("guess", NOW) is None
    registry.end_session(secret)
    assert registry.session(secret, NOW) is None


def test_a_secret_stays_the_same(registry: Registry, tmp_path: Path) -> None:
    first = registry.secret("forms")
    again = Registry(tmp_path / "state")
    assert again.secret("forms") == first
    assert again.secret("other") != first
    again.close()


def test_state_that_cannot_be_opened(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="service-state"):
        Registry(tmp_path / "file")
    (tmp_path / DATABASE).write_text("this is no database, and longer than its header would be" * 10)
    with pytest.raises(StoreError, match="service-state"):
        Registry(tmp_path)


def test_the_audit_log_only_grows(tmp_path: Path) -> None:
    log = AuditLog(tmp_path)
    for number in range(5):
        log.record(Entry(time=NOW, action=f"a{number}", result="done", subject="ada" if number % 2 else "bob"))
    assert [entry.action for entry in log.entries()] == ["a4", "a3", "a2", "a1", "a0"]
    assert [entry.number for entry in log.entries(before=4, limit=2)] == [3, 2]
    assert [entry.action for entry in log.entries(subject="ada")] == ["a3", "a1"]
    log.close()
    connection = sqlite3.connect(tmp_path / DATABASE)
    for statement in ("DELETE FROM audit", "UPDATE audit SET subject = 'eve'"):
        with pytest.raises(sqlite3.DatabaseError, match="append-only"):
            connection.execute(statement)
    connection.close()
