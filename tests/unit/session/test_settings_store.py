"""Settings come back exactly; a file that cannot be read is set aside, told, and never blocks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sdxl_desktop.core.errors import SettingsError
from sdxl_desktop.core.geometry import Point, Size
from sdxl_desktop.core.request import MicroConditioning, Prompts, Sampling
from sdxl_desktop.core.schedulers import SchedulerName
from sdxl_desktop.core.settings import Preferences, Settings, Workspace
from sdxl_desktop.session.settings_store import SettingsStore

SETTINGS = Settings(
    preferences=Preferences(device="GPU.1", threads=5, precision="bf16", preview=False, theme="dark"),
    workspace=Workspace(
        prompts=Prompts(prompt="Herz ♥", negative_prompt_2="x"),
        sampling=Sampling(size=Size(640, 512), scheduler=SchedulerName.HEUN, seed=2**32 - 1),
        micro_conditioning=MicroConditioning(crop_top_left=Point(3, 4), target_size=Size(9, 9)),
        open_sections=("sampling", "size"),
        geometry="AAAA==",
        seed_locked=True,
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


def test_a_folder_in_the_way_blocks_nothing(store: SettingsStore) -> None:
    store.file.mkdir(parents=True)
    settings, problem = store.load()
    assert settings == Settings()
    assert problem is not None


def test_a_failed_save_keeps_the_old_settings(store: SettingsStore) -> None:
    store.save(SETTINGS)
    store.file.with_suffix(".part").mkdir()
    with pytest.raises(SettingsError):
        store.save(replace(SETTINGS, preferences=Preferences()))
    assert store.load() == (SETTINGS, None)
