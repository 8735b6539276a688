"""Hands what a later start is to open to the window that is already open on the same display with the same home folder.

The first window listens on a local socket (a named pipe on Windows) that only its own user can open: it is in a private
folder, and no network is involved. The greeting proves that the window answers; without one a later start opens a
window of its own. What arrives is bounded and checked, and is nothing but text and the names of files.
"""

from __future__ import annotations

import hashlib
import logging
import os
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from urllib.parse import quote_from_bytes, unquote_to_bytes

import msgspec
from PySide6.QtCore import QCoreApplication, QEvent, QLockFile, QObject, QTimer, Signal
from PySide6.QtGui import QFileOpenEvent
from PySide6.QtNetwork import QLocalServer, QLocalSocket

from sdxl_desktop.core.paths import AppPaths

_log = logging.getLogger(__name__)

MAX_MESSAGE_BYTES = 2**20
MAX_NAMES, MAX_NAME = 1000, 8192
MAX_PROMPT = 100_000
ANSWER_TIMEOUT_MS = 5000
"""How long a later start waits for each answer, and the window for a whole message."""
_GREETING, _ACCEPTED, _REFUSED = b"sdxl-desktop 1\n", b"accepted\n", b"refused\n"
_LENGTH_BYTES = 4
_DISPLAY_VARIABLES = ("WAYLAND_DISPLAY", "DISPLAY")
_MAX_FOLDER_BYTES = 50
"""The longest folder for the socket: systems limit its whole path to about 100 bytes."""
_URL_SCHEMES = ("http://", "https://", "file://")

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_NAME)]
Names = Annotated[tuple[Name, ...], msgspec.Meta(max_length=MAX_NAMES)]


@dataclass(frozen=True, slots=True)
class OpenRequest:
    """What a start of the program is to open: absolute paths and URLs, and text for the prompt. `activation_token` lets
    the window come to the front (XDG activation)."""

    names: tuple[Path | str, ...] = ()
    prompt: str | None = None
    activation_token: str = ""

    @property
    def is_empty(self) -> bool:
        return not self.names and self.prompt is None


class _Message(msgspec.Struct, frozen=True):
    """An `OpenRequest` in JSON. File names are bytes, percent-encoded, as they may be no text."""

    files: Names = ()
    urls: Names = ()
    prompt: Annotated[str, msgspec.Meta(max_length=MAX_PROMPT)] | None = None
    activation_token: Annotated[str, msgspec.Meta(max_length=256)] = ""


def encode_request(request: OpenRequest) -> bytes:
    """Return the message for `request`. Raises ValueError if it is beyond the limits."""
    files = tuple(quote_from_bytes(os.fsencode(name)) for name in request.names if isinstance(name, Path))
    urls = tuple(name for name in request.names if isinstance(name, str))
    body = msgspec.json.encode(_Message(files, urls, request.prompt, request.activation_token))
    decode_request(body)
    return len(body).to_bytes(_LENGTH_BYTES, "big") + body


def decode_request(body: bytes) -> OpenRequest:
    """Return the request in a message without its length. Raises ValueError if anything in it is not allowed."""
    if len(body) > MAX_MESSAGE_BYTES:
        raise ValueError("too long")
    message = msgspec.json.decode(body, type=_Message)
    files = tuple(Path(os.fsdecode(unquote_to_bytes(name))) for name in message.files)
    if not all(file.is_absolute() and "\0" not in str(file) for file in files):
        raise ValueError("not an absolute path")
    if not all(url.lower().startswith(_URL_SCHEMES) for url in message.urls):
        raise ValueError("not a URL that can be opened")
    return OpenRequest((*files, *message.urls), message.prompt, message.activation_token)


