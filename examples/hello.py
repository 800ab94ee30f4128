"""Two tasks, and a block that ends when both have.

Prints:

    hello, Ada
    hello, Grace
"""

import conc


async def greet(name: str, delay: float) -> None:
    """Greet somebody, after a while."""
    await conc.sleep(delay)
    print("hello,", name)


async def main() -> None:
    """Greet two people at the same time; Ada has less patience."""
    async with conc.open_nursery() as nursery:
        nursery.start_soon(greet, "Grace", 0.2)
        nursery.start_soon(greet, "Ada", 0.1)


if __name__ == "__main__":
    conc.run(main)
