"""The line to the hub: sends the token to the hub's own address only, and bounds what answers may take.

Redirections and further pages may lead to other hosts, as those of mirrors do; they are followed there without the
token. Only for the download's own process.
"""

from __future__ import annotations

import ssl
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any, TypeVar
from urllib.parse import urljoin

import httpx
import msgspec
from huggingface_hub import hf_raise_for_status

from sdxl_desktop.library.hub.address import endpoint
from sdxl_desktop.library.hub.problems import no_hub, unusable_proxy

T = TypeVar("T")
_REDIRECTS = 10
_PAGES = 100
_ANSWER_LIMIT = 32 * 2**20
"""Bytes of one answer of the API, unpacked; a page of 1,000 files has 0.3 MB."""
_ANSWER_SECONDS = 60.0
_ERROR_LIMIT = 2**16
_CONNECT_SECONDS, _SILENCE_SECONDS = 15.0, 60.0
_PIECE = 2**20
_SHOWN = 160


class HubClient:
    """Asks the hub as who owns `token` ("" for nobody), within a `with` statement. `seconds` is the longest that an
    answer of the API may take."""

    def __init__(self, token: str, *, seconds: float = _ANSWER_SECONDS) -> None:
        """Raises HubError for a mirror or a proxy in the environment that cannot be used."""
        self._token, self._seconds = token, seconds
        try:
            self._home = _origin(httpx.URL(endpoint()))
        except httpx.InvalidURL as problem:
            raise no_hub(f"Its address makes no sense ({str(problem)[:_SHOWN]}).") from problem
        try:
            self._client = httpx.Client(
                verify=_certificates(),
                event_hooks={"request": [self._authorize]},
                follow_redirects=True,
                max_redirects=_REDIRECTS,
                timeout=httpx.Timeout(_SILENCE_SECONDS, connect=_CONNECT_SECONDS),
                headers={"Accept-Encoding": "identity", "User-Agent": "sdxl-desktop"},
            )
        except (ValueError, ImportError, httpx.InvalidURL) as problem:  # of a kind that httpx does not know
            raise unusable_proxy(problem) from problem

    def __enter__(self) -> HubClient:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def _authorize(self, request: httpx.Request) -> None:
        """Asked before each request, those after a redirection included."""
        request.headers.pop("Cookie", None)
        if _origin(request.url) != self._home:
            request.headers.pop("Authorization", None)
        elif self._token:
            request.headers["Authorization"] = f"Bearer {self._token}"

    def answer(self, path: str, kind: type[T], parameters: Mapping[str, str] | None = None) -> T:
        """What the API answers at `path` below the hub's address. Raises what httpx and huggingface_hub raise, and
        HubError for an answer of another kind."""
        return self._page(f"{endpoint()}{path}", kind, parameters)[0]

    def pages(self, path: str, kind: type[list[T]], parameters: Mapping[str, str] | None = None) -> list[T]:
        """All items of an answer in several pages, of which each names the next one. Raises like `answer`."""
        url = f"{endpoint()}{path}"
        found: list[T] = []
        seen: set[str] = set()
        while url:
            if url in seen or len(seen) >= _PAGES:
                raise no_hub("Its list of files has no end.")
            seen.add(url)
            items, following = self._page(url, kind, parameters)
            found += items
            url, parameters = following, None  # it has them in it
        return found

    def stream(self, url: str, headers: Mapping[str, str]) -> Any:
        """A file's answer, as a context manager; its bytes are `plain_bytes` of it."""
        return self._client.stream("GET", url, headers=dict(headers))

    def _page(self, url: str, kind: type[T], parameters: Mapping[str, str] | None) -> tuple[T, str]:
        def ask() -> tuple[bytes, str]:
            with self._client.stream("GET", url, params=parameters) as response:
                raise_for_status(response)
                following = str(response.links.get("next", {}).get("url", ""))
                return _whole(response), urljoin(str(response.url), following) if following else ""

        content, following = _within(self._seconds, ask)
        try:
            return msgspec.json.decode(content, type=kind), following
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as problem:
            raise no_hub() from problem


@lru_cache(maxsize=1)
def _certificates() -> ssl.SSLContext:
    """Those that are trusted; reading them takes longer than a request does."""
    return httpx.create_ssl_context()


def raise_for_status(response: httpx.Response) -> None:
    """Raise what huggingface_hub has for an answer that is an error; its text counts up to a bound."""
    if not response.is_error:
        return
    try:
        text = b"".join(plain_bytes(response, _ERROR_LIMIT))
    except httpx.DecodingError:
        text = b""
    headers = {name: value[:500] for name, value in response.headers.items() if name.lower() not in _OF_THE_BODY}
    hf_raise_for_status(
        httpx.Response(response.status_code, headers=headers, content=text[:_ERROR_LIMIT], request=response.request)
    )


_OF_THE_BODY = ("content-length", "content-encoding", "transfer-encoding")


def plain_bytes(response: httpx.Response, limit: int) -> Iterator[bytes]:
    """The body in pieces, unpacked where it was packed though nobody asked for that, up to a piece beyond `limit`
    bytes. Raises httpx.DecodingError for packings of other kinds, whose size cannot be bounded."""
    packing = response.headers.get("content-encoding", "identity").strip().lower()
    if packing not in ("identity", "", "gzip"):
        raise httpx.DecodingError(f"the answer is packed as {packing[:20]}")
    unpacker = zlib.decompressobj(16 + zlib.MAX_WBITS) if packing == "gzip" else None
    got = 0
    for data in response.iter_raw():
        for piece in _unpacked(unpacker, data) if unpacker else (data,):
            got += len(piece)
            yield piece
            if got > limit:
                return


def _unpacked(unpacker: Any, data: bytes) -> Iterator[bytes]:
    try:
        while data:
            yield unpacker.decompress(data, _PIECE)
            data = unpacker.unconsumed_tail
    except zlib.error as problem:
        raise httpx.DecodingError("the answer cannot be unpacked") from problem


def _whole(response: httpx.Response) -> bytes:
    content = b"".join(plain_bytes(response, _ANSWER_LIMIT))
    if len(content) > _ANSWER_LIMIT:
        raise no_hub("Its answer has no end.")
    return content


def _within(seconds: float, ask: Callable[[], T]) -> T:
    """What `ask` returns or raises; httpx.ReadTimeout when that takes longer. It runs on a thread of its own, which
    ends with the process: a server that sends a byte now and then is never silent for long."""
    done: list[T] = []
    failed: list[Exception] = []

    def work() -> None:
        try:
            done.append(ask())
        except Exception as problem:  # raised again where it was asked
            failed.append(problem)

    thread = threading.Thread(target=work, daemon=True, name="hub")
    thread.start()
    thread.join(seconds)
    if failed:
        raise failed[0]
    if not done:
        raise httpx.ReadTimeout(f"its answer was not complete after {seconds:.0f} s")
    return done[0]


def _origin(url: httpx.URL) -> tuple[str, str, int]:
    scheme = url.scheme.lower()
    return scheme, url.host.lower(), url.port or {"https": 443, "http": 80}.get(scheme, 0)
