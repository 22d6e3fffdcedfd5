"""Signing keys of this user: pairs of ed25519 keys in files, in the directory `keys` of the configuration.

    keys/ada.pem            private, PKCS #8, with a passphrase or without; nobody else may read it
    keys/ada.pub            public, as `openssl pkey -pubin` reads it
    keys/retired/ada-1a2b.* what was rotated or revoked: signs nothing any more but its own revocation

A public key is named by its id, which is computed from the key itself (securesystemslib's rule), so that nobody can
give a key the name of another. Private keys leave this module only as something that signs. Counterparts: `signing`,
`trusted_keys`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec

from breakbulk.errors import IntegrityError, NotFoundError, StoreError, UsageError
from breakbulk.lock.replacing import half_made, replace_file
from breakbulk.settings import Settings

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from securesystemslib.signer import CryptoSigner

__all__ = [
    "PASSPHRASE_VARIABLE",
    "KeyPair",
    "KeyRing",
    "PublicKey",
    "check_key_name",
    "decode_public",
    "encode_public",
    "write_private_file",
]

PASSPHRASE_VARIABLE = "BREAKBULK_KEY_PASSPHRASE_FILE"  # noqa: S105 - its name
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.@-]{0,62}[A-Za-z0-9])?", re.ASCII)
_HEAD, _FOOT = "-----BEGIN PUBLIC KEY-----", "-----END PUBLIC KEY-----"
_ED25519 = bytes.fromhex("302a300506032b6570032100")  # RFC 8410: SubjectPublicKeyInfo up to the key's own 32 bytes
_LARGEST_BYTES = 64 << 10

AskPassphrase = Callable[[str], bytes]
"""Asks the user for the passphrase of the key of this name."""


class PublicKey(msgspec.Struct, frozen=True, kw_only=True):
    """A public key: 64 hexadecimal digits, and what its owner or whoever trusts it calls it."""

    name: str
    public: Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{64}\Z")]

    @property
    def id(self) -> str:
        """Its id: the SHA-256 of the key in canonical JSON, as securesystemslib computes it."""
        text = f'{{"keytype":"ed25519","keyval":{{"public":"{self.public}"}},"scheme":"ed25519"}}'
        return hashlib.sha256(text.encode()).hexdigest()


class KeyPair:
    """A private key that is ready to sign."""

    def __init__(self, public: PublicKey, signer: CryptoSigner) -> None:
        self.public = public
        self._signer = signer

    def sign(self, data: bytes) -> bytes:
        """Return the signature of `data`."""
        return bytes.fromhex(self._signer.sign(data).signature)


class KeyRing:
    """The keys of one user.

    Args:
        settings: They name the directory, and perhaps the file with the passphrase.
        ask: Asks for a passphrase where no file has it.

    """

    def __init__(self, settings: Settings, ask: AskPassphrase | None = None) -> None:
        self.directory = settings.configuration / "keys"
        self.retired = self.directory / "retired"
        self._passphrase_file = settings.environment.get(PASSPHRASE_VARIABLE, "")
        self._ask = ask

    def own(self) -> tuple[PublicKey, ...]:
        """Return the keys that can sign, by name; raise `IntegrityError` `key-damaged`."""
        return tuple(_read_public(path) for path in _public_files(self.directory))

    def former(self) -> tuple[PublicKey, ...]:
        """Return the keys that were retired."""
        return tuple(_read_public(path) for path in _public_files(self.retired))

    def find(self, name: str) -> PublicKey | None:
        """Return the own key, or the retired one, of this name or with this id or beginning of an id."""
        every = (*self.own(), *self.former())
        named = next((key for key in every if key.name == name), None)
        return named or next((key for key in every if len(name) >= 8 and key.id.startswith(name)), None)

    def make(self, name: str, passphrase: bytes | None = None) -> PublicKey:
        """Make a new key; raise `UsageError` `key-exists`, `key-name-invalid`, `StoreError` `key-not-writable`."""
        check_key_name(name)
        private = self._path(name)
        if private.exists() or private.with_suffix(".pub").exists():
            raise UsageError(
                f"there is a key {name} already",
                identifier="key-exists",
                where=str(private),
                hint="choose another name, or `breakbulk key rotate` it",
            )
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        key = Ed25519PrivateKey.generate()
        public = PublicKey(name=name, public=key.public_key().public_bytes_raw().hex())
        try:
            write_private_file(private, _encoded(key, passphrase))
            replace_file(private.with_suffix(".pub"), encode_public(public), 0o644)
        except OSError as error:
            raise _unwritable(private, error) from error
        return public

    def pair(self, key: PublicKey) -> KeyPair:
        """Return a key of this ring ready to sign.

        Raises:
            UsageError: `key-exposed`, others may read it; `passphrase-wrong`, `passphrase-missing`.
            NotFoundError: `signing-key-unknown`.
            IntegrityError: `key-damaged`.

        """
        path = self._private_file(key)
        signer = _signer(path, _read_private(path), lambda: self._passphrase(key.name))
        found = PublicKey(name=key.name, public=signer.public_key.keyval["public"])
        if found.public != key.public:
            raise _damaged(path, "it is not the private key of the public key beside it")
        return KeyPair(found, signer)

    def retire(self, key: PublicKey) -> None:
        """Put a key where it signs nothing any more."""
        self._rename(key.name, self.retired / f"{key.name}-{key.id[:8]}.pem")

    def rename(self, key: PublicKey, name: str) -> None:
        """Give a key another name."""
        self._rename(key.name, self._path(name))

    def passphrase_for_new(self, name: str) -> bytes:
        """Return the passphrase that a new key shall have."""
        return self._passphrase(name)

    def _rename(self, name: str, target: Path) -> None:
        """Move both files, the private one first: a key whose public file is left can be moved once more."""
        source = self._path(name)
        try:
            target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            for suffix in (".pem", ".pub"):
                with suppress(FileNotFoundError):
                    source.with_suffix(suffix).replace(target.with_suffix(suffix))
        except OSError as error:
            raise _unwritable(target, error) from error

    def _path(self, name: str) -> Path:
        return self.directory / f"{name}.pem"

    def _private_file(self, key: PublicKey) -> Path:
        """Return where the private key is: among those that sign, or among the retired ones."""
        places = (self._path(key.name), self.retired / f"{key.name}.pem", self.retired / f"{key.name}-{key.id[:8]}.pem")
        return next((path for path in places if path.exists()), places[0])

    def _passphrase(self, name: str) -> bytes:
        if self._passphrase_file:
            try:
                return Path(self._passphrase_file).read_bytes().rstrip(b"\r\n")
            except OSError as error:
                raise UsageError(
                    "the file with the passphrase cannot be read",
                    identifier="passphrase-missing",
                    where=f"{PASSPHRASE_VARIABLE}={self._passphrase_file}",
                    why=error.strerror,
                ) from error
        if self._ask is None:
            raise UsageError(
                f"the key {name} has a passphrase, and nobody is there to be asked",
                identifier="passphrase-missing",
                hint=f"write it into a file that only you can read and name that in {PASSPHRASE_VARIABLE}",
            )
        return self._ask(name)


def check_key_name(name: str) -> None:
    """Raise `UsageError` `key-name-invalid` unless `name` can be that of a key."""
    if not _NAME.fullmatch(name):
        raise UsageError(
            "this is not a name for a key",
            identifier="key-name-invalid",
            where=repr(name[:100]),
            hint="use letters, digits, and `_`, `.`, `@` or `-` between them, up to 64",
        )


def encode_public(key: PublicKey) -> bytes:
    """Return a public key as PEM (RFC 7468, RFC 8410)."""
    text = base64.b64encode(_ED25519 + bytes.fromhex(key.public)).decode()
    return f"{_HEAD}\n{text}\n{_FOOT}\n".encode()


def decode_public(data: bytes, name: str, where: str) -> PublicKey:
    """Return the ed25519 public key in PEM; raise `IntegrityError` `key-damaged`."""
    text = data[:_LARGEST_BYTES].decode(errors="replace")
    if "PRIVATE KEY" in text:
        raise _damaged(where, "this is a private key, which is for nobody but its owner")
    _, head, rest = text.partition(_HEAD)
    body, foot, _ = rest.partition(_FOOT)
    try:
        der = base64.b64decode("".join(body.split()), validate=True) if head and foot else b""
    except binascii.Error:
        der = b""
    if len(der) != len(_ED25519) + 32 or not der.startswith(_ED25519):
        raise _damaged(where, "it is not an ed25519 public key in PEM")
    return PublicKey(name=name, public=der[len(_ED25519) :].hex())


def write_private_file(path: Path, data: bytes) -> None:
    """Write a file that only its owner may read, in a directory that only its owner may enter; raise `OSError`."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with half_made(path) as temporary, temporary.open("wb") as file:  # mkstemp(3) makes it for its owner alone
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _public_files(directory: Path) -> Iterator[Path]:
    with suppress(FileNotFoundError, NotADirectoryError):
        yield from sorted(path for path in directory.iterdir() if path.suffix == ".pub" and _NAME.fullmatch(path.stem))


