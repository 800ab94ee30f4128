"""A TCP proxy with limits and a graceful end.

`python -m examples.proxy 8000 example.org 80` passes on what comes to port 8000. It lets in so many connections at a
time, ends those on which nothing happens, and on SIGTERM or Ctrl-C takes no more and gives those that are open some
seconds.
"""

import argparse
import logging
import signal

import conc
from conc.errors import BrokenResource
from conc.io import AsyncRead, AsyncWrite
from conc.net import TcpListener, TcpStream, connect_tcp, listen_tcp
from conc.signals import open_receiver

CONNECT_S = 5.0
READ_BYTES = 65_536

log = logging.getLogger("proxy")


class Idle:
    """Cancels a scope when nothing has happened for so many seconds."""

    def __init__(self, scope: conc.CancelScope, seconds: float) -> None:
        self.scope = scope
        self.seconds = seconds
        self.put_off()

    def put_off(self) -> None:
        """Something has happened."""
        self.scope.deadline = conc.current_time() + self.seconds


async def pass_on(source: AsyncRead, sink: AsyncWrite, idle: Idle) -> None:
    """Copy until the end, and pass that on too: the other direction may go on."""
    while data := await source.read(READ_BYTES):
        idle.put_off()
        await sink.write_all(data)
        idle.put_off()
    await sink.close_write()


class Proxy:
    """Connections to one target.

    Args:
        target: host and port.
        idle_s: after how many seconds without a byte a connection is ended.
    """

    def __init__(self, target: tuple[str, int], idle_s: float) -> None:
        self.target = target
        self.idle_s = idle_s

    async def handle(self, client: TcpStream) -> None:
        """One connection: open the other half of it, and copy both ways until both have ended."""
        try:
            with conc.fail_after(CONNECT_S):
                server = await connect_tcp(*self.target)
        except OSError as error:  # TimeoutError is one
            log.warning("%r has nobody to talk to: %s", client, error)
            return
        async with server:
            try:
                async with conc.open_nursery() as nursery:
                    idle = Idle(nursery.cancel_scope, self.idle_s)
                    nursery.start_soon(pass_on, client, server, idle)
                    nursery.start_soon(pass_on, server, client, idle)
            except* BrokenResource as errors:
                log.info("%r ended: %s", client, errors.exceptions[0])
        log.info("%r: %d bytes there, %d back", client, server.bytes_written, client.bytes_written)


async def stop_on_signal(listener: TcpListener, stopped: conc.CancelScope) -> None:
    """On the first signal close the listener, on the second one end everything."""
    with open_receiver(signal.SIGTERM, signal.SIGINT) as received:
        name = signal.Signals(await received.receive()).name
        await listener.aclose()
        log.info("signal %s: no more connections", name)
        await received.receive()
        stopped.cancel(reason="a second signal")


async def main(options: argparse.Namespace) -> None:
    """Serve until a signal comes and the connections have ended, or their time is up."""
    proxy = Proxy((options.host, options.target_port), options.idle)
    listener = await listen_tcp(None, options.port)
    print(f"port {listener.port} -> {options.host} port {options.target_port}", flush=True)
    async with listener, conc.open_nursery() as nursery:
        nursery.start_soon(stop_on_signal, listener, nursery.cancel_scope)
        await listener.serve(proxy.handle, limit=options.connections, drain_timeout=options.drain)
        nursery.cancel_scope.cancel(reason="all connections have ended")
    print("stopped", flush=True)


def command_line() -> argparse.ArgumentParser:
    """What can be said to it."""
    parser = argparse.ArgumentParser(prog="proxy", description="A TCP proxy with limits and a graceful end.")
    parser.add_argument("port", type=int, help="where to listen; 0 is any that is free")
    parser.add_argument("host", help="where to connect to")
    parser.add_argument("target_port", type=int)
    parser.add_argument("--connections", type=int, default=1000, help="how many at a time; more wait")
    parser.add_argument("--idle", type=float, default=60.0, help="seconds without a byte that end a connection")
    parser.add_argument("--drain", type=float, default=10.0, help="seconds for connections to end after a signal")
    return parser


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    conc.run(main, command_line().parse_args())
