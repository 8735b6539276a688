"""Python imports this at the start of every process that has its folder on PYTHONPATH: writes down each use of the
network, and each file that is written outside the folders that the test allows, with the process that did it."""

import os
import sys
from typing import Any

_REPORT = os.environ["WATCH_REPORT"]
_ALLOWED = tuple(os.environ["WATCH_ALLOWED"].split(os.pathsep))
_LOOK_UPS = {"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr", "socket.getnameinfo"}
_INTERNET = {2, 10}  # AF_INET, AF_INET6
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def _watch(event: str, arguments: Any) -> None:
    if event in _LOOK_UPS or (event == "socket.__new__" and arguments[1] in _INTERNET):
        _report(f"{event} {arguments[0] if event in _LOOK_UPS else arguments[1]}")
    elif event == "os.mkdir" or (event == "open" and (arguments[2] or 0) & _WRITING):
        _look_at(event, arguments[0])


def _look_at(event: str, path: Any) -> None:
    if isinstance(path, (str, bytes)) and path != _REPORT:
        path = os.path.abspath(os.fsdecode(path))
        if not f"{path}{os.sep}".startswith(_ALLOWED):
            _report(f"{event} {path}")


def _report(what: str) -> None:
    descriptor = os.open(_REPORT, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(descriptor, f"{what} by {' '.join(sys.argv)[:200]}\n".encode())
    os.close(descriptor)


sys.addaudithook(_watch)
