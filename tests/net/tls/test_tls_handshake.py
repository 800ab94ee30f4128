"""Shaking hands: what is agreed on, and every way in which it fails, with words that help."""

from __future__ import annotations

import ssl
from typing import Any

import pytest

import conc
from conc.errors import BrokenResource, ClosedResource
from conc.io import Stream
from conc.net import wrap_tls
from conc_testing import duplex
from tests.net.tls.certificates import HOST, client_context, server_context
from tests.net.tls.support import VERSIONS, read_exactly, speak_tls, tls_pair


async def assert_closed(stream: Stream) -> None:
    with pytest.raises(ClosedResource):
        await stream.read(1)


async def fail_on_both_sides(**options: Any) -> tuple[Exception, Exception]:
    """Shake hands in vain; what the client raised, and the server."""
    raw = duplex()
    errors: dict[str, Exception] = {}

    async def attempt(side: str, stream: Stream, **own: Any) -> None:
        try:
            wrapped = await wrap_tls(stream, **own)
            await wrapped.read(1)  # in TLS 1.3 a client learns of a refusal only when it reads
        except Exception as error:
            errors[side] = error
        await stream.aclose()

    async with conc.open_nursery() as nursery:
        client = {"ssl_context": options.get("client", client_context()), "server_hostname": options.get("host", HOST)}
        server = {"ssl_context": options.get("server", server_context()), "server_side": True}
        nursery.start_soon(lambda: attempt("client", raw[0], **client))
        nursery.start_soon(lambda: attempt("server", raw[1], **server))
    return errors["client"], errors["server"]


@pytest.mark.parametrize("version", VERSIONS, ids=["1.3", "1.2"])
async def test_both_sides_know_what_was_agreed_on(version: ssl.TLSVersion) -> None:
    client, server = await speak_tls(
        *duplex(),
        client_side=client_context(alpn=["h2", "http/1.1"], version=version),
        server_side=server_context(alpn=["http/1.1"], version=version),
    )
    async with client, server:
        assert client.version == server.version == version.name.replace("_", ".")
        assert client.cipher == server.cipher != ""
        assert client.selected_alpn_protocol == server.selected_alpn_protocol == "http/1.1"
        assert (client.server_hostname, server.server_hostname) == (HOST, None)
        assert ("DNS", HOST) in (client.peer_certificate() or {})["subjectAltName"]
        assert server.peer_certificate() is None


async def test_without_offers_no_protocol_is_selected() -> None:
    async with tls_pair() as (client, server):
        assert client.selected_alpn_protocol is server.selected_alpn_protocol is None


async def test_a_server_that_wants_a_certificate_knows_the_client() -> None:
    client, server = await speak_tls(
        *duplex(), client_side=client_context(shows="client.example"), server_side=server_context(wants_client=True)
    )
    async with client, server:
        assert ("DNS", "client.example") in (server.peer_certificate() or {})["subjectAltName"]


@pytest.mark.parametrize("version", VERSIONS, ids=["1.3", "1.2"])
async def test_a_later_connection_resumes_the_session_of_an_earlier_one(version: ssl.TLSVersion) -> None:
    ours, theirs = client_context(version=version), server_context(version=version)

    async def exchange(session: ssl.SSLSession | None) -> tuple[bool, bool, ssl.SSLSession | None]:
        client, server = await speak_tls(*duplex(), client_side=ours, server_side=theirs, session=session)
        async with client, server:
            await server.write_all(b"hello")
            assert await read_exactly(client, 5) == b"hello"
            return client.session_reused, server.session_reused, client.session

    *first, session = await exchange(None)
    *second, _ = await exchange(session)

    assert (first, second) == ([False, False], [True, True])


async def test_a_session_of_another_context_is_refused_before_anything_happens() -> None:
    async with tls_pair() as (client, server):
        await server.write_all(b"hello")
        await client.read(10)
        session = client.session
    raw, _ = duplex()
    with pytest.raises(ValueError, match="SSLContext"):
        await wrap_tls(raw, ssl_context=client_context(), server_hostname=HOST, session=session)
    await raw.write_all(b"still open")


async def test_a_certificate_for_another_name_is_refused_with_both_names() -> None:
    ours, theirs = await fail_on_both_sides(host="other.example")
    assert isinstance(ours, ssl.SSLCertVerificationError)
    assert "other.example" in str(ours)
    assert "server_hostname" in str(ours)
    assert ours.verify_code == 62
    assert isinstance(theirs, ssl.SSLError)


async def test_a_certificate_of_an_unknown_issuer_is_refused_with_the_remedy() -> None:
    ours, theirs = await fail_on_both_sides(client=ssl.create_default_context())
    assert isinstance(ours, ssl.SSLCertVerificationError)
    assert repr(HOST) in str(ours)
    assert "load_verify_locations" in str(ours)
    assert "does not trust the issuer" in str(theirs)


async def test_a_client_without_the_certificate_that_is_wanted_learns_why() -> None:
    ours, theirs = await fail_on_both_sides(server=server_context(wants_client=True))
    assert isinstance(ours, BrokenResource)
    assert "load_cert_chain" in str(ours)
    assert isinstance(theirs, ssl.SSLError)
    assert "showed no certificate" in str(theirs)


