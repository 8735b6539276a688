"""Download one picture from the web after the user agreed: limited in size, time and redirections.

Nothing is sent but the request itself: no cookies, no token, no referrer.
"""

from __future__ import annotations

import ipaddress
import time
from urllib.parse import unquote, urljoin, urlsplit

from sdxl_desktop.core.errors import PictureError
from sdxl_desktop.core.untrusted_text import display_text

MAX_BYTES = 100 * 2**20
TIMEOUT_SECONDS = 60.0
_CONNECT_TIMEOUT, _READ_TIMEOUT = 10.0, 20.0
_MAX_REDIRECTS = 5
_MAX_NAME_LENGTH = 120
_NEXT_STEP = "Save the picture with your browser and open the file."


def display_host(address: str) -> str:
    """Return the host of an http or https address for display; "" for anything else."""
    try:
        parts = urlsplit(address)
        return display_text(parts.hostname or "") if parts.scheme in ("http", "https") else ""
    except ValueError:
        return ""


def picture_name(address: str) -> str:
    """Return the last path component of an address as the picture's name."""
    last = unquote(urlsplit(address).path.rstrip("/").rpartition("/")[2])
    return display_text(last, _MAX_NAME_LENGTH) or "picture"


def download_picture(address: str, *, limit: int = MAX_BYTES, seconds: float = TIMEOUT_SECONDS) -> bytes:
    """Return the content at an http or https address. Whether it is a picture is left to its reader.

    Raises PictureError if the address is unreachable, redirects to another scheme or from outside into the local
    network, is a web page, exceeds `limit` bytes or takes longer than `seconds`.
    """
    import httpx  # only needed on request

    until = time.monotonic() + seconds
    headers = {"Accept": "image/*;q=1.0,*/*;q=0.1", "Accept-Encoding": "identity", "User-Agent": "sdxl-desktop"}
    timeout = httpx.Timeout(_READ_TIMEOUT, connect=_CONNECT_TIMEOUT)
    try:
        with httpx.Client(timeout=timeout, headers=headers, follow_redirects=False) as client:
            url = address
            for _ in range(_MAX_REDIRECTS + 1):
                _check_url(url, address)
                client.cookies.clear()
                with client.stream("GET", url) as response:
                    onward = response.headers.get("location", "")
                    if not (response.is_redirect and onward):
                        return _read_body(response, address, limit, until)
                url = urljoin(url, onward)
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, ValueError, ImportError, OSError) as problem:
        raise _download_error(address, f"{display_text(str(problem)) or type(problem).__name__}.") from problem
    raise _download_error(address, f"It redirects more than {_MAX_REDIRECTS} times.")


def _check_url(url: str, address: str) -> None:
    """Raise PictureError for an address that must not be requested."""
    if not display_host(url):
        raise _download_error(
            address, f"It leads to {display_text(url, _MAX_NAME_LENGTH)}, which is no http or https address."
        )
    if _is_local_network(display_host(url)) and display_host(url) != display_host(address):
        raise _download_error(
            address, "It leads to an address within your own network, which no outside address may lead to."
        )


def _is_local_network(host: str) -> bool:
    if host == "localhost" or host.endswith((".localhost", ".local", ".internal")):
        return True
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return False


def _read_body(response: object, address: str, limit: int, until: float) -> bytes:
    import httpx

    assert isinstance(response, httpx.Response)
    if response.status_code != 200:
        raise _download_error(
            address, f"The server answered {response.status_code} {display_text(response.reason_phrase)}.".strip()
        )
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in ("text/html", "application/xhtml+xml"):
        raise PictureError(
            f"What {display_host(address)} gives is a web page, not a picture.",
            next_step="Open the page in your browser, and drag or copy the picture itself.",
        )
    if response.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        raise _download_error(address, "The server sends it in an unsupported encoding.")
    pieces, got = [], 0
    for piece in response.iter_raw():
        got += len(piece)
        if got > limit:
            raise _download_error(address, f"It has more than {limit // 2**20 or 1} MB.")
        if time.monotonic() > until:
            raise _download_error(address, "It takes too long.")
        pieces.append(piece)
    return b"".join(pieces)


def _download_error(address: str, why: str) -> PictureError:
    return PictureError(
        f"The picture could not be downloaded from {display_host(address) or 'there'}.", why=why, next_step=_NEXT_STEP
    )
