"""Count primes on every core: each child of a parallel nursery is a strand that an idle worker may take.

On a free-threaded Python the pieces run at the same time; on others they take turns, with the same result.

Prints:

    1229 primes below 10,000
"""

import conc


def is_prime(number: int) -> bool:
    """Whether nothing but 1 and the number divides it."""
    return number > 1 and all(number % divisor for divisor in range(2, int(number**0.5) + 1))


async def count_primes(numbers: range) -> int:
    """Count, and step aside now and then, so that a cancellation or another strand of this worker gets a turn."""
    count = 0
    for number in numbers:
        count += is_prime(number)
        if number % 500 == 0:
            await conc.checkpoint()
    return count


async def main() -> None:
    """A few large pieces: what is started for microseconds is not worth a trip to another thread."""
    async with conc.open_nursery(parallel=True) as nursery:
        tasks = [nursery.start_soon(count_primes, range(start, start + 2_500)) for start in range(0, 10_000, 2_500)]
    print(sum([await task.join() for task in tasks]), "primes below 10,000")


if __name__ == "__main__":
    conc.run(main, workers="auto")
