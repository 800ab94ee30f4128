"""Certificates for tests, made when a test first asks for one, and the SSL contexts that show and trust them."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import trustme

HOST = "server.example"


@cache
def authority() -> trustme.CA:
    """Who signs. RSA: its signatures are all of one length, so that a repeated run takes the same course."""
    return trustme.CA(key_type=trustme.KeyType.RSA)


@cache
def certificate(name: str = HOST) -> trustme.LeafCert:
    """A certificate for a name and for this machine's own address."""
    return authority().issue_cert(name, "127.0.0.1", key_type=trustme.KeyType.RSA)


def server_context(
    *, name: str = HOST, alpn: Sequence[str] = (), version: ssl.TLSVersion | None = None, wants_client: bool = False
) -> ssl.SSLContext:
    """For a server: shows a certificate, and may want one."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate(name).configure_cert(context)
    if wants_client:
        context.verify_mode = ssl.CERT_REQUIRED
        authority().configure_trust(context)
    return _limited(context, alpn, version)


def client_context(
    *, alpn: Sequence[str] = (), version: ssl.TLSVersion | None = None, shows: str | None = None
) -> ssl.SSLContext:
    """For a client: trusts the authority and nobody else, and may show a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority().configure_trust(context)
    if shows is not None:
        certificate(shows).configure_cert(context)
    return _limited(context, alpn, version)


def write_files(folder: Path) -> tuple[Path, Path, Path]:
    """The certificate of the server, its key and that of the authority, for programs that want files."""
    chain, key, trusted = folder / "chain.pem", folder / "key.pem", folder / "authority.pem"
    chain.write_bytes(b"".join(blob.bytes() for blob in certificate().cert_chain_pems))
    certificate().private_key_pem.write_to_path(key)
    authority().cert_pem.write_to_path(trusted)
    return chain, key, trusted


def _limited(context: ssl.SSLContext, alpn: Sequence[str], version: ssl.TLSVersion | None) -> ssl.SSLContext:
    if alpn:
        context.set_alpn_protocols(list(alpn))
    if version is not None:
        context.minimum_version = context.maximum_version = version
    return context
