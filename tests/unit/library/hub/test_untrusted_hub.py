"""A mirror is untrusted: it cannot write elsewhere, learn a token that is not its own, or block a process."""

from __future__ import annotations

import gzip
import json
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from sdxl_desktop.library.hub.access_token import AccessToken
from sdxl_desktop.library.hub.download_job import DownloadProgress
from sdxl_desktop.library.hub.download_paths import WORK_FOLDER_NAME, UnfinishedDownload, unfinished_downloads
from sdxl_desktop.library.hub.hub_address import parse_address
from sdxl_desktop.library.hub.hub_client import HubClient, iter_decoded
from sdxl_desktop.library.hub.hub_connection import HubConnection, download, list_hub_files
from sdxl_desktop.library.hub.hub_errors import AccessError, HubError, HubNotFoundError
from sdxl_desktop.library.hub.remote_files import DownloadLayout, HubListing, RemoteFile
from sdxl_desktop.library.hub.repo_listing import list_repo
from sdxl_desktop.library.hub.retry import HubCredentials, RetryPolicy
from sdxl_desktop.library.hub.safe_names import find_collision, is_safe_path
from tests.mutations import Random, mutated_bytes
from tests.unit.library.hub.conftest import REPO
from tests.unit.library.hub.fake_hub import COMMIT, FakeHub, Repository, fail_with

ADDRESS = parse_address(REPO)
MINE = "hf_granted"


def quiet(progress: DownloadProgress) -> None:
    pass


def caller(token: str = "") -> HubCredentials:
    return HubCredentials(token, "a test", RetryPolicy(tries=2, first_wait=0.01))


def listed(token: str = "") -> HubListing:
    """The hub's listing, requested in this process."""
    return list_repo(ADDRESS, caller(token), lambda seconds, why: None, openvino=False)


def says(content: bytes, *, where: str, headers: dict[str, str] | None = None) -> Callable[[Any], bool]:
    """A fault: `content` for every request whose path contains `where`."""

    def fault(request: Any) -> bool:
        if where in request.path:
            request.answer(200, content, headers)
        return where in request.path

    return fault


def entry(**changed: Any) -> dict[str, Any]:
    return {"type": "file", "path": "x.safetensors", "size": 3, "oid": "0" * 40, **changed}


@pytest.fixture
def untrusted_hub() -> Iterator[FakeHub]:
    made = FakeHub({REPO: Repository({"x.safetensors": b"abc"})})
    yield made
    made.close()


@pytest.mark.parametrize(
    "digest",
    ["../" * 7 + "pwned", "/tmp/pwned", "a/b", "", "." * 40, "x" * 40, "A" * 40, "0" * 39, "0" * 41, "0" * 300,
     "a\\..\\b", "0" * 39 + "\n", "٣" * 40],
    ids=ascii,
)  # fmt: skip
@pytest.mark.parametrize("large", [False, True])
def test_a_content_that_is_no_hash_is_refused(hub: FakeHub, digest: str, large: bool) -> None:
    lfs = {"lfs": {"oid": digest, "size": 3, "pointerSize": 1}} if large else {"oid": digest}
    hub.faults.append(says(json.dumps([entry(**lfs)]).encode(), where="/tree/"))
    with pytest.raises(HubError, match="no size or no hash"):
        listed()


@pytest.mark.parametrize("size", [-1, -(2**63), 2**43, 10**30])
def test_a_size_that_cannot_be_is_refused(hub: FakeHub, size: int) -> None:
    hub.faults.append(says(json.dumps([entry(size=size)]).encode(), where="/tree/"))
    with pytest.raises(HubError, match="no size or no hash"):
        listed()


@pytest.mark.parametrize("sha", ["../../x", "", "x" * 40, None, "0" * 5000])
def test_a_commit_that_is_none_is_refused(hub: FakeHub, sha: str | None) -> None:
    hub.faults.append(says(json.dumps({"sha": sha}).encode(), where="/revision/"))
    with pytest.raises(HubError, match="which commit"):
        listed()


