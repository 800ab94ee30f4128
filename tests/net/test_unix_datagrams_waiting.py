"""Unix sockets for datagrams, real and in memory: a receiver that is slow, and who waits for it."""

from __future__ import annotations

import errno
import os
import resource
from pathlib import Path

import pytest

import conc
from conc._kernel.current import current_worker
from conc.errors import BrokenResource, BusyResource, ClosedResource, WouldBlock
from conc.net import UnixDatagramSocket, bind_unix_datagram, connect_unix_datagram, unix_datagram_pair
from conc.net.network import Socket, SystemNetwork
from tests.net.datagram_support import folder, received_now
from tests.net.support import on_every_network, run


def fill(sock: UnixDatagramSocket, path: str | Path | None = None, data: bytes = b"filler") -> int:
    """Send until nothing more goes; how many datagrams went."""
    sent = 0
    while True:
        try:
            if path is None:
                sock.send_nowait(data)
            else:
                sock.send_to_nowait(data, path)
        except WouldBlock:
            return sent
        sent += 1


async def read_until(sock: UnixDatagramSocket, data: bytes) -> int:
    """Receive, slowly, until these bytes come; how many datagrams came before."""
    before = 0
    while await sock.receive() != data:
        before += 1
        await conc.sleep(0.0001)
    return before


@on_every_network
async def test_who_sends_to_a_full_receiver_waits_and_is_woken_by_its_reading() -> None:
    with folder() as here:
        async with await bind_unix_datagram(here / "slow") as slow, await bind_unix_datagram(None) as sender:
            sent = fill(sender, here / "slow")
            assert sent
            async with conc.open_nursery() as nursery:
                sending = nursery.start_soon(sender.send_to, b"last", here / "slow")
                await conc.sleep(0.01)
                assert sending.outcome is None
                assert await read_until(slow, b"last") == sent


@on_every_network
async def test_who_did_not_fill_the_receiver_is_woken_as_well() -> None:
    """The system tells a sender only of its own datagrams, and of who it is connected to."""
    with folder() as here:
        async with (
            await bind_unix_datagram(here / "slow") as slow,
            await bind_unix_datagram(None) as others,
            await bind_unix_datagram(None) as sender,
        ):
            sent = fill(others, here / "slow")
            for number in range(3):
                last = b"last %d" % number
                async with conc.open_nursery() as nursery:
                    sending = nursery.start_soon(sender.send_to, last, here / "slow")
                    await conc.sleep(0.01)
                    assert sending.outcome is None
                    assert await slow.receive() == b"filler"
                sent += fill(others, here / "slow")
            received_now(slow)


@on_every_network
async def test_a_connected_sender_waits_for_its_receiver_too() -> None:
    with folder() as here:
        async with await bind_unix_datagram(here / "slow") as slow, await bind_unix_datagram(None) as others:
            fill(others, here / "slow")
            async with await connect_unix_datagram(here / "slow") as sender, conc.open_nursery() as nursery:
                sending = nursery.start_soon(sender.send, b"last")
                await conc.sleep(0.01)
                assert sending.outcome is None
                await read_until(slow, b"last")


@on_every_network
async def test_each_of_a_pair_waits_for_the_other() -> None:
    one, other = unix_datagram_pair()
    async with one, other:
        for _ in range(2):
            sent = fill(one)
            async with conc.open_nursery() as nursery:
                sending = nursery.start_soon(one.send, b"last")
                await conc.sleep(0.01)
                assert sending.outcome is None
                assert await read_until(other, b"last") == sent


@on_every_network
async def test_a_full_buffer_of_its_own_keeps_a_sender_from_all_receivers() -> None:
    with folder() as here:
        async with (
            await bind_unix_datagram(here / "slow") as slow,
            await bind_unix_datagram(here / "idle") as idle,
            await bind_unix_datagram(None) as sender,
        ):
            sender.send_buffer = 20_000
            assert fill(sender, here / "slow", bytes(10_000)) < 10
            assert fill(sender, here / "idle", bytes(10_000)) == 0  # though it has room
            async with conc.open_nursery() as nursery:
                sending = nursery.start_soon(sender.send_to, b"at last", here / "idle")
                await conc.sleep(0.01)
                assert sending.outcome is None
                received_now(slow)
                assert await idle.receive() == b"at last"


@on_every_network
async def test_what_many_senders_send_to_a_slow_receiver_arrives_once_and_in_order() -> None:
    with folder() as here:
        async with await bind_unix_datagram(here / "slow") as slow:

            async def send(name: bytes) -> None:
                async with await bind_unix_datagram(None) as sender:
                    for number in range(40):
                        await sender.send_to(b"%s %d" % (name, number), here / "slow")

            async with conc.open_nursery() as nursery:
                for name in (b"a", b"b", b"c"):
                    nursery.start_soon(send, name)
                got = []
                for _ in range(120):
                    got.append(await slow.receive())
                    await conc.sleep(0.0001)

            for name in (b"a", b"b", b"c"):
                assert [one for one in got if one.startswith(name)] == [b"%s %d" % (name, n) for n in range(40)]


