"""The application's exceptions: each states what happened, why, and what to do next."""

from __future__ import annotations

import logging

from sdxl_desktop.core.paths import AppPaths, with_tilde
from sdxl_desktop.core.untrusted_text import replace_unencodable

MAX_SENTENCE = 2000
"""Maximum characters per sentence, because messages may quote untrusted files."""
_MOST_CAUSES = 20
_log = logging.getLogger(__name__)


class SdxlDesktopError(Exception):
    """An error that this application can explain.

    `what` happened, `why` (may be empty), and what to do `next_step`. `is_user_error` is true if the user can fix it by
    changing the request (exit code 2 on the command line), false if a valid request failed (exit code 1).
    """

    is_user_error = False

    @property
    def asks_for_help(self) -> bool:
        """Whether the log says more than the error: the error or its cause was unexpected."""
        return any(isinstance(error, UnexpectedError | EngineError) for error in _chain(self)) or (
            unforeseen_cause(self) is not None
        )

    def __init__(self, what: str, *, why: str = "", next_step: str = "") -> None:
        self.what, self.why, self.next_step = map(_truncated, (what, why, next_step))
        super().__init__(self.what, self.why, self.next_step)

    def __str__(self) -> str:
        return " ".join(sentence for sentence in (self.what, self.why, self.next_step) if sentence)

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.what, self.why, self.next_step)


def _truncated(text: str) -> str:
    """Return `text` in printable form, with its middle cut out if it is too long."""
    if len(text) > MAX_SENTENCE:
        text = f"{text[: MAX_SENTENCE * 3 // 4]}…{text[-MAX_SENTENCE // 4 :]}"
    return replace_unencodable(text)


def wrap_error(problem: BaseException, what: str, *, next_step: str = "") -> SdxlDesktopError:
    """Return `problem` if it is a SdxlDesktopError; else an `UnexpectedError` that states `what` failed and names
    `problem`, its cause. Other exceptions are logged with their traceback."""
    if isinstance(problem, SdxlDesktopError):
        return problem
    _log.error("%s", what, exc_info=problem)
    error = UnexpectedError(
        what, why=describe_error(problem), next_step=f"{next_step or 'Try again.'} {where_the_log_is()}"
    )
    error.__cause__ = problem
    return error


def unforeseen_cause(error: SdxlDesktopError) -> BaseException | None:
    """Return the unexpected cause of an output error if it is not in the log yet. (For input errors a cause is normal:
    libraries raise all kinds over damaged files.)"""
    chain = _chain(error)
    if any(isinstance(one, UnexpectedError) for one in chain) or not any(isinstance(one, OutputError) for one in chain):
        return None
    return next((one for one in chain if not isinstance(one, SdxlDesktopError | OSError | MemoryError)), None)


def _chain(error: BaseException) -> list[BaseException]:
    """Return `error` and its causes in order."""
    chain = [error]
    while (cause := chain[-1].__cause__) is not None and len(chain) < _MOST_CAUSES:
        chain.append(cause)
    return chain


def where_the_log_is() -> str:
    """Return a sentence that points to the log, for a `next_step`."""
    return f"If it happens again, see the log: Help, Open the log, or {with_tilde(AppPaths.from_environment().log)}."


def describe_error(problem: BaseException) -> str:
    """Return a sentence that names an error of another class, for a `why`."""
    words = getattr(problem, "strerror", None) if isinstance(problem, OSError) else None
    return f"{words or f'{type(problem).__name__}: {problem}'.rstrip(': ')}".rstrip(".") + "."


def _rebuild(kind: type[SdxlDesktopError], what: str, why: str, next_step: str) -> SdxlDesktopError:
    problem = kind.__new__(kind)  # without its own __init__, which may take other arguments
    SdxlDesktopError.__init__(problem, what, why=why, next_step=next_step)
    return problem


class RequestError(SdxlDesktopError, ValueError):
    """A value in a request is invalid for every checkpoint and device."""

    is_user_error = True


class CheckpointError(SdxlDesktopError):
    """A checkpoint is missing, unreadable or not an SDXL checkpoint this application can run."""

    is_user_error = True


class PictureError(SdxlDesktopError):
    """A picture or mask file cannot be used: unreadable, truncated, too large, or not a picture."""

    is_user_error = True


class AdditionError(SdxlDesktopError):
    """A LoRA, an embedding or a VAE cannot be used with this checkpoint."""

    is_user_error = True


class DeviceError(SdxlDesktopError):
    """The requested device is not listed by OpenVINO on this machine."""

    is_user_error = True


class OutputError(SdxlDesktopError):
    """A picture cannot be written to its destination."""

    is_user_error = True


class DesktopError(SdxlDesktopError):
    """The desktop environment lacks a requested function."""


class SettingsError(SdxlDesktopError):
    """The settings file cannot be read; it has been set aside."""


class EngineError(SdxlDesktopError):
    """A valid request failed: the device, the driver, memory, or non-finite numbers."""


class UnexpectedError(SdxlDesktopError):
    """An unexpected failure, reported with its cause."""


def needs_engine_restart(problem: SdxlDesktopError) -> bool:
    """Whether the engine must be recreated after this error: after a failure of a valid request its state may be bad,
    and a checkpoint may be unreadable only because memory ran out."""
    return not problem.is_user_error or isinstance(problem, CheckpointError)
