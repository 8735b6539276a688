"""A hub on this computer: serves the API that a download needs, counts its traffic, and fails on request."""

from __future__ import annotations

import hashlib
import json
import re
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

LARGE = "unet/diffusion_pytorch_model.fp16.safetensors"
"""The file that cuts and slowness are about."""
COMMIT = "0123456789abcdef0123456789abcdef01234567"
_RESOLVE = re.compile(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)")
_API = re.compile(r"/api/models/([^/]+/[^/]+)/(revision|tree)/([^/]+)")
_LFS_FROM = 1000


@dataclass
class Repository:
    """`lie` gives, by path, the content that is sent the first so many times instead of the true one."""

    files: dict[str, bytes]
    card: dict[str, Any] = field(default_factory=dict)
    gated: bool = False
    lie: dict[str, tuple[int, bytes]] = field(default_factory=dict)


Fault = Callable[["_Handler"], bool]
"""Answers True when it has dealt with the request."""


class FakeHub:
    """`faults` are asked in turn about each request; `served` counts bytes of files by path; `asked` lists requests."""

    def __init__(self, repositories: dict[str, Repository]) -> None:
        self.repositories = repositories
        self.tokens = {"hf_granted": True, "hf_known": False}  # whether it has been given access
        self.faults: list[Fault] = []
        self.served: dict[str, int] = {}
        self.asked: list[tuple[str, str, str]] = []
        self.cut_after: list[int] = []  # one entry for each cut of the large file: the bytes after which it comes
        self.slow: tuple[int, threading.Event] | None = None  # bytes after which the large file waits for the event
        self.ignore_range = False
        self.reset = False  # whether a cut is a reset, which loses what is under way
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.hub = self  # type: ignore[attr-defined]
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def total_served(self) -> int:
        return sum(self.served.values())

    def close(self) -> None:
        if self.slow:
            self.slow[1].set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def fail_with(status: int, *, times: int = 10**6, where: str = "", headers: Mapping[str, str] | None = None) -> Fault:
    """Answer `status` to requests whose path contains `where`, the first `times` times."""
    left = [times]

    def fault(request: _Handler) -> bool:
        if where not in request.path or left[0] <= 0:
            return False
        left[0] -= 1
        request.answer(status, b'{"error": "no"}', dict(headers or {}))
        return True

    return fault


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def hub(self) -> FakeHub:
        return self.server.hub  # type: ignore[attr-defined,no-any-return]

    def log_message(self, *args: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.hub.asked.append((self.command, path, self.headers.get("Authorization", "")))
        if any(fault(self) for fault in self.hub.faults):
            return
        if found := _API.fullmatch(path):
            self._api(found[1], found[2], found[3])
        elif found := _RESOLVE.fullmatch(path):
            self._resolve(found[1], found[2], found[3])
        else:
            self.answer(404, b"{}")

    def answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _repository(self, repo: str, revision: str) -> Repository | None:
        """The repository as far as this caller may see it; None when the answer has been given."""
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        there = self.hub.repositories.get(repo)
        if token and token not in self.hub.tokens:
            self.answer(401, b"{}", {"X-Error-Message": "Invalid credentials in Authorization header"})
        elif there is None:
            self.answer(404 if token else 401, b"{}", {"X-Error-Code": "RepoNotFound"})
        elif revision not in ("main", COMMIT):
            self.answer(404, b"{}", {"X-Error-Code": "RevisionNotFound"})
        else:
            return there
        return None

    def _may_read(self, there: Repository) -> bool:
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        return not there.gated or self.hub.tokens.get(token, False)

    def _api(self, repo: str, what: str, revision: str) -> None:
        there = self._repository(repo, revision)
        if there is None:
            return
        if what == "revision":
            about = {"id": repo, "modelId": repo, "sha": COMMIT, "private": False, "siblings": [], "tags": []}
            self.answer(
                200, json.dumps({**about, "cardData": there.card, "gated": "manual" if there.gated else False}).encode()
            )
        else:
            self.answer(200, json.dumps([_entry(path, content) for path, content in there.files.items()]).encode())

    def _resolve(self, repo: str, revision: str, path: str) -> None:
        there = self._repository(repo, revision)
        if there is None:
            return None
        if not self._may_read(there):
            known = bool(self.headers.get("Authorization"))
            return self.answer(403 if known else 401, b"{}", {"X-Error-Code": "GatedRepo"})
        if path not in there.files:
            return self.answer(404, b"{}", {"X-Error-Code": "EntryNotFound"})
        return self._send(path, self._content(there, path))

    def _content(self, there: Repository, path: str) -> bytes:
        times, wrong = there.lie.get(path, (0, b""))
        if times <= 0:
            return there.files[path]
        there.lie[path] = (times - 1, wrong)
        return wrong

    def _send(self, path: str, content: bytes) -> None:
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(asked[1]) if asked and not self.hub.ignore_range else 0
        if start >= len(content) and start:
            return self.answer(416, b"", {"Content-Range": f"bytes */{len(content)}"})
        body = content[start:]
        self.send_response(206 if asked and not self.hub.ignore_range else 200)
        if asked and not self.hub.ignore_range:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.send_header("X-Linked-Size", str(len(content)))
        self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        if self.command != "HEAD":
            self._write(path, body)
        return None

    def _write(self, path: str, body: bytes) -> None:
        hub = self.hub
        is_large = path == LARGE
        cut = hub.cut_after.pop(0) if is_large and hub.cut_after else None
        sent = body if cut is None else body[:cut]
        if is_large and hub.slow is not None:
            first, go = hub.slow
            self._count(path, sent[:first])
            self.wfile.flush()
            go.wait(20)
            sent = sent[first:]
        self._count(path, sent)
        if cut is not None:
            self.wfile.flush()
            if hub.reset:
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.close()
            else:
                self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True

    def _count(self, path: str, data: bytes) -> None:
        try:
            self.wfile.write(data)
        except OSError:  # the other end has gone
            self.close_connection = True
            return
        self.hub.served[path] = self.hub.served.get(path, 0) + len(data)


def _entry(path: str, content: bytes) -> dict[str, Any]:
    blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
    entry: dict[str, Any] = {"type": "file", "path": path, "size": len(content), "oid": blob}
    if len(content) >= _LFS_FROM:
        entry["lfs"] = {"oid": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 134}
    return entry
