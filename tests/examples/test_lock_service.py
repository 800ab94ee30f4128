"""The lock service of the docs: the search finds its mistake, the mended one passes, and both work on real sockets."""

from __future__ import annotations

import re

import pytest

import conc
from conc.net import TcpListener
from conc_testing import DivergedRun, Failure, World, replay
from examples.lock_service.__main__ import as_it_is, as_it_was, search
from examples.lock_service.client import Locks
from examples.lock_service.server import HastyLockService, LockService
from tests.examples.draw_lock_service import PICTURE, drawn, failing_run
from tests.repo.sources import ROOT

BOTH = pytest.mark.parametrize("service", [LockService, HastyLockService])


@pytest.fixture(scope="module")
def failure() -> Failure:
    return failing_run()


def test_the_search_finds_the_hang_with_one_deviation(failure: Failure) -> None:
    assert isinstance(failure.error, conc.Deadlock)
    assert failure.found_at <= 200
    assert len(failure.deviations) == 1


def test_the_token_replays_the_hang(failure: Failure) -> None:
    again = replay(as_it_was, failure.token, world=World).failure

    assert again is not None
    assert isinstance(again.error, conc.Deadlock)
    assert (again.deviations, again.steps) == (failure.deviations, failure.steps)


def test_the_mended_service_does_not_come_to_where_the_token_leads(failure: Failure) -> None:
    with pytest.raises(DivergedRun, match="did not come to where its token leads"):
        replay(as_it_is, failure.token, world=World)


def test_the_mended_service_passes_to_the_end_of_a_bounded_search() -> None:
    report = search(LockService)

    report.assert_ok()
    assert report.exhausted == "delay<=1"


def test_the_picture_in_the_docs_is_that_of_the_failing_run(failure: Failure) -> None:
    assert PICTURE.read_text(encoding="utf-8") == drawn(failure), "python -m tests.examples.draw_lock_service"


@pytest.mark.parametrize(("line", "says"), [(61, ".acquire()"), (63, "GRANTED"), (65, "TIMEOUT")])
def test_the_docs_speak_of_lines_of_the_service_by_their_numbers(line: int, says: str) -> None:
    assert re.search(rf"\b[Ll]ine\s{line}\b", (ROOT / "docs/tutorial/explore.md").read_text(encoding="utf-8"))
    assert says in (ROOT / "examples/lock_service/server.py").read_text(encoding="utf-8").splitlines()[line - 1]


# ---- on real sockets ------------------------------------------------------------------------------------------------


async def on_real_sockets(service: LockService) -> None:
    async with await conc.net.listen_tcp("127.0.0.1", 0) as listener, conc.open_nursery() as nursery:
        nursery.start_soon(service.serve, listener)
        async with clients_of(listener) as first, clients_of(listener) as second:
            assert await first.lock("printer", 5)
            assert await second.lock("scanner", 5)
            assert not await second.lock("printer", 0.01)
            await first.unlock("printer")
            assert await second.lock("printer", 5)
        async with clients_of(listener) as third:
            assert await third.lock("printer", 5), "what a client has kept is free when it is gone"
        await listener.aclose()


def clients_of(listener: TcpListener) -> Locks:
    return Locks("127.0.0.1", listener.port)


@BOTH
def test_a_lock_is_had_by_one_client_at_a_time(service: type[LockService]) -> None:
    conc.run(on_real_sockets, service())


async def ask_for_nonsense(service: LockService) -> None:
    async with await conc.net.listen_tcp("127.0.0.1", 0) as listener, conc.open_nursery() as nursery:
        nursery.start_soon(service.serve, listener)
        async with await conc.net.connect_tcp("127.0.0.1", listener.port) as stream:
            for line in (b"UNLOCK printer\n", b"HELLO\n"):
                await stream.write_all(line)
                assert await stream.read(100) == b"WHAT?\n"
        nursery.cancel_scope.cancel()


@BOTH
def test_who_asks_for_nonsense_is_told(service: type[LockService]) -> None:
    conc.run(ask_for_nonsense, service())
