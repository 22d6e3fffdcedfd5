"""Who signed a Release file, and whether he may: OpenPGP signatures against the user's apt keyrings.

A source names its keyring in `Signed-By`; without it every key that apt trusts counts: `trusted.gpg`,
`trusted.gpg.d/*` and the archive keyring of Debian. What is returned is exactly what was signed, never the text around
it: an attacker may add lines outside a clear-signed message. One good signature of a permitted key is enough, as for
apt; a source cannot be exempted (`trusted=yes` is not honoured).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from breakbulk.ecosystems.deb.sources import Source
from breakbulk.errors import IntegrityError

__all__ = ["verify_clear_signed", "verify_detached"]

ARCHIVE_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_FINGERPRINT = re.compile(r"[0-9A-Fa-f]{16,64}!?")


def verify_clear_signed(signed: bytes, source: Source, apt_directory: Path) -> bytes:
    """Return the text of a clear-signed message (`InRelease`).

    Raises:
        IntegrityError: `deb-key-missing`: none of the signers is a permitted key; `deb-signature-invalid`: the
            signature of a permitted key is wrong, or there is none.

    """
    return _verify(signed, None, source, apt_directory)


def verify_detached(text: bytes, signature: bytes, source: Source, apt_directory: Path) -> bytes:
    """Return `text` when `signature` (`Release.gpg`) is one of it; raises as `verify_clear_signed`."""
    return _verify(text, signature, source, apt_directory)


def _verify(text: bytes, detached: bytes | None, source: Source, apt_directory: Path) -> bytes:
    from pysequoia import Sig, verify

    keyrings = _Keyrings(source, apt_directory)
    asked: list[str] = []

    def certificates(key_ids: list[str]) -> list[Any]:
        asked.extend(key_ids)
        return keyrings.certificates

    try:
        signature = None if detached is None else Sig.from_bytes(detached)
        verified = verify(bytes=text, store=certificates, signature=signature)
    except (RuntimeError, ValueError) as error:
        raise _refusal(source, keyrings, asked, str(error).partition("\n")[0]) from error
    signers = {signature.certificate.upper() for signature in verified.valid_sigs}
    signers |= {signature.signing_key.upper() for signature in verified.valid_sigs}
    if not keyrings.permits(signers):
        raise _refusal(source, keyrings, sorted(signers), "")
    return text if verified.bytes is None else bytes(verified.bytes)


def _refusal(source: Source, keyrings: _Keyrings, key_ids: list[str], why: str) -> IntegrityError:
    known = keyrings.key_ids()
    if key_ids and not any(key_id.upper().endswith(each) for key_id in key_ids for each in known):
        return IntegrityError(
            f"the suite {source.suite!r} is signed by a key that is not trusted",
            identifier="deb-key-missing",
            where=f"{source.where}, signed by {', '.join(key_id.upper() for key_id in dict.fromkeys(key_ids))}",
            why=f"searched: {keyrings.described()}",
            hint="install the archive's keyring (`apt-get install debian-archive-keyring`), or name it in Signed-By",
        )
    return IntegrityError(
        f"the signature of the suite {source.suite!r} is wrong",
        identifier="deb-signature-invalid",
        where=source.where,
        why=why or None,
        hint="the mirror, or somebody between, changed the Release file: try again, then another mirror",
    )


class _Keyrings:
    """The certificates a source may be signed with."""

    def __init__(self, source: Source, apt_directory: Path) -> None:
        self.fingerprints = {word.upper() for word in source.signed_by if _FINGERPRINT.fullmatch(word)}
        self.embedded = [word for word in source.signed_by if word.startswith("-----BEGIN")]
        named = [Path(word) for word in source.signed_by if word.startswith("/")]
        self.paths = named if named or self.embedded else list(_trusted(apt_directory))
        self.blobs = [*(key.encode() for key in self.embedded), *(_read(path, source) for path in self.paths)]
        self.certificates = [each for blob in self.blobs for each in _split(blob)]

    def permits(self, signers: Iterable[str]) -> bool:
        """Say whether one of the signers (fingerprints of keys and of their certificates) is one asked for."""
        if not self.fingerprints:
            return True
        return any(signer.endswith(each.rstrip("!")) for signer in signers for each in self.fingerprints)

    def key_ids(self) -> set[str]:
        """Return the 16-digit ids of all keys and subkeys."""
        from pysequoia.packet import PacketPile

        packets = (packet for blob in self.blobs for packet in _packets(PacketPile, blob))
        found = {str(packet.key_id).upper() for packet in packets if packet.key_id}
        if not self.fingerprints:
            return found
        return {each for each in found if any(wanted.rstrip("!").endswith(each) for wanted in self.fingerprints)}

    def described(self) -> str:
        """Return where keys were looked for."""
        places = [str(path) for path in self.paths] + ["the key in the source itself"] * bool(self.embedded)
        return ", ".join(places) or "no keyring at all"


def _packets(pile: Any, blob: bytes) -> list[Any]:
    return [packet for packet in pile.from_bytes(blob) if str(packet.tag) in {"Tag.PublicKey", "Tag.PublicSubkey"}]


def _trusted(apt_directory: Path) -> Iterable[Path]:
    parts = apt_directory / "trusted.gpg.d"
    candidates = [apt_directory / "trusted.gpg", *(sorted(parts.iterdir()) if parts.is_dir() else ()), ARCHIVE_KEYRING]
    return (path for path in candidates if path.suffix in {".gpg", ".asc"} and path.is_file())


def _read(path: Path, source: Source) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise IntegrityError(
            f"the keyring {path} cannot be read",
            identifier="deb-key-missing",
            where=source.where,
            why=error.strerror,
            hint="install the package with the archive's keyring, or correct Signed-By",
        ) from error


def _split(blob: bytes) -> list[Any]:
    """Return the certificates of a keyring; one in another format (a GnuPG keybox) holds none that apt would take."""
    from pysequoia import Cert

    try:
        return list(Cert.split_bytes(blob))
    except (RuntimeError, ValueError):
        return []
