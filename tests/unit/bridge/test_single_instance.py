"""A later start hands what it was given to the window that is open; nothing odd gets in, and nobody waits long."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QCoreApplication, QUrl
from PySide6.QtGui import QFileOpenEvent
from pytestqt.qtbot import QtBot

from sdxl_desktop.bridge import single_instance
from sdxl_desktop.bridge.single_instance import (
    MAX_MESSAGE_BYTES,
    MAX_NAME,
    MAX_NAMES,
    MAX_PROMPT,
    FileOpenEvents,
    OpenRequest,
    SingleInstance,
    decode_request,
    encode_request,
)
from sdxl_desktop.core.paths import AppPaths

REQUEST = OpenRequest(
    (Path("/a/pic ture.png"), Path("/ü/☃.sdxld"), "https://example.org/x.png"), "a red heart", "token"
)
LATER_START = """
import sys
from pathlib import Path
from PySide6.QtCore import QCoreApplication
from sdxl_desktop.bridge.single_instance import OpenRequest, SingleInstance
from sdxl_desktop.core.paths import AppPaths
app = QCoreApplication([])
names = tuple(name if "://" in name else Path(name) for name in sys.argv[2:])
request = OpenRequest(names, sys.argv[1] or None)
print(SingleInstance(AppPaths.from_environment()).hand_over_or_listen(request))
"""


@pytest.fixture
def socket_folder(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the socket is. It has a short path, as in real life."""
    with tempfile.TemporaryDirectory(prefix="s-", dir="/tmp") as folder:
        private = getattr(request, "param", "runtime folder") == "runtime folder"
        Path(folder).chmod(0o700 if private else 0o755)
        monkeypatch.setenv("XDG_RUNTIME_DIR", folder)
        monkeypatch.setenv("TMPDIR", folder)
        monkeypatch.setattr(tempfile, "tempdir", None)
        yield Path(folder) if private else Path(folder, f"sdxl-desktop-{os.getuid()}")
        monkeypatch.setattr(tempfile, "tempdir", None)