def _read_public(path: Path) -> PublicKey:
    try:
        return decode_public(path.read_bytes(), path.stem, str(path))
    except OSError as error:
        raise _damaged(path, error.strerror or "") from error


def _read_private(path: Path) -> bytes:
    """Return the bytes of a private key that nobody else may read."""
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise UsageError(
                    "others may read this private key",
                    identifier="key-exposed",
                    where=str(path),
                    why="whoever has read it can sign as you",
                    hint=f"chmod 600 {path}; if others have used this machine, `breakbulk key revoke {path.stem}`",
                )
            return file.read(_LARGEST_BYTES)
    except FileNotFoundError as error:
        raise NotFoundError(
            f"there is no private key {path.stem}",
            identifier="signing-key-unknown",
            where=str(path),
            hint="`breakbulk key list` shows yours; `breakbulk key new NAME` makes one",
        ) from error
    except OSError as error:
        raise _damaged(path, error.strerror or "") from error


def _signer(path: Path, data: bytes, passphrase: Callable[[], bytes]) -> CryptoSigner:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key
    from securesystemslib.signer import CryptoSigner

    secret = passphrase() if b"BEGIN ENCRYPTED PRIVATE KEY" in data else None
    try:
        key = load_pem_private_key(data, secret)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:  # whose texts are nobody's business
        if secret is not None:
            raise UsageError(
                f"this is not the passphrase of the key {path.stem}",
                identifier="passphrase-wrong",
                where=str(path),
                hint="type it again; if it is right, the file is damaged: restore it from a backup",
            ) from None
        raise _damaged(path, type(error).__name__) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise _damaged(path, "it is not an ed25519 key")
    return CryptoSigner(key)


def _encoded(key: Ed25519PrivateKey, passphrase: bytes | None) -> bytes:
    from cryptography.hazmat.primitives.serialization import (
        BestAvailableEncryption,
        Encoding,
        NoEncryption,
        PrivateFormat,
    )

    encryption = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


def _unwritable(path: Path, error: OSError) -> StoreError:
    return StoreError("the key cannot be kept", identifier="key-not-writable", where=str(path), why=error.strerror)


def _damaged(path: Path | str, why: str) -> IntegrityError:
    return IntegrityError(
        "a key cannot be read",
        identifier="key-damaged",
        where=str(path),
        why=why,
        hint="restore it from a backup, or make a new one with `breakbulk key new`",
    )