async def test_versions_that_do_not_meet_are_named() -> None:
    ours, theirs = await fail_on_both_sides(
        client=client_context(version=ssl.TLSVersion.TLSv1_2), server=server_context(version=ssl.TLSVersion.TLSv1_3)
    )
    assert "does not allow any version of TLS" in str(ours)
    assert "version of TLS that the SSL context does not allow" in str(theirs)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "HTTP/1.1 400"),
        (b"220 mail.example ESMTP\r\n", "220 mail.example"),
        (b"\x00" * 40, "no TLS"),
    ],
    ids=["http", "smtp", "zeros"],
)
async def test_a_server_that_speaks_no_tls_is_quoted(said: bytes, told: str) -> None:
    raw, server = duplex()
    await server.write_all(said)
    with pytest.raises(ssl.SSLError, match=told) as raised:
        await wrap_tls(raw, ssl_context=client_context(), server_hostname=HOST)
    assert HOST in str(raised.value)
    await assert_closed(raw)


async def test_a_client_that_speaks_http_is_told_from_one_that_speaks_tls() -> None:
    raw, client = duplex()
    await client.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    with pytest.raises(ssl.SSLError, match="an HTTP request without TLS"):
        await wrap_tls(raw, ssl_context=server_context(), server_side=True)


@pytest.mark.parametrize("said", [b"", b"\x16\x03\x03\x00\x80"], ids=["at once", "in a record"])
async def test_an_end_in_the_middle_of_the_handshake_is_a_broken_resource(said: bytes) -> None:
    raw, server = duplex()
    if said:
        await server.write_all(said)
    await server.close_write()
    with pytest.raises(BrokenResource, match="middle of the TLS handshake"):
        await wrap_tls(raw, ssl_context=client_context(), server_hostname=HOST)
    await assert_closed(raw)


async def test_a_handshake_that_takes_too_long_is_a_timeout_and_closes() -> None:
    raw, _ = duplex()
    began = conc.current_time()
    with pytest.raises(TimeoutError, match=r"handshake_timeout=5"):
        await wrap_tls(raw, ssl_context=client_context(), server_hostname=HOST, handshake_timeout=5)
    assert conc.current_time() == began + 5
    await assert_closed(raw)


async def test_a_client_that_sends_its_handshake_byte_by_byte_is_cut_off() -> None:
    raw, client = duplex()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    hello = client_context().wrap_bio(incoming, outgoing, server_hostname=HOST)
    with pytest.raises(ssl.SSLWantReadError):
        hello.do_handshake()

    async def dribble() -> None:
        for byte in outgoing.read():
            await client.write_all(bytes((byte,)))
            await conc.sleep(1)

    async with conc.open_nursery() as nursery:
        nursery.start_soon(dribble)
        with pytest.raises(TimeoutError, match="handshake_timeout"):
            await wrap_tls(raw, ssl_context=server_context(), server_side=True, handshake_timeout=10)
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "server_hostname must be given"),
        ({"ssl_context": client_context()}, "server_hostname must be given"),
        ({"server_side": True}, "ssl_context must be given for a server"),
        ({"server_hostname": HOST, "handshake_timeout": 0}, "handshake_timeout must be more than 0"),
        ({"server_hostname": HOST, "handshake_timeout": float("nan")}, "handshake_timeout"),
        ({"server_hostname": HOST, "ssl_context": "strict"}, "ssl_context must be an ssl.SSLContext"),
        ({"server_hostname": HOST, "ssl_context": server_context()}, "ssl_context is one for servers"),
        ({"server_side": True, "ssl_context": client_context()}, "ssl_context is one for clients"),
        ({"server_side": True, "ssl_context": server_context(), "server_hostname": HOST}, "server_hostname is for cli"),
        ({"server_hostname": 5, "ssl_context": client_context()}, "server_hostname must be a str"),
        ({"server_hostname": "", "ssl_context": client_context()}, "server_hostname must be the name"),
        ({"server_hostname": ".x", "ssl_context": client_context()}, "server_hostname must be the name"),
        ({"server_hostname": "a\0b", "ssl_context": client_context()}, "server_hostname must be the name"),
        ({"server_hostname": HOST, "ssl_context": client_context(), "session": "x"}, "SSLSession"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_bad_argument_is_named_and_the_stream_stays_open(options: dict[str, Any], words: str) -> None:
    raw, other = duplex()
    with pytest.raises((ValueError, TypeError), match=words):
        await wrap_tls(raw, **options)
    await raw.write_all(b"x")
    assert await other.read(1) == b"x"


async def test_a_server_is_ready_though_its_sessions_have_no_room() -> None:
    """Over little room the sessions that a server of TLS 1.3 sends behind the handshake wait for who reads."""
    async with tls_pair(capacity=100) as (client, server):
        async with conc.open_nursery() as nursery:
            nursery.start_soon(server.write_all, b"first")
            assert await read_exactly(client, 5) == b"first"
        assert client.session is not None