@on_every_network
async def test_a_sender_that_waits_is_told_when_the_receiver_closes() -> None:
    with folder() as here:
        slow = await bind_unix_datagram(here / "slow")
        async with await bind_unix_datagram(None) as sender, await connect_unix_datagram(here / "slow") as connected:
            fill(sender, here / "slow")

            async def send_to() -> None:
                with pytest.raises((ConnectionRefusedError, FileNotFoundError)):
                    await sender.send_to(b"x", here / "slow")

            async def send() -> None:
                with pytest.raises(BrokenResource):
                    await connected.send(b"x")

            async with conc.open_nursery() as nursery:
                nursery.start_soon(send_to)
                nursery.start_soon(send)
                await conc.sleep(0.01)
                await slow.aclose()


@on_every_network
async def test_a_sender_that_waits_hears_of_its_own_closing() -> None:
    with folder() as here:
        async with await bind_unix_datagram(here / "slow"), await bind_unix_datagram(None) as sender:
            fill(sender, here / "slow")

            async def send() -> None:
                with pytest.raises(ClosedResource, match="UnixDatagramSocket"):
                    await sender.send_to(b"x", here / "slow")

            async with conc.open_nursery() as nursery:
                nursery.start_soon(send)
                await conc.sleep(0.01)
                await sender.aclose()


@on_every_network
async def test_a_cancelled_sender_has_sent_nothing_and_leaves_nothing_behind() -> None:
    with folder() as here:
        async with await bind_unix_datagram(here / "slow") as slow, await bind_unix_datagram(None) as sender:
            sent = fill(sender, here / "slow")
            registered = len(current_worker().descriptors)
            for _ in range(3):
                with conc.move_on_after(0.01) as scope:
                    await sender.send_to(b"never", here / "slow")
                assert scope.cancelled_caught
            assert len(current_worker().descriptors) == registered
            assert received_now(slow) == [b"filler"] * sent
            await sender.send_to(b"now", here / "slow")
            assert await slow.receive() == b"now"


@on_every_network
async def test_one_task_at_a_time_waits_to_send() -> None:
    with folder() as here:
        async with await bind_unix_datagram(here / "slow") as slow, await bind_unix_datagram(here / "sender") as sender:
            fill(sender, here / "slow")
            async with conc.open_nursery() as nursery:
                nursery.start_soon(sender.send_to, b"first", here / "slow")
                await conc.sleep(0.01)
                with pytest.raises(BusyResource, match="sending through"):
                    await sender.send_to(b"second", here / "slow")
                with pytest.raises(BusyResource, match="sending through"):
                    sender.send_to_nowait(b"second", here / "slow")
                await slow.send_to(b"the other direction is free", sender.local_address)
                assert await sender.receive() == b"the other direction is free"
                await read_until(slow, b"first")


def test_a_sender_whose_own_buffer_is_full_waits_for_that_and_does_not_try_again_and_again() -> None:
    class CountingNetwork(SystemNetwork):
        made = 0

        def socket(self, family: int, type: int, proto: int = 0) -> Socket:
            self.made += 1
            return super().socket(family, type, proto)

    network = CountingNetwork()

    async def main() -> None:
        with folder() as here:
            async with (
                await bind_unix_datagram(here / "slow"),
                await bind_unix_datagram(here / "idle"),
                await bind_unix_datagram(None) as sender,
            ):
                sender.send_buffer = 20_000
                fill(sender, here / "slow", bytes(10_000))
                made = network.made
                with conc.move_on_after(0.05) as scope:
                    await sender.send_to(b"x", here / "idle")
                assert scope.cancelled_caught
                assert network.made - made <= 1

    run(main, network=network)


def test_who_would_wait_without_a_descriptor_to_wait_with_is_told() -> None:
    async def main() -> None:
        with folder() as here:
            async with await bind_unix_datagram(here / "slow") as slow, await bind_unix_datagram(None) as sender:
                fill(sender, here / "slow")
                soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
                open_files = len(os.listdir("/proc/self/fd"))
                held = [os.open("/dev/null", os.O_RDONLY) for _ in range(3)]
                resource.setrlimit(resource.RLIMIT_NOFILE, (max(held) + 1, hard))
                try:
                    while True:
                        try:
                            held.append(os.open("/dev/null", os.O_RDONLY))
                        except OSError:
                            break
                    with pytest.raises(OSError, match="Too many open files") as found:
                        await sender.send_to(b"x", here / "slow")
                    assert found.value.errno == errno.EMFILE
                finally:
                    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
                    for fd in held:
                        os.close(fd)
                assert len(os.listdir("/proc/self/fd")) == open_files
                received_now(slow)
                await sender.send_to(b"x", here / "slow")

    run(main)
