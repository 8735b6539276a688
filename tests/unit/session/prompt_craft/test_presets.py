"""Presets hold chosen settings, can be applied again, and are shared as files that name no place on a disk."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sdxl_desktop.core.additions import EmbeddingReference, LoraReference
from sdxl_desktop.core.errors import RequestError
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.request import MicroConditioning, Prompts, Sampling
from sdxl_desktop.core.schedulers import SchedulerName
from sdxl_desktop.core.workspace_value import AdditionsPanelState, LoraListItem, RefinerPanelState, WorkspaceValue
from sdxl_desktop.session.prompt_craft.preset_files import PresetStore, read_preset_file, write_preset_file
from sdxl_desktop.session.prompt_craft.presets import (
    PresetPart,
    SettingsPreset,
    apply_preset,
    create_preset,
    find_adapter,
)

SAMPLING = Sampling(steps=40, guidance_scale=6.5, scheduler=SchedulerName.DDIM, size=Size(512, 768), seed=9, count=3)
VALUE = WorkspaceValue(
    prompts=Prompts(prompt="a face", negative_prompt="hat", clip_skip=1),
    styles=("Studio portrait",),
    checkpoint="base",
    micro_conditioning=MicroConditioning(original_size=Size(2048, 2048)),
    micro_conditioning_on=True,
    refiner=RefinerPanelState(on=True, checkpoint="finisher"),
    additions=AdditionsPanelState(
        loras=(
            LoraListItem(LoraReference(Path("/home/me/loras/soft.safetensors"), 0.7)),
            LoraListItem(LoraReference(Path("/home/me/loras/off.safetensors")), on=False),
        ),
        embeddings=(EmbeddingReference(Path("/home/me/face.safetensors"), "<face>"),),
    ),
)


def hash_of(file: Path) -> str:
    return {"soft.safetensors": "a" * 64, "renamed.safetensors": "a" * 64, "other.safetensors": "b" * 64}.get(
        file.name, ""
    )


@pytest.fixture
def whole() -> SettingsPreset:
    return create_preset("Portrait, 40 steps", VALUE, SAMPLING, tuple(PresetPart), hash_of)


def test_applying_a_preset_restores_what_it_holds_and_nothing_else(whole: SettingsPreset) -> None:
    files = {"soft.safetensors": Path("/new/soft.safetensors"), "face.safetensors": Path("/new/face.safetensors")}
    before = WorkspaceValue(sampling=Sampling(seed=5), seed_locked=True)
    after, missing = apply_preset(before, whole, lambda adapter: files.get(adapter.name))
    assert not missing
    assert after.sampling == replace(SAMPLING, seed=5)
    assert after.seed_locked
    assert (after.prompts, after.styles, after.refiner) == (VALUE.prompts, VALUE.styles, VALUE.refiner)
    assert (after.micro_conditioning, after.micro_conditioning_on) == (VALUE.micro_conditioning, True)
    assert [(lora.use.file.name, lora.use.weight) for lora in after.additions.loras] == [("soft.safetensors", 0.7)]
    assert [one.token for one in after.additions.embeddings] == ["<face>"]


@pytest.mark.parametrize("part", list(PresetPart))
def test_one_part_changes_only_itself(part: PresetPart) -> None:
    preset = create_preset("One", VALUE, SAMPLING, [part], hash_of)
    assert preset.parts == (part,)
    before = WorkspaceValue(sampling=Sampling())
    after, _ = apply_preset(before, preset, lambda adapter: Path("/x") / adapter.name)
    changed = {name for name in ("prompts", "styles", "sampling", "micro_conditioning", "refiner", "additions")
               if getattr(before, name) != getattr(after, name)}  # fmt: skip
    expected = {"checkpoint": set(), "size": {"sampling"}, "count": {"sampling"}, "adapters": {"additions"}}
    assert changed == expected.get(part.value, {part.value})


def test_adapters_are_found_by_content_then_by_name(whole: SettingsPreset) -> None:
    assert whole.adapters is not None
    soft = whole.adapters[0]
    renamed, other, plain = Path("/l/renamed.safetensors"), Path("/l/other.safetensors"), Path("/l/soft.safetensors")
    assert find_adapter(soft, [other, renamed], hash_of) == renamed
    assert find_adapter(soft, [other, plain], hash_of) == plain
    assert find_adapter(soft, [plain], lambda file: "c" * 64) is None  # another file of the same name
    assert find_adapter(soft, [plain], lambda file: "") == plain
    after, missing = apply_preset(VALUE, whole, lambda adapter: None)
    assert missing == ("the LoRA soft.safetensors", "the embedding face.safetensors")
    assert not any(lora.on for lora in after.additions.loras)


def test_a_shared_file_holds_the_whole_preset_and_no_path(whole: SettingsPreset, tmp_path: Path) -> None:
    file = tmp_path / "portrait.sdxlpreset.json"
    write_preset_file(whole, file)
    assert "/home" not in file.read_text()
    found = read_preset_file(file)
    assert (found.preset, found.problems) == (whole, ())


def shared(tmp_path: Path, preset: Any, **more: Any) -> Path:
    file = tmp_path / "p.sdxlpreset.json"
    file.write_text(json.dumps({"kind": "sdxl-desktop preset", "version": 1, "preset": preset, **more}))
    return file


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ({"checkpoint": "../../etc/passwd"}, "passwd"),
        ({"checkpoint": "C:\\models\\x"}, "checkpoint"),
        ({"sampling": {"steps": 10**9}}, "steps"),
        ({"sampling": {"scheduler": "os.system"}}, "scheduler"),
        ({"size": {"width": 9, "height": -1}}, "size"),
        ({"count": 10**6}, "count"),
        ({"refiner": {"on": True, "checkpoint": "/elsewhere/x"}}, "refiner"),
        ({"adapters": [{"kind": "lora", "name": "../x.safetensors"}]}, "adapters"),
        ({"adapters": [{"kind": "lora", "name": "x", "weight": 1e9}]}, "adapters"),
        ({"adapters": [{"kind": "program", "name": "x"}]}, "adapters"),
        ({"prompts": {"prompt": 5}}, "prompt"),
        ({"name": "\x1b[31m"}, "name"),
    ],
)
def test_an_invalid_value_is_left_out_and_told(tmp_path: Path, value: dict[str, Any], named: str) -> None:
    found = read_preset_file(shared(tmp_path, {"styles": ["Kept"], **value}))
    assert found.preset.styles == ("Kept",)
    assert named in " ".join(found.problems)
    assert found.preset.checkpoint is None
    assert found.preset.adapters in (None, ())


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"kind":"sdxl-desktop preset","version":1,"preset":{}}',
    b'{"kind":"sdxl-desktop preset","version":2,"preset":{"count":1}}', b"{" * 9000, b'{"kind":1e999}'])  # fmt: skip
def test_a_file_of_anything_else_is_refused_in_one_sentence(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "x.json"
    file.write_bytes(content)
    with pytest.raises(RequestError) as caught:
        read_preset_file(file)
    assert "x.json" in str(caught.value)


def test_any_mutation_is_read_or_refused(whole: SettingsPreset, tmp_path: Path) -> None:
    file, draw = tmp_path / "m.json", random.Random(4)
    write_preset_file(whole, file)
    original = file.read_bytes()
    for _ in range(200):
        content = bytearray(original)
        for _ in range(3):
            content[draw.randrange(len(content))] = draw.choice(b'{}[]",:0919-eE.\\/a\xff')
        file.write_bytes(content)
        try:
            assert read_preset_file(file).preset.parts
        except RequestError:
            continue


def test_own_presets_are_kept_renamed_and_deleted(whole: SettingsPreset, tmp_path: Path) -> None:
    store = PresetStore(tmp_path / "data" / "presets.json")
    store.save(whole)
    store.save(replace(whole, name="b", count=2))
    assert [preset.name for preset in store.load()] == ["b", "Portrait, 40 steps"]
    with pytest.raises(RequestError, match="already"):
        store.rename("b", "Portrait, 40 steps")
    with pytest.raises(RequestError):
        store.rename("b", "\n")
    store.rename("b", "Draft")
    assert store.named("draft") == replace(whole, name="Draft", count=2)
    store.delete("Draft")
    assert store.load() == (whole,)
