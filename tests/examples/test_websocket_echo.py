"""The WebSocket server, as the clients of another library see it."""

from __future__ import annotations

import pytest
from websockets.exceptions import ConnectionClosedError, InvalidStatus
from websockets.sync.client import connect

from tests.examples.programs import running, said_by


def test_texts_and_bytes_come_back_as_they_were() -> None:
    with running("examples.websocket_echo", "0") as (_, url), connect(url, max_size=None) as client:
        for message in ("hello", "grüß dich", b"\x00\xff" * 100_000, ""):
            client.send(message)
            assert client.recv(timeout=10) == message


def test_a_message_in_fragments_comes_back_in_one_piece() -> None:
    with running("examples.websocket_echo", "0") as (_, url), connect(url) as client:
        client.send(["one ", "two ", "three"])
        assert client.recv(timeout=10) == "one two three"


def test_a_ping_is_answered() -> None:
    with running("examples.websocket_echo", "0") as (_, url), connect(url) as client:
        assert client.ping().wait(timeout=10)


def test_a_message_over_the_limit_ends_the_connection_and_no_other() -> None:
    with running("examples.websocket_echo", "0") as (_, url), connect(url) as other:
        with connect(url) as client:
            client.send("x" * 1_100_000)
            with pytest.raises(ConnectionClosedError, match="1009"):
                client.recv(timeout=10)
        other.send("still there")
        assert other.recv(timeout=10) == "still there"


def test_what_is_not_a_websocket_is_refused() -> None:
    with running("examples.websocket_echo", "0") as (_, url):
        status = said_by("curl", "-so", "/dev/null", "-w", "%{http_code}", url.replace("ws:", "http:"))
        assert status == "400"
        with pytest.raises(InvalidStatus), connect(f"{url}/", additional_headers={"Sec-WebSocket-Version": "7"}):
            pass
