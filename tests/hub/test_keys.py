"""Keys in files: readable by their owner alone, by other programs, and never half-way."""

import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from changes import TIME, authorship
from signers import Person

from breakbulk.errors import BreakbulkError
from breakbulk.hub.hub import Hub
from breakbulk.hub.keys import PASSPHRASE_VARIABLE, KeyRing, PublicKey, decode_public, encode_public
from breakbulk.hub.rotation import find_key, rotate
from breakbulk.hub.signing import chosen_key, signer
from breakbulk.hub.trusted_keys import TrustedKey, change_trust, check_owners, covers, read_trust
from breakbulk.settings import Settings


@pytest.fixture
def ada(tmp_path: Path) -> Person:
    return Person(tmp_path, "ada")


def failing(action: object, *arguments: object) -> BreakbulkError:
    assert callable(action)
    with pytest.raises(BreakbulkError) as error:
        action(*arguments)
    return error.value


def test_a_private_key_is_for_its_owner_alone(ada: Person) -> None:
    previous = os.umask(0)
    try:
        ada.ring.make("ada")
    finally:
        os.umask(previous)
    path = ada.ring.directory / "ada.pem"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    path.chmod(0o640)
    error = failing(ada.ring.pair, ada.key)
    assert (error.reference, error.hint) == (
        "key-exposed",
        f"chmod 600 {path}; if others have used this machine, `breakbulk key revoke ada`",
    )


def test_keys_are_those_of_other_programs(ada: Person) -> None:
    from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
    from securesystemslib.signer import SSlibKey

    made = ada.ring.make("ada")
    private = load_pem_private_key((ada.ring.directory / "ada.pem").read_bytes(), None)
    public = load_pem_public_key((ada.ring.directory / "ada.pub").read_bytes())
    assert private.public_key() == public
    assert SSlibKey.from_crypto(public).keyid == made.id


def test_a_public_key_survives_its_file() -> None:
    key = PublicKey(name="ada", public="9f" * 32)
    assert decode_public(encode_public(key), "ada", "file") == key
    assert decode_public(b"said by ada:\r\n" + encode_public(key).replace(b"\n", b"\r\n"), "ada", "file") == key


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI",
        encode_public(PublicKey(name="ada", public="9f" * 32))[:60],
        encode_public(PublicKey(name="ada", public="9f" * 32)).replace(b"MCow", b"MCox"),
        b"-----BEGIN PUBLIC KEY-----\n????\n-----END PUBLIC KEY-----\n",
        b"-----BEGIN PRIVATE KEY-----\nMC4=\n-----END PRIVATE KEY-----\n",
    ],
)
def test_what_is_no_public_key_is_refused(data: bytes) -> None:
    error = failing(decode_public, data, "ada", "ada.pub")
    assert (error.reference, error.exit_code, error.where) == ("key-damaged", 69, "ada.pub")


def test_a_truncated_private_key_is_an_error_that_shows_nothing_of_it(ada: Person) -> None:
    ada.ring.make("ada")
    path = ada.ring.directory / "ada.pem"
    content = path.read_bytes()
    path.write_bytes(content[:70])
    error = failing(ada.ring.pair, ada.key)
    assert error.reference == "key-damaged"
    assert content.decode().splitlines()[1][:10] not in str(error)


def test_a_private_key_beside_another_public_one_is_refused(ada: Person) -> None:
    ada.ring.make("ada")
    ada.ring.make("eve")
    (ada.ring.directory / "eve.pem").replace(ada.ring.directory / "ada.pem")
    assert failing(ada.ring.pair, ada.key).reference == "key-damaged"


def test_a_key_is_never_overwritten(ada: Person) -> None:
    ada.ring.make("ada")
    assert failing(ada.ring.make, "ada").reference == "key-exists"


@pytest.mark.parametrize("name", ["", "..", "a/b", "-x", "a b", "a\n", "x" * 65])
def test_names_of_keys_are_no_paths(ada: Person, name: str) -> None:
    assert failing(ada.ring.make, name).reference == "key-name-invalid"


