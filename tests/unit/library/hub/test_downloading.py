"""A download fetches the needed files, verified, completely or not at all, and resumes after any interruption."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec
import pytest

from sdxl_desktop.core.errors import CheckpointError
from sdxl_desktop.library.hub.access_token import AccessToken
from sdxl_desktop.library.hub.download_job import DownloadPhase, DownloadProgress
from sdxl_desktop.library.hub.download_paths import (
    WORK_FOLDER_NAME,
    discard_download,
    read_download_record,
    unfinished_downloads,
)
from sdxl_desktop.library.hub.hub_address import parse_address
from sdxl_desktop.library.hub.hub_connection import HubConnection, count_unfinished_bytes, download, list_hub_files
from sdxl_desktop.library.hub.hub_errors import (
    AccessError,
    ChecksumMismatchError,
    ConnectionLostError,
    DiskFullError,
    HubError,
    HubNotFoundError,
    RateLimitedError,
)
from sdxl_desktop.library.hub.remote_files import DownloadLayout, HubListing
from tests.unit.library.hub.conftest import LARGE_BYTES, REPO, noise, sdxl_files, unneeded
from tests.unit.library.hub.download_helpers import ADDRESS, check_complete, ignore_progress
from tests.unit.library.hub.fake_hub import COMMIT, LARGE, FakeHub, Repository, fail_with

pytestmark = pytest.mark.usefixtures("in_this_process")
LOCKED = parse_address("someone/locked-xl")


def test_what_will_come_is_reported_before_it_comes(hub: FakeHub, hub_connection: HubConnection) -> None:
    listing = list_hub_files(ADDRESS, ignore_progress, connection=hub_connection)
    assert (listing.commit, listing.layout, listing.licence, listing.gated) == (
        COMMIT,
        DownloadLayout.DIFFUSERS,
        "a-licence",
        False,
    )
    wanted = {path: len(data) for path, data in hub.repositories[REPO].files.items() if not unneeded(path)}
    assert {file.path: file.size for file in listing.files} == wanted
    assert listing.bytes == sum(wanted.values())
    assert hub.served == {}
    assert {path.split("/")[1] for _, path, _ in hub.asked} == {"api"}
    assert all(REPO in path for _, path, _ in hub.asked), "nothing else is told to the hub"


def test_it_brings_exactly_what_is_needed(
    hub: FakeHub, listing: HubListing, destination: Path, hub_connection: HubConnection
) -> None:
    reported: list[DownloadProgress] = []
    done = download(ADDRESS, listing, destination, reported.append, connection=hub_connection)
    assert (done.path, done.received_bytes) == (destination, listing.bytes)
    check_complete(hub, destination)
    assert read_download_record(destination) == listing
    assert all(progress.total == listing.bytes for progress in reported)
    counted = [progress.done for progress in reported]
    assert counted == sorted(counted)
    assert counted[-1] == listing.bytes
    assert reported[-1].phase is DownloadPhase.FINISHING
    assert download(ADDRESS, listing, destination, ignore_progress, connection=hub_connection).received_bytes == 0, (
        "it is there already"
    )
    assert hub.total_served == listing.bytes


@pytest.mark.parametrize("reset", [False, True], ids=["ended", "reset"])
def test_cut_connections_cost_nothing_twice(
    hub: FakeHub, listing: HubListing, destination: Path, hub_connection: HubConnection, reset: bool
) -> None:
    hub.cut_after, hub.reset = [2**20, 5, 2**20], reset
    download(ADDRESS, listing, destination, ignore_progress, connection=hub_connection)
    check_complete(hub, destination)
    if not reset:
        assert hub.served[LARGE] == LARGE_BYTES, "what had come was not fetched again"


def test_the_token_is_not_sent_where_the_hub_leads_to(hub: FakeHub, listing: HubListing, destination: Path) -> None:
    """The hub answers for large files with a redirection to a server of someone else."""
    store = FakeHub(hub.repositories)
    repo = f"/{REPO}/resolve/{COMMIT}/{LARGE}"
    hub.faults.append(fail_with(302, where=LARGE, headers={"Location": f"{store.url}{repo}"}))
    store.cut_after = [2**20]
    try:
        download(
            ADDRESS,
            listing,
            destination,
            ignore_progress,
            connection=HubConnection(AccessToken("hf_granted", "a test"), reserved_bytes=0, initial_delay=0.02),
        )
    finally:
        store.close()
    check_complete(hub, destination)
    assert {token for _, _, token in hub.asked} == {"Bearer hf_granted"}
    assert [(path, token) for _, path, token in store.asked] == [(repo, "")] * 2
    assert store.served[LARGE] == LARGE_BYTES


def test_a_line_that_stays_dead_is_explained_and_continued_later(
    hub: FakeHub, listing: HubListing, destination: Path, hub_connection: HubConnection
) -> None:
    hub.cut_after = [2**20, 0, 0, 0, 0, 0, 0]
    reported: list[DownloadProgress] = []
    with pytest.raises(ConnectionLostError, match="start it again"):
        download(ADDRESS, listing, destination, reported.append, connection=hub_connection)
    assert any(progress.phase is DownloadPhase.WAITING and progress.why for progress in reported)
    assert not destination.exists()
    kept = count_unfinished_bytes(ADDRESS, listing, destination)
    assert kept > 2**20
    done = download(ADDRESS, listing, destination, ignore_progress, connection=hub_connection)
    assert done.received_bytes == listing.bytes - kept
    check_complete(hub, destination)


def test_nobody_there_is_explained(
    tmp_path: Path, hub_connection: HubConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(ConnectionLostError, match="HF_ENDPOINT"):
        list_hub_files(ADDRESS, ignore_progress, connection=hub_connection)


def test_something_that_is_no_hub_is_explained(
    hub: FakeHub, hub_connection: HubConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.faults.append(fail_with(200, where="/api/"))
    with pytest.raises(HubError, match="does not answer like a hub"):
        list_hub_files(ADDRESS, ignore_progress, connection=hub_connection)
    monkeypatch.setenv("HF_ENDPOINT", "nonsense")
    with pytest.raises(ConnectionLostError, match="nonsense could not be reached"):
        list_hub_files(ADDRESS, ignore_progress, connection=hub_connection)


def test_a_server_that_ignores_ranges_does_not_spoil_the_file(
    hub: FakeHub, listing: HubListing, destination: Path, hub_connection: HubConnection
) -> None:
    hub.cut_after, hub.ignore_range = [2**20], True
    download(ADDRESS, listing, destination, ignore_progress, connection=hub_connection)
    check_complete(hub, destination)


def test_a_wrong_file_is_fetched_once_more(
    hub: FakeHub, listing: HubListing, destination: Path, hub_connection: HubConnection
) -> None:
    hub.repositories[REPO].lie[LARGE] = (1, noise(LARGE_BYTES, 99))
    hub.repositories[REPO].lie["unet/config.json"] = (1, b'{"a": 9}')
    download(ADDRESS, listing, destination, ignore_progress, connection=hub_connection)
    check_complete(hub, destination)


def test_a_file_that_stays_wrong_is_refused(
    hub: FakeHub, listing: HubListing, destination: Path, hub_connection: HubConnection
) -> None:
    hub.repositories[REPO].lie[LARGE] = (99, noise(LARGE_BYTES, 99))
    with pytest.raises(ChecksumMismatchError, match=LARGE):
        download(ADDRESS, listing, destination, ignore_progress, connection=hub_connection)
    assert hub.served[LARGE] == 2 * LARGE_BYTES
    assert not destination.exists()
    (begun,) = unfinished_downloads(destination.parent)
    discard_download(begun)
    assert list((destination.parent / WORK_FOLDER_NAME).iterdir()) == []


def test_a_file_that_is_longer_than_it_should_be_is_refused(
    hub: FakeHub, listing: HubListing, destination: Path, hub_connection: HubConnection
) -> None:
    longer = noise(LARGE_BYTES, 98) + b"more"
    hub.repositories[REPO].lie[LARGE] = (99, longer)
    with pytest.raises(ChecksumMismatchError):
        download(ADDRESS, listing, destination, ignore_progress, connection=hub_connection)


def test_too_little_room_is_reported_before_anything_comes(
    hub: FakeHub, listing: HubListing, destination: Path
) -> None:
    greedy = HubConnection(AccessToken("", ""), reserved_bytes=10**18)
    with pytest.raises(DiskFullError, match="not enough room"):
        download(ADDRESS, listing, destination, ignore_progress, connection=greedy)
    assert hub.served == {}
    assert unfinished_downloads(destination.parent) == ()


def test_a_pause_that_the_hub_asks_for_is_kept(
    hub: FakeHub, listing: HubListing, destination: Path, hub_connection: HubConnection
) -> None:
    hub.faults.append(fail_with(429, times=1, where=LARGE, headers={"Retry-After": "1"}))
    reported: list[DownloadProgress] = []
    began = time.monotonic()
    download(ADDRESS, listing, destination, reported.append, connection=hub_connection)
    assert time.monotonic() - began >= 1.0
    waits = [progress for progress in reported if progress.phase is DownloadPhase.WAITING]
    assert [(wait.seconds, wait.why) for wait in waits] == [(1.0, "the hub asks for a pause")]
    check_complete(hub, destination)


@pytest.mark.parametrize("pause", ["7200", "0"], ids=["too-long", "too-often"])
def test_retries_are_bounded(hub: FakeHub, hub_connection: HubConnection, pause: str) -> None:
    hub.faults.append(fail_with(429, headers={"Retry-After": pause}))
    with pytest.raises(RateLimitedError, match="120 minutes" if pause == "7200" else "later"):
        list_hub_files(ADDRESS, ignore_progress, connection=hub_connection)


def test_an_overloaded_server_is_asked_again(hub: FakeHub, hub_connection: HubConnection) -> None:
    hub.faults += [fail_with(503, times=1), fail_with(500, times=1)]
    assert list_hub_files(ADDRESS, ignore_progress, connection=hub_connection).commit == COMMIT


@pytest.mark.parametrize(
    ("address", "token", "error", "words"),
    [
        ("someone/nothing-xl", "", HubNotFoundError, "no someone/nothing-xl"),
        (f"{REPO}@no-such-branch", "", HubNotFoundError, "no such revision"),
        (f"https://huggingface.co/{REPO}/blob/main/nothing.safetensors", "", HubNotFoundError, "no file nothing"),
        (REPO, "hf_revoked", AccessError, "does not accept your token.*the keyring"),
    ],
    ids=str,
)
def test_what_is_refused_is_refused_with_a_reason(
    hub: FakeHub, address: str, token: str, error: type[HubError], words: str
) -> None:
    line = HubConnection(AccessToken(token, "the keyring"), initial_delay=0.02)
    with pytest.raises(error, match=words) as refused:
        list_hub_files(parse_address(address), ignore_progress, connection=line)
    assert refused.value.is_user_error


@pytest.mark.parametrize(
    ("token", "words"),
    [("", "no token is kept"), ("hf_known", "has not been given access"), ("hf_granted", "")],
    ids=["nobody", "known", "granted"],
)
def test_a_gated_repository_says_where_to_accept_the_licence(
    hub: FakeHub, listing: HubListing, destination: Path, token: str, words: str
) -> None:
    line = HubConnection(AccessToken(token, "the keyring"), reserved_bytes=0, initial_delay=0.02)
    listing = msgspec.structs.replace(listing, repo=LOCKED.repo, gated=True)
    if not words:
        assert list_hub_files(LOCKED, ignore_progress, connection=line).gated
        assert download(LOCKED, listing, destination, ignore_progress, connection=line).received_bytes == listing.bytes
        return
    with pytest.raises(AccessError, match=words) as refused:
        download(LOCKED, listing, destination, ignore_progress, connection=line)
    assert "https://huggingface.co/someone/locked-xl" in refused.value.next_step


def test_one_file_alone(hub: FakeHub, tmp_path: Path, hub_connection: HubConnection) -> None:
    address = parse_address(f"{hub.url}/{REPO}/resolve/main/sd_xl_base_1.0.safetensors?download=true")
    listing = list_hub_files(address, ignore_progress, connection=hub_connection)
    done = download(address, listing, tmp_path / "one", ignore_progress, connection=hub_connection)
    assert done.path == tmp_path / "one" / "sd_xl_base_1.0.safetensors"
    assert done.path.read_bytes() == hub.repositories[REPO].files["sd_xl_base_1.0.safetensors"]


def test_a_taken_name_is_not_overwritten(
    hub: FakeHub, listing: HubListing, destination: Path, hub_connection: HubConnection
) -> None:
    destination.mkdir(parents=True)
    (destination / "mine").write_text("precious")
    with pytest.raises(CheckpointError, match="another name"):
        download(ADDRESS, listing, destination, ignore_progress, connection=hub_connection)
    assert (destination / "mine").read_text() == "precious"


def test_names_that_lead_outside_are_not_followed(hub: FakeHub, hub_connection: HubConnection) -> None:
    bad = ["../../evil.safetensors", "tokenizer/..\\..\\evil.json", "tokenizer/C:evil.json", "tokenizer/\x01.json"]
    hub.repositories["someone/evil"] = Repository({**sdxl_files(), **dict.fromkeys(bad, b"{}")})
    listing = list_hub_files(parse_address("someone/evil"), ignore_progress, connection=hub_connection)
    assert LARGE in {file.path for file in listing.files}
    assert not {file.path for file in listing.files} & set(bad)
