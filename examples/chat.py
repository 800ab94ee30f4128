"""A chat over TLS: what one says, all others hear.

`python -m examples.chat 4433 cert.pem key.pem`, then in several terminals
`openssl s_client -quiet -connect 127.0.0.1:4433`. The first line is your name. Ctrl-C ends it. To make a certificate:
`openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -subj /CN=localhost -days 30`
"""

import ssl
import sys
from functools import partial

import conc
from conc.channels import BroadcastReceiver, BroadcastSender, broadcast
from conc.errors import BrokenResource, Lagged, LimitExceeded
from conc.io import BufReader
from conc.net import TlsStream, listen_tls

LINE_BYTES = 1024
NAME_S = 60  # to say one's name
SEND_S = 10  # for what was said to reach somebody
BEHIND = 100  # lines that somebody may be behind


class Room:
    """Where everybody hears what anybody says.

    Attributes:
        names: who is there.
    """

    def __init__(self) -> None:
        self.names: set[str] = set()
        self._said: BroadcastSender[tuple[str, str]]
        self._said, self._nobody = broadcast[tuple[str, str]](BEHIND)  # who hears it while nobody is there

    def say(self, name: str, words: str) -> None:
        """Let everybody hear it."""
        self._said.send_nowait((name, words))

    def listen(self) -> BroadcastReceiver[tuple[str, str]]:
        """What is said from now on."""
        return self._said.subscribe()


async def handle(room: Room, stream: TlsStream) -> None:
    """One connection: ask for a name, then talk and listen until one of the two ends."""
    reader = BufReader(stream)
    try:
        with conc.fail_after(NAME_S):
            name = await ask_name(room, reader, stream)
    except (BrokenResource, LimitExceeded, TimeoutError):
        return
    if name is None:
        return
    room.names.add(name)
    try:
        async with conc.open_nursery() as nursery:
            nursery.start_soon(hear, room.listen(), name, stream)
            room.say(name, "is here")
            await talk(room, name, reader)
            nursery.cancel_scope.cancel(reason=f"{name} has left")
    except* (BrokenResource, LimitExceeded, TimeoutError):
        pass  # gone, or of no use
    finally:
        room.names.discard(name)
        room.say(name, "has left")


async def ask_name(room: Room, reader: BufReader, stream: TlsStream) -> str | None:
    """A name that nobody else has; None if the other side leaves."""
    question = "Your name?"
    while True:
        await stream.write_all(f"{question}\n".encode())
        line = await reader.read_line(LINE_BYTES)
        if not line:
            return None
        name = line.decode(errors="replace").strip()
        if name.isalnum() and name not in room.names:
            return name
        question = f"{name!r} is taken. Your name?" if name in room.names else "Letters and digits only. Your name?"


async def talk(room: Room, name: str, reader: BufReader) -> None:
    """Pass on what comes."""
    async for line in reader.lines(LINE_BYTES):
        if words := line.decode(errors="replace").strip():
            room.say(name, words)


async def hear(said: BroadcastReceiver[tuple[str, str]], name: str, stream: TlsStream) -> None:
    """Send what others say. Who is too slow misses some of it, and is told."""
    with said:
        while True:
            try:
                speaker, words = await said.receive()
            except Lagged as lagged:
                speaker, words = "chat", f"{lagged.count} lines were lost on the way to you"
            if speaker != name:
                with conc.fail_after(SEND_S):
                    await stream.write_all(f"{speaker}: {words}\n".encode())


async def main(port: int, certificate: str, key: str) -> None:
    """Serve on this machine only."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    async with await listen_tls("127.0.0.1", port, context) as listener:
        print(f"openssl s_client -quiet -connect 127.0.0.1:{listener.port}", flush=True)
        await listener.serve(partial(handle, Room()))


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit("usage: python -m examples.chat PORT CERTIFICATE KEY")
    try:
        conc.run(main, int(sys.argv[1]), sys.argv[2], sys.argv[3])
    except KeyboardInterrupt:
        print("stopped")
