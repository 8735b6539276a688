"""Settings are restored exactly; an invalid value is replaced by its default, and nothing blocks the start."""

from __future__ import annotations

import copy
import errno
import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sdxl_desktop.core.additions import EmbeddingReference, LoraReference
from sdxl_desktop.core.edit import FitMode
from sdxl_desktop.core.errors import SettingsError
from sdxl_desktop.core.geometry import Point, Size
from sdxl_desktop.core.lenient_decoding import to_builtins
from sdxl_desktop.core.refine import RefinerMode
from sdxl_desktop.core.request import MicroConditioning, OutputOptions, Prompts, Sampling
from sdxl_desktop.core.schedulers import SchedulerName
from sdxl_desktop.core.settings import Preferences, Settings, preference_info
from sdxl_desktop.core.workspace_value import (
    AdditionsPanelState,
    EditPanelState,
    LoraListItem,
    RefinerPanelState,
    WorkspaceValue,
)
from sdxl_desktop.session.settings_store import SettingsStore

SETTINGS = Settings(
    preferences=Preferences(device="GPU.1", threads=5, precision="bf16", preview=False, theme="dark"),
    workspace=WorkspaceValue(
        prompts=Prompts(prompt="Herz ♥", negative_prompt_2="x"),
        sampling=Sampling(size=Size(640, 512), scheduler=SchedulerName.HEUN, seed=2**32 - 1),
        micro_conditioning=MicroConditioning(crop_top_left=Point(3, 4), target_size=Size(9, 9)),
        open_sections=("sampling", "size"),
        geometry="AAAA==",
        edit=EditPanelState(strength=0.25, fit=FitMode.PAD, keep_size=True, mask_blur=1.5, only_masked=True, margin=0),
        refiner=RefinerPanelState(
            on=True, checkpoint="fine", way=RefinerMode.IMG2IMG, handoff=0.75, steps=12, strength=0.4
        ),
        additions=AdditionsPanelState(
            loras=(LoraListItem(LoraReference(Path("/somewhere/pixel ♥.safetensors"), -0.5), False),),
            embeddings=(EmbeddingReference(Path("style.pt"), "<style>"),),
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
    assert [path for path in store.file.parent.iterdir() if path.suffix != ".lock"] == [store.file]


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"5", b"\xff\xfe\x00", b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}", b" " * (2**22 + 1)],
    ids=["empty", "cut off", "a list", "a number", "half UTF-16", "nested", "huge"],
)
def test_what_holds_no_settings_is_set_aside_and_reported(store: SettingsStore, content: bytes) -> None:
    store.file.parent.mkdir()
    store.file.write_bytes(content)
    settings, problem = store.load()
    assert settings == Settings()
    assert isinstance(problem, SettingsError)
    (aside,) = store.file.parent.iterdir()
    assert aside != store.file
    assert aside.read_bytes() == content
    assert str(aside) in str(problem)
    assert len(str(problem)) < 1000
    assert store.load() == (Settings(), None)


def test_nothing_set_aside_is_replaced_by_the_next(store: SettingsStore) -> None:
    store.file.parent.mkdir()
    for content in ("one", "two", "three"):
        store.file.write_text(content, encoding="utf-8")
        store.load()
    assert {path.read_text(encoding="utf-8") for path in store.file.parent.iterdir()} == {"one", "two", "three"}


BAD_VALUES: tuple[object, ...] = (
    None, [], {}, [[["deep"]]], {"x": 1}, float("nan"), -(10**30), "\x00 no value of anything \x07" * 400, 1e308,
    [1, "2"],
)  # fmt: skip
"""Kinds of values; each is no good for nearly every field."""


def fields_of(content: Any, where: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Where each value and each group of values stands in a settings file."""
    for name, value in content.items():
        yield (*where, name)
        if isinstance(value, dict) and where != ("workspace", "micro_conditioning"):  # a point has two numbers or none
            yield from fields_of(value, (*where, name))


def put(content: Any, where: tuple[str, ...], value: object) -> None:
    for name in where[:-1]:
        content = content[name]
    content[where[-1]] = value


def get(content: Any, where: tuple[str, ...]) -> Any:
    for name in where:
        content = content[name]
    return content


WHOLE = json.loads(json.dumps(to_builtins(SETTINGS)))


@pytest.mark.parametrize("where", list(fields_of(WHOLE)), ids=".".join)
def test_a_bad_value_costs_nothing_but_itself(store: SettingsStore, where: tuple[str, ...]) -> None:
    store.file.parent.mkdir()
    refused = 0
    for value in BAD_VALUES:
        content = copy.deepcopy(WHOLE)
        put(content, where, value)
        store.file.write_text(json.dumps(content), encoding="utf-8")
        settings, problem = SettingsStore(store.file).load()
        seen = json.loads(json.dumps(to_builtins(settings)))
        put(seen, where, None)
        expected = copy.deepcopy(WHOLE)
        put(expected, where, None)
        if where[-1] == "steps" and where[-2] == "sampling":
            seen["workspace"]["sampling"]["timesteps"] = expected["workspace"]["sampling"]["timesteps"]
        assert seen == expected, f"{where} = {value!r} costs others"
        refused += problem is not None
        assert store.file.exists(), "one value is no reason to set the file aside"
        if problem is not None:
            assert len(str(problem)) < 2000
            label = where[-1].replace("_", " ")
            assert label in str(problem) or preference_label(where) in str(problem)
    assert refused >= (4 if len(where) > 1 else 3)


def preference_label(where: tuple[str, ...]) -> str:
    return preference_info(where[1]).label if where[0] == "preferences" and len(where) == 2 else "nothing"


@pytest.mark.parametrize("value", ["", "  ", "CPU\n", "x" * 5000])
def test_a_device_that_cannot_be_one_falls_back_and_is_reported(store: SettingsStore, value: str) -> None:
    store.file.parent.mkdir()
    store.file.write_text(json.dumps({"preferences": {"device": value, "threads": 3}}), encoding="utf-8")
    settings, problem = store.load()
    assert settings.preferences == Preferences(threads=3)
    assert "“Device”" in str(problem)
    assert "'CPU' is used" in str(problem)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_byte_order_marks_are_understood(store: SettingsStore, encoding: str) -> None:
    store.file.parent.mkdir()
    store.file.write_text(json.dumps(WHOLE, ensure_ascii=False), encoding=encoding)
    assert store.load() == (SETTINGS, None)


def test_a_byte_that_is_no_text_costs_one_letter(store: SettingsStore) -> None:
    store.file.parent.mkdir()
    store.file.write_bytes(b'{"preferences": {"theme": "dark"}, "workspace": {"prompts": {"prompt": "caf\xe9"}}}')
    settings, problem = store.load()
    assert problem is None
    assert (settings.preferences.theme, settings.workspace.prompts.prompt) == ("dark", "caf\ufffd")


def test_of_a_list_only_the_entries_that_cannot_be_used_are_left_out(store: SettingsStore) -> None:
    content = copy.deepcopy(WHOLE)
    loras = content["workspace"]["additions"]["loras"]
    loras[:0] = [{"use": {"file": "a", "weight": 99}}, 5, {"use": {"file": "b.safetensors"}}]
    store.file.parent.mkdir()
    store.file.write_text(json.dumps(content), encoding="utf-8")
    settings, problem = store.load()
    assert settings.workspace.additions.loras == (
        LoraListItem(LoraReference(Path("b.safetensors"))),
        *SETTINGS.workspace.additions.loras,
    )
    assert "loras" in str(problem)


# newer versions and other windows


def test_what_a_newer_version_keeps_is_not_lost(store: SettingsStore) -> None:
    store.file.parent.mkdir()
    newer: dict[str, Any] = {
        "preferences": {"theme": "dark", "sparkles": {"many": [1, None]}},
        "workspace": {"prompts": {"prompt": "a fox", "third_prompt": "x"}, "later": True},
        "more": [2.5],
    }
    store.file.write_text(json.dumps(newer), encoding="utf-8")
    settings, problem = store.load()
    assert problem is None
    assert settings.preferences.theme == "dark"
    store.save(replace(settings, preferences=replace(settings.preferences, theme="light", threads=2)))
    newer["preferences"] |= {"theme": "light", "threads": 2}
    assert json.loads(store.file.read_text(encoding="utf-8")) == newer


def test_a_value_that_only_a_newer_version_knows_stays_until_its_section_is_changed(store: SettingsStore) -> None:
    store.file.parent.mkdir()
    store.file.write_text('{"preferences": {"theme": "sepia"}, "workspace": {"checkpoint": "x"}}', encoding="utf-8")
    settings, problem = store.load()
    assert "“Theme” was 'sepia'; 'system' is used." in str(problem)
    settings = replace(settings, workspace=replace(settings.workspace, checkpoint="y"))
    store.save(settings)
    held = json.loads(store.file.read_text(encoding="utf-8"))
    assert held == {"preferences": {"theme": "sepia"}, "workspace": {"checkpoint": "y"}}
    store.save(replace(settings, preferences=replace(settings.preferences, threads=2)))
    held = json.loads(store.file.read_text(encoding="utf-8"))
    assert held["preferences"] == {"theme": "system", "threads": 2}


def test_windows_do_not_overwrite_each_other(store: SettingsStore) -> None:
    store.save(SETTINGS)
    one, other = SettingsStore(store.file), SettingsStore(store.file)
    (ours, _), (theirs, _) = one.load(), other.load()
    ours = replace(ours, preferences=replace(ours.preferences, picture_format="webp"))
    one.save(ours)
    other.save(theirs)
    theirs = replace(theirs, preferences=replace(theirs.preferences, autosave=False))
    theirs = replace(theirs, workspace=replace(theirs.workspace, prompts=Prompts(prompt="another")))
    other.save(theirs)
    one.save(replace(ours, workspace=replace(ours.workspace, checkpoint="mine")))
    seen, problem = store.load()
    assert problem is None
    assert seen == Settings(
        preferences=replace(SETTINGS.preferences, picture_format="webp", autosave=False),
        workspace=replace(SETTINGS.workspace, prompts=Prompts(prompt="another"), checkpoint="mine"),
    )


def changed(preferences: Preferences, fields: dict[str, Any]) -> Preferences:
    return replace(preferences, **fields)


def test_writers_at_the_same_time_lose_nothing(store: SettingsStore) -> None:
    """Each changes one field of its own again and again; all last values are there in the end."""
    store.save(Settings())
    fields: dict[str, Any] = {
        "threads": 16,
        "compiled_quota_gb": 16,
        "theme": "dark",
        "autosave": False,
        "preview": False,
    }

    def change(field: str, last: Any) -> None:
        own = SettingsStore(store.file)
        settings, _ = own.load()
        for number in range(8):
            value: Any = number if isinstance(last, int) and not isinstance(last, bool) else last
            own.save(replace(settings, preferences=changed(settings.preferences, {field: value})))
        own.save(replace(settings, preferences=changed(settings.preferences, {field: last})))

    with ThreadPoolExecutor(len(fields)) as threads:
        for done in [threads.submit(change, *field) for field in fields.items()]:
            done.result()
    assert store.load()[0].preferences == changed(Preferences(), fields)


def test_a_file_that_was_damaged_meanwhile_is_kept_and_everything_is_written(store: SettingsStore) -> None:
    store.save(SETTINGS)
    store.load()
    store.file.write_text("spoiled", encoding="utf-8")
    changed = replace(SETTINGS, preferences=replace(SETTINGS.preferences, threads=7))
    store.save(changed)
    assert store.load() == (changed, None)
    aside = [path for path in store.file.parent.iterdir() if "unreadable" in path.name]
    assert [path.read_text(encoding="utf-8") for path in aside] == ["spoiled"]


@pytest.mark.skipif(os.name != "posix", reason="named pipes are Unix's")
@pytest.mark.parametrize("what", ["folder", "pipe", "device", "link to nothing"])
def test_what_is_no_file_blocks_nothing(store: SettingsStore, what: str) -> None:
    store.file.parent.mkdir(parents=True)
    match what:
        case "folder":
            store.file.mkdir()
        case "pipe":
            os.mkfifo(store.file)
        case "device":
            store.file.symlink_to("/dev/zero")
        case _:
            store.file.symlink_to("nothing")
    settings, problem = store.load()
    assert settings == Settings()
    assert (problem is None) == (what == "link to nothing")
    store.save(SETTINGS)
    assert store.load() == (SETTINGS, None)


def test_a_folder_that_cannot_be_written_is_reported_before_anything_is_lost(
    store: SettingsStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert store.why_not_writable() is None
    assert not store.file.parent.exists()
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert "cannot be written" in str(store.why_not_writable())


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
            workspace=WorkspaceValue(
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


def test_pictures_are_marked_and_their_end_is_kept_unless_a_user_says_otherwise() -> None:
    assert Preferences().output == OutputOptions(watermark=True, keep_latents="final")
    assert Preferences(watermark=False, keep_latents="steps").output == OutputOptions(
        watermark=False, keep_latents="steps"
    )


def test_a_failed_save_keeps_the_old_settings(store: SettingsStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.save(SETTINGS)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(SettingsError, match="No space"):
        store.save(replace(SETTINGS, preferences=Preferences()))
    left = [path.name for path in store.file.parent.iterdir() if not path.name.endswith(".lock")]
    assert left == [store.file.name], "nothing half-written is left"
    assert store.load() == (SETTINGS, None)
