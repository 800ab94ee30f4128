"""A world of hosts that live and die: each runs a program of its own, unmodified, on a simulated network."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from contextvars import Token
from types import TracebackType
from typing import Any, Final, Protocol

from conc import Cancelled, TaskCancelled, TaskFailed, open_nursery
from conc.lowlevel import Task, checkpoint_if_due, current_runtime, kill
from conc_testing.net.hosts import CURRENT_PROCESS, Host, Process
from conc_testing.net.names import Names
from conc_testing.net.network import SimNetwork
from conc_testing.net.pausing import Pausing
from conc_testing.net.settings import TcpSettings
from conc_testing.sim.choices import Chooser

THE_END: Final = "the world has ended"


class World:
    """Hosts, the programs that run on them, and the network between them.

    ``conc.run(main, clock=VirtualClock(), network=world.net)`` with ``async with world.running():`` in it; the pytest
    fixture ``world`` does both. Code of a host that uses `conc.net` has the addresses and ports of that host: which one
    it is is inherited by the tasks that it starts. A World is for one run.

    Args:
        tcp: how the kernels of the hosts are set up.
        ipv6: whether there is IPv6.

    Attributes:
        net: the network, a `SimNetwork`: links, partitions, netstat.
        policy: for ``conc.run(..., policy=world.policy)``, in a program that is to `pause` hosts.

    Invariant: a program has a task and a process exactly while it runs.
    """

    def __init__(self, *, tcp: TcpSettings | None = None, ipv6: bool = True) -> None:
        self.net = SimNetwork(tcp=tcp, ipv6=ipv6)
        self.policy = Pausing()
        self._programs: dict[str, _Program] = {}
        self._clients: dict[str, Process] = {}
        self._failed: list[str] = []
        self._nursery: Any = None
        self._was_run = False

    @property
    def dns(self) -> Names:
        """The name service. Each host is in it under its name."""
        return self.net.names

    # ---- hosts ------------------------------------------------------------------------------------------------

    def host(self, name: str, main: Callable[..., Awaitable[object]] | None = None, *args: Any) -> Host:
        """A new host. Its program starts when the world runs, or at once if it does.

        Args:
            name: of the host, and of its address.
            main: an async function: the program. What it raises fails the test. None: a machine where only a `client`
                runs.
            args: of `main`.

        Raises:
            ValueError: there is a host of this name; or it cannot be a name.
            TypeError: `main` cannot be called.
        """
        if main is not None and not callable(main):
            raise TypeError(f"main must be an async function, not {main!r}; its arguments follow it")
        host = self.net.add_host(name)
        if main is not None:
            program = self._programs[name] = _Program(host, main, args)
            if self._nursery is not None:
                self._start(program)
        return host

    def running(self) -> _Running:
        """``async with world.running():`` the programs of the hosts run while the block does, and are cancelled then.

        Raises (at the end of the block):
            ExceptionGroup: the programs of some hosts failed, which cancels the block and all others.
            BaseException: what the block raised, as it is; in a group if hosts failed too.
            RuntimeError: the world has run before.

        Checkpoint: at the end of the block, which waits for the programs.
        If cancelled: the programs are cancelled, the block waits for them.
        """
        return _Running(self)

    def client(self, name: str) -> _Client:
        """``async with world.client("tester"):`` the block, and what it starts, runs on a host.

        Args:
            name: of a host that is there, or of one that is made for it.

        Raises (at the beginning of the block):
            ValueError: `name` cannot be a name.

        Checkpoint: never.
        If cancelled: nothing special.
        """
        return _Client(self, name)

    # ---- life and death -----------------------------------------------------------------------------------------

    def kill(self, name: str) -> None:
        """The program of a host dies at once, as by SIGKILL: no ``finally`` runs, what it had not written is lost.

        Its kernel closes the sockets: those who are connected see the end, or a reset if bytes had come that were not
        read; who connects is refused. See also `restart`.

        Raises:
            ValueError: there is no such host, or it has no program of its own.
            RuntimeError: the program does not run; or it is a part of it that calls.

        Checkpoint: never.
        """
        program = self._living(name)
        task, process = program.task, program.process
        assert task is not None and process is not None, "a program that runs has a task and a process"
        kill(task, f"host {name!r} was killed")
        self._resume(program)
        program.task = program.process = None
        self.net.ended(process, killed=True)

    async def shutdown(self, name: str) -> None:
        """Cancel the program of a host and wait for its end: its ``finally`` blocks run. A paused one goes on for that.

        Does nothing if it has ended already.

        Raises:
            ValueError: there is no such host, or it has no program of its own.

        Checkpoint: always a cancel point; it waits for the program.
        If cancelled: only the waiting ends; the program goes on ending.
        """
        await checkpoint_if_due()
        program = self._program(name)
        self._resume(program)
        task = program.task
        if task is not None:
            task.cancel(f"host {name!r} is shut down")
            with suppress(TaskCancelled, TaskFailed):  # an error fails the test by itself
                await task.join()

    async def restart(self, name: str) -> None:
        """Start the program of a host anew, from its beginning; one that runs is shut down first.

        The kernel of the host is the old one: what was written and not delivered still goes out, and connections that
        the old program closed keep their addresses for a while. The new program has not done anything yet: who connects
        at once may be refused.

        Raises:
            ValueError: there is no such host, or it has no program of its own.
            RuntimeError: the world does not run.

        Checkpoint: always a cancel point; it waits for the end of the old program.
        If cancelled: the old program goes on ending, and no new one was started.
        """
        await self.shutdown(name)
        if self._nursery is None:
            raise RuntimeError(f"restart: the world does not run, so host {name!r} cannot; see World.running")
        self._start(self._program(name))

    def pause(self, name: str) -> None:
        """Stop the program of a host, as by SIGSTOP: none of its tasks runs. Its kernel goes on: it accepts
        connections and acknowledges bytes until its buffers are full. Idempotent.

        Raises:
            ValueError: there is no such host, or it has no program of its own.
            RuntimeError: the program does not run; or nobody directs this run, as `conc_testing.run`, `explore` and the
                attribute `policy` do.

        Checkpoint: never.
        """
        program = self._living(name)
        assert program.process is not None, "a program that runs has a process"
        if program.pausing is None:
            director = self._director()
            program.pausing = program.owns
            director.pause(program.pausing)
            program.process.is_paused = True

    def resume(self, name: str) -> None:
        """Let the program of a host run again after a `pause`. Does nothing if it was not paused.

        Raises:
            ValueError: there is no such host, or it has no program of its own.

        Checkpoint: never.
        """
        self._resume(self._program(name))

    # ---- behind all that ----------------------------------------------------------------------------------------

    def _program(self, name: str) -> _Program:
        self.net.host(name)
        program = self._programs.get(name)
        if program is None:
            raise ValueError(f"host {name!r} has no program of its own: give it one with World.host({name!r}, main)")
        return program

    def _living(self, name: str) -> _Program:
        program = self._program(name)
        if program.task is None:
            raise RuntimeError(f"the program of host {name!r} does not run: it has ended, or has not been started")
        return program

    def _start(self, program: _Program) -> None:
        program.process = process = Process(program.host)
        program.task = self._nursery.start_soon(self._live, program, process, name=program.host.name)

    async def _live(self, program: _Program, process: Process) -> None:
        """One life of a program."""
        CURRENT_PROCESS.set(process)
        name = program.host.name
        try:
            running = program.main(*program.args)
            if not isinstance(running, Awaitable):
                raise TypeError(f"main must be an async function, not {program.main!r}")
            await running
        except Exception as error:
            error.add_note(f"in the program of host {name!r}")
            self._failed.append(name)
            raise
        finally:
            if not process.has_ended:  # else it was killed, and this is its burial
                program.task = program.process = None
                self.net.ended(process, killed=False)

    def _resume(self, program: _Program) -> None:
        pausing, program.pausing = program.pausing, None
        if pausing is not None:
            if program.process is not None:
                program.process.is_paused = False
            self._director().resume(pausing)

    def _director(self) -> _Director:
        """Who decides which tasks run, in this run."""
        director: Any = current_runtime().extensions.get(Chooser)
        if not hasattr(director, "pause"):
            director = self.policy
            if not director.is_asked:
                raise RuntimeError(
                    "a host is paused only where somebody directs the tasks: in conc_testing.run and explore, and with "
                    "conc.run(..., policy=world.policy)"
                )
        return director  # type: ignore[no-any-return]

    def _check(self) -> None:
        for program in self._programs.values():
            assert (program.task is None) == (program.process is None), "half a program runs"
        self.net._check()

    def __repr__(self) -> str:
        lives = [f"{name}{'' if program.task else ' (ended)'}" for name, program in self._programs.items()]
        return f"<World of {', '.join(lives) or 'no hosts'}>"


class _Program:
    """What runs on a host, and starts anew when it is restarted."""

    def __init__(self, host: Host, main: Callable[..., Awaitable[object]], args: tuple[Any, ...]) -> None:
        self.host = host
        self.main = main
        self.args = args
        self.process: Process | None = None
        self.task: Task[Any] | None = None
        self.pausing: Callable[[Task[Any]], bool] | None = None

    def owns(self, task: Task[Any]) -> bool:
        """Whether a task is that of the program, or below it."""
        one: Task[Any] | None = task
        while one is not None and one is not self.task:
            nursery = one.parent_nursery
            one = None if nursery is None else nursery.parent_task
        return one is not None


class _Running:
    """The block in which a world runs."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._block = open_nursery()

    async def __aenter__(self) -> World:
        world = self._world
        if world._was_run:
            raise RuntimeError("this World has run before; make a new one for each run")
        if current_runtime().network is not world.net:
            raise RuntimeError("this program runs on another network: conc.run(..., network=world.net)")
        world._was_run = True
        world._nursery = await self._block.__aenter__()
        for program in world._programs.values():
            world._start(program)
        return world

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        world = self._world
        nursery, world._nursery = world._nursery, None
        for program in world._programs.values():
            world._resume(program)
        nursery.cancel_scope.cancel(THE_END)
        try:
            if isinstance(error, Cancelled):
                return await self._block.__aexit__(kind, error, traceback)
            await self._block.__aexit__(None, None, None)
        except BaseExceptionGroup as group:
            hosts = ", ".join(map(repr, dict.fromkeys(world._failed)))
            failed = BaseExceptionGroup(f"the programs of these hosts failed: {hosts}", group.exceptions)
            if error is None or isinstance(error, Cancelled):
                raise failed from None
            raise BaseExceptionGroup("errors in a test and in its hosts", [error, failed]) from None
        return False


class _Client:
    """The block that runs on a host."""

    def __init__(self, world: World, name: str) -> None:
        self._world = world
        self._name = name
        self._token: Token[Process] | None = None

    async def __aenter__(self) -> Host:
        world, name = self._world, self._name
        process = world._clients.get(name)
        if process is None:
            known = name in world.net.hosts
            process = world._clients[name] = Process(world.net.host(name) if known else world.net.add_host(name))
        self._token = CURRENT_PROCESS.set(process)
        return process.host

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._token is not None, "left before it was entered"
        CURRENT_PROCESS.reset(self._token)


class _Director(Protocol):
    """Who decides which tasks run."""

    def pause(self, belongs: Callable[[Task[Any]], bool]) -> None:
        """Run none of these tasks."""

    def resume(self, belongs: Callable[[Task[Any]], bool]) -> None:
        """Run them again."""
