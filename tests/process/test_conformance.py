"""The pipes of processes keep the protocol of streams."""

from contextlib import AsyncExitStack

from conc.io import Stream, join
from conc.process import PIPE, Process
from conc_testing import check_stream
from tests.process.support import run


def test_pipes_through_programs_are_streams() -> None:
    async def main() -> None:
        async with AsyncExitStack() as processes:

            async def make_pair() -> tuple[Stream, Stream]:
                there = await processes.enter_async_context(Process(["cat"], stdin=PIPE, stdout=PIPE))
                back = await processes.enter_async_context(Process(["cat"], stdin=PIPE, stdout=PIPE))
                return join(back.stdout, there.stdin), join(there.stdout, back.stdin)

            await check_stream(make_pair)

    run(main)
