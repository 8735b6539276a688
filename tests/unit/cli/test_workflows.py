"""Every workflow can be requested in the terminal; options that exclude each other are reported in one line."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sdxl_desktop.core.edit import EditParameters, FitMode, PrefillMode
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.intents import INTENT_PRESETS, Intent, IntentParameters, MaskMetrics, parameters_for_intent
from sdxl_desktop.core.refine import RefinerMode
from sdxl_desktop.core.request import GenerationMode, GenerationRequest
from sdxl_desktop.core.settings import Preferences, Settings
from sdxl_desktop.core.speed import SpeedPreset
from sdxl_desktop.metadata.latent_files import read_latents, write_latents
from sdxl_desktop.session.settings_store import SettingsStore
from tests.unit.cli.helpers import FakeEntryPoints, run_command
from tests.unit.library.fake_safetensors import write_sparse_file
from tests.unit.library.test_scan import make_checkpoint

MINE = ("--checkpoint", "mine", "--steps", "4", "--seed", "5")


@pytest.fixture
def files(work_folder: Path, home: Path) -> Path:
    """A picture of 96x64, masks, additions and a refiner."""
    pixels = np.random.default_rng(1).integers(0, 255, (64, 96, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(work_folder / "photo.png")
    mask = np.zeros((64, 96), np.uint8)
    Image.fromarray(mask).save(work_folder / "empty.png")
    mask[8:40, 8:40] = 255
    Image.fromarray(mask).save(work_folder / "mask.png")
    Image.fromarray(mask[:32]).save(work_folder / "small.png")
    for name in ("style.safetensors", "word.safetensors", "a b.safetensors"):
        (work_folder / name).write_bytes(b"")
    (work_folder / "vae").mkdir()
    index = {"text_encoder": [None, None]}
    parts = ("text_encoder_2", "unet", "vae_decoder")
    make_checkpoint(home / "data" / "checkpoints" / "finisher", index=index, parts=parts)
    return work_folder


def asked(entry_points: FakeEntryPoints) -> GenerationRequest:
    request: GenerationRequest = entry_points.engine.requests[-1]
    return request


def test_a_picture_is_changed_at_its_own_size(fake_entry_points: FakeEntryPoints, files: Path) -> None:
    assert (
        run_command(
            fake_entry_points, "generate", "a", *MINE, "--image", "photo.png", "--strength", "0.5", "--fit", "pad"
        )
        == 0
    )
    request = asked(fake_entry_points)
    assert request.mode is GenerationMode.IMAGE_TO_IMAGE
    assert request.sampling.size == Size(96, 64)
    edit = request.edit
    assert edit is not None
    assert (edit.strength, edit.fit, edit.keep_size) == (0.5, FitMode.PAD, False)


@pytest.mark.parametrize(
    ("options", "expected"), [((), SpeedPreset.BALANCED), (("--speed", "Exact"), SpeedPreset.EXACT)]
)
def test_a_speed_is_chosen_and_otherwise_balanced(
    options: tuple[str, ...], expected: SpeedPreset, fake_entry_points: FakeEntryPoints, files: Path
) -> None:
    assert run_command(fake_entry_points, "generate", "a", *MINE, *options) == 0
    assert asked(fake_entry_points).sampling.speed is expected


def test_a_mask_means_drawing_again_and_pasting_back(fake_entry_points: FakeEntryPoints, files: Path) -> None:
    options = ("--image", "photo.png", "--mask", "mask.png", "--mask-blur", "3", "--only-masked", "8")
    assert run_command(fake_entry_points, "generate", "a", *MINE, *options) == 0
    edit = asked(fake_entry_points).edit
    assert edit is not None
    assert edit.mask is not None
    assert (edit.strength, edit.mask_blur, edit.only_masked, edit.keep_size) == (1.0, 3, 8, True)


def edited(entry_points: FakeEntryPoints, *options: str) -> EditParameters:
    assert run_command(entry_points, "generate", "a", *MINE, "--image", "photo.png", *options) == 0
    edit = asked(entry_points).edit
    assert edit is not None
    return edit


@pytest.mark.parametrize("intent", ["fill", "replace", "add", "remove", "refine"])
def test_an_intent_means_what_it_means_in_the_window(
    fake_entry_points: FakeEntryPoints, files: Path, intent: str
) -> None:
    edit = edited(fake_entry_points, "--mask", "mask.png", "--intent", intent)
    assert edit.mask is not None
    meant = parameters_for_intent(
        Intent(intent), MaskMetrics.from_mask(edit.mask.array), asked(fake_entry_points).sampling.size
    )
    assert meant == IntentParameters(
        strength=edit.strength,
        prefill=edit.prefill,
        grow=edit.grow,
        mask_blur=edit.mask_blur,
        soft=edit.soft,
        match_colour=edit.match_colour,
    )
    assert edit.grow > 0, "a mask that reaches into a latent's cell has the cell drawn"
    assert edit.mask_blur > 0


def test_an_explicit_option_overrides_the_intent(fake_entry_points: FakeEntryPoints, files: Path) -> None:
    options = ("--grow", "7", "--prefill", "neutral", "--hard-mask", "--no-match-colours", "--mask-blur", "0")
    edit = edited(fake_entry_points, "--mask", "mask.png", "--intent", "refine", "--strength", "0.5", *options)
    assert (edit.strength, edit.grow, edit.prefill, edit.soft) == (0.5, 7, PrefillMode.NEUTRAL, False)
    assert (edit.match_colour, edit.mask_blur) == (False, 0.0)
    plain = edited(fake_entry_points, "--mask", "mask.png")
    assert (plain.grow, plain.prefill, plain.soft, plain.match_colour) == (0, PrefillMode.KEEP, False, False)
    soft = edited(fake_entry_points, "--mask", "mask.png", "--soft-mask", "--match-colours")
    assert (soft.soft, soft.match_colour) == (True, True)


def test_a_picture_can_be_refined_as_a_whole(fake_entry_points: FakeEntryPoints, files: Path) -> None:
    edit = edited(fake_entry_points, "--intent", "refine")
    assert (edit.mask, edit.strength) == (None, INTENT_PRESETS[Intent.REFINE].strength)


@pytest.mark.parametrize(
    ("options", "way", "handoff", "strength"),
    [
        ((), RefinerMode.ENSEMBLE, 0.8, 0.3),
        (("--refine", "ensemble", "--handoff", "0.7"), RefinerMode.ENSEMBLE, 0.7, 0.3),
        (("--refine", "img2img", "--refiner-strength", "0.4"), RefinerMode.IMG2IMG, 0.8, 0.4),
    ],
)
def test_a_refiner_works_either_way(
    fake_entry_points: FakeEntryPoints,
    files: Path,
    options: tuple[str, ...],
    way: RefinerMode,
    handoff: float,
    strength: float,
) -> None:
    scores = ("--aesthetic-score", "7", "--negative-aesthetic-score", "2", "--refiner-steps", "9")
    assert run_command(fake_entry_points, "generate", "a", *MINE, "--refiner", "finisher", *scores, *options) == 0
    refine = asked(fake_entry_points).refine
    assert refine is not None
    assert (refine.checkpoint.name, refine.steps) == ("finisher", 9)
    assert (refine.way, refine.handoff, refine.strength) == (way, handoff, strength)
    micro = asked(fake_entry_points).micro_conditioning
    assert (micro.aesthetic_score, micro.negative_aesthetic_score) == (7, 2)


def test_a_lora_for_few_steps_says_so_where_other_settings_are_used(
    fake_entry_points: FakeEntryPoints, files: Path, work_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_sparse_file(work_folder / "mood_hyper-sdxl-8steps.safetensors", {"lora_unet_a.lora_down.weight": (4, 8)})
    options = ("--checkpoint", "mine", "--seed", "5", "--lora", "mood_hyper-sdxl-8steps.safetensors")
    assert run_command(fake_entry_points, "generate", "a", *options, "--steps", "20") == 0
    reported = " ".join(capsys.readouterr().err.split())
    wanted = "--steps 8 --guidance 1 --scheduler ddim --timestep-spacing trailing"
    assert wanted in reported
    assert run_command(fake_entry_points, "generate", "a", *options, *wanted.split()) == 0
    assert "is made for" not in capsys.readouterr().err


def test_additions_are_files_with_weights_and_words(fake_entry_points: FakeEntryPoints, files: Path) -> None:
    options = ("--lora", "style.safetensors:-0.5", "--lora", "a b.safetensors", "--embedding", "word.safetensors:<w>")
    assert run_command(fake_entry_points, "generate", "a", *MINE, *options, "--vae", "vae", "--clip-skip", "1") == 0
    additions = asked(fake_entry_points).additions
    assert [(use.file.name, use.weight) for use in additions.loras] == [
        ("style.safetensors", -0.5),
        ("a b.safetensors", 1),
    ]
    assert [(use.file.name, use.token) for use in additions.embeddings] == [("word.safetensors", "<w>")]
    assert additions.vae is not None
    assert additions.vae.name == "vae"
    assert asked(fake_entry_points).prompts.clip_skip == 1


def test_custom_timesteps_are_the_steps(fake_entry_points: FakeEntryPoints, files: Path) -> None:
    assert run_command(fake_entry_points, "generate", "a", "--checkpoint", "mine", "--timesteps", "999,500, 20") == 0
    assert (asked(fake_entry_points).sampling.timesteps, asked(fake_entry_points).sampling.steps) == ((999, 500, 20), 3)


def test_a_variation(fake_entry_points: FakeEntryPoints, files: Path) -> None:
    assert (
        run_command(fake_entry_points, "generate", "a", *MINE, "--variation-seed", "9", "--variation-strength", "0.25")
        == 0
    )
    assert (asked(fake_entry_points).sampling.variation_seed, asked(fake_entry_points).sampling.variation_strength) == (
        9,
        0.25,
    )


def test_the_watermark_follows_the_settings_unless_set(
    fake_entry_points: FakeEntryPoints, files: Path, home: Path
) -> None:
    run_command(fake_entry_points, "generate", "a", *MINE)
    assert asked(fake_entry_points).output.watermark
    run_command(fake_entry_points, "generate", "a", *MINE, "--no-watermark")
    assert not asked(fake_entry_points).output.watermark
    SettingsStore(home / "settings.json").save(Settings(preferences=Preferences(watermark=False)))
    run_command(fake_entry_points, "generate", "a", *MINE)
    assert not asked(fake_entry_points).output.watermark


def test_latents_are_kept_and_taken_up_again(fake_entry_points: FakeEntryPoints, files: Path) -> None:
    """Options that are not given come from the run that made the latents."""
    assert (
        run_command(fake_entry_points, "generate", "a", *MINE, "--size", "96x64", "--latents-out", "kept.safetensors")
        == 0
    )
    assert (
        run_command(fake_entry_points, "generate", "b", "--checkpoint", "mine", "--from-latents", "kept.safetensors")
        == 0
    )
    request = asked(fake_entry_points)
    assert request.start is not None
    assert (request.start.step, request.sampling.size, request.prompts.prompt) == (None, Size(96, 64), "b")
    again = ("--checkpoint", "mine", "--from-latents", "kept.safetensors", "--from-step", "2")
    assert run_command(fake_entry_points, "generate", "b", *again) == 0
    request = asked(fake_entry_points)
    assert request.start is not None
    assert (request.start.step, request.sampling.seed, request.sampling.steps) == (2, 5, 4)


def test_a_step_is_resumed_from_on_the_schedule_that_led_to_it(
    fake_entry_points: FakeEntryPoints, files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    schedule = ("--timesteps", "900,600,300,1", "--timestep-spacing", "trailing", "--guidance-rescale", "0.4")
    kept = ("--latents-out", "kept.safetensors", "--variation-strength", "0.25", "--variation-seed", "8")
    assert run_command(fake_entry_points, "generate", "a", "--checkpoint", "mine", "--seed", "5", *schedule, *kept) == 0
    made = asked(fake_entry_points).sampling
    again = ("generate", "b", "--checkpoint", "mine", "--from-latents", "kept.safetensors", "--from-step", "2")
    assert run_command(fake_entry_points, *again) == 0
    assert asked(fake_entry_points).sampling == made
    capsys.readouterr()
    assert run_command(fake_entry_points, *again, "--timestep-spacing", "leading") == 2
    assert "noise schedule" in capsys.readouterr().err
    assert run_command(fake_entry_points, *again, "--timesteps", "900,600,300,2") == 2
    assert "timesteps" in capsys.readouterr().err


def test_latents_of_an_earlier_release_do_not_say_their_schedule_and_are_resumed_from(
    fake_entry_points: FakeEntryPoints, files: Path, work_folder: Path
) -> None:
    made = ("--checkpoint", "mine", "--seed", "5", "--timesteps", "900,600,300,1")
    assert run_command(fake_entry_points, "generate", "a", *made, "--latents-out", "kept.safetensors") == 0
    kept, request = read_latents(work_folder / "kept.safetensors")
    write_latents(work_folder / "older.safetensors", replace(kept, timesteps=None, noise=None), request)
    again = ("generate", "b", "--checkpoint", "mine", "--from-latents", "older.safetensors", "--from-step", "2")
    assert run_command(fake_entry_points, *again) == 0
    assert asked(fake_entry_points).sampling.timesteps == (900, 600, 300, 1)


def test_the_report_tells_all(
    fake_entry_points: FakeEntryPoints, files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--image", "photo.png", "--mask", "mask.png", "--refiner", "finisher", "--lora", "style.safetensors:2")
    assert run_command(fake_entry_points, "generate", "a", *MINE, *options, "--json") == 0
    reported = json.loads(capsys.readouterr().out)["request"]
    assert reported["mode"] == "inpainting" or reported["mode"] == "inpaint"
    assert reported["edit"]["picture"] == "photo.png"
    assert reported["refine"]["way"] == "ensemble"
    assert reported["loras"][0]["weight"] == 2


BAD = [
    (("--mask", "mask.png"), "--mask needs a picture"),
    (("--strength", "0.5"), "--strength needs a picture"),
    (("--image", "photo.png", "--strength", "0"), "strength is 0"),
    (("--image", "photo.png", "--strength", "1.5"), "strength is 1.5"),
    (("--image", "photo.png", "--fit", "squeeze"), "crop, pad or stretch"),
    (("--image", "nowhere.png"), "nowhere.png"),
    (("--image", "style.safetensors"), "style.safetensors"),
    (("--image", "photo.png", "--mask", "small.png"), "96x32"),
    (("--image", "photo.png", "--mask", "empty.png"), "empty"),
    (("--image", "photo.png", "--only-masked", "8"), "no mask"),
    (("--image", "photo.png", "--grow", "8"), "no mask"),
    (("--image", "photo.png", "--hard-mask"), "no mask"),
    (("--image", "photo.png", "--intent", "fill"), "takes a mask"),
    (("--image", "photo.png", "--mask", "mask.png", "--intent", "expand"), "fill, replace, add, remove, refine"),
    (("--image", "photo.png", "--mask", "mask.png", "--prefill", "magic"), "keep, neutral, blur, surroundings"),
    (("--image", "photo.png", "--mask", "mask.png", "--grow", "-1"), "growth of the mask"),
    (("--intent", "fill"), "--intent needs a picture"),
    (("--hard-mask",), "--hard-mask needs a picture"),
    (("--refine", "img2img"), "--refine needs a refiner"),
    (("--refiner", "mine"), "not a refiner"),
    (("--refiner", "finisher", "--refine", "twice"), "ensemble or img2img"),
    (("--refiner", "finisher", "--handoff", "1"), "hand-off"),
    (("--lora", "gone.safetensors:1"), "gone.safetensors"),
    (("--lora", "style.safetensors:much"), "'much'"),
    (("--lora", "style.safetensors:99"), "weight of the LoRA"),
    (("--embedding", "word.safetensors:two words"), "one word"),
    (("--vae", "nowhere"), "no VAE file or folder"),
    (("--clip-skip", "-1"), "Clip skip"),
    (("--timesteps", "1,2,3"), "falling"),
    (("--timesteps", "a,b"), "row of timesteps"),
    (("--variation-strength", "2"), "variation strength"),
    (("--aesthetic-score", "11"), "aesthetic score"),
    (("--from-step", "3"), "--from-step needs"),
    (("--from-latents", "style.safetensors"), "does not hold kept latents"),
    (("--latents-out", "kept.bin"), ".safetensors"),
]


@pytest.mark.parametrize(("options", "words"), BAD, ids=[" ".join(options) for options, _ in BAD])
def test_what_cannot_be_gets_one_line_and_no_engine(
    fake_entry_points: FakeEntryPoints,
    files: Path,
    capsys: pytest.CaptureFixture[str],
    options: tuple[str, ...],
    words: str,
) -> None:
    steps = () if "--timesteps" in options else ("--steps", "4")
    assert run_command(fake_entry_points, "generate", "a", "--checkpoint", "mine", *steps, *options) == 2
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1
    assert words in captured.err
    assert "engine" not in fake_entry_points.opened
