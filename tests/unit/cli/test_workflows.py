"""Every workflow can be asked for in the terminal, and what cannot go together is said in one line."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sdxl_desktop.core.edit import Edit, Fit, Prefill
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.intents import RECIPES, Filling, Intent, Masked, filling
from sdxl_desktop.core.refine import RefineWay
from sdxl_desktop.core.request import GenerationRequest, Mode
from sdxl_desktop.core.settings import Preferences, Settings
from sdxl_desktop.core.speed import Speed
from sdxl_desktop.history.latents import read_latents, write_latents
from sdxl_desktop.session.settings_store import SettingsStore
from tests.unit.cli.helpers import PretendRooms, say
from tests.unit.library.heads import write_hollow
from tests.unit.library.test_scan import make_checkpoint

MINE = ("--checkpoint", "mine", "--steps", "4", "--seed", "5")


@pytest.fixture
def files(here: Path, home: Path) -> Path:
    """A picture of 96x64, masks, additions and a refiner."""
    pixels = np.random.default_rng(1).integers(0, 255, (64, 96, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(here / "photo.png")
    mask = np.zeros((64, 96), np.uint8)
    Image.fromarray(mask).save(here / "empty.png")
    mask[8:40, 8:40] = 255
    Image.fromarray(mask).save(here / "mask.png")
    Image.fromarray(mask[:32]).save(here / "small.png")
    for name in ("style.safetensors", "word.safetensors", "a b.safetensors"):
        (here / name).write_bytes(b"")
    (here / "vae").mkdir()
    index = {"text_encoder": [None, None]}
    parts = ("text_encoder_2", "unet", "vae_decoder")
    make_checkpoint(home / "data" / "checkpoints" / "finisher", index=index, parts=parts)
    return here


def asked(rooms: PretendRooms) -> GenerationRequest:
    request: GenerationRequest = rooms.engine.requests[-1]
    return request


def test_a_picture_is_changed_at_its_own_size(rooms: PretendRooms, files: Path) -> None:
    assert say(rooms, "generate", "a", *MINE, "--image", "photo.png", "--strength", "0.5", "--fit", "pad") == 0
    request = asked(rooms)
    assert request.mode is Mode.IMAGE_TO_IMAGE
    assert request.sampling.size == Size(96, 64)
    edit = request.edit
    assert edit is not None
    assert (edit.strength, edit.fit, edit.keep_size) == (0.5, Fit.PAD, False)


@pytest.mark.parametrize(("options", "expected"), [((), Speed.BALANCED), (("--speed", "Exact"), Speed.EXACT)])
def test_a_speed_is_chosen_and_otherwise_balanced(
    options: tuple[str, ...], expected: Speed, rooms: PretendRooms, files: Path
) -> None:
    assert say(rooms, "generate", "a", *MINE, *options) == 0
    assert asked(rooms).sampling.speed is expected


def test_a_mask_means_drawing_anew_and_pasting_back(rooms: PretendRooms, files: Path) -> None:
    options = ("--image", "photo.png", "--mask", "mask.png", "--mask-blur", "3", "--only-masked", "8")
    assert say(rooms, "generate", "a", *MINE, *options) == 0
    edit = asked(rooms).edit
    assert edit is not None
    assert edit.mask is not None
    assert (edit.strength, edit.mask_blur, edit.only_masked, edit.keep_size) == (1.0, 3, 8, True)


def edited(rooms: PretendRooms, *options: str) -> Edit:
    assert say(rooms, "generate", "a", *MINE, "--image", "photo.png", *options) == 0
    edit = asked(rooms).edit
    assert edit is not None
    return edit


@pytest.mark.parametrize("intent", ["fill", "replace", "add", "remove", "refine"])
def test_an_intent_means_what_it_means_in_the_window(rooms: PretendRooms, files: Path, intent: str) -> None:
    edit = edited(rooms, "--mask", "mask.png", "--intent", intent)
    assert edit.mask is not None
    meant = filling(Intent(intent), Masked.of(edit.mask.array), asked(rooms).sampling.size)
    assert meant == Filling(
        strength=edit.strength,
        prefill=edit.prefill,
        grow=edit.grow,
        mask_blur=edit.mask_blur,
        soft=edit.soft,
        match_colour=edit.match_colour,
    )
    assert edit.grow > 0, "a mask that reaches into a latent's cell has the cell drawn"
    assert edit.mask_blur > 0


def test_what_is_said_by_itself_goes_over_the_intent(rooms: PretendRooms, files: Path) -> None:
    options = ("--grow", "7", "--prefill", "neutral", "--hard-mask", "--no-match-colours", "--mask-blur", "0")
    edit = edited(rooms, "--mask", "mask.png", "--intent", "refine", "--strength", "0.5", *options)
    assert (edit.strength, edit.grow, edit.prefill, edit.soft) == (0.5, 7, Prefill.NEUTRAL, False)
    assert (edit.match_colour, edit.mask_blur) == (False, 0.0)
    plain = edited(rooms, "--mask", "mask.png")
    assert (plain.grow, plain.prefill, plain.soft, plain.match_colour) == (0, Prefill.KEEP, False, False)
    soft = edited(rooms, "--mask", "mask.png", "--soft-mask", "--match-colours")
    assert (soft.soft, soft.match_colour) == (True, True)


def test_a_picture_can_be_refined_as_a_whole(rooms: PretendRooms, files: Path) -> None:
    edit = edited(rooms, "--intent", "refine")
    assert (edit.mask, edit.strength) == (None, RECIPES[Intent.REFINE].strength)


@pytest.mark.parametrize(
    ("options", "way", "handoff", "strength"),
    [
        ((), RefineWay.ENSEMBLE, 0.8, 0.3),
        (("--refine", "ensemble", "--handoff", "0.7"), RefineWay.ENSEMBLE, 0.7, 0.3),
        (("--refine", "img2img", "--refiner-strength", "0.4"), RefineWay.IMG2IMG, 0.8, 0.4),
    ],
)
def test_a_refiner_works_either_way(
    rooms: PretendRooms, files: Path, options: tuple[str, ...], way: RefineWay, handoff: float, strength: float
) -> None:
    scores = ("--aesthetic-score", "7", "--negative-aesthetic-score", "2", "--refiner-steps", "9")
    assert say(rooms, "generate", "a", *MINE, "--refiner", "finisher", *scores, *options) == 0
    refine = asked(rooms).refine
    assert refine is not None
    assert (refine.checkpoint.name, refine.steps) == ("finisher", 9)
    assert (refine.way, refine.handoff, refine.strength) == (way, handoff, strength)
    micro = asked(rooms).micro_conditioning
    assert (micro.aesthetic_score, micro.negative_aesthetic_score) == (7, 2)


def test_a_lora_for_few_steps_says_so_where_other_settings_are_used(
    rooms: PretendRooms, files: Path, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_hollow(here / "mood_hyper-sdxl-8steps.safetensors", {"lora_unet_a.lora_down.weight": (4, 8)})
    options = ("--checkpoint", "mine", "--seed", "5", "--lora", "mood_hyper-sdxl-8steps.safetensors")
    assert say(rooms, "generate", "a", *options, "--steps", "20") == 0
    told = " ".join(capsys.readouterr().err.split())
    wanted = "--steps 8 --guidance 1 --scheduler ddim --timestep-spacing trailing"
    assert wanted in told
    assert say(rooms, "generate", "a", *options, *wanted.split()) == 0
    assert "is made for" not in capsys.readouterr().err


def test_additions_are_files_with_weights_and_words(rooms: PretendRooms, files: Path) -> None:
    options = ("--lora", "style.safetensors:-0.5", "--lora", "a b.safetensors", "--embedding", "word.safetensors:<w>")
    assert say(rooms, "generate", "a", *MINE, *options, "--vae", "vae", "--clip-skip", "1") == 0
    additions = asked(rooms).additions
    assert [(use.file.name, use.weight) for use in additions.loras] == [
        ("style.safetensors", -0.5),
        ("a b.safetensors", 1),
    ]
    assert [(use.file.name, use.token) for use in additions.embeddings] == [("word.safetensors", "<w>")]
    assert additions.vae is not None
    assert additions.vae.name == "vae"
    assert asked(rooms).prompts.clip_skip == 1


def test_custom_timesteps_are_the_steps(rooms: PretendRooms, files: Path) -> None:
    assert say(rooms, "generate", "a", "--checkpoint", "mine", "--timesteps", "999,500, 20") == 0
    assert (asked(rooms).sampling.timesteps, asked(rooms).sampling.steps) == ((999, 500, 20), 3)


def test_a_variation(rooms: PretendRooms, files: Path) -> None:
    assert say(rooms, "generate", "a", *MINE, "--variation-seed", "9", "--variation-strength", "0.25") == 0
    assert (asked(rooms).sampling.variation_seed, asked(rooms).sampling.variation_strength) == (9, 0.25)


def test_the_watermark_follows_the_settings_unless_told(rooms: PretendRooms, files: Path, home: Path) -> None:
    say(rooms, "generate", "a", *MINE)
    assert asked(rooms).output.watermark
    say(rooms, "generate", "a", *MINE, "--no-watermark")
    assert not asked(rooms).output.watermark
    SettingsStore(home / "settings.json").save(Settings(preferences=Preferences(watermark=False)))
    say(rooms, "generate", "a", *MINE)
    assert not asked(rooms).output.watermark


def test_latents_are_kept_and_taken_up_again(rooms: PretendRooms, files: Path) -> None:
    """What is not said comes from the run that made them."""
    assert say(rooms, "generate", "a", *MINE, "--size", "96x64", "--latents-out", "kept.safetensors") == 0
    assert say(rooms, "generate", "b", "--checkpoint", "mine", "--from-latents", "kept.safetensors") == 0
    request = asked(rooms)
    assert request.start is not None
    assert (request.start.step, request.sampling.size, request.prompts.prompt) == (None, Size(96, 64), "b")
    again = ("--checkpoint", "mine", "--from-latents", "kept.safetensors", "--from-step", "2")
    assert say(rooms, "generate", "b", *again) == 0
    request = asked(rooms)
    assert request.start is not None
    assert (request.start.step, request.sampling.seed, request.sampling.steps) == (2, 5, 4)


def test_a_step_is_gone_on_from_on_the_schedule_that_led_to_it(
    rooms: PretendRooms, files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    schedule = ("--timesteps", "900,600,300,1", "--timestep-spacing", "trailing", "--guidance-rescale", "0.4")
    kept = ("--latents-out", "kept.safetensors", "--variation-strength", "0.25", "--variation-seed", "8")
    assert say(rooms, "generate", "a", "--checkpoint", "mine", "--seed", "5", *schedule, *kept) == 0
    made = asked(rooms).sampling
    again = ("generate", "b", "--checkpoint", "mine", "--from-latents", "kept.safetensors", "--from-step", "2")
    assert say(rooms, *again) == 0
    assert asked(rooms).sampling == made
    capsys.readouterr()
    assert say(rooms, *again, "--timestep-spacing", "leading") == 2
    assert "noise schedule" in capsys.readouterr().err
    assert say(rooms, *again, "--timesteps", "900,600,300,2") == 2
    assert "timesteps" in capsys.readouterr().err


def test_latents_of_an_earlier_release_do_not_say_their_schedule_and_are_gone_on_from(
    rooms: PretendRooms, files: Path, here: Path
) -> None:
    made = ("--checkpoint", "mine", "--seed", "5", "--timesteps", "900,600,300,1")
    assert say(rooms, "generate", "a", *made, "--latents-out", "kept.safetensors") == 0
    kept, request = read_latents(here / "kept.safetensors")
    write_latents(here / "older.safetensors", replace(kept, timesteps=None, noise=None), request)
    again = ("generate", "b", "--checkpoint", "mine", "--from-latents", "older.safetensors", "--from-step", "2")
    assert say(rooms, *again) == 0
    assert asked(rooms).sampling.timesteps == (900, 600, 300, 1)


def test_the_report_tells_all(rooms: PretendRooms, files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--image", "photo.png", "--mask", "mask.png", "--refiner", "finisher", "--lora", "style.safetensors:2")
    assert say(rooms, "generate", "a", *MINE, *options, "--json") == 0
    told = json.loads(capsys.readouterr().out)["request"]
    assert told["mode"] == "inpainting" or told["mode"] == "inpaint"
    assert told["edit"]["picture"] == "photo.png"
    assert told["refine"]["way"] == "ensemble"
    assert told["loras"][0]["weight"] == 2


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
    rooms: PretendRooms, files: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], words: str
) -> None:
    steps = () if "--timesteps" in options else ("--steps", "4")
    assert say(rooms, "generate", "a", "--checkpoint", "mine", *steps, *options) == 2
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1
    assert words in captured.err
    assert "engine" not in rooms.opened
