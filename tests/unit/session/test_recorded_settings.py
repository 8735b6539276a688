"""Settings of pictures are used whole or in parts, with models found by name and hash, and what is missing named."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from sdxl_desktop import __version__
from sdxl_desktop.core.additions import Additions, LoraReference
from sdxl_desktop.core.checkpoint import Checkpoint, CheckpointKind, RecommendedSettings
from sdxl_desktop.core.edit import EditParameters
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.raster import Raster
from sdxl_desktop.core.request import Execution, GenerationRequest, Prompts, Sampling
from sdxl_desktop.core.schedulers import SchedulerName
from sdxl_desktop.metadata.foreign.record import ForeignLora, ForeignRecord, ForeignRefiner, ModelReference
from sdxl_desktop.metadata.picture_files import PictureRecord
from sdxl_desktop.session.model_search import find_addition, find_checkpoint
from sdxl_desktop.session.settings_parts import SettingsPart
from sdxl_desktop.session.weight_hashes import weight_files
from sdxl_desktop.session.workspace import Workspace

SHA = "31e35c80fc4829d14f90153f4c74cd59c90b779f6afe05a74cd6120b893f7e5b"


def checkpoint(folder: Path, kind: CheckpointKind = CheckpointKind.BASE, **record: str) -> Checkpoint:
    folder.mkdir(parents=True)
    (folder / "import.json").write_text(json.dumps(record))
    best = RecommendedSettings(size=Size(64, 64))
    return Checkpoint(name=folder.name, title=folder.name, folder=folder, kind=kind, recommended=best)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    lora = tmp_path / "library" / "snow-style.safetensors"
    lora.parent.mkdir()
    lora.write_bytes(b"weights")
    made = Workspace(addition_files=lambda: (lora,))
    made.set_checkpoints(
        (
            checkpoint(tmp_path / "other"),
            checkpoint(tmp_path / "mine", source_file="sd_xl_base_1.0.safetensors", source_sha256=SHA),
            checkpoint(tmp_path / "polish", CheckpointKind.REFINER, source_file="sd_xl_refiner_1.0.safetensors"),
        )
    )
    made.set_prompt("what was here")
    return made


FOREIGN = ForeignRecord(
    program="AUTOMATIC1111",
    version="1.10",
    prompt="a fox",
    negative_prompt="blurry",
    seed=5,
    steps=25,
    size=Size(832, 1216),
    scheduler=SchedulerName.DPMPP_2M_KARRAS,
    checkpoint=ModelReference("renamed", SHA[:10]),
    loras=(ForeignLora(ModelReference("snow style"), 0.7), ForeignLora(ModelReference("gone", "7c6bad76eb54"), 1.0)),
    refiner=ForeignRefiner(model=ModelReference("sd_xl_refiner_1.0"), handoff=0.75),
    unmatched=("ADetailer",),
)


def test_another_programs_settings_are_used_with_what_is_here(workspace: Workspace) -> None:
    guidance = workspace.sampling.guidance_scale
    settings = workspace.recorded_settings(FOREIGN)
    warning = workspace.apply_settings(settings)
    value = workspace.value
    assert (value.prompts.prompt, value.prompts.negative_prompt) == ("a fox", "blurry")
    assert (workspace.sampling.seed, workspace.sampling.steps, workspace.sampling.size) == (5, 25, Size(832, 1216))
    assert workspace.sampling.guidance_scale == guidance, "what was not recorded stays"
    assert workspace.checkpoint is not None
    assert workspace.checkpoint.name == "mine", "found by its hash"
    assert value.refiner.on
    assert (value.refiner.checkpoint, value.refiner.handoff) == ("polish", 0.75)
    assert [(one.use.file.name, one.use.weight) for one in value.additions.loras] == [("snow-style.safetensors", 0.7)]
    assert value.seed_locked
    assert "the LoRA gone [7c6bad76eb54]" in str(warning)
    assert settings.unmatched == ("ADetailer",)
    assert "AUTOMATIC1111" in settings.again


@pytest.mark.parametrize("part", list(SettingsPart))
def test_only_the_chosen_part_changes(workspace: Workspace, part: SettingsPart) -> None:
    settings = workspace.recorded_settings(replace(FOREIGN, strength=0.4, original_size=Size(2048, 2048)))
    before, sampling, used = workspace.value, workspace.sampling, workspace.checkpoint
    workspace.apply_settings(settings, (part,))
    after = workspace.value
    changed = {
        SettingsPart.PROMPT: before.prompts.prompt != after.prompts.prompt,
        SettingsPart.NEGATIVE_PROMPT: before.prompts.negative_prompt != after.prompts.negative_prompt,
        SettingsPart.SEED: workspace.sampling.seed != sampling.seed,
        SettingsPart.SIZE: workspace.sampling.size != sampling.size,
        SettingsPart.SAMPLING: workspace.sampling.scheduler != sampling.scheduler,
        SettingsPart.CHECKPOINT: workspace.checkpoint is not used,
        SettingsPart.ADDITIONS: before.additions != after.additions,
        SettingsPart.REFINER: before.refiner != after.refiner,
        SettingsPart.MICRO_CONDITIONING: before.micro_conditioning != after.micro_conditioning,
        SettingsPart.EDIT: before.edit != after.edit,
    }
    assert {one for one, is_changed in changed.items() if is_changed} == {part}


def own(**changes: object) -> PictureRecord:
    request = GenerationRequest(
        checkpoint=Path("mine"), prompts=Prompts(prompt="x"), sampling=Sampling(size=Size(64, 64))
    )
    return PictureRecord(version=__version__, seed=1, request=replace(request, **changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("record", "again"),
    [
        (own(), "The same picture, if the checkpoint still has"),
        (own(checkpoint=Path("lost")), "Not the same picture: the checkpoint lost is not here."),
        (own(edit=EditParameters(picture=Raster(Size(8, 8), "d", "fox.png"))), "only with fox.png"),
        (own(additions=Additions(loras=(LoraReference(Path("none.safetensors")),))), "the LoRA none.safetensors"),
        (own(execution=Execution(device="GPU")), "Nearly the same picture"),
        (PictureRecord(version="0.0.1", seed=1, request=own().request), "since version 0.0.1"),
    ],
)
def test_it_is_said_what_drawing_again_would_give(workspace: Workspace, record: PictureRecord, again: str) -> None:
    assert again in workspace.recorded_settings(record, Execution()).again


def test_models_are_found_by_hash_before_name(tmp_path: Path) -> None:
    named = checkpoint(tmp_path / "sd_xl_base_1.0")
    same = checkpoint(tmp_path / "renamed", source_sha256=SHA)
    assert find_checkpoint(ModelReference("sd_xl_base_1.0", SHA[:10]), (named, same)) is same
    assert find_checkpoint(ModelReference("SD-XL base 1.0"), (named, same)) is named
    assert find_checkpoint(ModelReference("", SHA[:6]), (named, same)) is None, "too few digits"
    file = tmp_path / "x.safetensors"
    file.write_bytes(b"abc")
    digest = hashlib.sha256(b"abc").hexdigest()
    assert find_addition(ModelReference("other name", digest[:12]), (file,)) == file
    assert find_addition(ModelReference("other name", "0" * 12), (file,)) is None


def test_the_hashes_are_those_of_the_files(tmp_path: Path) -> None:
    used = checkpoint(tmp_path / "mine", source_file="sd_xl_base_1.0.safetensors", source_sha256=SHA)
    lora = tmp_path / "detail.safetensors"
    lora.write_bytes(b"weights")
    additions = Additions(loras=(LoraReference(lora), LoraReference(tmp_path / "gone.safetensors")))
    files = weight_files(GenerationRequest(checkpoint=used.folder, additions=additions))
    assert files.checkpoint is not None
    assert (files.checkpoint.name, files.checkpoint.auto_v2) == ("sd_xl_base_1.0", SHA[:10])
    assert [file.auto_v2 for file in files.loras] == [hashlib.sha256(b"weights").hexdigest()[:10], ""]
