"""A picture decoded in strips is the picture decoded whole, whatever the VAE, the size and the budget of memory."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import openvino as ov
import pytest

from sdxl_desktop.core.paths import resources_folder
from sdxl_desktop.engine.openvino import devices
from sdxl_desktop.engine.openvino.interruptible_request import Interrupt, Interrupted
from sdxl_desktop.engine.openvino.tiling.group_norms import find_group_norms
from sdxl_desktop.engine.openvino.tiling.moments import ChannelMoments
from sdxl_desktop.engine.openvino.tiling.strip_plan import StripPlan
from sdxl_desktop.engine.openvino.tiling.tiled_decoder import TiledDecoder
from tests.engine.vae_graphs import multiply_source, rank, scale_by_mean, write_as_mvn

LEVELS_SDXL = 4
MB = 1_000_000


class CountingCore:
    """OpenVINO's core, which counts what it compiles."""

    def __init__(self) -> None:
        self.compiled = 0

    def compile_model(self, *arguments: Any) -> Any:
        self.compiled += 1
        return devices.core.compile_model(*arguments)


class WholeAndTiledDecoder:
    """A VAE decoder compiled whole, and one that decodes in strips."""

    def __init__(self, model: ov.Model, precision: Any = "f32", core: Any = devices.core) -> None:
        config = devices.compile_properties("CPU", precision=precision, threads=1, cache="")
        self._compiled = devices.core.compile_model(model, "CPU", config)
        made = TiledDecoder.for_compiled_decoder(self._compiled, model, core)
        assert made is not None
        self.tiled = made

    def whole(self, latents: Any) -> Any:
        return self._compiled([latents])[0][0].copy()

    def in_strips(self, latents: Any, budget: int = 0) -> Any:
        """In strips, with as little memory as can be unless there is a budget."""
        height, width = latents.shape[2:]
        return self.tiled.decode(latents, self.tiled.plan(height, width, budget))


@pytest.fixture(scope="module")
def starter() -> ov.Model:
    return devices.core.read_model(
        resources_folder() / "checkpoints" / "starter" / "vae_decoder" / "openvino_model.xml"
    )


@pytest.fixture(scope="module")
def in_32_bits(starter: ov.Model) -> WholeAndTiledDecoder:
    """The starter's; tests must not change it."""
    return WholeAndTiledDecoder(starter)


@pytest.fixture(scope="module")
def sdxl() -> ov.Model:
    """A decoder of SDXL's topology, four levels and eight times the size, with few channels and random weights."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import torch

        from tests.engine.tiny_sdxl import make_vae

        torch.manual_seed(3)
        vae = make_vae().eval()
        decoder = torch.nn.Sequential(vae.post_quant_conv, vae.decoder)
        with torch.no_grad():
            return ov.convert_model(decoder, example_input=torch.zeros(1, 4, 8, 8), input=[-1, 4, -1, -1])


def latents(height: int, width: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).standard_normal((1, 4, height, width), np.float32)


def pixels(image: Any) -> Any:
    return (np.clip(image / 2 + 0.5, 0, 1) * 255).round()


def max_difference(one: Any, other: Any) -> float:
    """The share of pixels whose colours differ by more than 1 of 255."""
    assert one.shape == other.shape
    return float((np.abs(pixels(one) - pixels(other)) > 1).any(axis=0).mean())


@pytest.mark.parametrize(
    "size", [(37, 53), *(pytest.param(size, marks=pytest.mark.slow) for size in ((48, 48), (64, 24)))], ids=str
)
def test_the_starters_pictures_are_the_same(in_32_bits: WholeAndTiledDecoder, size: tuple[int, int]) -> None:
    decoders, given = in_32_bits, latents(*size)
    whole = decoders.whole(given)
    for budget in (0, 25 * MB):
        strips = decoders.in_strips(given, budget)
        assert max_difference(whole, strips) <= 0.001
        assert np.abs(whole - strips).max() < 2 / 255


def test_a_decoder_of_sdxls_topology_is_understood_from_the_first_level_on(sdxl: ov.Model) -> None:
    decoders, given = WholeAndTiledDecoder(sdxl), latents(9, 13)
    assert decoders.tiled.division is not None
    assert len(decoders.tiled.division.norms) == 2 * 2 + 2 * 2 * LEVELS_SDXL + 1
    assert decoders.tiled.division.first_norm == 2  # right after the attention
    assert decoders.in_strips(given).shape == (3, 72, 104)
    assert max_difference(decoders.whole(given), decoders.in_strips(given)) == 0


def test_wherever_the_whole_part_ends_and_however_low_the_strips_are(sdxl: ov.Model) -> None:
    decoders, given = WholeAndTiledDecoder(sdxl), latents(6, 5)
    division, whole = decoders.tiled.division, decoders.whole(given)
    assert division is not None
    cuts = division.cuts()
    for cut, rows in ((cuts[0], 2), (cuts[-9], 7), (cuts[-2], 48), (cuts[-1], 5)):
        plan = StripPlan(6, 5, cut, 40 * rows, ov.Type.f32)
        np.testing.assert_allclose(decoders.tiled.decode(given, plan), whole, atol=2e-5)


@pytest.mark.slow
def test_more_than_16_bits_can_hold_passes_through(sdxl: ov.Model) -> None:
    """SDXL's VAE is known for it: in f16 its pictures are black."""
    model = sdxl.clone()
    multiply_source(model, 5, 3e5)
    decoders, given = WholeAndTiledDecoder(model), latents(8, 8)
    whole, strips = decoders.whole(given), decoders.in_strips(given)
    assert np.isfinite(strips).all()
    assert max_difference(whole, strips) <= 0.001