@pytest.fixture
def paths(socket_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AppPaths:
    monkeypatch.setenv("SDXL_DESKTOP_HOME", str(tmp_path / "home"))
    return AppPaths.from_environment()


@pytest.fixture
def first(paths: AppPaths, qapp: QCoreApplication) -> Iterator[SingleInstance]:
    instance = SingleInstance(paths)
    assert not instance.hand_over_or_listen(OpenRequest())
    assert instance.is_listening
    yield instance
    instance.close()


def start_later(*arguments: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", LATER_START, *arguments],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        text=True,
    )


def answer_of(process: subprocess.Popen[str], qtbot: QtBot) -> str:
    """What a later start prints: whether the open window has taken what it was given."""
    qtbot.waitUntil(lambda: process.poll() is not None, timeout=30_000)
    with process:
        assert process.stdout is not None
        return process.stdout.read().strip()


def test_a_later_start_hands_its_files_and_its_prompt_over(first: SingleInstance, qtbot: QtBot) -> None:
    arrived: list[OpenRequest] = []
    first.received.connect(arrived.append)
    later = start_later("a heart", "/tmp/ü 100 %.png", "file:///b.sdxld")
    assert answer_of(later, qtbot) == "True"
    assert arrived == [OpenRequest((Path("/tmp/ü 100 %.png"), "file:///b.sdxld"), "a heart")]


@pytest.mark.parametrize("socket_folder", ["runtime folder", "temporary folder"], indirect=True)
def test_only_its_own_user_can_reach_the_window(first: SingleInstance, socket_folder: Path) -> None:
    (found,) = socket_folder.glob("*.socket")
    for path in (found, socket_folder):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0


@pytest.mark.parametrize("socket_folder", ["temporary folder"], indirect=True)
@pytest.mark.parametrize("kind", ["open to others", "a link", "a file"])
def test_a_folder_that_others_may_have_made_is_not_trusted(socket_folder: Path, paths: AppPaths, kind: str) -> None:
    if kind == "a file":
        socket_folder.write_text("")
    elif kind == "a link":
        socket_folder.symlink_to(paths.data.parent)
    else:
        socket_folder.mkdir()
        socket_folder.chmod(0o777)
    instance = SingleInstance(paths)
    assert not instance.hand_over_or_listen(REQUEST)
    assert not instance.is_listening


@pytest.mark.parametrize("variable", ["SDXL_DESKTOP_HOME", "DISPLAY", "WAYLAND_DISPLAY"])
def test_another_home_folder_or_display_has_a_window_of_its_own(
    first: SingleInstance, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str
) -> None:
    monkeypatch.setenv(variable, str(tmp_path / "another"))
    other = SingleInstance(AppPaths.from_environment())
    assert not other.hand_over_or_listen(REQUEST)
    assert other.is_listening
    other.close()


def test_a_further_window_is_not_asked_and_takes_nothing_over(first: SingleInstance, paths: AppPaths) -> None:
    further = SingleInstance(paths)
    for request, new_window in ((REQUEST, True), (OpenRequest(), False)):
        assert not further.hand_over_or_listen(request, new_window=new_window)
        assert not further.is_listening
    assert first.is_listening


@pytest.mark.parametrize("socket_folder", ["runtime folder", "temporary folder"], indirect=True)
@pytest.mark.parametrize("end", ["closed", "killed"])
def test_after_the_first_window_has_ended_the_next_is_the_first(
    first: SingleInstance, paths: AppPaths, socket_folder: Path, end: str
) -> None:
    (address,) = socket_folder.glob("*.socket")
    first.close()
    if end == "killed":
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(str(address))
        assert address.exists()
    following = SingleInstance(paths)
    assert not following.hand_over_or_listen(REQUEST)
    assert following.is_listening
    following.close()


def test_a_window_that_does_not_answer_is_not_waited_for(
    first: SingleInstance, paths: AppPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its event loop does not run here, as if it hung."""
    monkeypatch.setattr(single_instance, "ANSWER_TIMEOUT_MS", 50)
    arrived: list[OpenRequest] = []
    first.received.connect(arrived.append)
    assert not SingleInstance(paths).hand_over_or_listen(REQUEST)
    QCoreApplication.processEvents()
    assert not arrived, "it was opened in another window"


def test_what_is_sent_arrives(tmp_path: Path) -> None:
    odd = OpenRequest((Path(os.fsdecode(b"/caf\xe9.png")), tmp_path), None)
    for request in (REQUEST, odd, OpenRequest()):
        message = encode_request(request)
        assert decode_request(message[4:]) == request
        assert int.from_bytes(message[:4], "big") == len(message) - 4


@pytest.mark.parametrize(
    "request_",
    [
        OpenRequest((Path("relative.png"),)),
        OpenRequest(("ftp://example.org/a.png",)),
        OpenRequest(("javascript:alert(1)",)),
        OpenRequest((Path("/a\0b"),)),
        OpenRequest((Path("/" + "a" * MAX_NAME),)),
        OpenRequest((Path("/a"),) * (MAX_NAMES + 1)),
        OpenRequest((), "x" * (MAX_PROMPT + 1)),
        OpenRequest((), "\udce9"),
        OpenRequest((), None, "t" * 1000),
    ],
    ids=lambda one: str(one)[:40],
)
def test_what_is_not_allowed_is_not_sent(request_: OpenRequest) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - each has words of its own
        encode_request(request_)


NO_REQUESTS = (
    b"",
    b"\xff\xff\xff\xff",
    (MAX_MESSAGE_BYTES + 1).to_bytes(4, "big"),
    b"\0\0\0\x02[]",
    b"\0\0\0\x01{",
    b'\0\0\0\x13{"files":["a.png"]}',
    b'\0\0\0\x16{"urls":["ssh://host"]}',
    b"\0\1\0\0" + b"[" * 65536,
    b"GET / HTTP/1.1\r\n\r\n",
)


def test_what_is_not_a_request_is_refused_and_harms_nothing(
    first: SingleInstance, qtbot: QtBot, socket_folder: Path
) -> None:
    arrived: list[OpenRequest] = []
    first.received.connect(arrived.append)
    (place,) = socket_folder.glob("*.socket")
    for sent in NO_REQUESTS:
        with socket.socket(socket.AF_UNIX) as stranger:
            stranger.connect(str(place))
            stranger.sendall(sent)
            QCoreApplication.processEvents()
    later = start_later("", "/b.png")
    assert answer_of(later, qtbot) == "True"
    assert arrived == [OpenRequest((Path("/b.png"),))]


def test_files_that_the_system_asks_to_open_are_requests(qapp: QCoreApplication) -> None:
    arrived: list[OpenRequest] = []
    events = FileOpenEvents(qapp)
    events.received.connect(arrived.append)
    QCoreApplication.sendEvent(qapp, QFileOpenEvent("/a/b.png"))
    QCoreApplication.sendEvent(qapp, QFileOpenEvent(QUrl("https://example.org/c.png")))
    qapp.removeEventFilter(events)
    assert arrived == [OpenRequest((Path("/a/b.png"),)), OpenRequest(("https://example.org/c.png",))]
