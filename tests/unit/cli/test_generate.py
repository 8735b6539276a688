"""`generate` draws the request, writes to the given path, and reports the values that it used."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from sdxl_desktop.core.errors import DeviceError, EngineError
from sdxl_desktop.core.geometry import Point, Size
from sdxl_desktop.core.request import GenerationRequest
from sdxl_desktop.core.schedulers import SchedulerName
from sdxl_desktop.core.settings import Preferences, Settings
from sdxl_desktop.engine.fake_engine import FakeEngine
from sdxl_desktop.metadata.picture_files import read_record
from sdxl_desktop.session.settings_store import SettingsStore
from tests.unit.cli.helpers import FakeEntryPoints, own_checkpoint, run_command

MINE = ("--checkpoint", "mine")


def asked(entry_points: FakeEntryPoints) -> GenerationRequest:
    (request,) = entry_points.engine.requests
    assert isinstance(request, GenerationRequest)
    return request


def test_every_option_reaches_the_engine(fake_entry_points: FakeEntryPoints, work_folder: Path, home: Path) -> None:
    options = {
        "--output": "out.png",
        "--negative": "blur",
        "--prompt-2": "second",
        "--negative-2": "worse",
        "--checkpoint": "mine",
        "--size": "64x32",
        "--steps": "2",
        "--guidance": "7.5",
        "--guidance-rescale": "0.7",
        "--scheduler": "DPM++ 2M Karras",
        "--seed": "4294967295",
        "--count": "2",
        "--original-size": "4096x2048",
        "--target-size": "1024x512",
        "--crop": "3,4",
        "--negative-original-size": "128x64",
        "--negative-target-size": "256x128",
        "--negative-crop": "5,6",
        "--device": "gpu",
        "--threads": "2",
        "--precision": "f32",
    }
    words = [word for pair in options.items() for word in pair]
    assert run_command(fake_entry_points, "generate", "a heart", *words) == 0
    request = asked(fake_entry_points)
    assert request.checkpoint == home.resolve() / "data" / "checkpoints" / "mine"
    prompts = request.prompts
    assert (prompts.prompt, prompts.negative_prompt) == ("a heart", "blur")
    assert (prompts.prompt_2, prompts.negative_prompt_2) == ("second", "worse")
    sampling = request.sampling
    assert (sampling.size, sampling.steps, sampling.count, sampling.seed) == (Size(64, 32), 2, 2, 2**32 - 1)
    assert (sampling.guidance_scale, sampling.guidance_rescale) == (7.5, 0.7)
    assert sampling.scheduler is SchedulerName.DPMPP_2M_KARRAS
    micro = request.micro_conditioning
    assert (micro.original_size, micro.target_size) == (Size(4096, 2048), Size(1024, 512))
    assert (micro.negative_original_size, micro.negative_target_size) == (Size(128, 64), Size(256, 128))
    assert (micro.crop_top_left, micro.negative_crop_top_left) == (Point(3, 4), Point(5, 6))
    execution = request.execution
    assert (execution.device, execution.threads, execution.precision) == ("GPU", 2, "f32")


def test_what_is_not_given_is_what_the_checkpoint_recommends(
    fake_entry_points: FakeEntryPoints, work_folder: Path
) -> None:
    assert run_command(fake_entry_points, "generate", "a heart", *MINE) == 0
    sampling = asked(fake_entry_points).sampling
    assert (sampling.size, sampling.steps, sampling.guidance_scale) == (Size(64, 64), 3, 4.5)
    assert sampling.scheduler is SchedulerName.HEUN


def test_zero_is_a_value_and_not_nothing(fake_entry_points: FakeEntryPoints, work_folder: Path) -> None:
    assert (
        run_command(fake_entry_points, "generate", "a", *MINE, "--guidance", "0", "--seed", "0", "--threads", "0") == 0
    )
    assert (asked(fake_entry_points).sampling.guidance_scale, asked(fake_entry_points).sampling.seed) == (0.0, 0)


def test_where_it_runs_is_what_the_settings_say(
    fake_entry_points: FakeEntryPoints, work_folder: Path, home: Path
) -> None:
    SettingsStore(home / "settings.json").save(Settings(preferences=Preferences(device="GPU", precision="f16")))
    assert run_command(fake_entry_points, "generate", "a", *MINE) == 0
    assert (asked(fake_entry_points).execution.device, asked(fake_entry_points).execution.precision) == ("GPU", "f16")


def test_corrupt_settings_are_reported_and_do_not_block(
    fake_entry_points: FakeEntryPoints, work_folder: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "settings.json").write_text("{", encoding="utf-8")
    assert run_command(fake_entry_points, "generate", "a", *MINE) == 0
    assert "settings could not be read" in capsys.readouterr().err


def test_a_seed_is_drawn_by_lot_and_reported(
    fake_entry_points: FakeEntryPoints, work_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(fake_entry_points, "generate", "a", *MINE) == 0
    first = fake_entry_points.engine.requests[0].sampling.seed
    assert f"Seed {first}" in capsys.readouterr().err
    assert run_command(fake_entry_points, "generate", "a", *MINE) == 0
    assert fake_entry_points.engine.requests[1].sampling.seed != first


def test_the_picture_is_written_with_its_record_and_its_path_printed(
    fake_entry_points: FakeEntryPoints, work_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(fake_entry_points, "generate", "a heart", *MINE, "-o", "out/heart.webp") == 0
    file = work_folder / "out" / "heart.webp"
    assert capsys.readouterr().out == f"{file}\n"
    record = read_record(file)
    assert record is not None
    assert record.request == asked(fake_entry_points).for_metadata()
    with Image.open(file) as image:
        assert image.size == (64, 64)


def test_more_pictures_are_numbered_after_the_first(fake_entry_points: FakeEntryPoints, work_folder: Path) -> None:
    assert run_command(fake_entry_points, "generate", "a", *MINE, "-o", "out.png", "--count", "3", "--seed", "10") == 0
    assert sorted(path.name for path in work_folder.iterdir()) == ["out-2.png", "out-3.png", "out.png"]
    seeds = [getattr(read_record(work_folder / name), "seed", None) for name in ("out.png", "out-2.png", "out-3.png")]
    assert seeds == [10, 11, 12]


def test_only_the_named_file_is_replaced_and_further_pictures_get_unused_names(
    fake_entry_points: FakeEntryPoints, work_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("v1.2.png", "v1.2-2.png", "v1.2-4.png"):
        (work_folder / name).write_bytes(b"old")
    assert run_command(fake_entry_points, "generate", "a", *MINE, "-o", "v1.2.png", "--count", "3", "--seed", "10") == 0
    message = [Path(line).name for line in capsys.readouterr().out.splitlines()]
    assert message == ["v1.2.png", "v1.2-3.png", "v1.2-5.png"]
    assert [getattr(read_record(work_folder / name), "seed", None) for name in message] == [10, 11, 12]
    assert [(work_folder / name).read_bytes() for name in ("v1.2-2.png", "v1.2-4.png")] == [b"old", b"old"]


def test_a_named_file_is_replaced_and_an_unnamed_one_never(
    fake_entry_points: FakeEntryPoints, work_folder: Path
) -> None:
    (work_folder / "out.png").write_bytes(b"old")
    assert run_command(fake_entry_points, "generate", "a", *MINE, "-o", "out.png") == 0
    assert (work_folder / "out.png").read_bytes() != b"old"
    for _ in range(2):
        assert run_command(fake_entry_points, "generate", "a", *MINE, "--seed", "7") == 0
    assert sorted(path.name for path in work_folder.iterdir()) == ["a-7-2.png", "a-7.png", "out.png"]


def test_json_is_the_only_thing_on_standard_output(
    fake_entry_points: FakeEntryPoints, work_folder: Path, capsys: pytest.CaptureFixture[str], home: Path
) -> None:
    class Chatty(FakeEngine):
        def generate(self, *arguments: Any) -> None:
            print("Multiple distributions found!")
            super().generate(*arguments)

    fake_entry_points.engine = Chatty()
    assert (
        run_command(fake_entry_points, "generate", "a ♥", *MINE, "--json", "--count", "2", "--seed", "3", "-o", "x.png")
        == 0
    )
    captured = capsys.readouterr()
    report = json.loads(captured.out)
    assert "Multiple distributions" in captured.err
    assert set(report) == {"images", "seeds", "prompts", "seconds", "devices", "request"}
    assert report["images"] == [str(work_folder / "x.png"), str(work_folder / "x-2.png")]
    assert report["seeds"] == [3, 4]
    assert set(report["seconds"]) == {"load", "compile", "encode", "denoise", "decode"}
    assert report["devices"] == {"unet": "CPU"}
    assert report["request"] == {
        "checkpoint": "mine",
        "checkpoint_folder": str(home.resolve() / "data" / "checkpoints" / "mine"),
        "prompt": "a ♥",
        "negative_prompt": "",
        "prompt_2": "a ♥",
        "negative_prompt_2": "",
        "typed_prompt": "a ♥",
        "typed_negative_prompt": "",
        "styles": [],
        "size": "64x64",
        "steps": 3,
        "guidance_scale": 4.5,
        "guidance_rescale": 0.0,
        "scheduler": "heun",
        "speed": "balanced",
        "seed": 3,
        "seeds": [3, 4],
        "count": 2,
        "original_size": "64x64",
        "crop_top_left": "0,0",
        "target_size": "64x64",
        "negative_original_size": "64x64",
        "negative_crop_top_left": "0,0",
        "negative_target_size": "64x64",
        "mode": "text-to-image",
        "clip_skip": 0,
        "variation_seed": 0,
        "variation_strength": 0.0,
        "timesteps": [],
        "prediction_type": None,
        "zero_terminal_snr": None,
        "timestep_spacing": None,
        "aesthetic_score": 6.0,
        "negative_aesthetic_score": 2.5,
        "edit": None,
        "refine": None,
        "loras": [],
        "embeddings": [],
        "vae": None,
        "watermark": True,
        "declare_source": True,
        "from_step": None,
        "from_latents": False,
        "device": "CPU",
        "text_device": "CPU",
        "unet_device": "CPU",
        "vae_device": "CPU",
        "threads": 0,
        "precision": "auto",
    }


BAD = [
    (("--size", "100x64"), "96 or 128"),
    (("--size", "72x64"), "multiples of 32"),
    (("--size", "big"), "not a size"),
    (("--size", "0x64"), "no pixels"),
    (("--steps", "0"), "number of steps is 0"),
    (("--steps", "many"), "is not a whole number"),
    (("--guidance", "-1"), "guidance scale"),
    (("--guidance", "nan"), "is not a number"),
    (("--guidance", "strong"), "is not a number"),
    (("--guidance-rescale", "2"), "guidance rescale"),
    (("--scheduler", "fastest"), "no scheduler called 'fastest'"),
    (("--seed", "-2"), "between 0 and 4294967295"),
    (("--seed", "4294967296"), "seed"),
    (("--seed", "1.5"), "is not a whole number"),
    (("--count", "0"), "number of pictures"),
    (("--original-size", "x"), "not a size"),
    (("--target-size", "1"), "not a size"),
    (("--crop", "-1,0"), "not a point"),
    (("--negative-original-size", "1x"), "not a size"),
    (("--negative-target-size", "x1"), "not a size"),
    (("--negative-crop", "1"), "not a point"),
    (("--device", "TPU"), "no device 'TPU'"),
    (("--device", ""), "device"),
    (("--threads", "-1"), "threads"),
    (("--precision", "f64"), "f64"),
    (("--checkpoint", "lion"), "no checkpoint called 'lion'"),
    (("--checkpoint", "."), "model_index.json"),
    (("-o", "out.gif"), ".png, .jpg"),
    (("-o", "."), "picture format"),
    (("-o", "/proc/nobody/out.png"), "cannot be written"),
    (("--sice", "64x64"), "No such option"),
    (("--steps",), "requires an argument"),
    (("another",), "unexpected extra argument"),
]


@pytest.mark.parametrize(("options", "words"), BAD, ids=[" ".join(options) for options, _ in BAD])
def test_a_bad_value_gets_one_line_and_no_engine(
    fake_entry_points: FakeEntryPoints,
    work_folder: Path,
    capsys: pytest.CaptureFixture[str],
    options: tuple[str, ...],
    words: str,
) -> None:
    checkpoint = () if "--checkpoint" in options else MINE
    assert run_command(fake_entry_points, "generate", "a", *checkpoint, *options) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert words in captured.err
    assert "Traceback" not in captured.err
    assert "engine" not in fake_entry_points.opened
    assert list(work_folder.iterdir()) == []


def test_the_prompt_is_needed(
    fake_entry_points: FakeEntryPoints, work_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(fake_entry_points, "generate") == 2
    assert capsys.readouterr().err.startswith("Missing argument 'PROMPT'. See sdxl-desktop generate --help")


def test_an_empty_library_is_one_sentence(
    fake_entry_points: FakeEntryPoints,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("sdxl_desktop.cli.generate_run.resources_folder", lambda: tmp_path)
    assert run_command(fake_entry_points, "generate", "a") == 2
    assert "No checkpoint was found." in capsys.readouterr().err


def test_a_failure_is_one_line_and_exit_code_1(
    fake_entry_points: FakeEntryPoints, work_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fake_entry_points.engine = FakeEngine(error=EngineError("The driver stopped.", next_step="Try again."))
    assert run_command(fake_entry_points, "generate", "a", *MINE, "--json") == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.endswith("The driver stopped. Try again.\n")


def test_bad_input_that_only_the_engine_can_see_is_exit_code_2(
    fake_entry_points: FakeEntryPoints, work_folder: Path
) -> None:
    fake_entry_points.engine = FakeEngine(error=DeviceError("Gone."))
    assert run_command(fake_entry_points, "generate", "a", *MINE) == 2


def test_an_unexpected_problem_is_one_line_and_exit_code_1(
    fake_entry_points: FakeEntryPoints, work_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class Broken(FakeEngine):
        def generate(self, *arguments: Any) -> None:
            raise ZeroDivisionError("division by zero")

    fake_entry_points.engine = Broken()
    assert run_command(fake_entry_points, "generate", "a", *MINE) == 1
    assert "ZeroDivisionError" in capsys.readouterr().err.splitlines()[-1]


def test_a_picture_that_can_no_longer_be_written_is_a_failure(
    fake_entry_points: FakeEntryPoints, work_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class Vandal(FakeEngine):
        def generate(self, *arguments: Any) -> None:
            (work_folder / "out.png").mkdir()
            super().generate(*arguments)

    fake_entry_points.engine = Vandal()
    assert run_command(fake_entry_points, "generate", "a", *MINE, "-o", "out.png") == 1
    assert "could not be written" in capsys.readouterr().err


def test_a_checkpoint_can_be_a_folder(fake_entry_points: FakeEntryPoints, work_folder: Path, tmp_path: Path) -> None:
    folder = own_checkpoint(tmp_path, "elsewhere")
    assert run_command(fake_entry_points, "generate", "a", "--checkpoint", str(folder)) == 0
    assert asked(fake_entry_points).checkpoint == folder.resolve()


def test_the_checkpoints_folder_of_the_settings_counts(
    fake_entry_points: FakeEntryPoints, work_folder: Path, home: Path, tmp_path: Path
) -> None:
    folder = own_checkpoint(tmp_path, "elsewhere")
    SettingsStore(home / "settings.json").save(Settings(preferences=Preferences(checkpoints_folder=str(folder.parent))))
    assert run_command(fake_entry_points, "generate", "a", "--checkpoint", "elsewhere") == 0
    assert asked(fake_entry_points).checkpoint == folder


@pytest.mark.parametrize("text", ["-1", "", "random"])
def test_a_random_seed_can_be_asked_for_by_name(
    fake_entry_points: FakeEntryPoints, work_folder: Path, text: str
) -> None:
    seeds = set()
    for number in range(3):
        assert run_command(fake_entry_points, "generate", "a", *MINE, "--seed", text, "-o", f"{number}.png") == 0
        seeds.add(fake_entry_points.engine.requests[-1].sampling.seed)
    assert len(seeds) == 3


def test_numbers_are_read_in_any_locale(fake_entry_points: FakeEntryPoints, work_folder: Path) -> None:
    assert run_command(fake_entry_points, "generate", "a", *MINE, "--guidance", "3,5", "--steps", " 7 ") == 0
    assert (asked(fake_entry_points).sampling.guidance_scale, asked(fake_entry_points).sampling.steps) == (3.5, 7)


def test_a_home_folder_is_found_where_no_shell_expands_it(
    fake_entry_points: FakeEntryPoints, work_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(work_folder))
    monkeypatch.setenv("ART", str(work_folder / "art"))
    assert run_command(fake_entry_points, "generate", "a", *MINE, "--output=~/home.png") == 0
    assert run_command(fake_entry_points, "generate", "a", *MINE, "--output=%ART%/art.png") == 0
    assert (work_folder / "home.png").is_file()
    assert (work_folder / "art" / "art.png").is_file()


def test_what_a_prompt_holds_of_other_languages_is_reported(
    fake_entry_points: FakeEntryPoints, work_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = "a fox <hypernet:detail:0.8> [cat:dog:0.5] (x)1.2 embedding:mood {red|blue"
    assert run_command(fake_entry_points, "generate", words, *MINE, "--negative", "<lora:a:1>${a}") == 0
    told = capsys.readouterr().err
    for part in ("<hypernet:detail:0.8>", "[cat:dog:0.5]", "1.2", "embedding:mood", "{", "${", "<lora:a:1>"):
        assert f"'{part}'" in told
    assert run_command(fake_entry_points, "generate", "a (very:1.2) fox, snake_case __ init {braces}", *MINE) == 0
    assert "read as text" not in capsys.readouterr().err


def test_a_size_that_cannot_be_drawn_gets_sizes_that_can(
    fake_entry_points: FakeEntryPoints, work_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(fake_entry_points, "generate", "a", *MINE, "--size", "1001x64") == 2
    assert "multiples of" in capsys.readouterr().err
