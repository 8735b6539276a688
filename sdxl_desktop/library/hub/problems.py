"""Turns what the hub's library raises into sentences. Only for the download's own process."""

from __future__ import annotations

from collections.abc import Mapping

import httpx
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from sdxl_desktop.library.hub.address import OFFICIAL, endpoint
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


def status_of(problem: Exception) -> int:
    """The HTTP status behind `problem`; 0 where there is none."""
    response = getattr(problem, "response", None)
    return response.status_code if isinstance(response, httpx.Response) else 0


def headers_of(problem: Exception) -> Mapping[str, str]:
    response = getattr(problem, "response", None)
    return response.headers if isinstance(response, httpx.Response) else {}


def explained(problem: Exception, repo: str, token_from: str) -> HubError | None:
    """The sentence for what the hub answered; None for what is not its answer. `token_from` says where the token that
    was sent is kept, "" where none was sent."""
    page, status = f"{OFFICIAL}/{repo}", status_of(problem)
    match problem:
        case GatedRepoError():
            return _gated(repo, page, token_from)
        case RepositoryNotFoundError():
            return _no_repository(repo, token_from)
        case RevisionNotFoundError():
            return NotThereError(f"{repo} has no such revision.", next_step=f"Look at {page} for those there are.")
        case EntryNotFoundError():
            return NotThereError(f"A file of {repo} is not there any more.", next_step="Start the download again.")
        case HFValidationError():
            return AddressError(f"{repo!r} cannot be the name of a repository.", why=f"{problem}.")
    if isinstance(problem, ValueError):  # no JSON, or JSON of something else
        return no_hub()
    if status == 401:
        return AccessError(
            "The hub does not accept your token.",
            why=f"It came from {token_from}, and it is wrong, has expired or was revoked." if token_from else "",
            next_step=f"Make a new one at {_TOKEN_PAGE} and keep that.",
        )
    if status == 403:
        return AccessError(
            f"The hub does not let you have {repo}.",
            why="Your token may not read it." if token_from else "It wants to know who asks.",
            next_step=f"Look at {page}, and check at {_TOKEN_PAGE} that your token may read such repositories.",
        )
    if status == 404:
        return NotThereError(f"{repo} is not there.", why="The hub answers 404.", next_step="Check how it is written.")
    if isinstance(problem, HfHubHTTPError) and status:
        return HubError(f"The hub answers {status} for {repo}.", next_step="Try again later.")
    return None


def _gated(repo: str, page: str, token_from: str) -> AccessError:
    if token_from:
        return AccessError(
            f"{repo} wants its licence accepted first.",
            why=f"Your token (from {token_from}) is known, but its owner has not been given access.",
            next_step=f"Sign in, accept the licence on {page}, wait for the answer if it says so, and try again.",
        )
    return AccessError(
        f"{repo} wants its licence accepted first.",
        why="The hub must know who you are for that, and no token is kept.",
        next_step=f"Sign in and accept the licence on {page}, then make a token at {_TOKEN_PAGE} and keep it here.",
    )


def _no_repository(repo: str, token_from: str) -> NotThereError:
    private = "it is private and your token may not read it" if token_from else "it is private"
    return NotThereError(
        f"There is no {repo} on the hub.", why=f"Or {private}.", next_step="Check how it is written, capitals included."
    )


def no_hub() -> HubError:
    """For an answer that is not one."""
    return HubError(
        f"{endpoint()} does not answer like a hub.", next_step="Check HF_ENDPOINT and the proxy, if you set them."
    )


def connection_lost(problem: Exception) -> ConnectionLostError:
    """After the last try. Names the mirror or the hub, since a wrong HF_ENDPOINT or proxy is a likely reason."""
    reasons: dict[type[Exception], str] = {
        httpx.ProxyError: "The proxy refused",
        httpx.ConnectTimeout: "Nobody answered",
        httpx.ReadTimeout: "It fell silent",
        httpx.ConnectError: "No connection could be made",
        httpx.UnsupportedProtocol: "Its address makes no sense",
    }
    why = reasons.get(type(problem), "The connection broke")
    words = " ".join(str(problem).split())[:160]
    return ConnectionLostError(
        f"{endpoint()} could not be reached, or not for long enough.",
        why=f"{why}{f' ({words})' if words else ''}. {_KEPT}",
        next_step="Check the network (and HF_ENDPOINT and the proxy, if you set them), then start it again to go on.",
    )


def too_busy(seconds: float) -> BusyHubError:
    return BusyHubError(
        "The hub is asked too often from here.",
        why=f"It wants a pause of {round(seconds / 60)} minutes. {_KEPT}"
        if seconds > 90
        else f"It keeps saying so. {_KEPT}",
        next_step="Start it again later to go on; with a token the hub allows more.",
    )
