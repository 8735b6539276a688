"""Turns what the hub's library raises into sentences. Only for the download's own process."""

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

from sdxl_desktop.library.hub.address import OFFICIAL, endpoint, hub_name, shown_endpoint
from sdxl_desktop.library.hub.errors import (
    AccessError,
    AddressError,
    BusyHubError,
    ConnectionLostError,
    HubError,
    NotThereError,
)

_TOKEN_PAGE = f"{OFFICIAL}/settings/tokens"
_KEPT = "What is there is kept."
_SHOWN = 160


def status_of(problem: Exception) -> int:
    """The HTTP status behind `problem`; 0 where there is none."""
    response = getattr(problem, "response", None)
    return response.status_code if isinstance(response, httpx.Response) else 0


def headers_of(problem: Exception) -> Mapping[str, str]:
    response = getattr(problem, "response", None)
    return response.headers if isinstance(response, httpx.Response) else {}


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for, and as whom: a `file` of `repo`, or ("") the repository itself. `token_from` says where the
    token is kept, or why there is none; `with_token` whether one was sent."""

    repo: str
    file: str = ""
    token_from: str = ""
    with_token: bool = False


def explained(problem: Exception, asked: Asked) -> HubError | None:
    """The sentence for what the hub answered; None for what is not its answer."""
    repo, page, status = asked.repo, f"{OFFICIAL}/{asked.repo}", status_of(problem)
    match problem:
        case GatedRepoError():
            return _gated(asked, page)
        case RepositoryNotFoundError():
            return _no_repository(asked)
        case RevisionNotFoundError():
            return NotThereError(f"{repo} has no such revision.", next_step=f"Look at {page} for those there are.")
        case EntryNotFoundError():
            return _no_file(asked)
        case HFValidationError():
            return AddressError(f"{repo!r} cannot be the name of a repository.", why=f"{problem}.")
    if isinstance(problem, ValueError):  # no JSON, or JSON of something else
        return no_hub()
    if status == 401 and asked.with_token:
        return AccessError(
            f"{_capital(hub_name())} does not accept your token.",
            why=f"It came from {asked.token_from}, and it is wrong, has expired or was revoked.",
            next_step=f"Make a new one at {_TOKEN_PAGE} and keep that.",
        )
    if status == 401:
        return AccessError(
            f"{_capital(hub_name())} wants to know who asks for {asked.file or repo}.",
            why=f"No token was sent: {asked.token_from or 'there is none'}.",
            next_step=f"Make a token at {_TOKEN_PAGE} and keep it here.",
        )
    if status == 403:
        return AccessError(
            f"{_capital(hub_name())} does not let you have {asked.file or repo}.",
            why="Your token may not read it."
            if asked.with_token
            else f"It wants to know who asks, and no token was sent: {asked.token_from or 'there is none'}.",
            next_step=f"Look at {page}, and check at {_TOKEN_PAGE} that your token may read such repositories.",
        )
    if status == 404:
        return _no_file(asked) if asked.file else _no_repository(asked)
    if status == 407:
        return HubError(
            "The proxy wants to know who asks.",
            why=f"{_capital(str(proxy_for_hub() or 'a proxy on the way'))} answers 407.",
            next_step="Put your name and password for it into its address: http://NAME:PASSWORD@HOST:PORT.",
        )
    if isinstance(problem, HfHubHTTPError) and status:
        return HubError(
            f"{_capital(hub_name())} answers {status} for {asked.file or repo}.", next_step="Try again later."
        )
    return None


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _no_file(asked: Asked) -> NotThereError:
    return NotThereError(
        f"{asked.repo} has no {asked.file or 'such file'} (any more).",
        why=f"{_capital(hub_name())} answers 404 for this one file; the others may be there.",
        next_step="Start the download again, so that the list of files is asked for anew.",
    )


def _gated(asked: Asked, page: str) -> AccessError:
    if asked.with_token:
        return AccessError(
            f"{asked.repo} wants its licence accepted first.",
            why=f"Your token (from {asked.token_from}) is known, but its owner has not been given access.",
            next_step=f"Sign in, accept the licence on {page}, wait for the answer if it says so, and try again.",
        )
    return AccessError(
        f"{asked.repo} wants its licence accepted first.",
        why=f"The hub must know who you are for that, and no token is kept: {asked.token_from or 'there is none'}.",
        next_step=f"Sign in and accept the licence on {page}, then make a token at {_TOKEN_PAGE} and keep it here.",
    )


def _no_repository(asked: Asked) -> NotThereError:
    private = "it is private and your token may not read it" if asked.with_token else "it is private"
    return NotThereError(
        f"There is no {asked.repo} on {hub_name()}.",
        why=f"Or {private}.",
        next_step="Check how it is written, capitals included.",
    )


def no_hub(why: str = "") -> HubError:
    """For an answer that is not one."""
    return HubError(
        f"{shown_endpoint()} does not answer like a hub.",
        why=why,
        next_step="Check HF_ENDPOINT and the proxy, if you set them.",
    )


def unusable_proxy(problem: Exception) -> HubError:
    """For a proxy that nothing can be asked through."""
    words = " ".join(str(problem).split())[:_SHOWN]
    proxy = proxy_for_hub()
    return HubError(
        f"{_capital(str(proxy))} cannot be used." if proxy else "A proxy that the environment names cannot be used.",
        why="Proxies are http://, https://, socks5:// or socks5h://" + (f" ({words})." if proxy is None else "."),
        next_step=f"Correct {(proxy and proxy.variable) or 'ALL_PROXY, HTTPS_PROXY and HTTP_PROXY'}, or unset it.",
    )


def connection_lost(problem: Exception) -> ConnectionLostError:
    """After the last try. Names the proxy, the mirror or the hub, since a wrong address is a likely reason."""
    reasons: dict[type[Exception], str] = {
        httpx.ProxyError: "The proxy refused",
        httpx.ConnectTimeout: "Nobody answered",
        httpx.ReadTimeout: "It fell silent",
        httpx.ConnectError: "No connection could be made",
        httpx.UnsupportedProtocol: "Its address makes no sense",
        httpx.TooManyRedirects: "It leads from one address to the next without end",
    }
    why = reasons.get(type(problem), "The connection broke")
    words = " ".join(str(problem).split())[:_SHOWN]
    proxy = proxy_for_hub()
    through, check = "", "HF_ENDPOINT and the proxy, if you set them"
    if proxy is not None:
        through = f" through {proxy}"
        check = f"that proxy, or unset {proxy.variable or 'it in the settings of the system'}"
    return ConnectionLostError(
        f"{shown_endpoint()} could not be reached{through}, or not for long enough.",
        why=f"{why}{f' ({words})' if words else ''}. {_KEPT}",
        next_step=f"Check the network and {check}, then start it again to go on.",
    )


def too_busy(seconds: float) -> BusyHubError:
    return BusyHubError(
        "The hub is asked too often from here.",
        why=f"It wants a pause of {round(seconds / 60)} minutes. {_KEPT}"
        if seconds > 90
        else f"It keeps saying so. {_KEPT}",
        next_step="Start it again later to go on; with a token the hub allows more.",
    )


@dataclass(frozen=True, slots=True)
class Proxy:
    """`shown` is its address without what is secret, `variable` what names it ("" for the system's settings)."""

    shown: str
    variable: str

    def __str__(self) -> str:
        return f"the proxy {self.shown}" + (f" (which {self.variable} names)" if self.variable else "")


def proxy_for_hub() -> Proxy | None:
    """The proxy that requests to the hub go through, as httpx finds it; None for a straight line."""
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
