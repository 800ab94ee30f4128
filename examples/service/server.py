"""The server: one task per connection, and an end that is graceful for two seconds."""

import conc
from conc.io import BufReader
from conc.net import TcpListener, TcpStream
from conc.sync import Event
from examples.service.workshop import WORKERS, Workshop

GRACE_SECONDS = 2.0


async def serve(listener: TcpListener, closing: Event) -> None:
    """Serve until `closing` is set; then take no more connections, and give the handlers some time to end."""
    workshop = Workshop()

    async def handle(stream: TcpStream) -> None:
        async for request in BufReader(stream).lines():
            await stream.write_all(await workshop.order(request) + b"\n")

    async with conc.open_nursery() as workers:
        for number in range(WORKERS):
            workers.start_soon(workshop.worker, name=f"worker {number}")
        async with conc.open_nursery() as connections:
            serving = connections.start_soon(listener.serve, handle, name="serve")
            await closing.wait()
            await listener.aclose()
            with conc.move_on_after(GRACE_SECONDS):
                await serving.join()
            connections.cancel_scope.cancel("the time to end is over")
        workers.cancel_scope.cancel("nobody is left to work for")
