"""Fetching one picture from the web, when the person agreed: bounded in size, time and redirections, told in words.

Nothing is sent but the request itself: no cookies, no token, no name of where the address was found.
"""

from __future__ import annotations

import ipaddress
import time
from urllib.parse import unquote, urljoin, urlsplit

from sdxl_desktop.core.errors import PictureError
from sdxl_desktop.core.foreign_text import shown

MAX_BYTES = 100 * 2**20
SECONDS = 60.0
_CONNECT_SECONDS, _SILENCE_SECONDS = 10.0, 20.0
_REDIRECTS = 5
_NAME = 120
_NEXT_STEP = "Save the picture with your browser and open the file."


def host_of(address: str) -> str:
    """The host of an http or https address, for people; "" for anything else."""
    try:
        parts = urlsplit(address)
        return shown(parts.hostname or "") if parts.scheme in ("http", "https") else ""
    except ValueError:
        return ""


def name_of(address: str) -> str:
    """What a picture at an address is called: the last part of its path."""
    last = unquote(urlsplit(address).path.rstrip("/").rpartition("/")[2])
    return shown(last, _NAME) or "picture"


def downloaded(address: str, *, limit: int = MAX_BYTES, seconds: float = SECONDS) -> bytes:
    """What lies at an http or https address. Whether it is a picture, its reader tells.

    Raises PictureError where it cannot be reached, leads elsewhere than to http or https or to this network from
    outside, is a web page, or has more than `limit` bytes or takes longer than `seconds`.
    """
    import httpx  # not needed until a person asks for it

    until = time.monotonic() + seconds
    headers = {"Accept": "image/*;q=1.0,*/*;q=0.1", "Accept-Encoding": "identity", "User-Agent": "sdxl-desktop"}
    timeout = httpx.Timeout(_SILENCE_SECONDS, connect=_CONNECT_SECONDS)
    try:
        with httpx.Client(timeout=timeout, headers=headers, follow_redirects=False) as client:
            url = address
            for _ in range(_REDIRECTS + 1):
                _check(url, address)
                client.cookies.clear()
                with client.stream("GET", url) as response:
                    onward = response.headers.get("location", "")
                    if not (response.is_redirect and onward):
                        return _body(response, address, limit, until)
                url = urljoin(url, onward)
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, ValueError, ImportError, OSError) as problem:
        raise _failed(address, f"{shown(str(problem)) or type(problem).__name__}.") from problem
    raise _failed(address, f"It leads on to other addresses more than {_REDIRECTS} times.")


def _check(url: str, address: str) -> None:
    """Raise PictureError for an address that may not be asked."""
    if not host_of(url):
        raise _failed(address, f"It leads to {shown(url, _NAME)}, which is no http or https address.")
    if _is_of_this_network(host_of(url)) and host_of(url) != host_of(address):
        raise _failed(address, "It leads to an address within your own network, which nobody outside should ask for.")


def _is_of_this_network(host: str) -> bool:
    if host == "localhost" or host.endswith((".localhost", ".local", ".internal")):
        return True
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return False


def _body(response: object, address: str, limit: int, until: float) -> bytes:
    import httpx

    assert isinstance(response, httpx.Response)
    if response.status_code != 200:
        raise _failed(address, f"The server answered {response.status_code} {shown(response.reason_phrase)}.".strip())
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in ("text/html", "application/xhtml+xml"):
        raise PictureError(
            f"What {host_of(address)} gives is a web page, not a picture.",
            next_step="Open the page in your browser, and drag or copy the picture itself.",
        )
    if response.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        raise _failed(address, "The server packs it in a way that nobody asked for.")
    pieces, got = [], 0
    for piece in response.iter_raw():
        got += len(piece)
        if got > limit:
            raise _failed(address, f"It has more than {limit // 2**20 or 1} MB.")
        if time.monotonic() > until:
            raise _failed(address, "It takes too long.")
        pieces.append(piece)
    return b"".join(pieces)


def _failed(address: str, why: str) -> PictureError:
    return PictureError(
        f"The picture could not be downloaded from {host_of(address) or 'there'}.", why=why, next_step=_NEXT_STEP
    )
