from __future__ import annotations

import select

import pytest

from conc._os.choose import default_poller
from conc._os.epoll import EpollPoller
from conc._os.kqueue import KqueuePoller
from conc._os.select_poller import SelectPoller
from tests.os.fake_kqueue import EpollAsKqueue


def test_linux_gets_epoll() -> None:
    poller = default_poller()

    assert isinstance(poller, EpollPoller)
    poller.close()


def test_a_system_with_kqueue_gets_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(select, "epoll")
    for name in dir(EpollAsKqueue):
        if not name.startswith("__"):
            monkeypatch.setattr(select, name, getattr(EpollAsKqueue, name), raising=False)
    # The emulation itself needs the epoll that the system in question lacks.
    monkeypatch.setattr(select, "kqueue", lambda: None, raising=False)
    monkeypatch.setattr(KqueuePoller, "__init__", lambda self: None)

    assert isinstance(default_poller(), KqueuePoller)


def test_any_other_system_gets_select(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(select, "epoll")

    assert isinstance(default_poller(), SelectPoller)
