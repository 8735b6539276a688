"""The tiny checkpoints of every topology, our engine and the reference, made once for all parity tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch

from sdxl_desktop.core.request import GenerationRequest
from sdxl_desktop.engine.engine_protocol import Engine
from tests.engine.parity.cases import BUILDERS, ParityWorkflow
from tests.engine.parity.diffusers_calls import Floats
from tests.engine.parity.our_engine import OurEngine
from tests.engine.parity.tiny_checkpoints import TinyCheckpoints
from tests.engine.parity.torch_reference import TorchReference


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Networks this small are slower on several threads than on one."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def reference() -> TorchReference:
    return TorchReference()


@pytest.fixture(scope="session")
def ours(engine: Engine) -> OurEngine:
    return OurEngine(engine)


@pytest.fixture(scope="session")
def expected(
    tiny_checkpoints: TinyCheckpoints, reference: TorchReference
) -> Callable[[ParityWorkflow], tuple[GenerationRequest, Floats]]:
    """The plainest request of a workflow and what diffusers draws for it, drawn once."""
    known: dict[ParityWorkflow, tuple[GenerationRequest, Floats]] = {}

    def draw(workflow: ParityWorkflow) -> tuple[GenerationRequest, Floats]:
        if workflow not in known:
            request = BUILDERS[workflow](tiny_checkpoints)
            known[workflow] = request, reference.generate(request)
        return known[workflow]

    return draw
