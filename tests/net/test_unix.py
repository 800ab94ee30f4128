"""Unix streams and listeners: connecting, files, permissions, and what stays of them."""

from __future__ import annotations

import errno
import os
import socket
import stat
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import conc
from conc.errors import BrokenResource, ClosedResource
from conc.net import UnixStream, connect_unix, listen_unix, unix_pair
from conc_testing import check_stream
from tests.net.support import LARGE, read_all

pytestmark = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="no Unix sockets here")
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="Linux only")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a socket may be; short enough on every system."""
    return tmp_path / "socket"


@pytest.fixture(autouse=True)
def no_descriptor_left() -> Iterator[None]:
    before = open_descriptors()
    yield
    assert open_descriptors() == before


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd")) if sys.platform == "linux" else 0


def as_pair(connect: Callable[[], Awaitable[UnixStream]], listener: Any) -> Callable[[], Awaitable[Any]]:
    async def make() -> tuple[UnixStream, UnixStream]:
        client = await connect()
        return client, await listener.accept()

    return make


async def test_a_connection_keeps_all_promises_of_a_stream(path: Path) -> None:
    async with await listen_unix(path) as listener:
        await check_stream(as_pair(lambda: connect_unix(path), listener))


async def test_a_pair_keeps_all_promises_of_a_stream() -> None:
    async def make() -> tuple[UnixStream, UnixStream]:
        return unix_pair()

    await check_stream(make)


async def test_the_ends_of_a_connection_know_their_addresses(path: Path) -> None:
    async with await listen_unix(path) as listener:
        async with await connect_unix(path) as client, await listener.accept() as server:
            assert client.peer_address == server.local_address == listener.address == listener.path == str(path)
            assert client.local_address == server.peer_address == ""
            assert repr(client) == f"<UnixStream to {path}>"
            assert repr(server) == "<UnixStream to a socket without a name>"
        assert repr(listener) == f"<UnixListener on {path}>"


async def test_a_server_handles_each_connection(path: Path) -> None:
    async def double(stream: UnixStream) -> None:
        await stream.write_all(2 * await read_all(stream))

    async def ask(question: bytes) -> bytes:
        async with await connect_unix(path) as stream:
            await stream.write_all(question)
            await stream.close_write()
            return await read_all(stream)

    async with await listen_unix(path) as listener, conc.open_nursery() as nursery:
        nursery.start_soon(listener.serve, double)
        async with conc.open_nursery() as clients:
            answers = [clients.start_soon(ask, b"%d" % number) for number in range(10)]
        await listener.aclose()

    assert [answer.join_nowait() for answer in answers] == [b"%d" % number * 2 for number in range(10)]


@on_linux
async def test_an_abstract_name_needs_no_file_and_goes_with_its_socket() -> None:
    name = f"\0conc-test-{os.getpid()}"
    async with await listen_unix(name) as listener:
        assert listener.address == name
        assert "on @conc-test" in repr(listener)
        async with await connect_unix(name) as client, await listener.accept():
            assert client.peer_address == name
        with pytest.raises(OSError, match=r"cannot listen on @conc-test-.*in use") as caught:
            await listen_unix(name)
        assert caught.value.errno == errno.EADDRINUSE
    with pytest.raises(ConnectionRefusedError, match="cannot connect to @conc-test"):
        await connect_unix(name)


async def test_closing_removes_the_file(path: Path) -> None:
    async with await listen_unix(path):
        assert stat.S_ISSOCK(path.stat().st_mode)
    assert not path.exists()
    with pytest.raises(FileNotFoundError, match=r"cannot connect to .*socket: No such file"):
        await connect_unix(path)


async def test_the_file_of_a_server_that_died_is_replaced(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
        dead.listen()
    assert path.exists()
    with pytest.raises(ConnectionRefusedError):
        await connect_unix(path)

    async with await listen_unix(path) as listener:
        await (await connect_unix(path)).aclose()
        await (await listener.accept()).aclose()
    assert not path.exists()


async def test_a_server_that_lives_keeps_its_address(path: Path) -> None:
    async with await listen_unix(path, backlog=1) as listener:
        with pytest.raises(OSError, match="another socket has it") as caught:
            await listen_unix(path)
        assert caught.value.errno == errno.EADDRINUSE
        async with await listener.accept() as probe:
            assert await probe.read(1) == b""
        assert path.exists()


async def test_a_datagram_socket_that_lives_keeps_its_address(path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        other.bind(str(path))
        with pytest.raises(OSError, match="another socket has it"):
            await listen_unix(path)


async def test_a_file_that_is_no_socket_is_left_alone(path: Path) -> None:
    path.write_text("precious")
    with pytest.raises(OSError, match="a file of another kind") as caught:
        await listen_unix(path)
    assert caught.value.errno == errno.EADDRINUSE
    assert path.read_text() == "precious"


async def test_closing_leaves_the_file_of_another_server_alone(path: Path) -> None:
    former = await listen_unix(path)
    path.unlink()
    async with await listen_unix(path):
        await former.aclose()
        assert path.exists()
        await (await connect_unix(path)).aclose()
    assert not path.exists()


async def test_a_listener_that_lost_its_file_closes_without_a_word(path: Path) -> None:
    async with await listen_unix(path):
        path.unlink()
    assert not path.exists()


async def test_who_may_connect_is_said_before_anybody_can(path: Path) -> None:
    async with await listen_unix(path, mode=0o600):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    async with await listen_unix(path, mode=0o666):
        assert stat.S_IMODE(path.stat().st_mode) == 0o666


async def test_a_path_that_is_too_long_is_refused_in_words(tmp_path: Path) -> None:
    for attempt in (listen_unix, connect_unix):
        with pytest.raises(OSError, match=r"path has .* bytes, but .* has room for") as caught:
            await attempt(tmp_path / ("x" * 200))
        assert caught.value.errno == errno.ENAMETOOLONG


@on_linux
async def test_the_longest_path_and_the_longest_name_work() -> None:
    folder = Path(f"/tmp/conc-{os.getpid()}")
    folder.mkdir()
    try:
        path = str(folder) + "/" + "x" * (107 - len(str(folder)) - 1)
        for address in (path, "\0" + "y" * 107):
            async with await listen_unix(address), await connect_unix(address) as client:
                assert client.peer_address == address
            with pytest.raises(OSError, match="room for"):
                await listen_unix(address + "z")
    finally:
        folder.rmdir()


async def test_a_folder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"cannot listen on .*nowhere/socket: No such file"):
        await listen_unix(tmp_path / "nowhere" / "socket")


@pytest.mark.parametrize(
    ("change", "kind", "names"),
    [
        ({"path": b"bytes"}, TypeError, "path"),
        ({"path": None}, TypeError, "path"),
        ({"path": ""}, ValueError, "path"),
        ({"path": "a\0b"}, ValueError, "path"),
        ({"path": "\0"}, ValueError, "path"),
        ({"mode": "rw"}, TypeError, "mode"),
        ({"mode": 0o1777}, ValueError, "mode"),
        ({"path": "\0name", "mode": 0o600}, ValueError, "mode"),
        ({"backlog": 0}, ValueError, "backlog"),
    ],
)
async def test_a_bad_argument_is_named(path: Path, change: dict[str, Any], kind: type[Exception], names: str) -> None:
    with pytest.raises(kind, match=f"^{names} must"):
        await listen_unix(**{"path": path, **change})
    assert not path.exists()


@on_linux
async def test_connecting_waits_while_the_queue_of_the_server_is_full(path: Path) -> None:
    async with await listen_unix(path, backlog=1) as listener, conc.open_nursery() as nursery:
        connecting = [nursery.start_soon(connect_unix, path) for _ in range(5)]
        await conc.sleep(1)
        waiting = [task for task in connecting if task.outcome is None]
        assert waiting
        with conc.move_on_after(1) as scope:
            await connect_unix(path)
        assert scope.cancelled_caught
        for _ in connecting:
            await (await listener.accept()).aclose()
        for task in connecting:
            await (await task.join()).aclose()


@on_linux
async def test_the_system_vouches_for_the_other_end(path: Path) -> None:
    async with await listen_unix(path) as listener:
        async with await connect_unix(path) as client, await listener.accept() as server:
            for stream in (client, server):
                assert stream.peer_credentials == (os.getpid(), os.getuid(), os.getgid())
        with pytest.raises(ClosedResource):
            _ = server.peer_credentials


async def test_what_was_written_before_closing_is_read_before_the_end() -> None:
    left, right = unix_pair()
    async with right:
        async with left, conc.open_nursery() as nursery:
            nursery.start_soon(left.write_all, LARGE)
            assert len(await right.read(100)) == 100
            await right.read(1)
            nursery.cancel_scope.cancel()
        await read_all(right)
        assert await right.read(1) == b""
        with pytest.raises(BrokenResource):
            await right.write_all(b"x")


async def test_an_end_that_only_stopped_writing_can_still_be_written_to() -> None:
    left, right = unix_pair()
    async with left, right:
        await left.close_write()
        assert await right.read(1) == b""
        for _ in range(3):  # the hang-up of one direction is none of the other
            await right.write_all(b"answer")
            assert await left.read(10) == b"answer"
        assert await right.read(1) == b""


async def test_a_writer_that_waits_for_room_hears_of_the_end_of_its_peer() -> None:
    left, right = unix_pair()
    async with left:
        async with conc.open_nursery() as nursery:

            async def write() -> None:
                with pytest.raises(BrokenResource):
                    await left.write_all(LARGE * 4)

            nursery.start_soon(write)
            await conc.sleep(0.1)
            await right.aclose()


async def test_closing_with_bytes_unread_breaks_the_connection_for_the_other_end() -> None:
    left, right = unix_pair()
    async with left:
        await left.write_all(b"never read")
        await right.aclose()
        with pytest.raises(BrokenResource):
            await left.write_all(b"x")


async def test_a_cancelled_accept_takes_no_connection(path: Path) -> None:
    async with await listen_unix(path) as listener:
        for _ in range(3):
            with conc.move_on_after(0.1):
                await listener.accept()
        async with await connect_unix(path):
            with conc.CancelScope() as scope:
                scope.cancel()
                await listener.accept()
            async with await listener.accept() as server:
                assert server.peer_address == ""
