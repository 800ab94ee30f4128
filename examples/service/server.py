"""The server: one task per connection, a pool of workers, and an end that is graceful for two seconds."""

import conc
from conc.channels import mpmc
from conc.io import BufReader
from conc.net import TcpListener, TcpStream
from conc.sync import Event
from examples.service.workshop import QUEUE_SIZE, WORKERS, Order, order, work

GRACE_SECONDS = 2.0


async def serve(listener: TcpListener, closing: Event) -> None:
    """Serve until `closing` is set; then take no more connections, and give the handlers some time to end."""
    sender, receiver = mpmc[Order](QUEUE_SIZE)

    async def handle(stream: TcpStream) -> None:
        async for request in BufReader(stream).lines():
            await stream.write_all(await order(request, sender) + b"\n")

    async with conc.open_nursery() as workers:
        with sender, receiver:  # when both are closed, the workers do what is left and end
            for number in range(WORKERS):
                workers.start_soon(work, receiver.clone(), name=f"worker {number}")
            async with conc.open_nursery() as connections:
                serving = connections.start_soon(listener.serve, handle, name="serve")
                await closing.wait()
                await listener.aclose()
                with conc.move_on_after(GRACE_SECONDS):
                    await serving.join()
                connections.cancel_scope.cancel("the time to end is over")
