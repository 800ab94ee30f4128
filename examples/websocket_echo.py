"""A WebSocket server that sends back what it gets, on wsproto, which knows the protocol and does no I/O.

`python -m examples.websocket_echo 8765`, then in a browser's console:
`s = new WebSocket("ws://127.0.0.1:8765"); s.onmessage = m => console.log(m.data); s.onopen = () => s.send("hello")`.
Ctrl-C ends it, and says goodbye to those who are connected.
"""

import sys

from wsproto import ConnectionType, WSConnection
from wsproto.connection import ConnectionState
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Message,
    Ping,
    RejectConnection,
    Request,
    TextMessage,
)
from wsproto.frame_protocol import CloseReason
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

import conc
from conc.errors import BrokenResource
from conc.net import TcpStream, listen_tcp

CONNECTIONS = 1000
MESSAGE_BYTES = 1024 * 1024  # at most
HANDSHAKE_S = 10
SILENCE_S = 30  # after which the peer is asked whether it is still there
GOODBYE_S = 1
READ_BYTES = 65_536


class Peer:
    """One connection: what comes is put into events, and what is answered into bytes."""

    def __init__(self, stream: TcpStream) -> None:
        self.stream = stream
        self.protocol = WSConnection(ConnectionType.SERVER)
        self.message: list[str | bytes] = []
        self.size = 0

    async def serve(self) -> None:
        """Talk until one side ends it."""
        try:
            with conc.fail_after(HANDSHAKE_S):
                if not await self.handshake():
                    return
            more = True
            while more:
                for event in self.protocol.events():  # some may have come with the handshake
                    await self.answer(event)
                more = self.protocol.state is not ConnectionState.CLOSED and await self.listen()
        except RemoteProtocolError as error:
            if error.event_hint is not None:
                await self.stream.write_all(self.protocol.send(error.event_hint))
        except (BrokenResource, TimeoutError):
            pass  # the peer is gone
        finally:
            with conc.move_on_after(GOODBYE_S, shield=True):
                await self.say_goodbye()

    async def handshake(self) -> bool:
        """Agree to speak WebSocket. Whether the peer wants to."""
        while data := await self.stream.read(READ_BYTES):
            self.protocol.receive_data(data)
            for event in self.protocol.events():
                wanted = isinstance(event, Request)
                reply = AcceptConnection() if wanted else RejectConnection(status_code=400)
                await self.stream.write_all(self.protocol.send(reply))
                return wanted
        return False

    async def listen(self) -> bool:
        """Take in what comes; after a silence, ask. False at the end, or if a question stays without an answer."""
        for question in (Ping(), None):
            with conc.move_on_after(SILENCE_S):
                data = await self.stream.read(READ_BYTES)
                if data:
                    self.protocol.receive_data(data)
                return bool(data)
            if question is not None:
                await self.stream.write_all(self.protocol.send(question))
        return False

    async def answer(self, event: Event) -> None:
        """Send back a message when all of it is there; answer pings and a farewell."""
        match event:
            case Message() if self.protocol.state is ConnectionState.OPEN:
                self.message.append(event.data)
                self.size += len(event.data)
                if self.size > MESSAGE_BYTES:
                    await self.send(CloseConnection(CloseReason.MESSAGE_TOO_BIG, "1 MiB at most"))
                elif event.message_finished:
                    await self.send(self.whole_message())
            case Ping():
                await self.send(event.response())
            case CloseConnection() if self.protocol.state is ConnectionState.REMOTE_CLOSING:
                await self.send(event.response())

    def whole_message(self) -> Event:
        """What was gathered, to be sent back."""
        parts, self.message, self.size = self.message, [], 0
        if isinstance(parts[0], str):
            return TextMessage("".join(part for part in parts if isinstance(part, str)))
        return BytesMessage(b"".join(part for part in parts if not isinstance(part, str)))

    async def send(self, event: Event) -> None:
        """Send one event."""
        await self.stream.write_all(self.protocol.send(event))

    async def say_goodbye(self) -> None:
        """Close the connection as the protocol wants it, if it is still open."""
        try:
            await self.send(CloseConnection(CloseReason.GOING_AWAY))
        except (BrokenResource, LocalProtocolError):
            pass  # there is nobody to say it to


async def serve(stream: TcpStream) -> None:
    """Serve one connection."""
    await Peer(stream).serve()


async def main(port: int) -> None:
    """Serve on this machine only."""
    async with await listen_tcp("127.0.0.1", port) as listener:
        print(f"ws://127.0.0.1:{listener.port}", flush=True)
        await listener.serve(serve, limit=CONNECTIONS)


if __name__ == "__main__":
    try:
        conc.run(main, int(sys.argv[1]) if len(sys.argv) > 1 else 8765)
    except KeyboardInterrupt:
        print("stopped")
