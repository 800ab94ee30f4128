from __future__ import annotations

import socket

import pytest

from conc._os.sockets import create, literal, pair, resolve

V4, V6 = socket.AF_INET, socket.AF_INET6


def test_a_new_socket_does_not_block() -> None:
    with create(V4, socket.SOCK_DGRAM) as sock:
        assert (sock.family, sock.type) == (V4, socket.SOCK_DGRAM)
        assert not sock.getblocking()
        with pytest.raises(BlockingIOError):
            sock.recv(1)


def test_an_accepted_socket_does_not_block_and_knows_its_kind() -> None:
    with create(V4, socket.SOCK_STREAM) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        with pytest.raises(BlockingIOError):
            listener.accept()
        with socket.create_connection(listener.getsockname()) as client:
            accepted, address = listener.accept()
            with accepted:
                assert address == client.getsockname()
                assert (accepted.family, accepted.type) == (V4, socket.SOCK_STREAM)
                assert not accepted.getblocking()
                assert not accepted.get_inheritable()
                with pytest.raises(BlockingIOError):
                    accepted.recv(1)


def test_a_pair_is_connected_and_does_not_block() -> None:
    left, right = pair()
    with left, right:
        left.send(b"x")

        assert right.recv(10) == b"x"
        for end in (left, right):
            with pytest.raises(BlockingIOError):
                end.recv(1)


@pytest.mark.parametrize(
    ("host", "family"),
    [
        ("127.0.0.1", V4),
        ("0.0.0.0", V4),
        ("::1", V6),
        ("::", V6),
        ("2001:db8::ff00:42:8329", V6),
        ("::ffff:192.0.2.1", V6),
        ("fe80::1%lo", V6),
        ("fe80::1%1", V6),
    ],
)
def test_an_address_written_out_is_a_literal(host: str, family: socket.AddressFamily) -> None:
    assert literal(host) == family


@pytest.mark.parametrize(
    "host",
    [
        "",
        "localhost",
        "example.org",
        "127.1",
        "127.0.0.1.",
        "127.0.0.256",
        "127.0.0.1%lo",
        "0x7f.0.0.1",
        "1:2",
        "fe80::1%",
        "%lo",
        "[::1]",
        ":: 1",
        "::1\n",
        "::1\0",
        "\udc80",
        "１２７.0.0.1",  # noqa: RUF001
    ],
)
def test_anything_else_is_a_name(host: str) -> None:
    assert literal(host) is None


@pytest.mark.parametrize(
    ("host", "family", "address"),
    [("127.0.0.1", V4, ("127.0.0.1", 80)), ("::1", V6, ("::1", 80, 0, 0)), ("fe80::1%1", V6, ("fe80::1", 80, 0, 1))],
)
def test_literals_are_resolved_to_themselves(
    host: str, family: socket.AddressFamily, address: tuple[object, ...]
) -> None:
    (info,) = resolve(host, 80, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)

    assert (info[0], info[1]) == (family, socket.SOCK_STREAM)
    assert info[4] == address


def test_a_name_that_cannot_be_is_an_os_error() -> None:
    with pytest.raises(socket.gaierror):
        resolve("not a number", 80, flags=socket.AI_NUMERICHOST)
