"""A download runs in a process of its own, which can be stopped, killed and limited without loss."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import psutil
import pytest

from sdxl_desktop.core import child_program
from sdxl_desktop.library.hub.download_job import DownloadProgress
from sdxl_desktop.library.hub.download_paths import unfinished_downloads
from sdxl_desktop.library.hub.hub_connection import HubConnection, count_unfinished_bytes, download
from sdxl_desktop.library.hub.hub_errors import DiskFullError, DownloadCancelledError, HubError
from sdxl_desktop.library.hub.remote_files import HubListing
from tests.unit.library.hub.conftest import REPO
from tests.unit.library.hub.download_helpers import ADDRESS, check_complete, ignore_progress
from tests.unit.library.hub.fake_hub import LARGE, FakeHub


def wait_until(true: Callable[[], bool]) -> None:
    until = time.monotonic() + 15
    while not true():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_a_proxy_is_used(
    hub: FakeHub, listing: HubListing, destination: Path, hub_connection: HubConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://hub.invalid")
    monkeypatch.setenv("HTTP_PROXY", hub.url)
    for variable in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(variable, raising=False)
    download(ADDRESS, listing, destination, ignore_progress, connection=hub_connection)
    check_complete(hub, destination)


def test_a_pause_is_at_once_and_loses_nothing(
    hub: FakeHub, listing: HubListing, destination: Path, hub_connection: HubConnection
) -> None:
    hub.slow = (2**20, threading.Event())
    stop = threading.Event()

    def pause_at_the_large_one(progress: DownloadProgress) -> None:
        if progress.file == LARGE and not stop.is_set():
            wait_until(lambda: count_unfinished_bytes(ADDRESS, listing, destination) > 2**20)
            stop.set()

    began = time.monotonic()
    with pytest.raises(DownloadCancelledError):
        download(ADDRESS, listing, destination, pause_at_the_large_one, stop, connection=hub_connection)
    assert time.monotonic() - began < 10, "it does not wait for the silent server"
    hub.slow[1].set()
    hub.slow = None
    (paused,) = unfinished_downloads(destination.parent)
    assert (paused.address, paused.listing, paused.destination) == (ADDRESS, listing, str(destination))
    assert paused.kept > 2**20
    done = download(
        paused.address, paused.listing, Path(paused.destination), ignore_progress, connection=hub_connection
    )
    assert done.received_bytes == listing.bytes - paused.kept
    check_complete(hub, destination)
    assert unfinished_downloads(destination.parent) == ()


def test_after_a_kill_nothing_is_fetched_twice(
    hub: FakeHub, listing: HubListing, destination: Path, hub_connection: HubConnection
) -> None:
    """The process is killed during the large file; the next one continues with the next byte."""
    hub.slow = (2**20, threading.Event())

    def kill_at_the_large_one(progress: DownloadProgress) -> None:
        if progress.file == LARGE:
            wait_until(lambda: count_unfinished_bytes(ADDRESS, listing, destination) > 2**20)
            for child in psutil.Process().children():
                if child_program.DOWNLOAD_HOST in child.cmdline():
                    child.kill()

    with pytest.raises(HubError, match="what is there is kept"):
        download(ADDRESS, listing, destination, kill_at_the_large_one, connection=hub_connection)
    assert not destination.exists()
    hub.slow[1].set()
    hub.slow = None
    kept = count_unfinished_bytes(ADDRESS, listing, destination)
    assert kept > 2**20
    before = hub.total_served
    assert (
        download(ADDRESS, listing, destination, ignore_progress, connection=hub_connection).received_bytes
        == listing.bytes - kept
    )
    assert hub.total_served - before == listing.bytes - kept
    check_complete(hub, destination)


def test_when_the_application_is_killed_its_download_ends_too(
    hub: FakeHub, listing: HubListing, destination: Path
) -> None:
    hub.slow = (2**20, threading.Event())
    code = (
        "import msgspec, sys; from pathlib import Path;"
        "from sdxl_desktop.library.hub.hub_address import parse_address as p;"
        "from sdxl_desktop.library.hub.remote_files import HubListing;"
        "from sdxl_desktop.library.hub.hub_connection import HubConnection, download;"
        "from sdxl_desktop.library.hub.access_token import AccessToken;"
        "ignore = lambda progress: None;"
        "listing = msgspec.json.decode(sys.stdin.read(), type=HubListing);"
        f"download(p({REPO!r}), listing, Path({str(destination)!r}), ignore,"
        " connection=HubConnection(AccessToken('', ''), reserved_bytes=0))"
    )
    application = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert application.stdin is not None
    assert application.stdout is not None
    with application.stdout:
        application.stdin.write(msgspec.json.encode(listing))
        application.stdin.close()
        wait_until(lambda: count_unfinished_bytes(ADDRESS, listing, destination) > 2**20)
        children = psutil.Process(application.pid).children()
        assert len(children) == 1
        application.send_signal(signal.SIGKILL)
        application.wait()
    _, alive = psutil.wait_procs(children, timeout=5)
    assert not alive


def test_two_at_once_do_not_disturb_each_other(
    hub: FakeHub, listing: HubListing, destination: Path, hub_connection: HubConnection
) -> None:
    hub.slow = (2**20, threading.Event())
    second: list[HubError] = []

    def try_a_second(progress: DownloadProgress) -> None:
        assert hub.slow is not None
        if progress.file == LARGE and not second:
            with pytest.raises(HubError, match="already") as refused:
                download(ADDRESS, listing, destination, ignore_progress, connection=hub_connection)
            second.append(refused.value)
            hub.slow[1].set()

    download(ADDRESS, listing, destination, try_a_second, connection=hub_connection)
    assert second
    check_complete(hub, destination)


def test_a_full_disk_is_reported_and_what_came_is_kept(
    hub: FakeHub, listing: HubListing, destination: Path, hub_connection: HubConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system refuses to let a file grow, as it does when the disk or the quota is full."""
    limited = [
        "sh",
        "-c",
        'ulimit -f 2048; exec "$0" "$@"',
        *child_program.child_command(child_program.DOWNLOAD_HOST),
    ]  # or 1 MiB
    with monkeypatch.context() as patched:
        patched.setattr(child_program, "child_command", lambda *_: limited)
        with pytest.raises(DiskFullError, match="Make room"):
            download(ADDRESS, listing, destination, ignore_progress, connection=hub_connection)
    assert not destination.exists()
    kept = count_unfinished_bytes(ADDRESS, listing, destination)
    assert kept >= 2**20
    assert (
        download(ADDRESS, listing, destination, ignore_progress, connection=hub_connection).received_bytes
        == listing.bytes - kept
    )
    check_complete(hub, destination)


def test_the_application_itself_stays_offline_and_light(hub: FakeHub, listing: HubListing) -> None:
    assert os.environ["HF_HUB_OFFLINE"] == "1"
    loaded = (
        "import sdxl_desktop.library.hub.hub_connection, sys; "
        "print('huggingface_hub' in sys.modules, 'httpx' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.split() == ["False", "False"]
