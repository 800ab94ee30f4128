"""Sockets that a service manager passes: a real child process that starts with them."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from tests.repo.sources import ROOT

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="descriptors are not inherited there")

# What systemd does: the descriptors from 3 on, and the variables, of which one tells the process its own number.
LAUNCH = textwrap.dedent("""
    import os, sys
    fds = [int(fd) for fd in sys.argv[1].split(",") if fd]
    copies = [os.dup(os.dup(os.dup(fd))) for fd in fds]  # out of the way
    for place, copy in enumerate(copies, 3):
        os.dup2(copy, place, inheritable=True)
    os.environ["LISTEN_PID"] = sys.argv[2].replace("me", str(os.getpid()))
    os.environ["LISTEN_FDS"] = sys.argv[3]
    if sys.argv[4]:
        os.environ["LISTEN_FDNAMES"] = sys.argv[4]
    os.execv(sys.executable, [sys.executable, "-W", "error", "-c", sys.argv[5]])
""")
SERVE = textwrap.dedent("""
    import json, os
    import conc
    from conc.net import activated_listeners

    async def main():
        listeners = activated_listeners()
        assert activated_listeners() == {}
        assert not [name for name in os.environ if name.startswith("LISTEN_")]
        for several in listeners.values():
            for listener in several:
                assert not os.get_inheritable(listener._queues[0]._fd)
        print(json.dumps({name: [repr(one) for one in several] for name, several in listeners.items()}), flush=True)

        async def greet(stream):
            await stream.write_all(b"hello from " + type(stream).__name__.encode())

        for several in listeners.values():
            for listener in several:
                async with await listener.accept() as stream:
                    await greet(stream)
                await listener.aclose()

    conc.run(main)
""")


def launch(
    sockets: list[socket.socket], *, names: str = "", pid: str = "me", count: str | None = None, program: str = SERVE
) -> subprocess.Popen[str]:
    fds = [sock.fileno() for sock in sockets]
    places = ",".join(map(str, fds))
    return subprocess.Popen(
        [sys.executable, "-c", LAUNCH, places, pid, str(len(fds)) if count is None else count, names, program],
        cwd=ROOT,
        pass_fds=fds,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def outcome(program: str, sockets: list[socket.socket], **options: Any) -> str:
    """What a child prints, or the last line of its error."""
    with launch(sockets, program=program, **options) as child:
        output, errors = child.communicate(timeout=30)
    return output.strip() or errors.strip().splitlines()[-1]


LIST = (
    "import os, conc.net\n"
    "print(sorted((name, sock.type.name) for name, sock in conc.net.activated_sockets()), flush=True)\n"
    "os._exit(0)"
)
LISTEN = "import conc.net; print(conc.net.activated_listeners())"


def test_a_service_serves_the_sockets_that_it_was_started_with(tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(socket.AF_UNIX) as unix:
        unix.bind(path)
        unix.listen()
        port = tcp.getsockname()[1]
        with launch([tcp, unix], names="web.socket:control") as child:
            assert child.stdout is not None
            assert json.loads(child.stdout.readline()) == {
                "web.socket": [f"<TcpListener on 127.0.0.1:{port}>"],
                "control": [f"<UnixListener on {path}>"],
            }
            with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
                assert client.recv(100) == b"hello from TcpStream"
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(path)
                assert client.recv(100) == b"hello from UnixStream"
            _, errors = child.communicate(timeout=20)
        assert child.returncode == 0, errors
        assert os.path.exists(path), "the file is the service manager's"


def test_sockets_without_names_are_unknown_and_of_any_kind() -> None:
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        assert outcome(LIST, [tcp, udp]) == "[('unknown', 'SOCK_DGRAM'), ('unknown', 'SOCK_STREAM')]"
        assert outcome(LIST, [tcp, udp], names="a") == "[('a', 'SOCK_STREAM'), ('unknown', 'SOCK_DGRAM')]"
        assert "not every activated socket is for connections; use activated_sockets" in outcome(LISTEN, [tcp, udp])


def test_what_is_meant_for_another_process_is_not_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as tcp:
        assert outcome(LIST, [tcp], pid="1") == "[]"
        assert outcome(LISTEN, [tcp], pid="1") == "{}"


def test_an_environment_that_makes_no_sense_is_told_of() -> None:
    assert "LISTEN_FDS must be a number, not 'two'" in outcome(LIST, [], count="two")
    assert "LISTEN_PID must be a number, not '-1'" in outcome(LIST, [], pid="-1")
    assert "descriptor 3, named by LISTEN_FDS, is not open" in outcome(LIST, [], count="1")
