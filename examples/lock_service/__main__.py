"""Run the search: `python -m examples.lock_service`.

The service hung in production, once a week. Nobody could say more. The scenario below says what should hold, and the
search finds out when it does not.
"""

from math import inf

import conc
from conc.sync import Event
from conc_testing import Budget, Report, World, explore
from examples.lock_service.client import Locks
from examples.lock_service.server import PORT, HastyLockService, LockService


async def serve(service: LockService, ready: Event) -> None:
    """The program of the host."""
    async with await conc.net.listen_tcp("locks", PORT) as listener:
        ready.set()
        await service.serve(listener)


async def print_a_page(locks: Locks, patience: float) -> None:
    """A worker: prints for a second, if it gets the printer in time."""
    if await locks.lock("printer", patience):
        await conc.sleep(1)
        await locks.unlock("printer")


async def a_patient_worker_gets_the_printer(world: World, service: type[LockService]) -> None:
    """Whatever the hasty one does, who has the patience gets to print in the end."""
    ready = Event()
    world.host("locks", serve, service(), ready)
    async with world.client("workers"):
        await ready.wait()
        async with Locks("locks") as patient, Locks("locks") as hasty, conc.open_nursery() as nursery:
            nursery.start_soon(print_a_page, hasty, 1)
            await conc.sleep(0.1)
            await print_a_page(patient, inf)


async def as_it_was(world: World) -> None:
    """The scenario with the service of that week."""
    await a_patient_worker_gets_the_printer(world, HastyLockService)


async def as_it_is(world: World) -> None:
    """The scenario with the service as it is now."""
    await a_patient_worker_gets_the_printer(world, LockService)


def search(service: type[LockService]) -> Report:
    """Look for a run in which the patient worker gets nothing: any deadline may pass before any answer is sent."""
    scenario = as_it_was if service is HastyLockService else as_it_is
    return explore(scenario, world=World, time="racing", plan=("delay<=1",), budget=Budget(runs=2_000))


if __name__ == "__main__":
    print(search(HastyLockService))
    print(search(LockService))
