"""A tiny real SDXL, made once for all engine tests, and engines that draw with it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Event as Flag
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"

import pytest
from filelock import FileLock

from sdxl_desktop.core.events import (
    EngineEvent,
    Picture,
    PictureFinished,
    Progress,
    RunCancelled,
    RunFailed,
    RunFinished,
)
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.paths import AppPaths
from sdxl_desktop.core.request import Execution, GenerationRequest, Prompts, Sampling
from sdxl_desktop.core.speed import SpeedPreset
from sdxl_desktop.engine.engine_protocol import Engine

SIZE = Size(128, 96)
EXECUTION = Execution(device="CPU", precision="f32", preview=False, threads=1)
"""Networks this small are slower on several threads than on one."""


@dataclass
class RecordedEvents:
    """Every event of a run, and short ways to ask for what matters."""

    events: list[EngineEvent] = field(default_factory=list)

    def of_type(self, kind: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def last(self) -> EngineEvent:
        return self.events[-1]

    @property
    def finished(self) -> RunFinished:
        assert isinstance(self.last, RunFinished), self.last
        return self.last

    @property
    def picture(self) -> Picture:
        return self.finished.pictures[0]

    @property
    def phases(self) -> list[str]:
        return list(dict.fromkeys(event.phase.value for event in self.of_type(Progress)))


def generate(engine: Engine, request: GenerationRequest, cancel: Flag | None = None) -> RecordedEvents:
    recorded = RecordedEvents()
    engine.generate(request, recorded.events.append, cancel or Flag())
    assert isinstance(recorded.last, RunFinished | RunCancelled | RunFailed)
    assert (
        len(recorded.of_type(PictureFinished)) >= len(recorded.last.pictures)
        if isinstance(recorded.last, RunFinished)
        else True
    )
    return recorded


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `torch` (diffusers) and `ov` (OpenVINO float32) forms of the same weights."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from tests.engine import tiny_sdxl

        folder = shared_folder(tmp_path_factory) / "tiny"
        with FileLock(folder.with_suffix(".lock")):
            if not folder.exists():
                tiny_sdxl.make_torch(folder / "torch", **tiny_sdxl.SHALLOW)
                tiny_sdxl.export(folder / "torch", folder / "ov")
    return folder


@pytest.fixture(scope="session")
def deep_checkpoint(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As `tiny`, with as many layers in a block of its UNet as SDXL base has."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from tests.engine import tiny_sdxl

        folder = shared_folder(tmp_path_factory) / "deep"
        with FileLock(folder.with_suffix(".lock")):
            if not folder.exists():
                tiny_sdxl.make_deep(tiny_checkpoint, folder)
    return folder


@pytest.fixture(scope="session")
def tiny_checkpoints(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The tiny checkpoints of every topology, made when they are asked for, once for all processes."""
    from tests.engine.parity.tiny_checkpoints import TinyCheckpoints

    folder = shared_folder(tmp_path_factory) / "family"
    folder.mkdir(exist_ok=True)
    return TinyCheckpoints(tiny_checkpoint, folder)


def shared_folder(factory: pytest.TempPathFactory) -> Path:
    """A folder for all processes of this test run."""
    own = factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture(scope="session")
def engine_home(tmp_path_factory: pytest.TempPathFactory) -> AppPaths:
    root = tmp_path_factory.mktemp("engine home é")
    return AppPaths(
        data=root / "data",
        cache=root / "cache",
        settings_file=root / "settings.json",
        pictures=root / "pictures",
        logs=root / "logs",
    )


@pytest.fixture(scope="session")
def engine(engine_home: AppPaths) -> Iterator[Engine]:
    """One engine in this process for all tests, as a user's engine serves many runs."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from sdxl_desktop.engine.openvino.engine import OpenVinoEngine

        made = OpenVinoEngine(engine_home)
    yield made
    made.close()


@pytest.fixture(scope="session")
def precompiled_cache(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An application's cache folder with every part of the tiny checkpoint compiled, and nothing drawn."""
    import threading
    import warnings

    from sdxl_desktop.engine.openvino.part_benchmark import OpenVinoDeviceBenchmark

    folder = shared_folder(tmp_path_factory) / "compiled before"
    with FileLock(folder.with_suffix(".lock")):
        if not folder.exists():
            home = app_paths_in(tmp_path_factory.mktemp("compiling"))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                bench = OpenVinoDeviceBenchmark(home)
                bench.precompile(
                    tiny_checkpoint / "ov", [SIZE], list(SpeedPreset), EXECUTION, lambda event: None, threading.Event()
                )
                bench.close()
            home.cache.rename(folder)
    return folder


@pytest.fixture
def precompiled_home(precompiled_cache: Path, tmp_path: Path) -> AppPaths:
    """A home of the test's own, in which the tiny checkpoint's parts were compiled before: for what is not about
    compiling."""
    home = app_paths_in(tmp_path)
    shutil.copytree(precompiled_cache, home.cache)
    return home


def app_paths_in(folder: Path) -> AppPaths:
    return AppPaths(folder, folder / "cache", folder / "settings.json", folder, folder)


@pytest.fixture(scope="session")
def load_pipeline() -> Any:
    """Reads a checkpoint's folder and compiles its text encoders in 32 bits, without an engine."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from sdxl_desktop.engine.openvino import devices
        from sdxl_desktop.engine.openvino.interruptible_request import Interrupt, InterruptibleInferRequest
        from sdxl_desktop.engine.openvino.pipeline import Pipeline

    def build(folder: Path, change: Any = lambda pipe: None) -> Any:
        """`change` is made to the pipeline before anything is compiled."""
        pipe = Pipeline(folder)
        change(pipe)
        for part in ("text_encoder", "text_encoder_2"):
            network = pipe.model_parts[part]
            compiled = devices.core.compile_model(network.model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
            network.request = InterruptibleInferRequest(compiled, Interrupt())
        return pipe

    return build


@pytest.fixture
def request_for(tiny_checkpoint: Path) -> Any:
    """Builds a request for the tiny checkpoint: sampling fields by name, others as whole parts."""

    def build(
        *,
        prompts: Prompts | None = None,
        micro_conditioning: Any = None,
        device: str = "CPU",
        preview: bool = False,
        checkpoint: Path | None = None,
        **sampling: Any,
    ) -> GenerationRequest:
        parts: dict[str, Any] = {} if micro_conditioning is None else {"micro_conditioning": micro_conditioning}
        return GenerationRequest(
            checkpoint=checkpoint or tiny_checkpoint / "ov",
            prompts=prompts or Prompts(prompt="a red cat"),
            sampling=Sampling(**{"size": SIZE, "steps": 3, "seed": 7, **sampling}),
            execution=replace(EXECUTION, device=device, preview=preview),
            **parts,
        )

    return build
