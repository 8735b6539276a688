"""Settings come back exactly; a file that cannot be read is set aside, told, and never blocks."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from pathlib import Path

import pytest

from sdxl_desktop.core.additions import EmbeddingUse, LoraUse
from sdxl_desktop.core.edit import Fit
from sdxl_desktop.core.errors import SettingsError
from sdxl_desktop.core.geometry import Point, Size
from sdxl_desktop.core.refine import RefineWay
from sdxl_desktop.core.request import MicroConditioning, Output, Prompts, Sampling
from sdxl_desktop.core.schedulers import SchedulerName
from sdxl_desktop.core.settings import (
    AdditionsValue,
    EditValue,
    ListedLora,
    Preferences,
    RefinerValue,
    Settings,
    Workspace,
)
from sdxl_desktop.session.settings_store import SettingsStore

SETTINGS = Settings(
    preferences=Preferences(device="GPU.1", threads=5, precision="bf16", preview=False, theme="dark"),
    workspace=Workspace(
        prompts=Prompts(prompt="Herz ♥", negative_prompt_2="x"),
        sampling=Sampling(size=Size(640, 512), scheduler=SchedulerName.HEUN, seed=2**32 - 1),
        micro_conditioning=MicroConditioning(crop_top_left=Point(3, 4), target_size=Size(9, 9)),
        open_sections=("sampling", "size"),
        geometry="AAAA==",
        edit=EditValue(strength=0.25, fit=Fit.PAD, keep_size=True, mask_blur=1.5, only_masked=True, margin=0),
        refiner=RefinerValue(on=True, checkpoint="fine", way=RefineWay.IMG2IMG, handoff=0.75, steps=12, strength=0.4),
        additions=AdditionsValue(
            loras=(ListedLora(LoraUse(Path("/somewhere/pixel ♥.safetensors"), -0.5), False),),
            embeddings=(EmbeddingUse(Path("style.pt"), "<style>"),),
            vae=Path("/vaes/fixed"),
        ),
        seed_locked=True,
        variation_locked=True,
    ),
)


@pytest.fixture
def store(tmp_path: Path) -> SettingsStore:
    return SettingsStore(tmp_path / "config" / "settings.json")


def test_the_first_start_has_the_defaults_and_writes_nothing(store: SettingsStore) -> None:
    assert store.load() == (Settings(), None)
    assert not store.file.parent.exists()


def test_settings_come_back_exactly(store: SettingsStore) -> None:
    store.save(SETTINGS)
    assert store.load() == (SETTINGS, None)
    assert list(store.file.parent.iterdir()) == [store.file]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe\x00",
        b'{"preferences": {"theme": "pink"}}',
        b'{"preferences": {"threads": -4}}',
        b'{"workspace": {"sampling": {"steps": 0}}}',
        b'{"workspace": {"edit": {"strength": 0}}}',
        b'{"workspace": {"refiner": {"handoff": 1.5}}}',
        b'{"workspace": {"additions": {"vae": 3}}}',
        b'{"workspace": {"additions": {"loras": [{"use": {"file": "a", "weight": 99}}]}}}',
        b'{"preferences": 5}',
    ],
)
def test_a_corrupt_file_is_set_aside_and_told(store: SettingsStore, content: bytes) -> None:
    store.file.parent.mkdir()
    store.file.write_bytes(content)
    settings, problem = store.load()
    assert settings == Settings()
    assert isinstance(problem, SettingsError)
    (aside,) = store.file.parent.iterdir()
    assert aside != store.file
    assert aside.read_bytes() == content
    assert str(aside) in str(problem)
    assert store.load() == (Settings(), None)


def test_a_newer_versions_settings_are_not_lost(store: SettingsStore) -> None:
    store.file.parent.mkdir()
    store.file.write_text('{"preferences": {"theme": "dark", "sparkles": 3}, "more": []}', encoding="utf-8")
    settings, problem = store.load()
    assert problem is None
    assert settings.preferences.theme == "dark"


FIRST_VERSION = """
{
  "preferences": {
    "device": "GPU", "threads": 3, "precision": "f16", "preview": false, "theme": "light", "autosave": false,
    "picture_format": "jpeg", "pictures_folder": "/pictures", "checkpoints_folder": "/checkpoints"
  },
  "workspace": {
    "prompts": {"prompt": "a fox", "negative_prompt": "dust", "prompt_2": "", "negative_prompt_2": ""},
    "sampling": {
      "size": {"width": 640, "height": 512}, "steps": 21, "guidance_scale": 6.5, "guidance_rescale": 0.1,
      "scheduler": "heun", "seed": 77, "count": 2
    },
    "micro_conditioning": {
      "original_size": {"width": 512, "height": 512}, "crop_top_left": {"x": 1, "y": 2}, "target_size": null,
      "negative_original_size": null, "negative_crop_top_left": null, "negative_target_size": null
    },
    "micro_conditioning_on": true, "checkpoint": "starter", "seed_locked": true,
    "open_sections": ["second encoder"], "geometry": "AAAA", "layout": "BBBB"
  }
}
"""


def test_the_first_versions_settings_still_load(store: SettingsStore) -> None:
    store.file.parent.mkdir()
    store.file.write_text(FIRST_VERSION, encoding="utf-8")
    assert store.load() == (
        Settings(
            preferences=Preferences(
                device="GPU",
                threads=3,
                precision="f16",
                preview=False,
                theme="light",
                autosave=False,
                picture_format="jpeg",
                pictures_folder="/pictures",
                checkpoints_folder="/checkpoints",
            ),
            workspace=Workspace(
                prompts=Prompts(prompt="a fox", negative_prompt="dust"),
                sampling=Sampling(
                    size=Size(640, 512),
                    steps=21,
                    guidance_scale=6.5,
                    guidance_rescale=0.1,
                    scheduler=SchedulerName.HEUN,
                    seed=77,
                    count=2,
                ),
                micro_conditioning=MicroConditioning(original_size=Size(512, 512), crop_top_left=Point(1, 2)),
                micro_conditioning_on=True,
                checkpoint="starter",
                seed_locked=True,
                open_sections=("second encoder",),
                geometry="AAAA",
                layout="BBBB",
            ),
        ),
        None,
    )


def test_pictures_are_marked_and_their_end_is_kept_unless_a_person_says_otherwise() -> None:
    assert Preferences().output == Output(watermark=True, keep_latents="final")
    assert Preferences(watermark=False, keep_latents="steps").output == Output(watermark=False, keep_latents="steps")


def test_a_folder_in_the_way_blocks_nothing(store: SettingsStore) -> None:
    store.file.mkdir(parents=True)
    settings, problem = store.load()
    assert settings == Settings()
    assert problem is not None


def test_a_failed_save_keeps_the_old_settings(store: SettingsStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.save(SETTINGS)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(SettingsError, match="No space"):
        store.save(replace(SETTINGS, preferences=Preferences()))
    assert [path.name for path in store.file.parent.iterdir()] == [store.file.name], "nothing half-written is left"
    assert store.load() == (SETTINGS, None)
