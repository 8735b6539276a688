"""The workspace holds what the panels edit, builds the request from it, and reports what prevents a run. Without Qt."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from sdxl_desktop.core.additions import Additions, EmbeddingReference, LoraReference
from sdxl_desktop.core.checkpoint import Checkpoint, CheckpointKind, RecommendedSettings
from sdxl_desktop.core.edit import EditParameters, EditSource, FitMode, PrefillMode
from sdxl_desktop.core.errors import RequestError
from sdxl_desktop.core.geometry import Point, Size
from sdxl_desktop.core.intents import INTENT_PRESETS, Intent
from sdxl_desktop.core.raster import Raster
from sdxl_desktop.core.refine import RefinerMode, RefinerParameters
from sdxl_desktop.core.request import Execution, GenerationRequest, MicroConditioning, Prompts, Sampling
from sdxl_desktop.core.schedulers import SchedulerName
from sdxl_desktop.core.workspace_value import (
    AdditionsPanelState,
    EditPanelState,
    LoraListItem,
    RefinerPanelState,
    WorkspaceValue,
)
from sdxl_desktop.session.document.manifest import decode_workspace
from sdxl_desktop.session.workspace import Workspace

NATIVE = RecommendedSettings(size=Size(768, 512), steps=21, guidance_scale=6.5, scheduler=SchedulerName.DDIM)


def checkpoint(name: str, kind: CheckpointKind = CheckpointKind.BASE, **more: Any) -> Checkpoint:
    given = {"title": name.title(), "folder": Path("/library") / name, "recommended": NATIVE, **more}
    return Checkpoint(name=name, kind=kind, **given)


BASE, OTHER = checkpoint("base"), checkpoint("other", size_multiple=64)
FINISHER = checkpoint("finisher", CheckpointKind.REFINER)
FILLER = checkpoint("filler", CheckpointKind.INPAINT)
BLIND = checkpoint("blind", has_vae_encoder=False)
QUICK = checkpoint(
    "quick", is_few_step=True, recommended=RecommendedSettings(size=Size(512, 512), steps=2, guidance_scale=1.0)
)
ALL = (FINISHER, BASE, OTHER, FILLER, BLIND, QUICK)

PICTURE = Raster.from_pixels(np.zeros((60, 240, 3), np.uint8), "shore.png")
MASK = Raster.from_pixels(np.pad(np.full((20, 24), 255, np.uint8), ((20, 20), (100, 116))))
NARROW = Raster.from_pixels(np.pad(np.full((4, 200), 255, np.uint8), ((20, 36), (20, 20))))
EMPTY, ON_PICTURE, ON_MASK = EditSource(), EditSource(PICTURE), EditSource(PICTURE, MASK)


@pytest.fixture
def workspace() -> Workspace:
    made = Workspace()
    made.set_checkpoints(ALL)
    return made


def change(workspace: Workspace, **values: Any) -> None:
    """Change a value as the panels do."""
    workspace.apply_user_changes(replace(workspace.value, **values))


def asked(workspace: Workspace, ground: EditSource = EMPTY) -> GenerationRequest:
    request = workspace.build_request(Execution(), ground)
    assert request is not None
    return request


# checkpoints


def test_the_first_that_draws_from_a_prompt_is_chosen_with_what_it_was_made_for(workspace: Workspace) -> None:
    assert workspace.checkpoint is BASE
    sampling = asked(workspace).sampling
    assert (sampling.size, sampling.steps, sampling.guidance_scale) == (NATIVE.size, 21, 6.5)
    assert sampling.scheduler is SchedulerName.DDIM


def test_without_a_checkpoint_there_is_one_problem_and_no_request() -> None:
    workspace = Workspace()
    assert workspace.build_request(Execution()) is None
    assert workspace.build_comparison_requests(Execution()) is None
    (problem,) = workspace.problems()
    assert "no checkpoint" in str(problem)
    assert "checkpoints folder" in str(problem), "it says what to do"


def test_a_checkpoint_that_comes_later_is_still_the_wanted_one() -> None:
    workspace = Workspace()
    workspace.set_value(WorkspaceValue(checkpoint="other", sampling=Sampling(steps=7)))
    assert workspace.value.checkpoint == "other"
    workspace.set_checkpoints(ALL)
    assert workspace.checkpoint is OTHER
    assert asked(workspace).sampling.steps == 7, "values that were set stay"


def test_one_that_is_gone_gives_way_to_another(workspace: Workspace) -> None:
    workspace.select_checkpoint("other")
    workspace.set_checkpoints((FINISHER, BLIND))
    assert workspace.value.checkpoint == "blind"
    assert not workspace.select_checkpoint("other")


def test_a_few_step_checkpoint_brings_its_settings_and_leaving_it_brings_ones_own(workspace: Workspace) -> None:
    mine = Sampling(size=Size(640, 640), steps=33, guidance_scale=8.0, seed=4)
    change(workspace, sampling=mine)
    assert workspace.select_checkpoint("quick")
    assert (workspace.sampling.steps, workspace.sampling.guidance_scale) == (2, 1.0)
    assert "2 steps" in workspace.few_step.notice
    workspace.restore_sampling()
    assert workspace.sampling.steps == 33
    workspace.select_checkpoint("base")
    assert workspace.sampling == mine
    assert workspace.few_step.notice == ""


def test_a_record_means_a_folder_by_its_path_or_its_name(workspace: Workspace) -> None:
    assert (
        workspace.find_checkpoint_folder(BASE.folder) == workspace.find_checkpoint_folder(Path("base")) == BASE.folder
    )
    assert workspace.find_checkpoint_folder(Path("/elsewhere/gone")) is None


# what stands in the way


@pytest.mark.parametrize(
    ("chosen", "ground", "words"),
    [
        ("finisher", EditSource(), "put one on the canvas"),
        ("filler", EditSource(), "paint a mask"),
        ("filler", ON_PICTURE, "paint a mask"),
        ("blind", ON_PICTURE, "no VAE encoder"),
        ("finisher", ON_PICTURE, ""),
        ("filler", ON_MASK, ""),
        ("blind", EditSource(), ""),
        ("base", ON_MASK, ""),
    ],
)
def test_what_a_checkpoint_cannot_do_is_a_problem(
    workspace: Workspace, chosen: str, ground: EditSource, words: str
) -> None:
    workspace.select_checkpoint(chosen)
    workspace.set_edit_source(ground)
    problems = workspace.problems()
    assert workspace.can_request(Execution(), ground) is (not words)
    if not words:
        assert problems == ()
        return
    (problem,) = problems
    assert words in str(problem)
    with pytest.raises(RequestError, match=words):
        workspace.build_request(Execution(), ground)


def test_all_problems_are_listed_each_with_what_to_do(workspace: Workspace) -> None:
    workspace.select_checkpoint("filler")
    change(workspace, refiner=RefinerPanelState(on=True, checkpoint="lost"))
    workspace.input_errors = (RequestError("'x' is no seed.", next_step="Write a number."),)
    reported = [str(problem) for problem in workspace.problems()]
    assert len(reported) == 3
    for words in ("choose another checkpoint", "Write a number", "Choose another refiner"):
        assert any(words in one for one in reported), words


def test_another_vae_brings_the_encoder(workspace: Workspace, tmp_path: Path) -> None:
    workspace.select_checkpoint("blind")
    workspace.set_vae(tmp_path)
    assert asked(workspace, ON_PICTURE).additions.vae == tmp_path


def test_a_refused_request_takes_no_seed(workspace: Workspace) -> None:
    before = workspace.value
    workspace.input_errors = (RequestError("no seed"),)
    with pytest.raises(RequestError):
        workspace.build_request(Execution())
    assert workspace.value == before


# seeds


def test_an_unlocked_seed_is_new_for_every_run_and_a_locked_one_stays(workspace: Workspace) -> None:
    assert len({asked(workspace).sampling.seed for _ in range(4)}) == 4
    assert asked(workspace).sampling.seed == workspace.sampling.seed, "it is shown from then on"
    workspace.lock_seed(77)
    assert {asked(workspace).sampling.seed for _ in range(3)} == {77}


def test_a_second_seed_is_new_only_while_it_counts(workspace: Workspace) -> None:
    workspace.lock_seed(5)
    before = asked(workspace).sampling.variation_seed
    assert asked(workspace).sampling.variation_seed == before
    change(workspace, sampling=replace(workspace.sampling, variation_strength=0.3))
    assert len({asked(workspace).sampling.variation_seed for _ in range(4)}) == 4
    change(workspace, variation_locked=True)
    assert len({asked(workspace).sampling.variation_seed for _ in range(4)}) == 1


def test_comparing_takes_one_picture_of_the_present_seed(workspace: Workspace) -> None:
    reported = MicroConditioning(original_size=Size(300, 200), negative_crop_top_left=Point(1, 2))
    change(workspace, micro_conditioning=reported, sampling=Sampling(seed=9, count=4))
    both = workspace.build_comparison_requests(Execution())
    assert both is not None
    assert [one.micro_conditioning for one in both] == [MicroConditioning(), reported]
    assert {(one.sampling.seed, one.sampling.count) for one in both} == {(9, 1)}


# editing


def test_a_picked_intent_follows_the_mask_until_a_value_is_changed(workspace: Workspace) -> None:
    workspace.set_edit_source(ON_MASK)
    workspace.apply_intent(Intent.REMOVE)
    wide = workspace.value.edit
    assert (wide.fill_strength, wide.prefill) == (INTENT_PRESETS[Intent.REMOVE].strength, PrefillMode.SURROUNDINGS)
    workspace.set_edit_source(EditSource(PICTURE, NARROW))
    narrow = workspace.value.edit
    assert narrow.intent is Intent.REMOVE
    assert narrow.mask_blur < wide.mask_blur
    change(workspace, edit=replace(narrow, margin=99))
    assert workspace.value.edit.intent is Intent.REMOVE, "the margin is the person's own"
    change(workspace, edit=replace(workspace.value.edit, grow=narrow.grow + 3))
    assert workspace.value.edit.intent is None
    workspace.set_edit_source(ON_MASK)
    assert workspace.value.edit.grow == narrow.grow + 3


def test_the_request_has_what_the_panel_shows(workspace: Workspace) -> None:
    for intent in (Intent.FILL, Intent.REPLACE, Intent.ADD, Intent.REMOVE, Intent.REFINE):
        workspace.set_edit_source(ON_MASK)
        workspace.apply_intent(intent)
        value, edit = workspace.value.edit, asked(workspace, ON_MASK).edit
        assert edit is not None
        assert (edit.strength, edit.keep_size) == (value.fill_strength, value.fill_keep_size)
        shown = (value.prefill, value.grow, value.mask_blur, value.soft, value.match_colour)
        assert (edit.prefill, edit.grow, edit.mask_blur, edit.soft, edit.match_colour) == shown


def test_expanding_takes_the_pictures_shape_and_is_over_with_the_mask(workspace: Workspace) -> None:
    workspace.set_edit_source(ON_MASK)
    workspace.apply_intent(Intent.EXPAND)
    assert workspace.sampling.size.width > 3 * workspace.sampling.size.height
    workspace.set_edit_source(ON_PICTURE)
    assert workspace.value.edit.intent is Intent.FILL


def test_another_picture_begins_with_the_usual_unless_values_are_ones_own(workspace: Workspace) -> None:
    workspace.set_edit_source(ON_MASK)
    workspace.apply_intent(Intent.ADD)
    workspace.reset_intent()
    assert workspace.value.edit.intent is Intent.FILL
    change(workspace, edit=replace(workspace.value.edit, grow=200))
    workspace.reset_intent()
    after = workspace.value.edit
    assert (after.intent, after.grow) == (None, 200)


# refiners and additions


def test_a_refiner_finishes_unless_the_checkpoint_is_one_itself(workspace: Workspace) -> None:
    refiner = RefinerPanelState(
        on=True, way=RefinerMode.IMG2IMG, strength=0.15, handoff=0.6, steps=8, aesthetic_score=8.5
    )
    change(workspace, refiner=refiner)
    request = asked(workspace)
    assert request.refine == RefinerParameters(
        checkpoint=FINISHER.folder, way=RefinerMode.IMG2IMG, strength=0.15, handoff=0.6, steps=8
    )
    assert request.micro_conditioning.aesthetic_score == 8.5
    workspace.select_checkpoint("finisher")
    request = asked(workspace, ON_PICTURE)
    assert (request.refine, request.micro_conditioning.aesthetic_score) == (None, 8.5)
    workspace.select_checkpoint("base")
    change(workspace, refiner=replace(refiner, on=False))
    assert asked(workspace).micro_conditioning == MicroConditioning(), "nobody else takes scores"


def test_what_is_missing_on_the_disk_or_not_in_the_prompt_is_left_out(workspace: Workspace, tmp_path: Path) -> None:
    there, word = tmp_path / "there.safetensors", tmp_path / "word.safetensors"
    for file in (there, word):
        file.touch()
    workspace.add_lora(there)
    workspace.add_lora(tmp_path / "gone.safetensors")
    workspace.add_embedding(word, "<w>")
    workspace.add_embedding(there, "<w>")
    assert [one.token for one in workspace.value.additions.embeddings] == ["<w>", "<w-2>"]
    workspace.set_prompt("a <w-2> fox")
    assert asked(workspace).additions == Additions(
        loras=(LoraReference(there),), embeddings=(EmbeddingReference(there, "<w-2>"),)
    )
    assert len(workspace.value.additions.loras) == 2, "they stay in the list"


# reuse


@pytest.mark.parametrize(
    ("edit", "ground"),
    [
        (None, EditSource()),
        (EditParameters(picture=PICTURE, strength=0.44, keep_size=True), ON_PICTURE),
        (EditParameters(picture=PICTURE, mask=MASK, strength=0.71, only_masked=13, grow=2, soft=True), ON_MASK),
    ],
    ids=["words", "picture", "mask"],
)
def test_reuse_leads_to_the_same_request(
    workspace: Workspace, tmp_path: Path, edit: EditParameters | None, ground: EditSource
) -> None:
    lora = tmp_path / "ink.safetensors"
    lora.touch()
    made_by = GenerationRequest(
        checkpoint=OTHER.folder,
        prompts=Prompts(prompt="a lighthouse", negative_prompt_2="fog", clip_skip=2),
        sampling=Sampling(
            size=Size(640, 512), steps=2, timesteps=(800, 30), guidance_rescale=0.61, seed=3, variation_strength=0.2
        ),
        micro_conditioning=MicroConditioning(target_size=Size(99, 88), aesthetic_score=3.5),
        edit=edit,
        refine=RefinerParameters(checkpoint=FINISHER.folder, handoff=0.005),
        additions=Additions(loras=(LoraReference(lora, -2.5),), vae=tmp_path),
    )
    assert workspace.apply_recorded(made_by, made_by.sampling.seed) is None
    workspace.set_edit_source(ground)
    assert asked(workspace, ground) == made_by
    assert workspace.apply_recorded(made_by.for_metadata(), made_by.sampling.seed) is None, "names mean what is listed"
    assert asked(workspace, ground) == made_by


def test_reuse_tells_what_is_not_here_and_takes_over_the_rest(workspace: Workspace) -> None:
    made_by = GenerationRequest(
        checkpoint=Path("unknown"),
        prompts=Prompts(prompt="a bridge"),
        refine=RefinerParameters(checkpoint=Path("nobody")),
        additions=Additions(loras=(LoraReference(Path("lost.safetensors")),)),
    )
    reported = str(workspace.apply_recorded(made_by, 8))
    for name in ("unknown", "nobody", "lost.safetensors", "Base stays chosen"):
        assert name in reported
    assert workspace.value.prompts.prompt == "a bridge"
    assert (workspace.sampling.seed, workspace.value.seed_locked) == (8, True)


def test_reuse_keeps_what_is_listed(workspace: Workspace, tmp_path: Path) -> None:
    workspace.set_value(
        replace(
            workspace.value,
            additions=AdditionsPanelState(loras=(LoraListItem(LoraReference(tmp_path / "a.safetensors")),)),
        )
    )
    workspace.apply_recorded(GenerationRequest(checkpoint=BASE.folder), 1)
    (listed,) = workspace.value.additions.loras
    assert not listed.on


def test_values_come_out_as_they_were_put_in(workspace: Workspace) -> None:
    value = WorkspaceValue(
        prompts=Prompts(prompt="x", clip_skip=1),
        sampling=Sampling(guidance_rescale=0.123, seed=2**32 - 1),
        checkpoint="other",
        edit=EditPanelState(fill_strength=0.005, margin=7, only_masked=True),
        refiner=RefinerPanelState(on=True, handoff=0.001),
        seed_locked=True,
        open_sections=("advanced",),
    )
    workspace.set_value(value)
    assert workspace.value == value


FROM_A_PROJECT_OF_BEFORE = b"""{"prompts": {"prompt": "x", "clip_skip": 3},
"sampling": {"size": {"width": 640, "height": 512}, "steps": 2, "guidance_scale": 5.0, "guidance_rescale": 0.3,
"scheduler": "euler", "seed": 7, "count": 1, "variation_seed": 0, "variation_strength": 0.5, "timesteps": [5, 2],
"speed": "exact", "noise": {"prediction_type": null, "zero_terminal_snr": null, "timestep_spacing": null}},
"micro_conditioning": {"original_size": null, "crop_top_left": {"x": 1, "y": 2}, "aesthetic_score": 6.0},
"micro_conditioning_on": true, "checkpoint": "c",
"edit": {"intent": "add", "strength": 0.2, "fill_strength": 0.4, "fit": "pad", "keep_size": false,
"fill_keep_size": true, "prefill": "blur", "grow": 9, "mask_blur": 3.5, "soft": true, "match_colour": false,
"only_masked": true, "margin": 77},
"refiner": {"on": true, "checkpoint": "r", "way": "img2img", "handoff": 0.6, "steps": 4, "strength": 0.9,
"aesthetic_score": 7.5, "negative_aesthetic_score": 2.5},
"additions": {"loras": [], "embeddings": [], "vae": "/v"}, "seed_locked": true, "open_sections": ["advanced"]}"""


def test_what_an_earlier_release_wrote_is_read() -> None:
    read = decode_workspace(msgspec.Raw(FROM_A_PROJECT_OF_BEFORE))
    assert read is not None
    workspace = Workspace()
    workspace.set_value(read)
    assert (
        workspace.value
        == read
        == WorkspaceValue(
            prompts=Prompts(prompt="x", clip_skip=3),
            sampling=Sampling(
                size=Size(640, 512), steps=2, guidance_rescale=0.3, seed=7, variation_strength=0.5, timesteps=(5, 2)
            ),
            micro_conditioning=MicroConditioning(crop_top_left=Point(1, 2)),
            micro_conditioning_on=True,
            checkpoint="c",
            edit=EditPanelState(
                intent=Intent.ADD,
                strength=0.2,
                fill_strength=0.4,
                fit=FitMode.PAD,
                prefill=PrefillMode.BLUR,
                grow=9,
                mask_blur=3.5,
                soft=True,
                only_masked=True,
                margin=77,
            ),
            refiner=RefinerPanelState(
                on=True,
                checkpoint="r",
                way=RefinerMode.IMG2IMG,
                handoff=0.6,
                steps=4,
                strength=0.9,
                aesthetic_score=7.5,
            ),
            additions=AdditionsPanelState(vae=Path("/v")),
            seed_locked=True,
            open_sections=("advanced",),
        )
    )
