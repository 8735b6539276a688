"""The HTTP client for the hub: sends the token only to the hub's own host, and limits the size and time of responses.

Redirects and next pages may lead to other hosts, as those of mirrors do; they are followed without the token. Only for
the worker process.
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

from sdxl_desktop.library.hub.error_mapping import invalid_response_error, proxy_error
from sdxl_desktop.library.hub.hub_address import endpoint

T = TypeVar("T")
_MAX_REDIRECTS = 10
_MAX_PAGES = 100
_MAX_RESPONSE_BYTES = 32 * 2**20
"""Decompressed bytes of one API response; a page of 1,000 files has 0.3 MB."""
_RESPONSE_TIMEOUT = 60.0
_MAX_ERROR_BYTES = 2**16
_CONNECT_TIMEOUT, _READ_TIMEOUT = 15.0, 60.0
_CHUNK_BYTES = 2**20
_MAX_SHOWN_LENGTH = 160


class HubClient:
    """Sends requests with `token` ("" for none); use in a `with` statement. `seconds` is the timeout of an API
    response."""

    def __init__(self, token: str, *, seconds: float = _RESPONSE_TIMEOUT) -> None:
        """Raises HubError if a mirror or proxy in the environment is unusable."""
        self._token, self._seconds = token, seconds
        try:
            self._origin = _origin(httpx.URL(endpoint()))
        except httpx.InvalidURL as problem:
            raise invalid_response_error(
                f"Its address makes no sense ({str(problem)[:_MAX_SHOWN_LENGTH]})."
            ) from problem
        try:
            self._client = httpx.Client(
                verify=_ssl_context(),
                event_hooks={"request": [self._authorize]},
                follow_redirects=True,
                max_redirects=_MAX_REDIRECTS,
                timeout=httpx.Timeout(_READ_TIMEOUT, connect=_CONNECT_TIMEOUT),
                headers={"Accept-Encoding": "identity", "User-Agent": "sdxl-desktop"},
            )
        except (ValueError, ImportError, httpx.InvalidURL) as problem:  # a proxy type that httpx does not support
            raise proxy_error(problem) from problem

    def __enter__(self) -> HubClient:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def _authorize(self, request: httpx.Request) -> None:
        """Called before each request, including redirected ones."""
        request.headers.pop("Cookie", None)
        if _origin(request.url) != self._origin:
            request.headers.pop("Authorization", None)
        elif self._token:
            request.headers["Authorization"] = f"Bearer {self._token}"

    def get_json(self, path: str, type_: type[T], parameters: Mapping[str, str] | None = None) -> T:
        """Return the API's response at `path` below the endpoint. Raises exceptions of httpx and huggingface_hub, and
        HubError for an unexpected response."""
        return self._get_page(f"{endpoint()}{path}", type_, parameters)[0]

    def get_paginated(self, path: str, type_: type[list[T]], parameters: Mapping[str, str] | None = None) -> list[T]:
        """Return all items of a response in several pages, each of which links to the next. Raises as `get_json`."""
        url = f"{endpoint()}{path}"
        found: list[T] = []
        seen: set[str] = set()
        while url:
            if url in seen or len(seen) >= _MAX_PAGES:
                raise invalid_response_error("Its list of files has no end.")
            seen.add(url)
            items, following = self._get_page(url, type_, parameters)
            found += items
            url, parameters = following, None  # already in the URL
        return found

    def stream(self, url: str, headers: Mapping[str, str]) -> Any:
        """Return a file's response as a context manager; read its bytes with `iter_decoded`."""
        return self._client.stream("GET", url, headers=dict(headers))

    def _get_page(self, url: str, kind: type[T], parameters: Mapping[str, str] | None) -> tuple[T, str]:
        def ask() -> tuple[bytes, str]:
            with self._client.stream("GET", url, params=parameters) as response:
                raise_for_status(response)
                following = str(response.links.get("next", {}).get("url", ""))
                return _read_body(response), urljoin(str(response.url), following) if following else ""

        content, following = _with_timeout(self._seconds, ask)
        try:
            return msgspec.json.decode(content, type=kind), following
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as problem:
            raise invalid_response_error() from problem


@lru_cache(maxsize=1)
def _ssl_context() -> ssl.SSLContext:
    """The trusted certificates; loading them takes longer than a request."""
    return httpx.create_ssl_context()


def raise_for_status(response: httpx.Response) -> None:
    """Raise huggingface_hub's exception for an error response; its text is read up to a limit."""
    if not response.is_error:
        return
    try:
        text = b"".join(iter_decoded(response, _MAX_ERROR_BYTES))
    except httpx.DecodingError:
        text = b""
    headers = {name: value[:500] for name, value in response.headers.items() if name.lower() not in _BODY_HEADERS}
    hf_raise_for_status(
        httpx.Response(response.status_code, headers=headers, content=text[:_MAX_ERROR_BYTES], request=response.request)
    )


_BODY_HEADERS = ("content-length", "content-encoding", "transfer-encoding")


def iter_decoded(response: httpx.Response, limit: int) -> Iterator[bytes]:
    """Yield the body in chunks, decompressed if it was compressed without being requested, up to one chunk beyond
    `limit` bytes. Raises httpx.DecodingError for other encodings, whose size cannot be limited."""
    packing = response.headers.get("content-encoding", "identity").strip().lower()
    if packing not in ("identity", "", "gzip"):
        raise httpx.DecodingError(f"the answer is packed as {packing[:20]}")
    unpacker = zlib.decompressobj(16 + zlib.MAX_WBITS) if packing == "gzip" else None
    got = 0
    for data in response.iter_raw():
        for piece in _decompressed(unpacker, data) if unpacker else (data,):
            got += len(piece)
            yield piece
            if got > limit:
                return


def _decompressed(unpacker: Any, data: bytes) -> Iterator[bytes]:
    try:
        while data:
            yield unpacker.decompress(data, _CHUNK_BYTES)
            data = unpacker.unconsumed_tail
    except zlib.error as problem:
        raise httpx.DecodingError("the answer cannot be unpacked") from problem


def _read_body(response: httpx.Response) -> bytes:
    content = b"".join(iter_decoded(response, _MAX_RESPONSE_BYTES))
    if len(content) > _MAX_RESPONSE_BYTES:
        raise invalid_response_error("Its answer has no end.")
    return content


def _with_timeout(seconds: float, request: Callable[[], T]) -> T:
    """Return or raise the result of `request`; raises httpx.ReadTimeout if it takes longer. It runs on its own thread,
    which ends with the process: a server that sends a byte now and then never triggers a read timeout."""
    done: list[T] = []
    failed: list[Exception] = []

    def work() -> None:
        try:
            done.append(request())
        except Exception as problem:  # re-raised in the calling thread
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
