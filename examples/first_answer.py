"""Ask three servers, take the first answer, call the others off.

Prints:

    broken: no route to it
    near: answered
    far: cancelled (explicit): near was faster
"""

import conc


async def ask(server: str, delay: float, log: list[str], everyone: conc.CancelScope) -> None:
    """Answer after a delay, and call the others off. An error stays inside, so that it ends nobody else."""
    try:
        await conc.sleep(delay)
        if server == "broken":
            raise ConnectionError("no route to it")
        log.append(f"{server}: answered")
        everyone.cancel(reason=f"{server} was faster")
    except ConnectionError as error:
        log.append(f"{server}: {error}")
    except conc.Cancelled as cancelled:
        log.append(f"{server}: {cancelled}")
        raise


async def main() -> None:
    """One task a server."""
    log: list[str] = []
    async with conc.open_nursery() as nursery:
        for server, delay in [("broken", 0.01), ("near", 0.05), ("far", 9.0)]:
            nursery.start_soon(ask, server, delay, log, nursery.cancel_scope)
    print(*log, sep="\n")


if __name__ == "__main__":
    conc.run(main)
