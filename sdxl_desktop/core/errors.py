"""The error family: each error says what happened, why, and what to do next."""

from __future__ import annotations

import logging

from sdxl_desktop.core.paths import AppPaths, with_tilde
from sdxl_desktop.core.untrusted_text import replace_unencodable

MAX_SENTENCE = 2000
"""Characters of one sentence: a message never repeats all that a stranger's file holds."""
_MOST_CAUSES = 20
_log = logging.getLogger(__name__)


class SdxlDesktopError(Exception):
    """Something this application can explain.

    `what` happened, `why` (may be empty when the first sentence says it all), and what to do `next_step`.
    `is_user_error` tells whether the person can mend it by changing what they asked for (exit code 2 on the command
    line) or whether something failed under a good request (exit code 1).
    """

    is_user_error = False

    @property
    def asks_for_help(self) -> bool:
        """Whether the log says more than the error: it, or what caused it, was not foreseen."""
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
    """`text` as it can be printed anywhere, without its middle where it is endless."""
    if len(text) > MAX_SENTENCE:
        text = f"{text[: MAX_SENTENCE * 3 // 4]}…{text[-MAX_SENTENCE // 4 :]}"
    return replace_unencodable(text)


def wrap_error(problem: BaseException, what: str, *, next_step: str = "") -> SdxlDesktopError:
    """`problem` if it is one of ours, which explain themselves; else an `UnexpectedError` that says `what` failed and
    names it, caused by it. What is not ours is logged with its traceback."""
    if isinstance(problem, SdxlDesktopError):
        return problem
    _log.error("%s", what, exc_info=problem)
    error = UnexpectedError(
        what, why=describe_error(problem), next_step=f"{next_step or 'Try again.'} {where_the_log_is()}"
    )
    error.__cause__ = problem
    return error


def unforeseen_cause(error: SdxlDesktopError) -> BaseException | None:
    """What nobody foresaw behind an error of writing, where it is not in the log yet. (Behind one of reading it is the
    usual: whatever libraries raise over a damaged file.)"""
    chain = _chain(error)
    if any(isinstance(one, UnexpectedError) for one in chain) or not any(isinstance(one, OutputError) for one in chain):
        return None
    return next((one for one in chain if not isinstance(one, SdxlDesktopError | OSError | MemoryError)), None)


def _chain(error: BaseException) -> list[BaseException]:
    """`error` and what caused it, one after the other."""
    chain = [error]
    while (cause := chain[-1].__cause__) is not None and len(chain) < _MOST_CAUSES:
        chain.append(cause)
    return chain


def where_the_log_is() -> str:
    """A sentence that sends a person to the log, for a `next_step`."""
    return f"If it happens again, see the log: Help, Open the log, or {with_tilde(AppPaths.from_environment().log)}."


def describe_error(problem: BaseException) -> str:
    """A sentence that names an error that is none of ours, for a `why`."""
    words = getattr(problem, "strerror", None) if isinstance(problem, OSError) else None
    return f"{words or f'{type(problem).__name__}: {problem}'.rstrip(': ')}".rstrip(".") + "."


def _rebuild(kind: type[SdxlDesktopError], what: str, why: str, next_step: str) -> SdxlDesktopError:
    problem = kind.__new__(kind)  # without its own __init__, which may take other arguments
    SdxlDesktopError.__init__(problem, what, why=why, next_step=next_step)
    return problem


class RequestError(SdxlDesktopError, ValueError):
    """A value in a request cannot be right, whatever the checkpoint or device."""

    is_user_error = True


class CheckpointError(SdxlDesktopError):
    """A checkpoint is missing, unreadable or not an SDXL checkpoint this application can run."""

    is_user_error = True


class PictureError(SdxlDesktopError):
    """A picture or mask file cannot be used: unreadable, truncated, too large, not a picture."""

    is_user_error = True


class AdditionError(SdxlDesktopError):
    """A LoRA, an embedding or a VAE cannot be used with this checkpoint."""

    is_user_error = True


class DeviceError(SdxlDesktopError):
    """A device was asked for that OpenVINO does not list on this machine."""

    is_user_error = True


class OutputError(SdxlDesktopError):
    """A picture cannot be written where it should go."""

    is_user_error = True


class DesktopError(SdxlDesktopError):
    """The desktop around the application lacks what was asked of it."""


class SettingsError(SdxlDesktopError):
    """The settings file cannot be read; it has been set aside."""


class EngineError(SdxlDesktopError):
    """Drawing failed under a good request: the device, the driver, memory, or numbers that ran away."""


class UnexpectedError(SdxlDesktopError):
    """Something failed that nobody foresaw. Whatever it was, it is told."""


def needs_engine_restart(problem: SdxlDesktopError) -> bool:
    """Whether the engine that it ended should be made anew: what failed under a good request can fail again for what it
    left behind, and a checkpoint may be unreadable for want of memory only."""
    return not problem.is_user_error or isinstance(problem, CheckpointError)
