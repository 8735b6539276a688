"""The tiny checkpoints of every topology, each made when it is first asked for."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

from tests.engine.tiny_sdxl import OTHER_VAE, Topology, export, make_family, make_other_vae, make_torch


@dataclass(frozen=True)
class TinyFamily:
    """`base` holds `torch` and `ov` of SDXL base's topology, `folder` the others, each in a folder of its name."""

    base: Path
    folder: Path

    @classmethod
    def in_folder(cls, folder: Path) -> TinyFamily:
        """A family whose base is in `folder`/base, made if it is not there."""
        base = folder / Topology.BASE
        if not base.exists():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                make_torch(base / "torch")
                export(base / "torch", base / "ov")
        return cls(base, folder)

    def ov(self, topology: Topology) -> Path:
        """The checkpoint's OpenVINO parts; `torch_of` says where the same weights are for diffusers."""
        home = self.base if topology is Topology.BASE else self.folder / topology
        if not home.exists():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                make_family(self.base, self.folder, [topology])
        return home / "ov"

    def other_vae(self) -> Path:
        """A folder with the OpenVINO parts of another VAE."""
        if not (self.folder / OTHER_VAE).exists():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                make_other_vae(self.base, self.folder)
        return self.folder / OTHER_VAE / "ov"


def torch_of(ov_folder: Path) -> Path:
    """Where the weights of the OpenVINO parts in `ov_folder` are as diffusers reads them."""
    return ov_folder.parent / "torch"
