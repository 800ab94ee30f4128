"""The demo does its job, says so where descriptors are scarce, and ends cleanly when it is interrupted."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import conc
from conc.channels import mpmc
from conc_testing import settle
from examples.service.picture import draw
from examples.service.workshop import QUEUE_SIZE, WORKERS, Order, order, work
from tests.repo.sources import ROOT


def start(*arguments: str, limits: str = "") -> subprocess.Popen[str]:
    command = [sys.executable, "-W", "error", "-m", "examples.demo", *arguments]
    if limits:
        command = ["bash", "-c", f'{limits}; exec "$@"', "demo", *command]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def finish(process: subprocess.Popen[str]) -> tuple[int, str]:
    output, _ = process.communicate(timeout=60)
    return process.returncode, output


def test_the_demo_answers_every_request_and_draws_what_happened(tmp_path: Path) -> None:
    picture = tmp_path / "deep" / "demo.svg"

    code, output = finish(start("--clients", "50", "--requests", "4", "--seed", "7", "--picture", str(picture)))

    assert code == 0, output
    assert re.search(r"requests answered\s*│\s*200 ", output)
    assert re.search(r"given up after their deadline\s*│\s*0 ", output)
    for figure in ("requests per second", "latency, p50", "latency, p99", "tasks at the same time", "peak memory"):
        assert figure in output
    drawn = ElementTree.parse(picture)
    assert len(drawn.findall(".//{*}rect")) > 10
    assert len(drawn.findall(".//{*}polyline")) == 1


def test_ctrl_c_in_the_middle_leaves_no_task_and_says_so_in_the_exit_code() -> None:
    process = start("--clients", "50", "--requests", "1000")
    assert process.stdout is not None
    assert "50 clients" in process.stdout.readline()
    time.sleep(1.5)  # a real program on real sockets, interrupted while it works
    process.send_signal(signal.SIGINT)

    code, output = finish(process)

    assert code == 130, output
    assert "; 0 tasks are left" in output
    assert "Traceback" not in output


def test_with_few_descriptors_there_are_fewer_clients_and_it_says_so(tmp_path: Path) -> None:
    picture = tmp_path / "demo.svg"

    code, output = finish(
        start("--clients", "200", "--requests", "1", "--picture", str(picture), limits="ulimit -n 200")
    )

    assert code == 0, output
    assert "ulimit -n allows 200 open files: 50 clients, not 200" in output
    assert re.search(r"requests answered\s*│\s*50 ", output)


def test_a_bad_number_of_clients_is_refused_by_name() -> None:
    code, output = finish(start("--clients", "0"))

    assert code == 2
    assert "--clients" in output


def test_a_run_without_a_single_request_can_be_drawn() -> None:
    assert ElementTree.fromstring(draw([], [])).tag.endswith("svg")


async def test_when_the_orders_end_the_workers_do_what_is_left_and_end_too() -> None:
    sender, receiver = mpmc[Order](QUEUE_SIZE)

    async with conc.open_nursery() as nursery:
        with sender, receiver:
            answers = [nursery.start_soon(order, b"add %d 1" % number, sender) for number in range(QUEUE_SIZE)]
            await settle()
            for _ in range(WORKERS):
                nursery.start_soon(work, receiver.clone())

    assert [answer.join_nowait() for answer in answers] == [b"%d" % (number + 1) for number in range(QUEUE_SIZE)]


async def test_a_customer_who_has_gone_costs_no_worker() -> None:
    sender, receiver = mpmc[Order](QUEUE_SIZE)

    async with conc.open_nursery() as nursery:
        with sender, receiver:
            impatient = nursery.start_soon(order, b"add 1 1", sender)
            await settle()
            impatient.cancel("has no time")
            await settle()
            nursery.start_soon(work, receiver.clone())
            assert await order(b"add 1 2", sender) == b"3"


async def test_a_customer_without_a_place_in_line_has_ordered_nothing() -> None:
    sender, receiver = mpmc[Order](1)

    async with conc.open_nursery() as nursery:
        with sender, receiver:
            first, second = (nursery.start_soon(order, b"add 1 1", sender) for _ in range(2))
            await settle()
            second.cancel()
            await settle()
            assert receiver.receive_nowait().request == b"add 1 1"
            assert len(receiver) == 0
            first.cancel()
