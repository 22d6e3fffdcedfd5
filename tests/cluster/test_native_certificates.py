"""Keys and certificates: they verify, only their owner reads them, and whatever no longer holds is made again."""

import ssl
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from breakbulk.cluster import certificates
from breakbulk.cluster.certificates import Identity, open_authority, private_key

SERVER = Identity("apiserver", "kube-apiserver", hosts=("kubernetes", "10.96.0.1"))
CLIENT = Identity("admin", "administrator", ("system:masters",))


def test_only_the_owner_can_read_what_is_written(tmp_path: Path) -> None:
    authority = open_authority(tmp_path / "pki", "test")
    authority.issue(SERVER)
    private_key(tmp_path / "pki" / "service-accounts.key")
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "pki").iterdir()}
    assert set(modes.values()) == {0o600}
    assert set(modes) == {
        "ca.crt",
        "ca.key",
        "apiserver.crt",
        "apiserver.key",
        "service-accounts.key",
        "service-accounts.pub",
    }
    assert stat.S_IMODE((tmp_path / "pki").stat().st_mode) == 0o700


def test_a_client_and_a_server_believe_each_other(tmp_path: Path) -> None:
    authority = open_authority(tmp_path, "test")
    served, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context(cafile=authority.certificate)
    served.load_cert_chain(*authority.issue(SERVER))
    served.load_verify_locations(authority.certificate)
    served.verify_mode = ssl.CERT_REQUIRED
    client.load_cert_chain(*authority.issue(CLIENT))
    assert _subject(_shake_hands(client, served, "kubernetes")) == {
        "commonName": "administrator",
        "organizationName": "system:masters",
    }
    _shake_hands(client, served, "10.96.0.1")
    with pytest.raises(ssl.SSLCertVerificationError, match="not valid for"):
        _shake_hands(client, served, "elsewhere")


def test_a_client_of_another_authority_is_refused(tmp_path: Path) -> None:
    authority, other = open_authority(tmp_path / "one", "one"), open_authority(tmp_path / "two", "two")
    served, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context(cafile=authority.certificate)
    served.load_cert_chain(*authority.issue(SERVER))
    served.load_verify_locations(authority.certificate)
    served.verify_mode = ssl.CERT_REQUIRED
    client.load_cert_chain(*other.issue(CLIENT))
    with pytest.raises(ssl.SSLError, match=r"unknown ca|certificate verify failed"):
        _shake_hands(client, served, "kubernetes")


def test_what_holds_is_kept(tmp_path: Path) -> None:
    first = open_authority(tmp_path, "test").issue(SERVER)
    before = [path.read_bytes() for path in first]
    again = open_authority(tmp_path, "test").issue(SERVER)
    assert [path.read_bytes() for path in again] == before


def test_a_server_that_moved_is_certified_anew(tmp_path: Path) -> None:
    authority = open_authority(tmp_path, "test")
    authority.issue(SERVER)
    certificate, _ = authority.issue(Identity("apiserver", "kube-apiserver", hosts=("kubernetes", "10.97.0.1")))
    names = x509.load_pem_x509_certificate(certificate.read_bytes()).extensions
    addresses = names.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.IPAddress)
    assert list(map(str, addresses)) == ["10.97.0.1"]


@pytest.mark.parametrize("damaged", ["admin.crt", "admin.key"])
@pytest.mark.parametrize("content", [b"", b"-----BEGIN CERTIFICATE-----\n", None])
def test_half_of_a_pair_is_made_again(tmp_path: Path, damaged: str, content: bytes | None) -> None:
    authority = open_authority(tmp_path, "test")
    authority.issue(CLIENT)
    (tmp_path / damaged).unlink()
    if content is not None:
        (tmp_path / damaged).write_bytes(content)
    certificate, key = authority.issue(CLIENT)
    ssl.create_default_context().load_cert_chain(certificate, key)


def test_a_new_authority_certifies_everybody_anew(tmp_path: Path) -> None:
    open_authority(tmp_path, "test").issue(CLIENT)
    (tmp_path / "ca.key").unlink()
    authority = open_authority(tmp_path, "test")
    certificate, _ = authority.issue(CLIENT)
    x509.load_pem_x509_certificate(certificate.read_bytes()).verify_directly_issued_by(authority.root)


def test_what_is_about_to_expire_is_renewed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(certificates, "_CERTIFICATE_DAYS", 29)
    authority = open_authority(tmp_path, "test")
    before = authority.issue(CLIENT)[0].read_bytes()
    monkeypatch.undo()
    after = authority.issue(CLIENT)[0].read_bytes()
    assert after != before
    assert x509.load_pem_x509_certificate(after).not_valid_after_utc > datetime.now(UTC) + timedelta(days=300)


def _shake_hands(client: ssl.SSLContext, server: ssl.SSLContext, name: str) -> dict[str, object]:
    """Connect the two in memory; return what the server knows of the client."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(to_client, to_server, server_hostname=name),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    for _ in range(10):
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return dict(ends[1].getpeercert() or {})


def _subject(certificate: dict[str, object]) -> dict[str, str]:
    subject: object = certificate["subject"]
    return {key: value for ((key, value),) in subject}  # type: ignore[attr-defined]
