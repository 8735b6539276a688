"""The token view shows what the engine feeds its text encoders: same tokens, weights and chunks."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from sdxl_desktop.core.additions import EmbeddingReference
from sdxl_desktop.core.paths import resources_folder
from sdxl_desktop.engine.openvino.pipeline import Pipeline
from sdxl_desktop.engine.openvino.prompt_tokenizer import ChunkedTokenizer, align_chunks
from sdxl_desktop.library.token_view import TokenViewer
from tests.unit.library.additions.weight_files import write_embedding

STARTER = resources_folder() / "checkpoints" / "starter"
WORDS = (
    *("a cat", "(red:1.3)", "[sky]", "BREAK", "!", "!!!", "<|endoftext|>", "é", "日本", "😀", "it's", "12", r"\(x\)"),
    *("Heart", "_", "((b))", ",", "<mood>", "MOOD", "(<mood>:0.5)", "\n", "supercalifragilistic"),
)
"""Every kind of text that CLIP's tokenizers split in their own ways; "!" pads the second encoder."""


def prompts(seed: int) -> tuple[str, str]:
    chance = random.Random(seed)
    first, second = (" ".join(chance.choices(WORDS, k=chance.choice((0, 3, 20, 90)))) for _ in range(2))
    return first, second if chance.random() < 0.5 else ""


@pytest.mark.parametrize("refines", [False, True])
def test_ids_weights_and_chunks_are_the_engine_s(tmp_path: Path, refines: bool) -> None:
    mood = write_embedding(tmp_path / "mood.safetensors", {"clip_l": 4, "clip_g": 6})
    viewer = TokenViewer(STARTER, [EmbeddingReference(mood, "<mood>")], is_refiner=refines)
    pipe = Pipeline(STARTER)
    ids = (-1, -2)  # the file's two vectors
    tokenizers = [ChunkedTokenizer(one, {"<mood>": ids}) for one in (pipe.tokenizer, pipe.tokenizer_2)][refines:]
    for seed in range(30):
        prompt, prompt_2 = prompts(seed)
        fed = align_chunks(tokenizers, [prompt, prompt_2 or prompt][: len(tokenizers)])
        shown = viewer.view(prompt, prompt_2)
        assert len(shown) == len(fed)
        for encoder, chunks in zip(shown, fed, strict=True):
            vectors = iter(ids * 1000)
            for chunk, own in zip(encoder.chunks, chunks, strict=True):
                assert tuple(next(vectors) if one is None else one for one in encoder.input_ids(chunk)) == own.ids
                assert [token.weight for token in chunk.tokens] == list(own.weights[1 : 1 + len(chunk.tokens)])


def test_pieces_words_unknown_ones_and_embeddings_are_told(tmp_path: Path) -> None:
    mood = write_embedding(tmp_path / "mood.safetensors")
    viewer = TokenViewer(STARTER, [EmbeddingReference(mood, "<mood>")])
    first, _ = viewer.view("(Strawberries:1.5) <mood> BREAK ♥")
    assert "".join(token.text for token in first.chunks[0].tokens if not token.embedding) == "Strawberries"
    assert [token.ends_word for token in first.chunks[0].tokens][-3:] == [True, False, False]
    assert [token.embedding for token in first.chunks[0].tokens][-2:] == ["<mood>", "<mood>"]
    assert {token.weight for token in first.chunks[0].tokens} == {1.5, 1.0}
    assert first.chunks[1].begins_section
