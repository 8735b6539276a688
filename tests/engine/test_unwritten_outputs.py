"""An inference that ends without a word and without a result is a failure, and never answers with the one before."""

from __future__ import annotations

from typing import Any

import numpy as np
import openvino as ov
import pytest
from openvino import opset13 as ops

from sdxl_desktop.core.errors import EngineError
from sdxl_desktop.engine.openvino import devices
from sdxl_desktop.engine.openvino.interruptible_request import Interrupt, InterruptibleInferRequest


class CompiledModelWithUnwrittenOutputs:
    """A compiled model whose requests compute nothing while `idle`, as OpenVINO's do without memory in one thread."""

    def __init__(self, compiled: Any) -> None:
        self._compiled = compiled
        self.idle = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._compiled, name)

    def create_infer_request(self) -> Any:
        return _RequestWithUnwrittenOutputs(self, self._compiled.create_infer_request())


class _RequestWithUnwrittenOutputs:
    def __init__(self, owner: CompiledModelWithUnwrittenOutputs, request: Any) -> None:
        self._owner, self._request = owner, request

    def __getattr__(self, name: str) -> Any:
        return getattr(self._request, name)

    def infer(self) -> None:
        if not self._owner.idle:
            self._request.infer()


def two_answers(kind: Any) -> ov.Model:
    """Twice, and one more than, an input [N, 4]."""
    sample = ops.parameter([-1, 4], kind, name="sample")
    answers = ops.multiply(sample, ops.constant(2, kind)), ops.add(sample, ops.constant(1, kind))
    return ov.Model([ops.result(answer) for answer in answers], [sample])


@pytest.mark.parametrize("kind", [np.float32, np.float16])
@pytest.mark.parametrize("rows", [3, 2], ids=["of the size before", "of another size"])
def test_what_was_not_written_is_reported(kind: Any, rows: int) -> None:
    compiled = CompiledModelWithUnwrittenOutputs(
        devices.core.compile_model(two_answers(kind), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    )
    request = InterruptibleInferRequest(compiled, Interrupt())
    before = request({"sample": np.full((3, 4), 5, kind)})
    assert (before[0] == 10).all()
    compiled.idle = True
    with pytest.raises(EngineError, match="memory"):
        request({"sample": np.ones((rows, 4), kind)})
    compiled.idle = False
    after = request({"sample": np.ones((rows, 4), kind)})
    assert (after[0] == 2).all()
    assert (after[1] == 2).all()
    assert after[1].shape == (rows, 4)
