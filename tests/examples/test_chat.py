"""The chat, with `openssl s_client` in it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trustme

from tests.examples.programs import running

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")


class Client:
    """Somebody at a terminal."""

    def __init__(self, command: list[str]) -> None:
        self.command = command
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, bufsize=1
        )

    def says(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n")

    def hears(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().rstrip("\n")

    def leaves(self) -> None:
        self.process.kill()
        self.process.communicate()


@contextmanager
def chat(tmp_path: Path, names: str) -> Iterator[list[Client]]:
    """The server, and a client for each name, all of whom have come in, one after the other."""
    certificate = trustme.CA().issue_cert("localhost")
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    certificate.private_key_pem.write_to_path(tmp_path / "key.pem")
    clients: list[Client] = []
    with running("examples.chat", "0", str(tmp_path / "cert.pem"), str(tmp_path / "key.pem")) as (_, command):
        try:
            for name in names.split():
                client = Client(command.split())
                clients.append(client)
                assert client.hears() == "Your name?"
                client.says(name)
                for other in clients[:-1]:
                    assert other.hears() == f"{name}: is here"
            yield clients
        finally:
            for client in clients:
                client.leaves()


def test_what_one_says_all_others_hear(tmp_path: Path) -> None:
    with chat(tmp_path, "ann bob eve") as (ann, bob, eve):
        ann.says("good morning")
        assert bob.hears() == eve.hears() == "ann: good morning"
        eve.says("and to you")
        assert ann.hears() == bob.hears() == "eve: and to you"


def test_who_leaves_is_missed(tmp_path: Path) -> None:
    with chat(tmp_path, "ann bob") as (ann, bob):
        bob.leaves()
        assert ann.hears() == "bob: has left"


def test_a_name_that_is_taken_is_not_given_twice(tmp_path: Path) -> None:
    with chat(tmp_path, "ann bob") as (ann, bob):
        third = Client(ann.command)
        try:
            assert third.hears() == "Your name?"
            third.says("ann")
            assert third.hears() == "'ann' is taken. Your name?"
            third.says("no name!")
            assert third.hears() == "Letters and digits only. Your name?"
            third.says("carl")
            assert ann.hears() == bob.hears() == "carl: is here"
        finally:
            third.leaves()