class TestPassphrase:
    @pytest.fixture
    def file(self, tmp_path: Path) -> Path:
        path = tmp_path / "passphrase"
        path.write_text("a word\n")
        return path

    @pytest.fixture
    def settings(self, ada: Person, file: Path) -> Settings:
        return replace(ada.settings, environment={PASSPHRASE_VARIABLE: str(file)})

    def test_it_comes_from_a_file_or_the_terminal(self, ada: Person, settings: Settings) -> None:
        KeyRing(settings).make("ada", b"a word")
        assert b"ENCRYPTED" in (ada.ring.directory / "ada.pem").read_bytes()
        assert len(signer(settings)(b"payload")) == 1
        assert len(signer(ada.settings, ask=lambda name: b"a word" if name == "ada" else b"")(b"payload")) == 1

    def test_nobody_to_ask_is_an_error_that_names_the_variable(self, ada: Person) -> None:
        ada.ring.make("ada", b"a word")
        error = failing(signer, ada.settings)
        assert error.reference == "passphrase-missing"
        assert PASSPHRASE_VARIABLE in str(error.hint)

    def test_a_wrong_one_is_an_error_that_does_not_repeat_it(self, ada: Person) -> None:
        ada.ring.make("ada", b"a word")
        error = failing(signer, ada.settings, None, lambda _: b"another-word")
        assert error.reference == "passphrase-wrong"
        assert "another-word" not in str(error)

    def test_a_file_that_is_not_there(self, ada: Person, settings: Settings, file: Path) -> None:
        ada.ring.make("ada", b"a word")
        file.unlink()
        assert failing(signer, settings).reference == "passphrase-missing"


class TestChoice:
    def test_the_only_key_signs(self, ada: Person) -> None:
        assert chosen_key(ada.settings) is None
        made = ada.ring.make("ada")
        assert chosen_key(ada.settings) == made

    def test_of_several_the_configured_or_named_one(self, ada: Person) -> None:
        ada.ring.make("ada")
        work = ada.ring.make("work")
        assert chosen_key(ada.settings) is None
        assert chosen_key(ada.settings, "work") == work
        (ada.settings.configuration / "config.toml").write_text('signing-key = "work"\n')
        assert chosen_key(ada.settings) == work
        assert failing(chosen_key, ada.settings, "home").reference == "signing-key-unknown"

    def test_a_key_is_found_by_name_id_or_beginning_of_an_id(self, ada: Person) -> None:
        made = ada.ring.make("ada")
        theirs = PublicKey(name="bob", public="9f" * 32)
        ada.trusts(theirs)
        for name in ("ada", made.id, made.id[:8]):
            assert find_key(ada.settings, ada.ring, name) == made
        for name in ("bob", theirs.id, theirs.id[:8]):
            assert find_key(ada.settings, ada.ring, name) == theirs
        assert failing(find_key, ada.settings, ada.ring, made.id[:4]).reference == "signing-key-unknown"


class TestTrust:
    @pytest.mark.parametrize(
        ("pattern", "owner", "covered"),
        [
            ("ada", "ada", True),
            ("ada", "adam", False),
            ("team-*", "team-desk", True),
            ("team-*", "team", False),
            ("*", "anybody", True),
        ],
    )
    def test_patterns(self, pattern: str, owner: str, covered: bool) -> None:
        check_owners((pattern,))
        assert covers((pattern,), owner) is covered

    @pytest.mark.parametrize("pattern", ["", "a*b", "**", "Ada", "ada/tickets", "[a]", "*x"])
    def test_what_is_no_pattern(self, pattern: str) -> None:
        assert failing(check_owners, (pattern,)).reference == "owner-pattern-invalid"

    def test_to_trust_again_adds_owners(self, ada: Person) -> None:
        key = PublicKey(name="bob", public="9f" * 32)
        ada.trusts(key, "bob").trusts(PublicKey(name="robert", public="9f" * 32), "team-*")
        (trusted,) = read_trust(ada.settings).keys
        assert (trusted.key.name, trusted.owners) == ("robert", ("bob", "team-*"))

    def test_processes_that_write_at_once_lose_nothing(self, ada: Person) -> None:
        from concurrent.futures import ThreadPoolExecutor

        def add(number: int) -> None:
            key = PublicKey(name=f"key{number}", public=f"{number:064x}")
            trusted = TrustedKey(key=key, owners=("ada",), since=TIME)
            change_trust(ada.settings, lambda trust: trust.trusting(trusted))

        with ThreadPoolExecutor(8) as threads:
            list(threads.map(add, range(40)))
        assert len(read_trust(ada.settings).keys) == 40


class _Killed(BaseException):
    pass


@pytest.mark.parametrize("moment", ["successor-made", "rotation-published", "old-key-retired"])
def test_a_rotation_that_was_killed_goes_on(
    hub: Hub, ada: Person, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = ada.ring.make("ada")

    def passed(name: str) -> None:
        if name == moment:
            raise _Killed

    with monkeypatch.context() as patched:
        patched.setattr("breakbulk.hub.rotation.passed", passed)
        with pytest.raises(_Killed):
            rotate(hub, ada.ring, "ada", authorship(), ada.settings)
    done = rotate(hub, ada.ring, "ada", authorship(), ada.settings)
    (new,) = ada.ring.own()
    (former,) = ada.ring.former()
    assert (new.name, new.id, former.id) == ("ada", done.new.id, old.id)
    assert done.old.id == old.id
    assert len(list(hub.objects.list(f"keys/{old.id}/"))) == 1
