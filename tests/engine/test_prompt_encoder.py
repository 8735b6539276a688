"""Prompts become the embeddings that torch's encoders give: weights, breaks, clip skip, refiners, any length."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from sdxl_desktop.core.errors import CheckpointError, RequestError
from sdxl_desktop.core.request import Prompts
from sdxl_desktop.engine.openvino.prompt_encoder import PromptEncoder, apply_token_weights

TOLERANCE = 1e-4
BOTH = (1, 2)


@pytest.fixture(scope="module")
def torch_pipe(tiny_checkpoint: Path) -> Any:
    from diffusers import StableDiffusionXLPipeline

    return StableDiffusionXLPipeline.from_pretrained(tiny_checkpoint / "torch", add_watermarker=False)


@pytest.fixture(scope="module")
def pipe(tiny_checkpoint: Path, load_pipeline: Any) -> Any:
    return load_pipeline(tiny_checkpoint / "ov")


@pytest.fixture
def encoder(pipe: Any) -> PromptEncoder:
    return PromptEncoder(pipe)


def difference(one: torch.Tensor, other: torch.Tensor) -> float:
    assert one.shape == other.shape
    return float((one - other).abs().max())


FakePrompt = Sequence[tuple[str, float]]


def reference(
    torch_pipe: Any, chunks: Sequence[FakePrompt], layer: int = -2, which: Sequence[int] = BOTH
) -> tuple[torch.Tensor, torch.Tensor]:
    """(embeddings, pooled) through transformers' encoders, written independently: each chunk as (text, weight) pairs,
    e + w (z − e) token by token."""
    columns, pooled = [], torch.empty(0)
    for number in which:
        suffix = "" if number == 1 else "_2"
        tokenizer, model = getattr(torch_pipe, f"tokenizer{suffix}"), getattr(torch_pipe, f"text_encoder{suffix}")

        def encode(body: list[int], tokenizer: Any = tokenizer, model: Any = model) -> Any:
            ids = [tokenizer.bos_token_id, *body, tokenizer.eos_token_id]
            ids += [tokenizer.pad_token_id] * (77 - len(ids))
            with torch.no_grad():
                return model(torch.tensor([ids]), output_hidden_states=True)

        empty = encode([]).hidden_states[layer]
        rows = []
        for at, chunk in enumerate(chunks):
            body, weights = [], [1.0]
            for words, weight in chunk:
                tokens = tokenizer.encode(words, add_special_tokens=False)
                body += tokens
                weights += [weight] * len(tokens)
            output = encode(body)
            states = output.hidden_states[layer].clone()
            for position, weight in enumerate(weights):
                states[0, position] = empty[0, position] + weight * (states[0, position] - empty[0, position])
            rows.append(states)
            pooled = output[0] if at == 0 else pooled
        columns.append(torch.cat(rows, dim=1))
    return torch.cat(columns, dim=-1), pooled


@pytest.mark.parametrize(
    ("prompt", "chunks"),
    [
        ("a (red:1.5) cat", [[("a", 1), ("red", 1.5), ("cat", 1)]]),
        ("((red)) [cat]", [[("red", 1.21), ("cat", 1 / 1.1)]]),
        ("(a (red:0) cat:2)", [[("a", 2), ("red", 0), ("cat", 2)]]),
        (r"a \(red\) cat", [[("a (red) cat", 1)]]),
        ("a cat :)", [[("a cat :)", 1)]]),
        ("a BREAK (red:1.3) cat", [[("a", 1)], [("red", 1.3), ("cat", 1)]]),
        ("(red BREAK cat:1.4)", [[("red", 1.4)], [("cat", 1.4)]]),
        ("sea " * 24 + "(sea:1.3) cat", [[("sea " * 24, 1), ("sea", 1.3)], [("cat", 1)]]),
    ],
)
def test_weights_and_breaks_equal_a_torch_reference(
    encoder: PromptEncoder, torch_pipe: Any, prompt: str, chunks: list[FakePrompt]
) -> None:
    embeddings, pooled = reference(torch_pipe, chunks)
    conditioned, unconditioned = encoder.encode(Prompts(prompt=prompt))
    assert difference(conditioned.prompt_embeds, embeddings) <= TOLERANCE
    assert difference(conditioned.pooled_prompt_embeds, pooled) <= TOLERANCE
    assert unconditioned.prompt_embeds.shape == embeddings.shape


def test_a_weight_changes_the_words_it_is_on_and_not_the_pooled_embedding(encoder: PromptEncoder) -> None:
    plain, _ = encoder.encode(Prompts(prompt="a red cat"))
    heavy, _ = encoder.encode(Prompts(prompt="a (red:1.5) cat"))
    assert torch.equal(plain.pooled_prompt_embeds, heavy.pooled_prompt_embeds)
    changed = (plain.prompt_embeds != heavy.prompt_embeds).any(dim=-1)[0].nonzero().flatten().tolist()
    assert changed == [2]  # start mark, a, red


@pytest.mark.parametrize("prompt", ["(a red cat:1.0)", "a (red:1) cat", "([a red cat])", "a [(red cat)]"])
def test_weight_one_changes_nothing_bit_for_bit(encoder: PromptEncoder, prompt: str) -> None:
    plain, _ = encoder.encode(Prompts(prompt="a red cat"))
    marked, _ = encoder.encode(Prompts(prompt=prompt))
    assert torch.equal(plain.prompt_embeds, marked.prompt_embeds)


def test_states_of_weight_one_are_handed_on_bit_for_bit() -> None:
    states, empty = torch.rand(1, 3, 64), torch.rand(1, 3, 64) * 1e6
    moved = apply_token_weights(states, empty, (1.0, 2.0, 1.0))
    assert torch.equal(moved[:, [0, 2]], states[:, [0, 2]])
    assert torch.allclose(moved[:, 1], 2 * states[:, 1] - empty[:, 1])


def test_the_negative_prompt_has_weights_too(encoder: PromptEncoder, torch_pipe: Any) -> None:
    embeddings, pooled = reference(torch_pipe, [[("red", 1.4), ("sea", 1)]])
    _, negative = encoder.encode(Prompts(prompt="a cat", negative_prompt="(red:1.4) sea"))
    assert difference(negative.prompt_embeds, embeddings) <= TOLERANCE
    assert difference(negative.pooled_prompt_embeds, pooled) <= TOLERANCE


def test_both_encoders_and_both_halves_have_equally_many_chunks(encoder: PromptEncoder, torch_pipe: Any) -> None:
    prompts = Prompts(prompt="a BREAK red", prompt_2="cat", negative_prompt="a BREAK red BREAK cat")
    positive, negative = encoder.encode(prompts)
    assert positive.prompt_embeds.shape == negative.prompt_embeds.shape == (1, 3 * 77, 80)
    first, _ = reference(torch_pipe, [[("a", 1)], [("red", 1)], []], which=[1])
    second, pooled = reference(torch_pipe, [[("cat", 1)], [], []], which=[2])
    assert difference(positive.prompt_embeds, torch.cat([first, second], dim=-1)) <= TOLERANCE
    assert difference(positive.pooled_prompt_embeds, pooled) <= TOLERANCE


def test_sections_begin_together_in_both_encoders(encoder: PromptEncoder, torch_pipe: Any) -> None:
    long = "sea " * 26
    positive, _ = encoder.encode(Prompts(prompt=f"{long} BREAK red", prompt_2="cat BREAK red"))
    second, _ = reference(torch_pipe, [[("cat", 1)], [], [("red", 1)]], which=[2])
    assert difference(positive.prompt_embeds[..., 32:], second) <= TOLERANCE


@pytest.mark.parametrize("clip_skip", [0, 1, 2])
def test_clip_skip_is_that_of_diffusers(encoder: PromptEncoder, torch_pipe: Any, clip_skip: int) -> None:
    with torch.no_grad():
        theirs = torch_pipe.encode_prompt("a red cat", negative_prompt="dog", clip_skip=clip_skip)
    prompts = Prompts(prompt="a red cat", negative_prompt="dog", clip_skip=clip_skip)
    positive, negative = encoder.encode(prompts)
    for ours, their in zip(
        (positive.prompt_embeds, negative.prompt_embeds, positive.pooled_prompt_embeds, negative.pooled_prompt_embeds),
        theirs,
        strict=True,
    ):
        assert difference(ours, their) <= TOLERANCE
    if clip_skip:
        assert difference(positive.prompt_embeds, encoder.encode(Prompts(prompt="a red cat"))[0].prompt_embeds) > 0.01


def test_clip_skip_and_weights_go_together(encoder: PromptEncoder, torch_pipe: Any) -> None:
    embeddings, _ = reference(torch_pipe, [[("red", 1.3), ("cat", 1)]], layer=-3)
    positive, _ = encoder.encode(Prompts(prompt="(red:1.3) cat", clip_skip=1))
    assert difference(positive.prompt_embeds, embeddings) <= TOLERANCE


def test_too_much_clip_skip_is_refused_and_says_how_much_there_is(encoder: PromptEncoder) -> None:
    with pytest.raises(RequestError, match=r"Clip skip 3 .* 3 layers.* 2 or less"):
        encoder.encode(Prompts(prompt="a", clip_skip=3))


def test_a_malformed_prompt_is_refused_wherever_it_is(encoder: PromptEncoder) -> None:
    for field in ("prompt", "prompt_2", "negative_prompt", "negative_prompt_2"):
        malformed: dict[str, Any] = {field: "(cat:1.2.3)"}
        with pytest.raises(RequestError, match=r"1\.2\.3 is not a number"):
            encoder.encode(Prompts(**malformed))


def test_a_refiner_reads_the_first_prompt_with_its_only_encoder(pipe: Any, torch_pipe: Any) -> None:
    refiner = SimpleNamespace(
        text_encoder=None,
        tokenizer=None,
        text_encoder_2=pipe.text_encoder_2,
        tokenizer_2=pipe.tokenizer_2,
        config=SimpleNamespace(force_zeros_for_empty_prompt=False),
    )
    positive, negative = PromptEncoder(refiner).encode(Prompts(prompt="a (red:1.2) cat", prompt_2="the sea"))
    embeddings, pooled = reference(torch_pipe, [[("a", 1), ("red", 1.2), ("cat", 1)]], which=[2])
    assert difference(positive.prompt_embeds, embeddings) <= TOLERANCE
    assert difference(positive.pooled_prompt_embeds, pooled) <= TOLERANCE
    empty, _ = reference(torch_pipe, [[]], which=[2])
    assert difference(negative.prompt_embeds, empty) <= TOLERANCE


class FakePooledPort:
    """The only output of an encoder that was exported for something else."""

    names: ClassVar = {"text_embeds"}


def test_a_text_encoder_without_hidden_states_is_an_error_that_says_so(pipe: Any) -> None:
    bare = SimpleNamespace(infer=lambda inputs: {FakePooledPort: np.zeros((1, 48))})
    broken = SimpleNamespace(
        text_encoder=None,
        tokenizer=None,
        text_encoder_2=bare,
        tokenizer_2=pipe.tokenizer_2,
        config=pipe.config,
    )
    with pytest.raises(CheckpointError, match="hidden states"):
        PromptEncoder(broken).encode(Prompts(prompt="a"))


class CountingModelPart:
    """A text encoder that counts how often it is asked."""

    def __init__(self, part: Any) -> None:
        self.part, self.calls = part, 0

    def infer(self, inputs: Any) -> Any:
        self.calls += 1
        return self.part.infer(inputs)


def test_what_was_encoded_is_kept_as_long_as_all_that_matters_is_the_same(pipe: Any) -> None:
    first, second = CountingModelPart(pipe.text_encoder), CountingModelPart(pipe.text_encoder_2)
    counted = SimpleNamespace(
        text_encoder=first,
        tokenizer=pipe.tokenizer,
        text_encoder_2=second,
        tokenizer_2=pipe.tokenizer_2,
        config=pipe.config,
    )
    encoder = PromptEncoder(counted)

    def calls(prompts: Prompts, compiled_as: str = "f32") -> int:
        before = first.calls + second.calls
        encoder.encode(prompts, compiled_as)
        return first.calls + second.calls - before

    assert calls(Prompts(prompt="a red cat")) == 2
    assert calls(Prompts(prompt="a red cat")) == 0
    assert calls(Prompts(prompt="a (red:1.2) cat")) == 2, "only the empty chunk is new"
    assert calls(Prompts(prompt="a (red:1.4) cat")) == 0, "another weight needs no encoder"
    assert calls(Prompts(prompt="a red cat", prompt_2="sea")) == 1
    assert calls(Prompts(prompt="a red cat", clip_skip=1)) == 2
    assert calls(Prompts(prompt="a red cat"), "bf16") == 2
