"""A picture from the web is fetched within bounds or refused with a reason; the servers are on this computer."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import ClassVar

import pytest

from sdxl_desktop.core.errors import PictureError
from sdxl_desktop.session.picture_download import display_host, download_picture, picture_name

Answer = Callable[[BaseHTTPRequestHandler], None]
PICTURE = b"the bytes of a picture" * 99


Server = tuple[str, dict[str, Answer], list[dict[str, str]]]


class _Handler(BaseHTTPRequestHandler):
    answers: ClassVar[dict[str, Answer]]
    seen: ClassVar[list[dict[str, str]]]

    def do_GET(self) -> None:
        self.seen.append({name.lower(): value for name, value in self.headers.items()})
        self.answers[self.path.partition("?")[0]](self)

    def log_message(self, format: str, *args: object) -> None:
        pass


def sends(body: bytes = PICTURE, kind: str = "image/png", code: int = 200, **headers: str) -> Answer:
    def answer(to: BaseHTTPRequestHandler) -> None:
        to.send_response(code)
        to.send_header("Content-Type", kind)
        for name, value in headers.items():
            to.send_header(name.replace("_", "-"), value)
        to.end_headers()
        to.wfile.write(body)

    return answer


def drips(to: BaseHTTPRequestHandler) -> None:
    to.send_response(200)
    to.end_headers()
    for _ in range(100):
        try:
            to.wfile.write(b"a")
        except OSError:
            return
        time.sleep(0.02)


@pytest.fixture
def server() -> Iterator[Server]:
    class Handler(_Handler):
        answers: ClassVar[dict[str, Answer]] = {}
        seen: ClassVar[list[dict[str, str]]] = []

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        thread = Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{listening.server_port}", Handler.answers, Handler.seen
        listening.shutdown()
        thread.join()


def test_a_picture_is_fetched_and_nothing_is_sent_about_the_user(server: Server) -> None:
    base, answers, seen = server
    answers["/a"] = sends(b"", code=302, Location="/b.png?x=1", Set_Cookie="who=you")
    answers["/b.png"] = sends()
    assert download_picture(f"{base}/a") == PICTURE
    assert not {"cookie", "referer", "authorization"} & set().union(*seen)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (sends(b"<html>", "text/html; charset=utf-8"), "web page"),
        (sends(b"", code=404), "404"),
        (sends(b"", code=302, Location="file:///etc/passwd"), "no http"),
        (sends(b"", code=302, Location="ftp://127.0.0.1/a.png"), "no http"),
        (sends(b"", code=302, Location="/a"), "more than 5 times"),
        (sends(b"", code=302, Location="http://localhost:1/admin"), "your own network"),
        (sends(b"", code=302, Location="http://10.0.0.1/admin"), "your own network"),
        (sends(bytes(5000)), "more than"),
        (sends(Content_Encoding="gzip"), "unsupported encoding"),
        (drips, "too long"),
    ],
)
def test_what_is_no_bounded_answer_is_refused_with_a_reason(server: Server, answer: Answer, words: str) -> None:
    base, answers, _ = server
    answers["/a"] = answer
    with pytest.raises(PictureError, match=words) as caught:
        download_picture(f"{base}/a", limit=4096, seconds=0.3)
    assert caught.value.next_step


@pytest.mark.parametrize("address", ["http://127.0.0.1:1/a.png", "http://[::1/a.png", "ftp://127.0.0.1/a", "http:///a"])
def test_what_cannot_be_reached_is_reported(address: str) -> None:
    with pytest.raises(PictureError, match="could not be downloaded"):
        download_picture(address, seconds=2)


def test_addresses_are_named_for_users() -> None:
    assert display_host("https://user:secret@example.org:8080/a") == "example.org"
    assert display_host("javascript:alert(1)") == ""
    assert picture_name("https://example.org/pictures/a%20cat.png?width=9") == "a cat.png"
    assert picture_name("https://example.org/") == "picture"