@pytest.mark.parametrize(
    "path",
    ["../x.safetensors", "/etc/x.safetensors", "a/../../x.safetensors", "C:/x.safetensors", "C:x.safetensors",
     "..\\x.safetensors", "a\\b.safetensors", "x\0.safetensors", "x\n.safetensors", "con", "NUL.safetensors",
     "aux/x.safetensors", "COM1.safetensors", "lpt9 .safetensors", "x.safetensors.", "x.safetensors ", " x.safetensors",
     "a//x.safetensors", "./x.safetensors", "x" * 300, "a/" * 400 + "x", "\u202ex.safetensors", "x\u200b.safetensors",
     "x\ud800", "\uff0fx.safetensors", "\u2025/x.safetensors", "x:stream.safetensors", "x?.safetensors"],
    ids=ascii,
)  # fmt: skip
def test_a_name_that_is_no_plain_file_is_passed_over(hub: FakeHub, path: str) -> None:
    assert not is_safe_path(path)
    with pytest.raises(ValueError, match="path"):
        RemoteFile(path, 3, blob="0" * 40)
    tree = [entry(path=path), entry(path="good.safetensors")]
    hub.faults.append(says(json.dumps(tree).encode(), where="/tree/"))
    if "\ud800" in path:  # is not even text
        with pytest.raises(HubError):
            listed()
    else:
        assert [file.path for file in listed().files] == ["good.safetensors"]


@pytest.mark.parametrize(
    "path",
    ["x.safetensors", "unet/a b (1).json", ".gitattributes", "naïve/файл.txt", "模型.safetensors", "console.txt"],
)
def test_ordinary_names_are_plain(path: str) -> None:
    assert is_safe_path(path)


@pytest.mark.parametrize(
    ("paths", "same"),
    [
        (["a", "b/a"], ""),
        (["a", "A"], "A"),
        (["a/b", "a"], "a"),
        (["a", "A/b"], "A/b"),
        (["\u00e9", "e\u0301"], "e\u0301"),
        (["a/b", "a/c", "A/C"], "A/C"),
    ],
)
def test_names_that_are_one_place(paths: list[str], same: str) -> None:
    assert find_collision(paths) == same


def test_files_that_would_lie_in_one_place_are_refused(hub: FakeHub) -> None:
    there = dict(hub.repositories[REPO].files)
    hub.repositories[REPO].files = {**there, "unet/CONFIG.json": b"{}"}
    with pytest.raises(HubError, match="in one place"):
        listed()


@pytest.mark.parametrize(
    "content",
    [b"", b"5", b"[5]", b"{}", b"null", b"[" * 100_000, b'[{"type": "file"}]', b'[{"type": 5, "path": 5}]', b"\xff\xfe",
     b'[{"type": "file", "path": "x", "size": 1e999, "oid": "0"}]', b"<html>"],
    ids=lambda content: content[:30].decode("ascii", "replace"),
)  # fmt: skip
@pytest.mark.parametrize("where", ["/revision/", "/tree/"])
def test_an_answer_of_another_kind_is_reported(hub: FakeHub, content: bytes, where: str) -> None:
    hub.faults.append(says(content, where=where))
    with pytest.raises(HubError) as caught:
        listed()
    assert len(str(caught.value)) < 400


def mutations(hub: FakeHub, numbers: range) -> None:
    """Whatever is answered, it is a listing or a sentence."""
    about = json.dumps({"sha": COMMIT, "cardData": {"license": "mit"}, "tags": ["a"], "gated": False}).encode()
    large = {"lfs": {"oid": "1" * 64, "size": 5, "pointerSize": 1}}
    tree = json.dumps(
        [entry(), entry(path="a/b.json"), entry(path="y.ckpt", **large), entry(type="directory")]
    ).encode()
    answers = {"/revision/": b"", "/tree/": b""}

    def answer(request: Any) -> bool:
        body = next(body for where, body in answers.items() if where in request.path)
        request.answer(200, body)
        return True

    hub.faults.append(answer)
    for number in numbers:
        answers["/revision/"] = mutated_bytes(about, Random(number)) if number % 2 else about
        answers["/tree/"] = tree if number % 2 else mutated_bytes(tree, Random(number))
        message = ""
        try:
            listed()
        except HubError as problem:
            message = str(problem)
        assert len(message) < 700


