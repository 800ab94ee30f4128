"""Try again, by tenacity: it decides whether and when, conc waits; a deadline around it all has the last word.

Prints:

    attempt 1: the server is busy
    attempt 2: the server is busy
    attempt 3: here you are
    attempt 1: the server is busy
    attempt 2: the server is busy
    given up at the deadline
"""

from tenacity import retry, retry_if_exception_type, wait_exponential

import conc


class Server:
    """Refuses the first few requests."""

    def __init__(self, busy: int) -> None:
        self.attempts = 0
        self.busy = busy

    @retry(sleep=conc.sleep, retry=retry_if_exception_type(OSError), wait=wait_exponential(multiplier=0.1))
    async def ask(self) -> str:
        """One attempt; tenacity makes as many as it takes, with 0.1 s in between, then 0.2, 0.4, ..."""
        self.attempts += 1
        await conc.sleep(0.001)
        if self.attempts <= self.busy:
            print(f"attempt {self.attempts}: the server is busy")
            raise ConnectionError("the server is busy")
        return f"attempt {self.attempts}: here you are"


async def main() -> None:
    """Ask a server that is busy for a moment, and one that is busy for ever."""
    print(await Server(busy=2).ask())
    try:
        with conc.fail_after(0.2):
            print(await Server(busy=1_000_000).ask())
    except TimeoutError:
        print("given up at the deadline")


if __name__ == "__main__":
    conc.run(main)
