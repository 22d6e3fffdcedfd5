"""Keys and certificates of a native cluster: three authorities, and what they have signed.

The authorities of Kubernetes, of etcd and of the front proxy are apart, as `kubeadm` has them: whoever holds any
certificate of the first would otherwise be let into the database. Keys are readable by their owner only. Whatever is
missing, does not fit its key, was issued for other names or is about to expire is issued again, so a killed `up` leaves
nothing that the next one could not mend. https://kubernetes.io/docs/setup/best-practices/certificates
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, ip_address
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

__all__ = ["Authority", "Identity", "open_authority", "private_key", "write_private"]

_AUTHORITY_DAYS = 3650
_CERTIFICATE_DAYS = 365
_RENEWED_BEFORE_DAYS = 30
_BACKDATED = timedelta(hours=1)
"""Clocks of what reads it may be behind."""


@dataclass(frozen=True)
class Identity:
    """Whom a certificate is for.

    Attributes:
        file: Name of its files without `.crt` and `.key`.
        common_name: User name of a client.
        organizations: Groups of a client.
        hosts: Names and addresses of a server; none makes it a client only.

    """

    file: str
    common_name: str
    organizations: tuple[str, ...] = ()
    hosts: tuple[str, ...] = field(default=())


@dataclass(frozen=True)
class Authority:
    """Who signs; `certificate` and the files of what is issued are beside each other."""

    directory: Path
    key: ec.EllipticCurvePrivateKey
    root: x509.Certificate

    @property
    def certificate(self) -> Path:
        """File of its own certificate."""
        return self.directory / "ca.crt"

    @property
    def key_file(self) -> Path:
        """File of its own key."""
        return self.directory / "ca.key"

    def issue(self, identity: Identity) -> tuple[Path, Path]:
        """Return the files of a certificate and its key, new ones where there are none that hold; raise `OSError`."""
        certificate, key = (self.directory / f"{identity.file}{suffix}" for suffix in (".crt", ".key"))
        if not _holds(certificate, key, identity, self.root):
            own = ec.generate_private_key(ec.SECP256R1())
            write_private(key, _key_bytes(own))
            write_private(certificate, _certificate_bytes(self._sign(identity, own)))
        return certificate, key

    def _sign(self, identity: Identity, own: ec.EllipticCurvePrivateKey) -> x509.Certificate:
        builder = _builder(_name(identity), self.root.subject, own.public_key(), _CERTIFICATE_DAYS)
        usages = [ExtendedKeyUsageOID.CLIENT_AUTH]
        if identity.hosts:
            usages.append(ExtendedKeyUsageOID.SERVER_AUTH)
            builder = builder.add_extension(x509.SubjectAlternativeName(_hosts(identity)), critical=False)
        return (
            builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(signs=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
            .sign(self.key, hashes.SHA256())
        )


def open_authority(directory: Path, common_name: str) -> Authority:
    """Return the authority of a directory, a new one where there is none that holds; raise `OSError`."""
    certificate, key = directory / "ca.crt", directory / "ca.key"
    try:
        own = _read_key(key)
        root = x509.load_pem_x509_certificate(certificate.read_bytes())
    except (OSError, ValueError):
        return _new_authority(directory, common_name)
    if root.public_key() != own.public_key() or _expires_soon(root):
        return _new_authority(directory, common_name)
    return Authority(directory, own, root)


def private_key(path: Path) -> None:
    """Make a key, and its public half beside it as `.pub`, where there is none; raise `OSError`."""
    try:
        own = _read_key(path)
    except (OSError, ValueError):
        own = ec.generate_private_key(ec.SECP256R1())
        write_private(path, _key_bytes(own))
    public = own.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    write_private(path.with_suffix(".pub"), public)


def write_private(path: Path, content: bytes) -> None:
    """Write a file whole, readable by its owner only; raise `OSError`."""
    half = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    half.replace(path)


def _new_authority(directory: Path, common_name: str) -> Authority:
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    root = (
        _builder(subject, subject, key.public_key(), _AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(_key_usage(signs=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    write_private(directory / "ca.key", _key_bytes(key))
    write_private(directory / "ca.crt", _certificate_bytes(root))
    return Authority(directory, key, root)


def _builder(
    subject: x509.Name, issuer: x509.Name, public_key: ec.EllipticCurvePublicKey, days: int
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + timedelta(days=days))
    )


def _name(identity: Identity) -> x509.Name:
    organizations = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, one) for one in identity.organizations]
    return x509.Name([*organizations, x509.NameAttribute(NameOID.COMMON_NAME, identity.common_name)])


def _hosts(identity: Identity) -> list[x509.GeneralName]:
    return [_host(host) for host in identity.hosts]


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _key_usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs,
        crl_sign=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _holds(certificate: Path, key: Path, identity: Identity, root: x509.Certificate) -> bool:
    try:
        found = x509.load_pem_x509_certificate(certificate.read_bytes())
        own = _read_key(key)
        found.verify_directly_issued_by(root)
    except (OSError, ValueError, TypeError, InvalidSignature):
        return False
    return (
        found.public_key() == own.public_key()
        and found.subject == _name(identity)
        and sorted(_issued_hosts(found)) == sorted(identity.hosts)
        and not _expires_soon(found)
    )


def _issued_hosts(certificate: x509.Certificate) -> Sequence[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    addresses = [str(one) for one in names.get_values_for_type(x509.IPAddress) if isinstance(one, IPv4Address)]
    return [*names.get_values_for_type(x509.DNSName), *addresses]


def _expires_soon(certificate: x509.Certificate) -> bool:
    return certificate.not_valid_after_utc - datetime.now(UTC) < timedelta(days=_RENEWED_BEFORE_DAYS)


def _read_key(path: Path) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError(f"{path} is no key of an elliptic curve")  # noqa: TRY004 - a damaged file, like others
    return key


def _key_bytes(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _certificate_bytes(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