def test_200_mutations(hub: FakeHub) -> None:
    mutations(hub, range(200))


@pytest.mark.slow
def test_thousands_of_mutations(hub: FakeHub) -> None:
    mutations(hub, range(200, 3000))


def test_a_kept_note_cannot_lead_elsewhere(tmp_path: Path) -> None:
    """The records of unfinished downloads are on disk, where a library may have been copied from another user."""
    library, elsewhere = tmp_path / "library", tmp_path / "elsewhere"
    listing = HubListing(
        repo=REPO, commit=COMMIT, layout=DownloadLayout.PART, files=(RemoteFile("config.json", 3, blob="0" * 40),)
    )
    good = msgspec.json.encode(UnfinishedDownload(ADDRESS, listing, str(library / "x")))
    notes = {
        "good": good,
        "elsewhere": good.replace(str(library).encode(), str(elsewhere).encode()),
        "path": good.replace(b"config.json", b"../../../config.json"),
        "hash": good.replace(b"0" * 40, b"../../../../x", 2),
        "deep": b"[" * 100_000,
    }
    for name, content in notes.items():
        (library / WORK_FOLDER_NAME / name).mkdir(parents=True)
        (library / WORK_FOLDER_NAME / name / "wanted.json").write_bytes(content)
    (library / WORK_FOLDER_NAME / "pipe").mkdir()
    os.mkfifo(library / WORK_FOLDER_NAME / "pipe" / "wanted.json")
    assert [note.destination for note in unfinished_downloads(library)] == [str(library / "x")]


