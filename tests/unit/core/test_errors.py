"""Errors hold what happened, why, the next step and who must act, and survive a pipe."""

from __future__ import annotations

import pickle

import pytest

from sdxl_desktop.core import errors
from sdxl_desktop.core.errors import EngineError, SdxlDesktopError
from sdxl_desktop.core.events import RunFailed

FAMILY = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, SdxlDesktopError)]


@pytest.mark.parametrize("kind", FAMILY)
def test_an_error_crosses_a_pipe_whole(kind: type[SdxlDesktopError]) -> None:
    sent = kind("It broke.", why="It was old.", next_step="Buy another.")
    received = pickle.loads(pickle.dumps(sent))
    assert type(received) is kind
    assert str(received) == "It broke. It was old. Buy another."
    assert (received.what, received.why, received.next_step) == (sent.what, sent.why, sent.next_step)


def test_an_error_without_a_reason_is_one_sentence() -> None:
    assert str(SdxlDesktopError("It broke.")) == "It broke."


def test_a_bad_request_is_for_the_user_to_fix_and_a_failure_is_not() -> None:
    assert errors.RequestError("x").is_user_error
    assert errors.CheckpointError("x").is_user_error
    assert errors.DeviceError("x").is_user_error
    assert errors.OutputError("x").is_user_error
    assert not errors.EngineError("x").is_user_error


def test_an_unexpected_problem_is_reported_plainly() -> None:
    error = RunFailed.unexpected(ZeroDivisionError("division by zero")).error
    assert isinstance(error, EngineError)
    assert "ZeroDivisionError: division by zero." in str(error)
    assert error.next_step
