"""One part of a checkpoint: its configuration, its graph, read from disk only while needed, and its infer request."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import openvino as ov
import torch
from openvino.utils.data_helpers import OVDict

from sdxl_desktop.core.errors import CheckpointError
from sdxl_desktop.core.model_configs import read_model_config
from sdxl_desktop.core.parts import GRAPH
from sdxl_desktop.core.untrusted_files import UntrustedFileError
from sdxl_desktop.core.untrusted_text import display_text
from sdxl_desktop.engine.openvino import devices

CONFIG_FILE = "config.json"
READ_ERRORS = (OSError, ValueError, RuntimeError, LookupError, TypeError, AttributeError, ArithmeticError, MemoryError)
"""Exceptions raised when a damaged or foreign folder is read."""


class ModelConfig(dict[str, Any]):
    """The configuration in a JSON file; keys are also attributes."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None

    @classmethod
    def read(cls, file: Path, **defaults: Any) -> ModelConfig:
        """Read a configuration. `defaults` are for keys missing in old exports. Raises ValueError if it cannot be
        read."""
        try:
            return cls({**defaults, **read_model_config(file)})
        except UntrustedFileError as problem:
            raise ValueError(f"{file.parent.name}/{file.name} cannot be read: {problem}") from problem


class ModelPart:
    """A part in `folder`. `request`, once compiled, is called with inputs by name.

    The graph maps its weights, which would then be in memory twice once the part is compiled. So `model` reads the
    graph on demand, and `release_graph` releases it. `mend` patches a graph after it was read.
    """

    def __init__(self, folder: Path, mend: Callable[[ov.Model], None] | None = None, **defaults: Any) -> None:
        self.folder = folder
        self.config = ModelConfig.read(folder / CONFIG_FILE, **defaults)
        self.request: Any = None
        self._patch = mend
        self._model: ov.Model | None = None
        self._pinned = False
        self._has_activation_scale: bool | None = None

    @property
    def model(self) -> ov.Model:
        """The graph. Raises CheckpointError if it cannot be read."""
        if self._model is None:
            try:
                self._model = devices.core.read_model(self.folder / GRAPH)
                if self._patch is not None:
                    self._patch(self._model)
            except READ_ERRORS as problem:
                raise part_read_error(self.folder, problem) from problem
        return self._model

    def use_graph_from(self, folder: Path) -> None:
        """Use the graph in another folder from now on; the configuration stays."""
        self.folder, self._model, self._pinned, self._has_activation_scale = folder, None, False, None

    def has_activation_scale(self) -> bool:
        """As `devices.has_activation_scale` for its graph, which is read once for that. Raises as `model` does."""
        if self._has_activation_scale is None:
            self._has_activation_scale = devices.has_activation_scale(self.model)
        return self._has_activation_scale

    def keep_graph(self) -> None:
        """Keep the graph in memory, because it differs from the one on disk."""
        self._pinned = self.model is not None

    def release_graph(self) -> None:
        """Release the graph and its mapped weights until it is needed again."""
        if not self._pinned:
            self._model = None

    def register_to_config(self, **values: Any) -> None:
        self.config.update(values)

    def infer(self, inputs: Mapping[str, Any]) -> OVDict:
        """Run the compiled part and return its outputs."""
        outputs: OVDict = self.request(inputs)
        return outputs

    def __call__(self, **inputs: Any) -> tuple[torch.Tensor, ...]:
        """Run the compiled part and return its outputs in order."""
        return tuple(torch.from_numpy(value) for value in self.infer(inputs).values())


def checkpoint_load_error(folder: Path, problem: Exception) -> CheckpointError:
    """Return the error for a checkpoint in `folder` that cannot be loaded."""
    error_text = display_text(str(problem)) if isinstance(problem, OSError | ValueError) and str(problem) else ""
    reason = error_text or f"{type(problem).__name__}: {display_text(str(problem))}"
    return CheckpointError(
        f"The checkpoint in {folder} cannot be loaded.",
        why=f"{reason.rstrip(': .')}.",
        next_step="Choose another checkpoint, or copy or export this one again.",
    )


def part_read_error(folder: Path, problem: Exception) -> CheckpointError:
    """Return the error for a part in `folder` whose graph cannot be read. OpenVINO's last line has the reason, the
    first ones the location."""
    lines = [line for line in str(problem).splitlines() if line.strip()]
    return CheckpointError(
        f"The {folder.name.replace('_', ' ')} of {folder.parent.name} is damaged, or cut short.",
        why=f"OpenVINO says: {display_text(lines[-1] if lines else type(problem).__name__).rstrip('.')}.",
        next_step="Copy or export the checkpoint again, or choose another one.",
    )
