"""Nothing outside conc/_os touches the operating system, and the rule sees what does."""

import pytest

from tests.repo.operating_system import doors_bypassed
from tests.repo.sources import assert_holds, planted, read_folder


def test_only_the_door_touches_the_operating_system() -> None:
    assert_holds(doors_bypassed(read_folder("conc")))


@pytest.mark.parametrize(
    ("code", "named"),
    [
        ("import time", "time"),
        ("from time import monotonic", "time"),
        ("import time as clock", "time"),
        ("def late():\n    import random", "random"),
        ("import importlib.util", "importlib.util"),
        ("from threading import Thread", "threading"),
        ("from concurrent import futures\nfutures.ThreadPoolExecutor()", "ThreadPoolExecutor"),
        ("import concurrent.futures\nconcurrent.futures.ThreadPoolExecutor()", "ThreadPoolExecutor"),
        ("from concurrent.futures import ProcessPoolExecutor", "ProcessPoolExecutor"),
        ("from concurrent.futures.thread import ThreadPoolExecutor", "concurrent.futures.thread"),
        ("import os\nos.urandom(8)", "os.urandom"),
        ("import os as system\nsystem.getpid()", "os.getpid"),
        ("from os import fork", "os.fork"),
        ("import os\ngetattr(os, 'urandom')", "used as a value"),
        ("import os.path\nos.path.exists('x')", "os.path"),
        ("import socket\nsocket.socket()", "socket.socket"),
        ("import socket\nmake = socket.create_connection", "create_connection"),
        ("from socket import getaddrinfo", "getaddrinfo"),
        ("open('x')", "open()"),
        ("if TYPE_CHECKING:\n    import threading\nelse:\n    import random", "random"),
    ],
)
def test_a_use_of_the_operating_system_is_named(code: str, named: str) -> None:
    messages = list(doors_bypassed([planted("conc.io.stream", code)]))

    assert messages
    assert all("only conc/_os may" in message for message in messages)
    assert any(named in message for message in messages)


@pytest.mark.parametrize(
    "code",
    [
        "import os\ndef name(path: os.PathLike[str]) -> str:\n    return os.fsdecode(path)",
        "import socket\nfamily = socket.AF_INET6\nkind = socket.SOCK_STREAM",
        "import socket\ndef wrap(sock: socket.socket) -> socket.socket:\n    assert isinstance(sock, socket.socket)",
        "from socket import IPPROTO_TCP, TCP_NODELAY, gaierror",
        "import concurrent.futures\nfuture = concurrent.futures.Future()",
        "if TYPE_CHECKING:\n    import threading\n    from socket import socket",
        "from conc.time import sleep\nfrom conc._os import clocks\nclocks.monotonic()",
        "stream.open()",
    ],
)
def test_harmless_names_and_types_are_no_violation(code: str) -> None:
    assert list(doors_bypassed([planted("conc.net.tcp", code)])) == []


def test_the_door_itself_may_do_all() -> None:
    assert list(doors_bypassed([planted("conc._os.clocks", "import time\nimport os\nos.urandom(8)")])) == []
