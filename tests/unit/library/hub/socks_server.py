"""A SOCKS5 server (RFC 1928) on this computer, without passwords, that counts what goes through it."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import struct
import threading
from typing import Any


class SocksServer:
    """`asked` lists the hosts and ports that were asked for; all of them lead to `target`, a port here."""

    def __init__(self, target: int) -> None:
        self.asked: list[tuple[str, int]] = []
        self.target = target
        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Handler)
        self._server.socks = self  # type: ignore[attr-defined]
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        with contextlib.suppress(OSError, struct.error):
            self._serve(self.server.socks)  # type: ignore[attr-defined]

    def _serve(self, socks: SocksServer) -> None:
        _, methods = self._exactly(2)
        self._exactly(methods)
        self.request.sendall(b"\x05\x00")
        _, _, _, kind = self._exactly(4)
        host = socket.inet_ntoa(self._exactly(4)) if kind == 1 else self._exactly(self._exactly(1)[0]).decode()
        (port,) = struct.unpack(">H", self._exactly(2))
        socks.asked.append((host, port))
        with socket.create_connection(("127.0.0.1", socks.target)) as there:
            self.request.sendall(b"\x05\x00\x00\x01" + bytes(6))
            back = threading.Thread(target=_pass_on, args=(there, self.request), daemon=True)
            back.start()
            _pass_on(self.request, there)
            back.join()

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            more = self.request.recv(count - len(data))
            if not more:
                raise OSError("gone")
            data += more
        return data


def _pass_on(source: Any, sink: Any) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(2**16):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
