"""Shields: what they keep out, what they let in, and when they go up and down."""

from __future__ import annotations

import conc
from tests.kernel.support import run


def test_a_shield_keeps_an_outer_cancellation_out_until_it_ends() -> None:
    trace: list[str] = []

    async def main() -> None:
        with conc.CancelScope() as outer:
            outer.cancel()
            with conc.CancelScope(shield=True):
                await conc.sleep(1)
                trace.append("shielded")
            trace.append("behind the shield")
            await conc.checkpoint()
            trace.append("not reached")
        assert outer.cancelled_caught

    run(main)
    assert trace == ["shielded", "behind the shield"]


def test_a_shielded_scope_can_itself_be_cancelled() -> None:
    async def main() -> None:
        with conc.CancelScope(shield=True) as scope:
            scope.cancel()
            await conc.sleep_forever()
        assert scope.cancelled_caught

    run(main)


def test_a_shielded_scope_has_a_deadline_of_its_own() -> None:
    async def main() -> None:
        with conc.CancelScope() as outer:
            outer.cancel()
            with conc.move_on_after(3, shield=True) as scope:
                await conc.sleep_forever()
            assert scope.cancelled_caught
            assert conc.current_time() == 3

    run(main)


def test_a_shield_holds_for_the_children_of_a_nursery_inside() -> None:
    trace: list[str] = []

    async def child() -> None:
        await conc.sleep(1)
        trace.append("child")

    async def main() -> None:
        with conc.CancelScope() as outer:
            outer.cancel()
            with conc.CancelScope(shield=True):
                async with conc.open_nursery() as nursery:
                    nursery.start_soon(child)

    run(main)
    assert trace == ["child"]


def test_a_shield_around_the_spawner_does_not_cover_a_child_in_an_outer_nursery() -> None:
    trace: list[str] = []

    async def child() -> None:
        await conc.sleep(1)
        trace.append("not reached")

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            with conc.CancelScope(shield=True):
                nursery.start_soon(child)
                nursery.cancel_scope.cancel()
                await conc.sleep(5)
                trace.append("spawner")

    run(main)
    assert trace == ["spawner"]


def test_a_shield_that_is_taken_down_lets_a_waiting_cancellation_in_at_once() -> None:
    async def take_down(scope: conc.CancelScope) -> None:
        await conc.sleep(3)
        scope.shield = False

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            with conc.CancelScope() as outer:
                with conc.CancelScope(shield=True) as inner:
                    outer.cancel()
                    nursery.start_soon(take_down, inner)
                    await conc.sleep(10)
            assert outer.cancelled_caught
            assert conc.current_time() == 3

    run(main)


def test_a_shield_that_is_put_up_in_a_cancelled_scope_protects_from_then_on() -> None:
    trace: list[str] = []

    async def main() -> None:
        with conc.CancelScope() as outer:
            with conc.CancelScope() as inner:
                outer.cancel()
                inner.shield = True
                await conc.sleep(1)
                trace.append("protected")
                inner.shield = False
                await conc.checkpoint()
                trace.append("not reached")

    run(main)
    assert trace == ["protected"]


def test_a_shield_in_the_middle_parts_the_scopes_around_it_from_those_inside() -> None:
    async def main() -> None:
        with conc.CancelScope() as outer, conc.CancelScope() as between:
            with conc.CancelScope(shield=True) as shield:
                with conc.CancelScope() as inner:
                    outer.cancel()
                    between.cancel()
                    await conc.sleep(1)
                    shield.cancel()
                    await conc.sleep(1)
                assert not inner.cancelled_caught
            assert shield.cancelled_caught
            await conc.checkpoint()
        assert outer.cancelled_caught

    run(main)


def test_a_shield_put_up_in_the_step_of_the_cancellation_protects_a_task_at_a_checkpoint() -> None:
    trace: list[str] = []

    async def child(scopes: list[conc.CancelScope]) -> None:
        with conc.CancelScope() as scope:
            scopes.append(scope)
            await conc.checkpoint()
            await conc.checkpoint()
            trace.append("protected")
        await conc.checkpoint()
        trace.append("not reached")

    async def main() -> None:
        scopes: list[conc.CancelScope] = []
        async with conc.open_nursery() as nursery:
            nursery.start_soon(child, scopes)
            await conc.checkpoint()
            nursery.cancel_scope.cancel()
            scopes[0].shield = True
            with conc.CancelScope(shield=True):
                for _ in range(5):
                    await conc.checkpoint()

    run(main)
    assert trace == ["protected"]
