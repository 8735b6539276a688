"""A prompt of any length is drawn as diffusers draws it from the embeddings of its chunks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from sdxl_desktop.core.request import Prompts
from tests.engine.parity import pipeline_arguments
from tests.engine.parity.cases import BUILDERS, TOLERANCE, ParityWorkflow
from tests.engine.parity.diffusers_calls import PipelineKind
from tests.engine.parity.our_engine import OurEngine
from tests.engine.parity.tiny_checkpoints import TinyCheckpoints
from tests.engine.parity.tolerances import max_difference
from tests.engine.parity.torch_reference import TorchReference
from tests.typed import not_none

TOKENS = 300


def test_a_prompt_of_300_tokens(tiny_checkpoints: TinyCheckpoints, reference: TorchReference, ours: OurEngine) -> None:
    request = BUILDERS[ParityWorkflow.TEXT](tiny_checkpoints, prompts=Prompts(prompt="a red cat and the sea " * 26))
    pipe = reference.pipelines.pipeline(PipelineKind.TEXT_TO_IMAGE, request.checkpoint)
    pipe.scheduler = type(pipe.scheduler).from_config(pipe.scheduler.config)
    message = request.prompts.prompt
    assert len(pipe.tokenizer.encode(message, add_special_tokens=False)) >= TOKENS
    with torch.no_grad():
        embeddings, pooled = chunks(pipe, message)
        arguments = {
            **pipeline_arguments.common_arguments(request, request.sampling.seed),
            "prompt": None,
            "prompt_embeds": embeddings,
            "pooled_prompt_embeds": pooled,
            "negative_prompt_embeds": torch.zeros_like(embeddings),
            "negative_pooled_prompt_embeds": torch.zeros_like(pooled),
        }
        size = request.sampling.size
        expected = pipe(**arguments, width=size.width, height=size.height, output_type="np").images[0]
    assert max_difference(ours.generate(request), expected) <= TOLERANCE
    cut = replace(request, prompts=Prompts(prompt=message[: len(message) // 3]))
    assert max_difference(ours.generate(cut), expected) > TOLERANCE, "the end of the prompt changes nothing"


def chunks(pipe: Any, text: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Embeddings [1, 77·n, D] and pooled [1, P]: chunks of 75 tokens between start and end marks, in plain torch."""
    rows, pooled = [], None
    for tokenizer, encoder in ((pipe.tokenizer, pipe.text_encoder), (pipe.tokenizer_2, pipe.text_encoder_2)):
        ids = tokenizer.encode(text, add_special_tokens=False)
        states = []
        for start in range(0, len(ids), 75):
            body = [tokenizer.bos_token_id, *ids[start : start + 75], tokenizer.eos_token_id]
            padded = torch.tensor([body + [tokenizer.pad_token_id] * (77 - len(body))])
            output = encoder(padded, output_hidden_states=True)
            states.append(output.hidden_states[-2])
            if encoder is pipe.text_encoder_2 and pooled is None:
                pooled = output.text_embeds
        rows.append(torch.cat(states, dim=1))
    return torch.cat(rows, dim=-1), not_none(pooled)
