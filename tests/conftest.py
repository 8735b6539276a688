"""What every test stands on: a home of its own, no network, and no display but the one it asks for."""

from __future__ import annotations

import gc
import itertools
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import sdxl_desktop  # noqa: F401  (telemetry is off before a test imports what would send it)

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ.setdefault("LC_ALL", "C.UTF-8")  # Qt warns about a locale without Unicode
if "PYTEST_XDIST_WORKER" in os.environ:  # each worker has a core; torch's threads would wait for each other, spinning
    os.environ.setdefault("OMP_NUM_THREADS", "1")


_RUNNING_TESTS = os.environ.get("RUNNING_TESTS_FOLDER")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Leave behind which test this process runs: after a crash or a hang that is the first question."""
    if not _RUNNING_TESTS:
        return (yield)
    note = Path(_RUNNING_TESTS) / str(os.getpid())
    note.write_text(item.nodeid, encoding="utf-8")
    outcome = yield
    note.unlink(missing_ok=True)
    return outcome


HOME_NUMBERS = itertools.count()


class NetworkTouched(AssertionError):
    """A test, or the code under it, tried to leave this computer."""


@pytest.fixture(scope="module", autouse=True)
def what_is_there_stays() -> None:
    """What imports and earlier modules made and still hold: no later collection of garbage walks through it again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty SDXL_DESKTOP_HOME for each test."""
    # Numbered by ourselves: pytest would look through all earlier folders for each new one.
    folder = tmp_path_factory.getbasetemp() / f"home-{next(HOME_NUMBERS)}"
    folder.mkdir()
    monkeypatch.setenv("SDXL_DESKTOP_HOME", str(folder))
    return folder


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail the test that connects anywhere but to this computer, even if the code swallows the error."""
    touched: list[str] = []

    def guarded(real: Any) -> Any:
        def connect(self: socket.socket, address: Any) -> Any:
            if self.family in (socket.AF_INET, socket.AF_INET6) and not _is_here(str(address[0])):
                touched.append(str(address))
                raise NetworkTouched(f"A test tried to reach {address}.")
            return real(self, address)

        return connect

    monkeypatch.setattr(socket.socket, "connect", guarded(socket.socket.connect))
    monkeypatch.setattr(socket.socket, "connect_ex", guarded(socket.socket.connect_ex))
    yield
    assert not touched, f"the network was touched: {touched}"


def _is_here(host: str) -> bool:
    return host in ("localhost", "::1") or host.startswith("127.")
