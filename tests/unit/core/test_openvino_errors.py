"""OpenVINO's message about a damaged file can be shown, even if it quotes bytes that are no text."""

from __future__ import annotations

import pytest

from sdxl_desktop.core.openvino_errors import OPENVINO_ERRORS, openvino_message


def test_its_last_line_is_reported() -> None:
    assert openvino_message(RuntimeError("Exception from a.cpp:5:\n\n  Unknown type 'x'\n\n")) == "Unknown type 'x'"
    assert openvino_message(RuntimeError("")) == "RuntimeError"


def test_a_message_that_is_no_utf8_is_reported_with_marks() -> None:
    with pytest.raises(OPENVINO_ERRORS) as raised:
        b"first\nUnknown type 'f\xe732'\n".decode()
    assert openvino_message(raised.value) == "Unknown type 'f\ufffd32'"
