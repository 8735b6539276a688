"""Fixtures for every test: a home folder of its own, no network access, and no display unless requested."""

from __future__ import annotations

import gc
import itertools
import os
import socket
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

import sdxl_desktop  # noqa: F401  (disables telemetry before a test imports packages that would send it)

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ.setdefault("LC_ALL", "C.UTF-8")  # Qt warns about a locale without Unicode
if "PYTEST_XDIST_WORKER" in os.environ:  # one core per worker: several torch threads would spin waiting for each other
    os.environ.setdefault("OMP_NUM_THREADS", "1")


_RUNNING_TESTS = os.environ.get("RUNNING_TESTS_FOLDER")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Record which test this process runs, to be looked up after a crash or a hang."""
    if not _RUNNING_TESTS:
        return (yield)
    note = Path(_RUNNING_TESTS) / str(os.getpid())
    note.write_text(item.nodeid, encoding="utf-8")
    outcome = yield
    note.unlink(missing_ok=True)
    return outcome


HOME_NUMBERS = itertools.count()

gc.disable()  # until all test modules are imported: collections would traverse all of torch and diffusers many times


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Escape lone surrogates in what a test printed, logged or compared: a worker cannot send them."""
    report = yield
    report.sections = [(name, _escaped(text)) for name, text in report.sections]
    text = str(report.longrepr or "")
    if report.failed and _escaped(text) != text:
        report.longrepr = _escaped(text)
    return report


def _escaped(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def pytest_collection_finish() -> None:
    gc.enable()


class NetworkTouched(AssertionError):
    """A test, or the code under test, tried to connect to another computer."""


@pytest.fixture(scope="module", autouse=True)
def frozen_objects() -> None:
    """Freeze the objects created by imports and earlier modules, so that garbage collections do not traverse them."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty SDXL_DESKTOP_HOME for each test."""
    # Numbered here, as pytest's `mktemp` would scan all earlier folders for each new one.
    folder = tmp_path_factory.getbasetemp() / f"home-{next(HOME_NUMBERS)}"
    folder.mkdir()
    monkeypatch.setenv("SDXL_DESKTOP_HOME", str(folder))
    return folder


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail a test that connects to another computer, even if the code swallows the error."""
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
