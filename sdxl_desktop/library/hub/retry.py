"""Retry policy for hub requests. Only for the worker process."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TypeVar

import httpx
import msgspec
from huggingface_hub.errors import HfHubHTTPError

from sdxl_desktop.library.hub.error_mapping import (
    HubRequest,
    connection_lost_error,
    rate_limited_error,
    response_headers,
    status_code,
    to_hub_error,
)

T = TypeVar("T")
_PASSING = {408, 425, 429, 500, 502, 503, 504}
_TOLD_TO_WAIT = {429, 503}
_A_WEEK = 7 * 24 * 3600.0
OnWait = Callable[[float, str], None]


class RetryPolicy(msgspec.Struct, frozen=True):
    """Gives up after `tries` consecutive failures without progress. Waits `first_wait` seconds between them, then twice
    as long each time up to `longest_pause`; if the hub says how long to wait, that long, if at most `longest_wait`."""

    tries: int = 6
    first_wait: float = 1.0
    longest_pause: float = 30.0
    longest_wait: float = 600.0


@dataclass(frozen=True, slots=True)
class HubCredentials:
    """The secret `token` ("" for none), where it is stored (`token_source`), and the retry policy."""

    token: str
    token_source: str
    retry: RetryPolicy


class Retrier:
    """Retries actions on `repo`, or on one `file` of it, until they succeed or the policy gives up."""

    def __init__(self, caller: HubCredentials, repo: str, on_wait: OnWait, file: str = "") -> None:
        self._policy = caller.retry
        self._request = HubRequest(repo, file, caller.token_source, bool(caller.token))
        self._on_wait = on_wait
        self._failures = 0

    def reset_failures(self) -> None:
        """Data was received: earlier failures no longer count."""
        self._failures = 0

    def call(self, action: Callable[[], T]) -> T:
        """Return the result of `action`. Raises HubError for permanent errors and after the last try."""
        self._failures = 0
        while True:
            try:
                return action()
            except (httpx.UnsupportedProtocol, httpx.InvalidURL, httpx.TooManyRedirects) as problem:
                raise connection_lost_error(problem) from problem
            except httpx.RequestError as problem:
                self._back_off(problem)
            except (HfHubHTTPError, ValueError) as problem:  # HFValidationError is a ValueError
                if status_code(problem) in _PASSING:
                    self._back_off(problem)
                    continue
                sentence = to_hub_error(problem, self._request)
                if sentence is None:
                    raise
                raise sentence from problem

    def _back_off(self, problem: Exception) -> None:
        self._failures += 1
        status = status_code(problem)
        server_seconds = retry_after_seconds(response_headers(problem)) if status in _TOLD_TO_WAIT else None
        enough = self._failures >= self._policy.tries
        if status == 429 and (enough or (server_seconds or 0.0) > self._policy.longest_wait):
            raise rate_limited_error(server_seconds or 0.0) from problem
        if enough:
            raise (to_hub_error(problem, self._request) or connection_lost_error(problem)) from problem
        doubled = self._policy.first_wait * 2.0 ** (self._failures - 1)
        seconds = min(doubled, self._policy.longest_pause)
        if server_seconds is not None:
            seconds = min(max(server_seconds, seconds), self._policy.longest_wait)
        self._on_wait(seconds, _why(status))
        time.sleep(seconds)


def retry_after_seconds(headers: Mapping[str, str], now: float | None = None) -> float | None:
    """Return the seconds to wait according to Retry-After (RFC 9110, 10.2.3: seconds or a date) or the hub's RateLimit
    header (draft ietf-httpapi-ratelimit-headers: t is the seconds until the reset), at most a week; None if there is no
    valid value."""
    value = headers.get("retry-after", "").strip()
    if (seconds := _seconds(value)) is not None:
        return seconds
    if value:
        try:
            until = parsedate_to_datetime(value).timestamp() - (time.time() if now is None else now)
        except (ValueError, TypeError, OverflowError, OSError):
            return None
        return min(max(0.0, until), _A_WEEK)
    for word in headers.get("ratelimit", "").replace(",", ";").split(";"):
        name, _, value = word.strip().partition("=")
        if name == "t" and (seconds := _seconds(value)) is not None:
            return seconds
    return None


def _seconds(value: str) -> float | None:
    return min(float(value[:20]), _A_WEEK) if value.isascii() and value.isdecimal() else None


def _why(status: int) -> str:
    if status == 429:
        return "the hub asks for a pause"
    return f"the hub answers {status}" if status else "the connection broke"