class TestTheToken:
    @pytest.mark.parametrize("what", ["/revision/", "/tree/"])
    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_it_does_not_follow_a_redirection(
        self, hub: FakeHub, untrusted_hub: FakeHub, what: str, status: int
    ) -> None:
        def lead(request: Any) -> bool:
            if what in request.path:
                request.answer(status, b"", {"Location": f"{untrusted_hub.url}{request.path}"})
            return what in request.path

        hub.faults.append(lead)
        assert listed(MINE).commit == COMMIT
        assert {token for _, _, token in hub.asked} == {f"Bearer {MINE}"}
        assert {token for _, _, token in untrusted_hub.asked} == {""}

    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
    def test_it_does_not_follow_to_the_next_page(self, hub: FakeHub, untrusted_hub: FakeHub, host: str) -> None:
        """The page of another host is read, as mirrors pass on the hub's own addresses, without a token."""
        there = f"{untrusted_hub.url.replace('127.0.0.1', host)}/api/models/{REPO}/tree/{COMMIT}?cursor=1"
        page = json.dumps([entry(path="first.txt")]).encode()
        hub.faults.append(says(page, where="/tree/", headers={"Link": f'<{there}>; rel="next"'}))
        assert [file.path for file in listed(MINE).files] == ["x.safetensors"]
        assert {token for _, _, token in hub.asked} == {f"Bearer {MINE}"}
        assert [token for _, _, token in untrusted_hub.asked] == [""]

    def test_it_goes_to_the_next_page_of_its_own_host(self, hub: FakeHub) -> None:
        first = json.dumps([entry(path="first.txt")]).encode()
        second = json.dumps([entry(path="second.safetensors")]).encode()
        hub.faults.append(says(second, where="cursor=2"))
        hub.faults.append(says(first, where="/tree/", headers={"Link": f'</api/{REPO}/tree/x?cursor=2>; rel="next"'}))
        assert [file.path for file in listed(MINE).files] == ["second.safetensors"]
        assert {token for _, _, token in hub.asked} == {f"Bearer {MINE}"}

    def test_it_is_in_no_environment_and_no_command_line(
        self, hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seen = threading.Event()
        found: list[bytes] = []

        def spy(request: Any) -> bool:
            for folder in Path("/proc").glob("[0-9]*"):
                try:
                    words = (folder / "cmdline").read_bytes()
                    if b"--download-host" in words and int((folder / "stat").read_text().split()[3]) == os.getpid():
                        found.append(words + (folder / "environ").read_bytes())
                except (OSError, ValueError):
                    continue
            seen.set()
            return False

        monkeypatch.setenv("HF_TOKEN", "hf_from_the_environment")
        hub.faults.append(spy)
        list_hub_files(
            ADDRESS, quiet, connection=HubConnection(AccessToken(MINE, "a test"), reserved_bytes=0, initial_delay=0.02)
        )
        assert seen.is_set()
        assert found
        assert not any(secret in words for words in found for secret in (MINE.encode(), b"hf_from_the_environment"))


class TestWithoutEnd:
    def test_a_circle_of_pages(self, hub: FakeHub) -> None:
        link = {"Link": f'</api/models/{REPO}/tree/{COMMIT}?cursor=1>; rel="next"'}
        hub.faults.append(says(b"[]", where="/tree/", headers=link))
        with pytest.raises(HubError, match="no end"):
            listed()

    def test_pages_without_end(self, hub: FakeHub) -> None:
        def page(request: Any) -> bool:
            if "/tree/" in request.path:
                request.answer(200, b"[]", {"Link": f'</tree/{len(hub.asked)}>; rel="next"'})
            return "/tree/" in request.path

        hub.faults.append(page)
        with pytest.raises(HubError, match="no end"):
            listed()
        assert len(hub.asked) < 300

    @pytest.mark.usefixtures("in_this_process")
    @pytest.mark.parametrize("what", ["/revision/", "/resolve/"])
    def test_a_circle_of_redirections(
        self, hub: FakeHub, what: str, tmp_path: Path, hub_connection: HubConnection
    ) -> None:
        listing = listed()
        hub.asked.clear()
        hub.faults.append(fail_with(302, where=what, headers={"Location": "?again"}))
        with pytest.raises(HubError, match="without end"):
            listed() if what == "/revision/" else download(
                ADDRESS, listing, tmp_path / "x", quiet, connection=hub_connection
            )
        assert len(hub.asked) < 30

    @pytest.mark.parametrize("packed", [False, True])
    def test_an_answer_without_end(self, hub: FakeHub, packed: bool) -> None:
        body = b"[" + b" " * (40 * 2**20)
        headers = {"Content-Encoding": "gzip"} if packed else {}
        hub.faults.append(says(gzip.compress(body, 1) if packed else body, where="/tree/", headers=headers))
        with pytest.raises(HubError, match="no end"):
            listed()

    def test_a_packed_answer_is_read_all_the_same(self, hub: FakeHub) -> None:
        about = gzip.compress(json.dumps({"sha": COMMIT}).encode())
        hub.faults.append(says(about, where="/revision/", headers={"Content-Encoding": "gzip"}))
        assert listed().commit == COMMIT

    @pytest.mark.parametrize("packing", ["br", "zstd", "deflate", "gzip, gzip", "gzip"])
    def test_a_packing_that_cannot_be_bounded_is_refused(self, hub: FakeHub, packing: str) -> None:
        hub.faults.append(says(b"nothing of the kind", where="/tree/", headers={"Content-Encoding": packing}))
        with pytest.raises(HubError):
            listed()

    def test_an_answer_that_drips(self, hub: FakeHub) -> None:
        """Never silent for long, and never done."""
        over = threading.Event()

        def drip(request: Any) -> bool:
            request.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
            for _ in range(1000):
                if over.wait(0.02):
                    break
                request.wfile.write(b"x")
                request.wfile.flush()
            request.close_connection = True
            return True

        hub.faults.append(drip)
        with HubClient("", seconds=0.3) as client, pytest.raises(httpx.ReadTimeout, match="was not complete"):
            client.get_json("/api/models/a/b", dict)
        over.set()
        for thread in threading.enumerate():
            if thread.name == "hub":
                thread.join(5)

    @pytest.mark.usefixtures("in_this_process")
    def test_a_file_that_begins_again_and_again(
        self, hub: FakeHub, tmp_path: Path, hub_connection: HubConnection
    ) -> None:
        listing = listed()
        hub.cut_after, hub.ignore_range = [1000] * 100, True
        with pytest.raises(HubError, match="start it again"):
            download(ADDRESS, listing, tmp_path / "x", quiet, connection=hub_connection)
        assert len(hub.cut_after) > 80

    @pytest.mark.usefixtures("in_this_process")
    def test_a_file_that_does_not_end_where_it_should(
        self, hub: FakeHub, tmp_path: Path, hub_connection: HubConnection
    ) -> None:
        listing = listed()
        wanted = dict(hub.repositories[REPO].files)

        def more(request: Any) -> bool:
            path = request.path.partition(f"/resolve/{COMMIT}/")[2]
            if path not in wanted:
                return False
            request.send_response(200)
            request.end_headers()
            request.wfile.write(wanted[path])
            for _ in range(200):
                try:
                    request.wfile.write(bytes(2**16))
                except OSError:
                    break
            request.close_connection = True
            return True

        hub.faults.append(more)
        done = download(ADDRESS, listing, tmp_path / "x", quiet, connection=hub_connection)
        assert all((done.folder / file.path).read_bytes() == wanted[file.path] for file in listing.files)


class TestWhatIsAnswered:
    @pytest.mark.parametrize(
        ("status", "token", "kind", "words"),
        [
            (401, "", AccessError, "No token was sent"),
            (401, MINE, AccessError, "does not accept your token"),
            (403, "", AccessError, "wants to know who asks"),
            (403, MINE, AccessError, "may not read it"),
            (404, "", HubNotFoundError, f"There is no {REPO}"),
            (407, "", HubError, "proxy"),
        ],
    )
    def test_of_a_repository(self, hub: FakeHub, status: int, token: str, kind: type[HubError], words: str) -> None:
        hub.faults.append(fail_with(status))
        with pytest.raises(kind, match=words):
            listed(token)

    @pytest.mark.usefixtures("in_this_process")
    @pytest.mark.parametrize("headers", [{}, {"X-Error-Code": "EntryNotFound"}])
    def test_of_one_file(
        self, hub: FakeHub, tmp_path: Path, hub_connection: HubConnection, headers: dict[str, str]
    ) -> None:
        listing = listed()
        hub.faults.append(fail_with(404, where="/resolve/", headers=headers))
        with pytest.raises(HubNotFoundError, match=r"has no [\w/]+\.json"):
            download(ADDRESS, listing, tmp_path / "x", quiet, connection=hub_connection)

    def test_a_long_story_is_not_repeated(self, hub: FakeHub) -> None:
        def story(request: Any) -> bool:
            request.answer(418, json.dumps({"error": "x" * 10**6}).encode(), {"X-Error-Message": "y" * 10_000})
            return True

        hub.faults.append(story)
        with pytest.raises(HubError) as caught:
            listed()
        assert len(str(caught.value)) < 400


def test_pieces_stop_at_the_limit(hub: FakeHub) -> None:
    hub.faults.append(says(bytes(10 * 2**20), where="/x"))
    with HubClient("") as client, client.stream(f"{hub.url}/x", {}) as response:
        assert sum(map(len, iter_decoded(response, 2**20))) < 3 * 2**20
