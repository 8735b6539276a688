"""Convert exceptions of huggingface_hub and httpx to readable errors. Only for the worker process."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from sdxl_desktop.library.hub.hub_address import HUGGINGFACE_URL, display_endpoint, endpoint, endpoint_label
from sdxl_desktop.library.hub.hub_errors import (
    AccessError,
    AddressError,
    ConnectionLostError,
    HubError,
    HubNotFoundError,
    RateLimitedError,
)

_TOKEN_PAGE = f"{HUGGINGFACE_URL}/settings/tokens"
_DOWNLOADED_IS_KEPT = "What is there is kept."
_MAX_SHOWN_LENGTH = 160


def status_code(problem: Exception) -> int:
    """Return the HTTP status behind `problem`; 0 if there is none."""
    response = getattr(problem, "response", None)
    return response.status_code if isinstance(response, httpx.Response) else 0


def response_headers(problem: Exception) -> Mapping[str, str]:
    response = getattr(problem, "response", None)
    return response.headers if isinstance(response, httpx.Response) else {}


@dataclass(frozen=True, slots=True)
class HubRequest:
    """What was requested and with which token: a `file` of `repo`, or ("") the repository itself. `token_source` says
    where the token is stored, or why there is none; `with_token` whether one was sent."""

    repo: str
    file: str = ""
    token_source: str = ""
    with_token: bool = False


def to_hub_error(problem: Exception, request: HubRequest) -> HubError | None:
    """Return the readable error for a hub response; None if `problem` is not a response."""
    repo, page, status = request.repo, f"{HUGGINGFACE_URL}/{request.repo}", status_code(problem)
    match problem:
        case GatedRepoError():
            return _gated_error(request, page)
        case RepositoryNotFoundError():
            return _no_repository_error(request)
        case RevisionNotFoundError():
            return HubNotFoundError(f"{repo} has no such revision.", next_step=f"Look at {page} for those there are.")
        case EntryNotFoundError():
            return _no_file_error(request)
        case HFValidationError():
            return AddressError(f"{repo!r} cannot be the name of a repository.", why=f"{problem}.")
    if isinstance(problem, ValueError):  # not JSON, or unexpected JSON
        return invalid_response_error()
    if status == 401 and request.with_token:
        return AccessError(
            f"{_capitalized(endpoint_label())} does not accept your token.",
            why=f"It came from {request.token_source}, and it is wrong, has expired or was revoked.",
            next_step=f"Make a new one at {_TOKEN_PAGE} and keep that.",
        )
    if status == 401:
        return AccessError(
            f"{_capitalized(endpoint_label())} wants to know who asks for {request.file or repo}.",
            why=f"No token was sent: {request.token_source or 'there is none'}.",
            next_step=f"Make a token at {_TOKEN_PAGE} and keep it here.",
        )
    if status == 403:
        return AccessError(
            f"{_capitalized(endpoint_label())} does not let you have {request.file or repo}.",
            why="Your token may not read it."
            if request.with_token
            else f"It wants to know who asks, and no token was sent: {request.token_source or 'there is none'}.",
            next_step=f"Look at {page}, and check at {_TOKEN_PAGE} that your token may read such repositories.",
        )
    if status == 404:
        return _no_file_error(request) if request.file else _no_repository_error(request)
    if status == 407:
        return HubError(
            "The proxy wants to know who asks.",
            why=f"{_capitalized(str(proxy_for_hub() or 'a proxy on the way'))} answers 407.",
            next_step="Put your name and password for it into its address: http://NAME:PASSWORD@HOST:PORT.",
        )
    if isinstance(problem, HfHubHTTPError) and status:
        return HubError(
            f"{_capitalized(endpoint_label())} answers {status} for {request.file or repo}.",
            next_step="Try again later.",
        )
    return None


def _capitalized(text: str) -> str:
    return text[:1].upper() + text[1:]


def _no_file_error(request: HubRequest) -> HubNotFoundError:
    return HubNotFoundError(
        f"{request.repo} has no {request.file or 'such file'} (any more).",
        why=f"{_capitalized(endpoint_label())} answers 404 for this one file; the others may be there.",
        next_step="Start the download again, so that the list of files is asked for anew.",
    )


def _gated_error(request: HubRequest, page: str) -> AccessError:
    if request.with_token:
        return AccessError(
            f"{request.repo} wants its licence accepted first.",
            why=f"Your token (from {request.token_source}) is known, but its owner has not been given access.",
            next_step=f"Sign in, accept the licence on {page}, wait for the answer if it says so, and try again.",
        )
    return AccessError(
        f"{request.repo} wants its licence accepted first.",
        why=f"The hub must know who you are for that, and no token is kept: {request.token_source or 'there is none'}.",
        next_step=f"Sign in and accept the licence on {page}, then make a token at {_TOKEN_PAGE} and keep it here.",
    )


def _no_repository_error(request: HubRequest) -> HubNotFoundError:
    private = "it is private and your token may not read it" if request.with_token else "it is private"
    return HubNotFoundError(
        f"There is no {request.repo} on {endpoint_label()}.",
        why=f"Or {private}.",
        next_step="Check how it is written, capitals included.",
    )


def invalid_response_error(why: str = "") -> HubError:
    """An error for an invalid response."""
    return HubError(
        f"{display_endpoint()} does not answer like a hub.",
        why=why,
        next_step="Check HF_ENDPOINT and the proxy, if you set them.",
    )


def proxy_error(problem: Exception) -> HubError:
    """An error for an unusable proxy."""
    words = " ".join(str(problem).split())[:_MAX_SHOWN_LENGTH]
    proxy = proxy_for_hub()
    return HubError(
        f"{_capitalized(str(proxy))} cannot be used."
        if proxy
        else "A proxy that the environment names cannot be used.",
        why="Proxies are http://, https://, socks5:// or socks5h://" + (f" ({words})." if proxy is None else "."),
        next_step=f"Correct {(proxy and proxy.variable) or 'ALL_PROXY, HTTPS_PROXY and HTTP_PROXY'}, or unset it.",
    )


def connection_lost_error(problem: Exception) -> ConnectionLostError:
    """An error after the last retry. Names the proxy, mirror or hub, since a wrong address is a likely cause."""
    reasons: dict[type[Exception], str] = {
        httpx.ProxyError: "The proxy refused",
        httpx.ConnectTimeout: "Nobody answered",
        httpx.ReadTimeout: "It fell silent",
        httpx.ConnectError: "No connection could be made",
        httpx.UnsupportedProtocol: "Its address makes no sense",
        httpx.TooManyRedirects: "It leads from one address to the next without end",
    }
    why = reasons.get(type(problem), "The connection broke")
    words = " ".join(str(problem).split())[:_MAX_SHOWN_LENGTH]
    proxy = proxy_for_hub()
    through, check = "", "HF_ENDPOINT and the proxy, if you set them"
    if proxy is not None:
        through = f" through {proxy}"
        check = f"that proxy, or unset {proxy.variable or 'it in the settings of the system'}"
    return ConnectionLostError(
        f"{display_endpoint()} could not be reached{through}, or not for long enough.",
        why=f"{why}{f' ({words})' if words else ''}. {_DOWNLOADED_IS_KEPT}",
        next_step=f"Check the network and {check}, then start it again to go on.",
    )


def rate_limited_error(seconds: float) -> RateLimitedError:
    return RateLimitedError(
        "The hub is asked too often from here.",
        why=f"It wants a pause of {round(seconds / 60)} minutes. {_DOWNLOADED_IS_KEPT}"
        if seconds > 90
        else f"It keeps saying so. {_DOWNLOADED_IS_KEPT}",
        next_step="Start it again later to go on; with a token the hub allows more.",
    )


@dataclass(frozen=True, slots=True)
class Proxy:
    """`display_address` is its address without secrets, `variable` the environment variable that sets it ("" for the
    system's settings)."""

    display_address: str
    variable: str

    def __str__(self) -> str:
        return f"the proxy {self.display_address}" + (f" (which {self.variable} names)" if self.variable else "")


def proxy_for_hub() -> Proxy | None:
    """Return the proxy for requests to the hub, as httpx selects it; None for a direct connection."""
    try:
        parts = urlsplit(endpoint())
        host = parts.hostname or ""
        if not host or proxy_bypass(host):
            return None
        known = getproxies()
        kind = next((kind for kind in (parts.scheme, "all") if known.get(kind)), "")
        return Proxy(_shown(known[kind]), _variable(kind)) if kind else None
    except (ValueError, OSError):
        return None


def _shown(address: str) -> str:
    scheme, _, rest = address.rpartition("://")
    host = rest.rpartition("@")[2]
    return f"{scheme}://{host}"[:100] if scheme else host[:100]


def _variable(kind: str) -> str:
    return next((name for name in (f"{kind}_proxy", f"{kind.upper()}_PROXY") if os.environ.get(name)), "")
