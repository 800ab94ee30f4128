"""TLS with the ends of others: the openssl program, and asyncio."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

import conc
from conc import to_thread
from conc.net import TlsStream, connect_tls, listen_tls
from conc.sync import Notify
from tests.net.support import run
from tests.net.tls.certificates import HOST, client_context, server_context, write_files
from tests.net.tls.programs import Program, needs_openssl, openssl
from tests.net.tls.support import read_to_end


@asynccontextmanager
async def s_server(folder: Path, *options: str) -> AsyncIterator[tuple[Program, TlsStream]]:
    """``openssl s_server``, and a connection to it."""
    chain, key, _ = write_files(folder)
    with openssl("s_server", "-accept", "127.0.0.1:0", "-cert", chain, "-key", key, *options) as program:
        port = int((await program.wait_for(b"ACCEPT ")).rpartition(b":")[2])
        async with await connect_tls(
            "127.0.0.1", port, ssl_context=client_context(), server_hostname=HOST, require_close_notify=False
        ) as stream:
            yield program, stream


async def keep_typing(program: Program, line: str) -> None:
    """Again and again: what openssl reads together with a command it ignores."""
    while True:
        await program.type(line)
        await conc.sleep(0.05)


@needs_openssl
@pytest.mark.parametrize("version", ["-tls1_3", "-tls1_2"])
def test_openssl_s_server_is_spoken_to(tmp_path: Path, version: str) -> None:
    async def main() -> None:
        async with s_server(tmp_path, version) as (program, stream):
            await stream.write_all(b"from conc\n")
            await program.wait_for(b"from conc")
            await program.type("from openssl")
            assert await stream.read(100) == b"from openssl\n"
            await program.type("Q")
            assert await stream.read(100) == b""

    run(main)


@needs_openssl
@pytest.mark.parametrize(("version", "command"), [("-tls1_3", "K"), ("-tls1_3", "k"), ("-tls1_2", "r")])
def test_new_keys_in_the_middle_lose_nothing_in_either_direction(tmp_path: Path, version: str, command: str) -> None:
    """K: the server changes its key and asks for ours; k: it changes its own; r: it wants a new handshake."""

    async def main() -> None:
        async with s_server(tmp_path, version) as (program, stream), conc.open_nursery() as nursery:
            got: list[bytes] = []
            heard = Notify()

            async def read() -> None:
                while part := await stream.read(100):
                    got.append(part)
                    heard.notify_one()

            async def write() -> None:
                for number in range(200):
                    await stream.write_all(b"line %d\n" % number)
                    await conc.sleep(0.001)

            nursery.start_soon(read)
            nursery.start_soon(write)
            for number in range(5):
                await program.type(command)
                async with conc.open_nursery() as typing:
                    typing.start_soon(keep_typing, program, f"answer {number}")
                    while b"answer %d\n" % number not in b"".join(got):
                        await heard.notified()
                    typing.cancel_scope.cancel()
            await program.wait_for(b"line 199")
            nursery.cancel_scope.cancel()
        assert set(b"".join(got).splitlines()) == {b"answer %d" % number for number in range(5)}
        assert [line for line in range(200) if b"line %d\n" % line not in program.seen] == []

    run(main)


@needs_openssl
def test_openssl_s_client_is_served(tmp_path: Path) -> None:
    _, _, trusted = write_files(tmp_path)

    async def shout(stream: TlsStream) -> None:
        while data := await stream.read(1_000):
            await stream.write_all(data.upper())

    async def main() -> None:
        listener = await listen_tls("127.0.0.1", 0, server_context(alpn=["shout"]))
        async with listener, conc.open_nursery() as nursery:
            nursery.start_soon(lambda: listener.serve(shout, on_error=lambda *_: None))
            with openssl(
                *("s_client", "-connect", f"127.0.0.1:{listener.port}", "-servername", HOST, "-alpn", "shout"),
                *("-CAfile", trusted, "-verify_return_error", "-verify_hostname", HOST),
            ) as program:
                await program.wait_for(b"ALPN protocol: shout")
                await program.wait_for(b"Verify return code: 0 (ok)")
                await program.type("K")
                async with conc.open_nursery() as typing:
                    typing.start_soon(keep_typing, program, "hello")
                    await program.wait_for(b"HELLO")
                    typing.cancel_scope.cancel()
            nursery.cancel_scope.cancel()

    run(main)


def test_an_asyncio_client_is_served() -> None:
    async def ask(port: int) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client_context(), server_hostname=HOST)
        writer.write(b"x" * 300_000)
        answer = await reader.readexactly(300_000)
        writer.close()
        await writer.wait_closed()
        return answer

    ends: list[bytes] = []

    async def echo(stream: TlsStream) -> None:
        while data := await stream.read(65_536):
            await stream.write_all(data)
        ends.append(data)

    async def main() -> None:
        async with await listen_tls("127.0.0.1", 0, server_context()) as listener, conc.open_nursery() as nursery:
            nursery.start_soon(listener.serve, echo)
            assert await to_thread(asyncio.run, ask(listener.port)) == b"x" * 300_000
            while not ends:
                await conc.sleep(0.001)
            nursery.cancel_scope.cancel()
        assert ends == [b""]  # asyncio ends in order

    run(main)


def test_an_asyncio_server_is_spoken_to() -> None:
    ports: list[int] = []
    listening, done = threading.Event(), threading.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
        writer.close()

    async def serve() -> None:
        async with await asyncio.start_server(handle, "127.0.0.1", 0, ssl=server_context()) as server:
            ports.append(server.sockets[0].getsockname()[1])
            listening.set()
            await asyncio.to_thread(done.wait)

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            nursery.start_soon(lambda: to_thread(lambda: asyncio.run(serve())))
            await to_thread(listening.wait)
            session: ssl.SSLSession | None = None
            context = client_context()
            for reused in (False, True):
                async with await connect_tls(
                    "127.0.0.1", ports[0], ssl_context=context, server_hostname=HOST, session=session
                ) as stream:
                    await stream.write_all(b"y" * 300_000)
                    got = b""
                    while len(got) < 300_000:
                        got += await stream.read(65_536)
                    assert got == b"y" * 300_000
                    assert stream.session_reused is reused
                    session = stream.session
                    await stream.close_write()
                    assert await read_to_end(stream) == b""
            done.set()

    run(main)
