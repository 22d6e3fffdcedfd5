from __future__ import annotations

import base64
import hashlib
import struct

from breakbulk.store.base.additions import Additions
from breakbulk.store.base.certificates import add_certificates
from breakbulk.store.base.keystore import jks


def pem(content: bytes) -> str:
    return f"-----BEGIN CERTIFICATE-----\n{base64.encodebytes(content).decode()}-----END CERTIFICATE-----\n"


def test_bundle_links_and_list(package, facts) -> None:
    files = {"usr/share/ca-certificates/m/B_(x).crt": pem(b"b"), "usr/share/ca-certificates/m/A.crt": pem(b"a")}
    known = facts(package("ca-certificates", files))
    additions = Additions(known)
    add_certificates(known, additions)
    assert additions.get("etc/ssl/certs/ca-certificates.crt").content.decode() == pem(b"a") + pem(b"b")
    assert additions.get("etc/ssl/certs/B_=x=.pem").target == "/usr/share/ca-certificates/m/B_(x).crt"
    assert additions.get("etc/ca-certificates.conf").content.decode().splitlines()[-2:] == ["m/A.crt", "m/B_(x).crt"]
    assert "etc/ssl/certs/java/cacerts" not in additions


def test_javas_key_store_where_java_certificates_are_installed(package, facts) -> None:
    files = {"usr/share/ca-certificates/A.crt": pem(b"der"), "usr/share/ca-certificates-java/x.jar": ""}
    known = facts(package("ca-certificates", files))
    additions = Additions(known)
    add_certificates(known, additions)
    assert additions.get("etc/ssl/certs/java/cacerts").content == jks([("debian:a.pem", b"der")])


def test_no_certificates_no_files(package, facts) -> None:
    known = facts(package("x"))
    additions = Additions(known)
    add_certificates(known, additions)
    assert list(additions) == []


def test_the_key_store_has_its_magic_entries_and_seal() -> None:
    store = jks([("b", b"two"), ("a", b"one"), ("a", b"again")])
    assert struct.unpack(">III", store[:12]) == (0xFEEDFEED, 2, 2)
    assert store[12:18] == struct.pack(">IH", 2, 1)
    seal = hashlib.sha1("changeit".encode("utf-16-be") + b"Mighty Aphrodite" + store[:-20], usedforsecurity=False)
    assert store[-20:] == seal.digest()
    assert b"again" not in store
