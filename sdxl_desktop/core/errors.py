"""The error family: each error says what happened, why, and what to do next."""

from __future__ import annotations


class SdxlDesktopError(Exception):
    """Something this application can explain.

    `what` happened, `why` (may be empty when the first sentence says it all), and what to do `next_step`.
    `bad_input` tells whether the person can mend it by changing what they asked for (exit code 2 on the command
    line) or whether something failed under a good request (exit code 1).
    """

    bad_input = False

    def __init__(self, what: str, *, why: str = "", next_step: str = "") -> None:
        super().__init__(what, why, next_step)
        self.what = what
        self.why = why
        self.next_step = next_step

    def __str__(self) -> str:
        return " ".join(sentence for sentence in (self.what, self.why, self.next_step) if sentence)

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.what, self.why, self.next_step)


def _rebuild(kind: type[SdxlDesktopError], what: str, why: str, next_step: str) -> SdxlDesktopError:
    return kind(what, why=why, next_step=next_step)


class RequestError(SdxlDesktopError, ValueError):
    """A value in a request cannot be right, whatever the checkpoint or device."""

    bad_input = True


class CheckpointError(SdxlDesktopError):
    """A checkpoint is missing, unreadable or not an SDXL checkpoint this application can run."""

    bad_input = True


class PictureError(SdxlDesktopError):
    """A picture or mask file cannot be used: unreadable, truncated, too large, not a picture."""

    bad_input = True


class AdditionError(SdxlDesktopError):
    """A LoRA, an embedding or a VAE cannot be used with this checkpoint."""

    bad_input = True


class DeviceError(SdxlDesktopError):
    """A device was asked for that OpenVINO does not list on this machine."""

    bad_input = True


class OutputError(SdxlDesktopError):
    """A picture cannot be written where it should go."""

    bad_input = True


class SettingsError(SdxlDesktopError):
    """The settings file cannot be read; it has been set aside."""


class EngineError(SdxlDesktopError):
    """Drawing failed under a good request: the device, the driver, memory, or numbers that ran away."""


def may_have_left_harm(problem: SdxlDesktopError) -> bool:
    """Whether the engine that it ended should be made anew: what failed under a good request can fail again for what it
    left behind, and a checkpoint may be unreadable for want of memory only."""
    return not problem.bad_input or isinstance(problem, CheckpointError)
