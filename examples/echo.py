"""A TCP server that sends back what it gets, three clients, and a graceful end.

Prints:

    client 0 got b'0 says hello'
    client 1 got b'1 says hello'
    client 2 got b'2 says hello'
"""

import conc
from conc.net import TcpStream, connect_tcp, listen_tcp


async def echo(stream: TcpStream) -> None:
    """Serve one connection until the other side has closed it."""
    while data := await stream.read(65536):
        await stream.write_all(data)


async def say_hello(port: int, number: int) -> bytes:
    """Be a client: one message, one answer."""
    stream = await connect_tcp("127.0.0.1", port)
    try:
        await stream.write_all(b"%d says hello" % number)
        return await stream.read(65536)
    finally:
        await stream.aclose()


async def main() -> None:
    """The inner nursery ends with the last client; then the listener is closed, and the server ends."""
    listener = await listen_tcp("127.0.0.1", 0)
    async with conc.open_nursery() as nursery:
        nursery.start_soon(listener.serve, echo)
        async with conc.open_nursery() as clients:
            tasks = [clients.start_soon(say_hello, listener.port, number) for number in range(3)]
        await listener.aclose()
    for number, task in enumerate(tasks):
        print(f"client {number} got {await task.join()!r}")


if __name__ == "__main__":
    conc.run(main)
