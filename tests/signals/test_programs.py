"""Real signals to real processes: what wakes a sleeping program, and what a signal does again after the block."""

from __future__ import annotations

import os
import signal

import pytest

from tests.signals.support import Program

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs signals")


def test_a_signal_wakes_a_program_that_sleeps_and_afterwards_ends_it_as_ever() -> None:
    program = Program("""
        async def main():
            with open_receiver(SIGTERM) as received:
                say("sleeping")
                say((await received.receive()).name)
            say("without")
            await conc.sleep(30)
        conc.run(main)
    """)
    program.says("sleeping")
    program.send(signal.SIGTERM)
    program.says("SIGTERM")
    program.says("without")
    program.send(signal.SIGTERM)
    assert program.end()[0] == -signal.SIGTERM


def test_ctrl_c_goes_to_its_receiver_and_afterwards_cancels_the_main_task() -> None:
    program = Program("""
        async def main():
            with open_receiver(SIGINT) as received:
                for _ in range(3):
                    say("waiting")
                    assert await received.receive() == SIGINT
            say("without")
            try:
                await conc.sleep(30)
            finally:
                say("cleaned up")
        conc.run(main)
    """)
    for _ in range(3):
        program.says("waiting")
        program.send(signal.SIGINT)
    program.says("without")
    program.send(signal.SIGINT)
    code, said, errors = program.end()
    assert said == ["cleaned up"]
    assert code in {1, 130, -signal.SIGINT}
    assert errors.strip().endswith("KeyboardInterrupt")


def test_a_signal_that_nobody_received_in_the_block_does_afterwards_what_it_would_have_done() -> None:
    program = Program("""
        async def main():
            with open_receiver(SIGTERM, SIGUSR1) as received:
                kill(SIGUSR1)
                kill(SIGTERM)
                await received.receive()
                say("leaving")
            say("not reached")
        conc.run(main)
    """)
    code, said, _errors = program.end()
    assert (code, said) == (-signal.SIGTERM, ["leaving"])


def test_signals_wake_a_run_that_leaves_ctrl_c_to_others() -> None:
    program = Program("""
        signal.signal(SIGINT, signal.SIG_IGN)
        async def main():
            with open_receiver(SIGUSR1) as received:
                for _ in range(200):
                    say("again")
                    await received.receive()
        conc.run(main)
        say("done")
    """)
    for _ in range(200):
        program.says("again")
        program.send(signal.SIGUSR1)
    assert program.end() == (0, ["done"], "")


def test_a_strand_on_another_thread_opens_a_receiver_while_the_main_thread_sleeps() -> None:
    program = Program("""
        started = threading.Barrier(2)

        async def child(other):
            started.wait(10)  # one on each thread
            if threading.current_thread() is not threading.main_thread():
                with open_receiver(SIGTERM, SIGUSR1) as received:
                    say("open")
                    async for signum in received:
                        say(signum.name)
                        if signum == SIGTERM:
                            break
                say("closed")

        async def main():
            async with conc.open_nursery(parallel=True) as nursery:
                nursery.start_soon(child, 1)
                nursery.start_soon(child, 2)
            say("waiting" if signal.getsignal(SIGTERM) == signal.SIG_DFL else "not put back")
            await conc.sleep(30)

        conc.run(main, workers=2)
    """)
    program.says("open")
    program.send(signal.SIGUSR1)
    program.says("SIGUSR1")
    program.send(signal.SIGTERM)
    program.says("SIGTERM")
    program.says("closed")
    program.says("waiting")
    program.send(signal.SIGTERM)
    assert program.end()[0] == -signal.SIGTERM


def test_a_runtime_on_another_thread_receives_what_the_main_thread_prepared() -> None:
    program = Program("""
        async def main():
            with open_receiver(SIGTERM) as received:
                say("open")
                await received.receive()
                say("got it")

        with prepare(SIGTERM):
            thread = threading.Thread(target=conc.run, args=(main,))
            thread.start()
            thread.join()
        say("over")
        time.sleep(30)
    """)
    program.says("open")
    program.send(signal.SIGTERM)
    program.says("got it")
    program.says("over")
    program.send(signal.SIGTERM)
    assert program.end()[0] == -signal.SIGTERM


def test_a_receiver_that_outlives_what_prepared_it_leaves_no_handler_that_swallows() -> None:
    program = Program("""
        leave = threading.Event()
        opened = threading.Event()

        async def main():
            with open_receiver(SIGTERM):
                opened.set()
                await conc.to_thread(leave.wait)

        thread = threading.Thread(target=conc.run, args=(main,))
        with prepare(SIGTERM):
            thread.start()
            opened.wait()
        leave.set()
        thread.join()
        say("nobody receives")
        time.sleep(30)
    """)
    program.says("nobody receives")
    program.send(signal.SIGTERM)
    assert program.end()[0] == -signal.SIGTERM


def test_a_child_of_a_fork_is_ended_by_a_signal_that_its_parent_receives() -> None:
    program = Program("""
        async def main():
            with open_receiver(SIGTERM, SIGUSR1) as received:
                here, there = os.pipe()
                child = os.fork()
                if child == 0:
                    os.write(there, b"!")
                    time.sleep(30)
                    os._exit(0)
                os.read(here, 1)
                os.kill(child, SIGTERM)
                say("child", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
                kill(SIGUSR1)
                say((await received.receive()).name)
        conc.run(main)
    """)
    code, said, _errors = program.end()
    assert (code, said) == (0, [f"child {-signal.SIGTERM}", "SIGUSR1"])


def test_a_child_of_a_fork_can_prepare_again_what_its_parent_had_prepared() -> None:
    program = Program("""
        before = signal.getsignal(SIGUSR1)
        with prepare(SIGUSR1):
            ours = signal.getsignal(SIGUSR1)
            child = os.fork()
            if not child:
                say(signal.getsignal(SIGUSR1) is before)
        if not child:
            with prepare(SIGUSR1):
                say(signal.getsignal(SIGUSR1) is ours)
            say(signal.getsignal(SIGUSR1) is before)
        else:
            os.waitpid(child, 0)
    """)
    assert program.end() == (0, ["True"] * 3, "")


def test_nobody_else_is_needed_while_a_task_waits_for_a_signal_and_nobody_does_without() -> None:
    program = Program("""
        from conc.sync import Event

        async def main():
            with open_receiver(SIGUSR1) as received:
                say("no deadlock")
                await received.receive()
                say("came")
                try:
                    await Event().wait()  # a receiver that nobody waits in wakes nobody
                finally:
                    say("deadlock")
        conc.run(main)
    """)
    program.says("no deadlock")
    program.send(signal.SIGUSR1)
    code, said, errors = program.end()
    assert said == ["came", "deadlock"]
    assert code == 1
    assert "conc.errors.Deadlock" in errors
