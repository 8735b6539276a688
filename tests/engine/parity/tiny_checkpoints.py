"""The tiny checkpoints of every topology, each made when it is first asked for."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from tests.engine.tiny_sdxl import OTHER_VAE, Topology, export, make_family, make_other_vae, make_torch


@dataclass(frozen=True)
class TinyCheckpoints:
    """`base` holds `torch` and `ov` of SDXL base's topology, `folder` the others, each in a folder of its name."""

    base: Path
    folder: Path

    @classmethod
    def in_folder(cls, folder: Path) -> TinyCheckpoints:
        """A family whose base is in `folder`/base, made if it is not there."""
        base = folder / Topology.BASE
        if not base.exists():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                make_torch(base / "torch")
                export(base / "torch", base / "ov")
        return cls(base, folder)

    def ov(self, topology: Topology) -> Path:
        """The checkpoint's OpenVINO parts; `torch_folder_of` returns the folder of the same weights for diffusers."""
        if topology is Topology.BASE:
            return self.base / "ov"
        with self._alone(topology) as missing:
            if missing:
                make_family(self.base, self.folder, [topology])
        return self.folder / topology / "ov"

    def other_vae(self) -> Path:
        """A folder with the OpenVINO parts of another VAE."""
        with self._alone(OTHER_VAE) as missing:
            if missing:
                make_other_vae(self.base, self.folder)
        return self.folder / OTHER_VAE / "ov"

    @contextmanager
    def _alone(self, name: str) -> Iterator[bool]:
        """Whether the folder `name` is missing; meanwhile no other process makes it."""
        with FileLock(self.folder / f"{name}.lock"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield not (self.folder / name).exists()


def topology_params() -> list[Any]:
    """Parameters for `pytest.mark.parametrize`; Vega's blocks are SSD-1B's, with fewer layers, and are slow."""
    return [pytest.param(one, id=one.value, marks=[pytest.mark.slow] * (one is Topology.VEGA)) for one in Topology]


def torch_folder_of(ov_folder: Path) -> Path:
    """Where the weights of the OpenVINO parts in `ov_folder` are as diffusers reads them."""
    return ov_folder.parent / "torch"