class SingleInstance(QObject):
    """This start's side of the socket: `hand_over` asks the open window, `listen` becomes the one that is asked.

    `received` carries the OpenRequests of later starts. They wait while the event loop does not run.
    """

    received = Signal(object)

    def __init__(self, paths: AppPaths, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._paths = paths
        self._address = ""
        self._server = QLocalServer(self)
        self._server.setSocketOptions(QLocalServer.SocketOption.UserAccessOption)
        self._server.newConnection.connect(self._accept)

    def hand_over_or_listen(self, request: OpenRequest, *, new_window: bool = False) -> bool:
        """Return whether an open window has taken `request`. If there is no open window, this one listens from now on;
        if there is one that does not answer, or with `new_window`, this is a further window, which is never asked."""
        try:
            folder, self._address = _socket_place(self._paths)
        except OSError as problem:
            _log.warning("Later starts cannot be handed over: %s", problem)
            return False
        with _starting_alone(folder / f"{Path(self._address).stem}.lock"):
            socket = self._connect()
            if socket is None:
                self._listen()
                return False
            try:
                return not new_window and not request.is_empty and _hand_over(socket, request)
            finally:
                socket.abort()

    def _connect(self) -> QLocalSocket | None:
        """Return a connection to the open window; None if there is none."""
        socket = QLocalSocket()
        socket.connectToServer(self._address)
        return socket if socket.waitForConnected(ANSWER_TIMEOUT_MS) else None

    def _listen(self) -> None:
        QLocalServer.removeServer(self._address)  # left by a killed process
        if not self._server.listen(self._address):
            _log.warning("Later starts cannot be handed over: %s", self._server.errorString())

    @property
    def is_listening(self) -> bool:
        return self._server.isListening()

    def close(self) -> None:
        """Stop listening; the next start opens a window of its own."""
        self._server.close()

    def _accept(self) -> None:
        while (socket := self._server.nextPendingConnection()) is not None:
            _Receiver(socket, self)


class FileOpenEvents(QObject):
    """Turns the events by which macOS asks a running application to open a file or URL into OpenRequests."""

    received = Signal(object)

    def __init__(self, app: QCoreApplication) -> None:
        super().__init__(app)
        app.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if not isinstance(event, QFileOpenEvent):
            return False
        name: Path | str = Path(event.file()) if event.file() else event.url().toString()
        self.received.emit(OpenRequest((name,)))
        return True


class _Receiver(QObject):
    """Reads one message from `socket` and answers it. It lives as long as the connection."""

    def __init__(self, socket: QLocalSocket, instance: SingleInstance) -> None:
        super().__init__(socket)
        self._socket, self._instance = socket, instance
        socket.setReadBufferSize(_LENGTH_BYTES + MAX_MESSAGE_BYTES)
        socket.readyRead.connect(self._read)
        socket.disconnected.connect(socket.deleteLater)
        QTimer.singleShot(ANSWER_TIMEOUT_MS, self, socket.abort)
        socket.write(_GREETING)

    def _read(self) -> None:
        prefix = bytes(self._socket.peek(_LENGTH_BYTES).data())
        length = int.from_bytes(prefix, "big")
        if length > MAX_MESSAGE_BYTES:
            self._answer(_REFUSED)
        elif len(prefix) == _LENGTH_BYTES and self._socket.bytesAvailable() >= _LENGTH_BYTES + length:
            body = bytes(self._socket.read(_LENGTH_BYTES + length).data())[_LENGTH_BYTES:]
            try:
                request = decode_request(body)
            except (ValueError, msgspec.MsgspecError) as problem:
                _log.warning("What another start sent was refused: %s", problem)
                self._answer(_REFUSED)
            else:
                self._answer(_ACCEPTED)
                self._instance.received.emit(request)

    def _answer(self, answer: bytes) -> None:
        self._socket.readyRead.disconnect(self._read)
        self._socket.write(answer)
        self._socket.flush()  # before anything is opened, which may take a while
        self._socket.disconnectFromServer()


@contextmanager
def _starting_alone(lock_file: Path) -> Iterator[None]:
    """Of two programs that start at the same moment, the second waits until the first listens."""
    lock = QLockFile(str(lock_file))
    locked = lock.tryLock(2 * ANSWER_TIMEOUT_MS)  # without it there are two windows at worst
    try:
        yield
    finally:
        if locked:
            lock.unlock()


def _hand_over(socket: QLocalSocket, request: OpenRequest) -> bool:
    """Send `request` and return whether it was accepted."""
    try:
        message = encode_request(request)
    except (ValueError, msgspec.MsgspecError) as problem:
        _log.warning("This start opens a window of its own: %s", problem)
        return False
    if _read_line(socket) != _GREETING:
        return False
    socket.write(message)
    socket.flush()
    return _read_line(socket) == _ACCEPTED


def _read_line(socket: QLocalSocket) -> bytes:
    """Return the next line; b"" if there is none in time."""
    while not socket.canReadLine():
        if not socket.waitForReadyRead(ANSWER_TIMEOUT_MS):
            return b""
    return bytes(socket.readLine(len(_GREETING) + 1).data())


def _socket_place(paths: AppPaths) -> tuple[Path, str]:
    """Return a private folder and the address of the socket for the display and the home folder of `paths`. Raises
    OSError if there is no folder that others have no access to."""
    place = "\n".join([os.path.realpath(paths.data), *(os.environ.get(name, "") for name in _DISPLAY_VARIABLES)])
    name = f"sdxl-desktop-{hashlib.blake2b(os.fsencode(place), digest_size=8).hexdigest()}"
    if sys.platform == "win32":
        return Path(tempfile.gettempdir()), name
    folder = Path(os.environ.get("XDG_RUNTIME_DIR", ""))
    if not folder.is_absolute() or not _is_private(folder) or len(os.fsencode(folder)) > _MAX_FOLDER_BYTES:
        folder = Path(tempfile.gettempdir()) / f"sdxl-desktop-{os.getuid()}"
        folder.mkdir(mode=0o700, exist_ok=True)
        if not _is_private(folder):
            raise PermissionError(f"{folder} is open to others")
    return folder, str(folder / f"{name}.socket")


def _is_private(folder: Path) -> bool:
    """Whether it is a folder, and no link to one, that belongs to this user and that others cannot enter."""
    try:
        found = folder.lstat()
    except (OSError, ValueError):
        return False
    return stat.S_ISDIR(found.st_mode) and not found.st_mode & 0o077 and found.st_uid == os.getuid()
