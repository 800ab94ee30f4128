"""The fixture `world` in tests that run once: hosts can be paused, as in explored ones."""

from __future__ import annotations

import conc
from conc.net import TcpStream, connect_tcp, listen_tcp
from conc_testing import World, settle
from conc_testing.net.network import SimNetwork


async def echo(name: str) -> None:
    async with await listen_tcp(name, 7) as listener:

        async def answer(stream: TcpStream) -> None:
            while data := await stream.read(100):
                await stream.write_all(data)

        await listener.serve(answer)


async def test_a_paused_host_answers_when_it_is_resumed(world: World, net: SimNetwork) -> None:
    world.host("server", echo, "server")
    async with world.client("tester"):
        await settle()
        async with await connect_tcp("server", 7) as stream:
            world.pause("server")
            await stream.write_all(b"hello")
            with conc.move_on_after(60) as patience:
                await stream.read(100)
            assert patience.cancelled_caught
            world.resume("server")
            assert await stream.read(100) == b"hello"
    assert net is world.net
