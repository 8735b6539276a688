"""The tiny checkpoints of every topology, our engine and the reference, made once for all parity tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch

from sdxl_desktop.core.request import GenerationRequest
from sdxl_desktop.engine.protocol import Engine
from tests.engine.parity.cases import BUILDERS, Workflow
from tests.engine.parity.diffusers_calls import Floats
from tests.engine.parity.family import TinyFamily
from tests.engine.parity.ours import Ours
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
def ours(engine: Engine) -> Ours:
    return Ours(engine)


@pytest.fixture(scope="session")
def expected(family: TinyFamily, reference: TorchReference) -> Callable[[Workflow], tuple[GenerationRequest, Floats]]:
    """The plainest request of a workflow and what diffusers draws for it, drawn once."""
    known: dict[Workflow, tuple[GenerationRequest, Floats]] = {}

    def draw(workflow: Workflow) -> tuple[GenerationRequest, Floats]:
        if workflow not in known:
            request = BUILDERS[workflow](family)
            known[workflow] = request, reference.draw(request)
        return known[workflow]

    return draw
