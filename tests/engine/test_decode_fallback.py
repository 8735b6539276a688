"""Decoding keeps to a memory budget, reports when it cannot, and gives the same picture either way."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

from sdxl_desktop.core.paths import resources_folder
from sdxl_desktop.engine.openvino import devices
from sdxl_desktop.engine.openvino.interruptible_request import Interrupt, Interrupted, InterruptibleInferRequest
from tests.engine.vae_graphs import scale_by_mean

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import torch

    from sdxl_desktop.engine.openvino.decode import decode, decode_with_fallback
    from sdxl_desktop.engine.openvino.pipeline import Pipeline

SMALL_BUDGET, LARGE_BUDGET = 10_000_000, 10_000_000_000


def replace_decoder(pipe: Any, change: Any = None) -> None:
    """Compile the decoder of `pipe`, with its graph changed, as the engine does."""
    part = pipe.vae.decoder
    if change is not None:
        change(part.model)
    config = devices.compile_properties("CPU", precision="f32", threads=1, cache="")
    part.request = InterruptibleInferRequest(devices.core.compile_model(part.model, "CPU", config), Interrupt())


def load() -> Pipeline:
    return Pipeline(resources_folder() / "checkpoints" / "starter")


@pytest.fixture(scope="module")
def pipe() -> Any:
    made = load()
    replace_decoder(made)
    return made


@pytest.fixture(scope="module")
def latents() -> torch.Tensor:
    return torch.randn((1, 4, 40, 28), generator=torch.Generator().manual_seed(5))


def test_where_memory_is_ample_nothing_changes(pipe: Any, latents: torch.Tensor) -> None:
    np.testing.assert_array_equal(decode(pipe, latents, budget=LARGE_BUDGET), decode(pipe, latents))


def test_a_tight_budget_gives_the_same_pixels_without_a_word(pipe: Any, latents: torch.Tensor) -> None:
    whole, _ = decode_with_fallback(pipe, latents, lambda: False)
    strips, notes = decode_with_fallback(pipe, latents, lambda: False, budget=SMALL_BUDGET)
    assert strips.shape == whole.shape == (160, 112, 3)
    apart = np.abs(strips.astype(int) - whole.astype(int))
    assert apart.max() > 0  # it really went another way
    assert (apart > 1).any(axis=2).mean() <= 0.001
    assert notes == ()


def test_a_vae_that_cannot_be_divided_is_decoded_whole_and_that_is_reported(latents: torch.Tensor) -> None:
    odd = load()
    replace_decoder(odd, lambda model: scale_by_mean(model.get_results()[0].input_value(0)))
    whole, silent = decode_with_fallback(odd, latents, lambda: False)
    pixels, notes = decode_with_fallback(odd, latents, lambda: False, budget=SMALL_BUDGET)
    np.testing.assert_array_equal(pixels, whole)
    assert silent == ()
    assert "cannot be decoded in strips" in " ".join(notes)


def test_a_cancel_reaches_it(pipe: Any, latents: torch.Tensor) -> None:
    def stop() -> None:
        raise Interrupted

    with pytest.raises(Interrupted):
        decode(pipe, latents, SMALL_BUDGET, stop)