@pytest.mark.slow
def test_weights_of_8_bits(sdxl: ov.Model) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import nncf

        model = nncf.compress_weights(sdxl.clone(), mode=nncf.CompressWeightsMode.INT8_ASYM)
    assert any(node.get_element_type() == ov.Type.u8 for node in model.get_ops() if node.get_type_name() == "Constant")
    decoders, given = WholeAndTiledDecoder(model), latents(8, 8)
    assert decoders.tiled.matches_whole_decode()
    assert max_difference(decoders.whole(given), decoders.in_strips(given)) <= 0.001


@pytest.mark.slow
def test_an_older_exports_way_to_write_a_norm(sdxl: ov.Model) -> None:
    model = sdxl.clone()
    for norm in find_group_norms(model):
        write_as_mvn(norm)
    model.validate_nodes_and_infer_types()
    assert not any(node.get_type_name() == "GroupNormalization" and rank(node) == 4 for node in model.get_ops())
    decoders, given = WholeAndTiledDecoder(model), latents(8, 8)
    assert max_difference(decoders.whole(given), decoders.in_strips(given)) == 0
    assert max_difference(WholeAndTiledDecoder(sdxl).whole(given), decoders.in_strips(given)) == 0


@pytest.mark.slow
def test_reduced_precision_is_no_worse_in_strips(starter: ov.Model, in_32_bits: WholeAndTiledDecoder) -> None:
    """Both round at other places, so they are measured by what 32 bits give."""
    given, exact = latents(24, 24), in_32_bits.whole(latents(24, 24))
    reduced = WholeAndTiledDecoder(starter, "bf16")

    def error(image: Any) -> float:
        return float(np.sqrt(((image - exact) ** 2).mean()))

    assert error(reduced.in_strips(given)) <= 1.2 * error(reduced.whole(given)) + 1e-3


def test_it_is_trusted_once_it_was_tried(starter: ov.Model) -> None:
    decoders = WholeAndTiledDecoder(starter, "bf16")
    assert decoders.tiled.matches_whole_decode()


@pytest.mark.parametrize("off", [1.01, pytest.param(0.99, marks=pytest.mark.slow)])
def test_what_is_off_by_a_little_is_never_trusted(
    starter: ov.Model, off: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoders, right = WholeAndTiledDecoder(starter, "bf16"), ChannelMoments.normalizer
    monkeypatch.setattr(ChannelMoments, "normalizer", lambda *given: tuple(value * off for value in right(*given)))
    assert not decoders.tiled.matches_whole_decode()
    monkeypatch.undo()
    assert not decoders.tiled.matches_whole_decode()  # it is found out once


def test_what_looks_at_the_whole_picture_is_never_divided(sdxl: ov.Model) -> None:
    """Not even late: then the part before it is computed whole, and at the very end nothing is left to divide."""
    late, last = sdxl.clone(), sdxl.clone()
    scale_by_mean(find_group_norms(late)[-3].source)
    scale_by_mean(last.get_results()[0].input_value(0))
    decoders, given = WholeAndTiledDecoder(late), latents(8, 8)
    assert decoders.tiled.division is not None
    assert decoders.tiled.division.first_norm == len(find_group_norms(late)) - 3
    assert max_difference(decoders.whole(given), decoders.in_strips(given)) == 0
    undivided = WholeAndTiledDecoder(last).tiled
    assert undivided.division is None
    assert not undivided.matches_whole_decode()


def test_a_cancel_ends_it_and_the_next_decode_is_right(in_32_bits: WholeAndTiledDecoder) -> None:
    decoders, given = in_32_bits, latents(32, 32)
    interrupt, looks = Interrupt(), 0

    def check() -> None:
        nonlocal looks
        looks += 1
        if looks == 4:
            raise Interrupted

    plan = decoders.tiled.plan(32, 32, 0)
    with pytest.raises(Interrupted):
        decoders.tiled.decode(given, plan, check)
    assert looks == 4  # and nothing went on after it
    assert max_difference(decoders.whole(given), decoders.tiled.decode(given, plan, interrupt.check)) == 0


def test_plans_keep_to_the_budget_and_use_it(in_32_bits: WholeAndTiledDecoder) -> None:
    tiled = in_32_bits.tiled
    assert tiled.fits_whole(256, 256, 10_000 * MB)
    assert not tiled.fits_whole(256, 256, 700 * MB)
    plans = [tiled.plan(256, 256, budget * MB) for budget in (800, 500, 300)]
    assert all(plan.estimated_bytes <= budget * MB for plan, budget in zip(plans, (800, 500, 300), strict=True))
    assert plans[0].storage_type == ov.Type.f32
    assert plans[-1].storage_type == ov.Type.f16
    smallest = tiled.plan(256, 256, 0)
    assert all(smallest.estimated_bytes <= plan.estimated_bytes for plan in plans)


@pytest.mark.parametrize(("budget", "again"), [(500 * MB, 0), (0, 1)], ids=["ample", "tight"])
def test_what_was_compiled_is_used_again_where_memory_allows(starter: ov.Model, budget: int, again: int) -> None:
    """Where it is tight, the part that is computed whole, which has most of the weights, goes after each picture."""
    core, given = CountingCore(), latents(24, 24)
    decoders = WholeAndTiledDecoder(starter, core=core)
    first = decoders.in_strips(given, budget)
    before = core.compiled
    np.testing.assert_array_equal(decoders.in_strips(given, budget), first)
    assert core.compiled - before == again
