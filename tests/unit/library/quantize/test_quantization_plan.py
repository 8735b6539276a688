"""What can be quantized, with which samples, and what is refused before anything begins."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdxl_desktop.core.checkpoint import Checkpoint
from sdxl_desktop.core.errors import CheckpointError, RequestError
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.paths import resources_folder
from sdxl_desktop.library.convert.resource_estimate import ResourceEstimate
from sdxl_desktop.library.quantize.calibration import Calibration
from sdxl_desktop.library.quantize.calibration_prompts import pick_evenly, prompts_hash, read_prompts
from sdxl_desktop.library.quantize.quantization_errors import QuantizationError
from sdxl_desktop.library.quantize.quantization_estimate import check_resources
from sdxl_desktop.library.quantize.quantization_method import PartMethod, QuantizationMethod
from sdxl_desktop.library.quantize.quantization_plan import plan_quantization
from sdxl_desktop.library.quantize.weight_precision import WeightPrecision, read_weight_precision
from sdxl_desktop.library.scan import read_checkpoint
from tests.in_process_jobs import pickle_round_trip
from tests.unit.library.test_scan import make_checkpoint

SHIPPED = resources_folder() / "checkpoints"


@pytest.fixture
def starter() -> Checkpoint:
    return read_checkpoint(SHIPPED / "starter")


def a_graph(file: Path, *constants: tuple[str, int], more: str = "") -> Path:
    """A graph of nothing but constants: (type, bytes) of each."""
    layers = "".join(f'<data element_type="{kind}" shape="1" offset="0" size="{size}" />' for kind, size in constants)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"<net>{layers}{more}</net>")
    return file


@pytest.mark.parametrize(
    ("constants", "expected"),
    [
        ([("f32", 4000), ("i64", 16)], WeightPrecision.FP32),
        ([("f16", 4000), ("f32", 400)], WeightPrecision.FP16),
        ([("u8", 4000), ("f16", 100)], WeightPrecision.INT8),
        ([("u8", 4000), ("i4", 4000), ("f16", 100)], WeightPrecision.INT4),
        ([("f16", 4000), ("u8", 1)], WeightPrecision.FP16),
    ],
)
def test_how_weights_are_kept_is_read_from_the_graph(
    tmp_path: Path, constants: list[tuple[str, int]], expected: WeightPrecision
) -> None:
    assert read_weight_precision(a_graph(tmp_path / "openvino_model.xml", *constants)) is expected


def test_a_graph_that_rounds_activations_is_quantized(tmp_path: Path) -> None:
    graph = a_graph(tmp_path / "openvino_model.xml", ("f16", 4000), more='<layer type="FakeQuantize"/>')
    assert read_weight_precision(graph) is WeightPrecision.QUANTIZED
    assert not read_weight_precision(graph).is_unquantized


def test_the_vae_is_rounded_by_int8_alone() -> None:
    assert QuantizationMethod.INT8.part_method("vae_decoder") is PartMethod.INT8
    for method in (QuantizationMethod.INT4, QuantizationMethod.HYBRID, QuantizationMethod.FULL):
        assert method.part_method("vae_decoder") is PartMethod.UNCHANGED
        assert method.part_method("text_encoder") is PartMethod.INT8
        assert method.part_method("unet") not in (PartMethod.UNCHANGED, PartMethod.INT8)


def test_a_plan_says_what_it_will_take_and_calls_the_new_one_after_source_and_method(
    starter: Checkpoint, tmp_path: Path
) -> None:
    small, whole = (
        plan_quantization(starter, tmp_path, method) for method in (QuantizationMethod.INT4, QuantizationMethod.HYBRID)
    )
    assert small.name == "starter-int4"
    assert small.calibration is None
    assert whole.calibration is not None
    assert small.forecast.disk < sum(size for size, _ in small.parts.values()) / 2
    assert whole.forecast.seconds > small.forecast.seconds
    assert whole.forecast.memory > small.forecast.memory
    assert list(tmp_path.iterdir()) == [], "planning writes nothing"
    (tmp_path / "starter-int4").mkdir()
    assert plan_quantization(starter, tmp_path, QuantizationMethod.INT4).name == "starter-int4-2"


def test_samples_are_taken_at_the_checkpoints_own_settings(starter: Checkpoint, tmp_path: Path) -> None:
    calibration = plan_quantization(starter, tmp_path, QuantizationMethod.FULL).calibration
    assert calibration is not None
    best = starter.recommended
    assert (calibration.steps, calibration.guidance_scale) == (best.steps, best.guidance_scale)
    assert (calibration.scheduler, calibration.size) == (best.scheduler, best.size)
    assert calibration.prompts == read_prompts()
    assert pickle_round_trip(calibration) == calibration


def test_the_same_work_has_the_same_workspace_and_other_work_another(starter: Checkpoint, tmp_path: Path) -> None:
    prompts = ("a cat", "a dog")
    few, same, many = (Calibration.for_checkpoint(starter, prompts, samples=count) for count in (5, 5, 6))
    places = [
        plan_quantization(starter, tmp_path, QuantizationMethod.FULL, None, it).build_folder.folder
        for it in (few, same, many)
    ]
    assert places[0] == places[1] != places[2]
    assert plan_quantization(starter, tmp_path, QuantizationMethod.INT8).build_folder.folder not in places


def test_what_is_rounded_already_is_refused_and_reported(tmp_path: Path) -> None:
    folder = make_checkpoint(tmp_path / "mine")
    for part in ("text_encoder", "text_encoder_2", "vae_decoder"):
        a_graph(folder / part / "openvino_model.xml", ("f16", 4000))
    a_graph(folder / "unet" / "openvino_model.xml", ("u8", 4000))
    with pytest.raises(CheckpointError, match=r"unet is int8 already.*import that once more"):
        plan_quantization(read_checkpoint(folder), tmp_path / "library", QuantizationMethod.HYBRID)


def test_a_refiner_can_be_rounded_but_not_calibrated(tmp_path: Path) -> None:
    refiner = read_checkpoint(SHIPPED / "starter-refiner")
    assert plan_quantization(refiner, tmp_path, QuantizationMethod.INT4).parts.keys() >= {"unet", "text_encoder_2"}
    with pytest.raises(CheckpointError, match="int8 or int4"):
        plan_quantization(refiner, tmp_path, QuantizationMethod.HYBRID)


def test_names_that_are_no_folders_are_refused(starter: Checkpoint, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="cannot be the name"):
        plan_quantization(starter, tmp_path, QuantizationMethod.INT8, "../evil")
    (tmp_path / "there").mkdir()
    with pytest.raises(CheckpointError, match="already"):
        plan_quantization(starter, tmp_path, QuantizationMethod.INT8, "there")


@pytest.mark.parametrize(
    "wrong", [{"samples": 0}, {"samples": 10**6}, {"steps": 0}, {"guidance_scale": -1.0}, {"size": Size(60, 64)}]
)
def test_a_calibration_that_makes_no_sense_is_refused(starter: Checkpoint, wrong: dict[str, object]) -> None:
    with pytest.raises(RequestError):
        Calibration.for_checkpoint(starter, ("a cat",), **wrong)  # type: ignore[arg-type]


def test_room_is_asked_for_before_anything_begins(tmp_path: Path) -> None:
    too_large = ResourceEstimate(seconds=1, memory=0, disk=10**18, disk_meanwhile=10**18)
    with pytest.raises(QuantizationError, match="not enough room on the disk"):
        check_resources(too_large, tmp_path / "not there yet")
    with pytest.raises(QuantizationError, match=r"not enough memory.*int8 or int4"):
        check_resources(ResourceEstimate(seconds=1, memory=10**15, disk=0, disk_meanwhile=0), tmp_path)


def test_a_hundred_varied_prompts_are_shipped() -> None:
    shipped = read_prompts()
    assert len(set(shipped)) == len(shipped) == 100
    assert len({word for prompt in shipped for word in prompt.split()}) > 300


def test_prompts_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "prompts.txt"
    file.write_text("\ufeff# mine\n\n  a cat \na dög\n", encoding="utf-8")
    assert read_prompts(file) == ("a cat", "a dög")
    file.write_text("# none\n")
    with pytest.raises(RequestError, match="no prompts"):
        read_prompts(file)
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RequestError, match="cannot be read"):
        read_prompts(file)
    with pytest.raises(RequestError, match="cannot be read"):
        read_prompts(tmp_path / "none.txt")


def test_prompts_are_taken_from_the_whole_list() -> None:
    assert pick_evenly(["a", "b", "c", "d"], 2) == ("a", "c")
    assert pick_evenly(["a", "b"], 5) == ("a", "b", "a", "b", "a")
    assert prompts_hash(["a", "b"]) != prompts_hash(["b", "a"])
