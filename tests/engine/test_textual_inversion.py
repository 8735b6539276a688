"""Textual inversion gives the embeddings that diffusers gives, at any precision."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import pytest
import torch

from sdxl_desktop.core.errors import AdditionError
from sdxl_desktop.core.request import Prompts
from sdxl_desktop.engine.openvino.prompt_encoder import PromptEncoder
from sdxl_desktop.engine.openvino.prompt_tokenizer import EmbeddingTokenIds
from sdxl_desktop.engine.openvino.textual_inversion import (
    TextualInversionEmbedding,
    attach_embeddings,
    attach_vectors,
    embeddings_digest,
    find_token_embedding,
)

TOLERANCE = 1e-4
FIRST, SECOND, ROWS = 32, 48, 518  # the tiny checkpoint's widths and vocabulary
START, END = 516, 517


def vectors(count: int, width: int, seed: int = 0) -> np.ndarray[Any, Any]:
    return (np.random.default_rng(seed).standard_normal((count, width)) * 0.05).astype(np.float32)


def embedding(token: str = "<fox>", first: int = 3, second: int = 2) -> TextualInversionEmbedding:
    return TextualInversionEmbedding(
        token,
        first=vectors(first, FIRST) if first else None,
        second=vectors(second, SECOND, 1) if second else None,
    )


# the meaning


@pytest.fixture
def attached(tiny_checkpoint: Path, load_pipeline: Any) -> Callable[[list[TextualInversionEmbedding]], PromptEncoder]:
    """A prompt encoder over the tiny checkpoint with these embeddings."""

    def build(embeddings: list[TextualInversionEmbedding]) -> PromptEncoder:
        words: dict[str, Any] = {}

        def attach_them(pipe: Any) -> None:
            words.update(attach_embeddings(embeddings, pipe.text_encoder.model, pipe.text_encoder_2.model))

        return PromptEncoder(load_pipeline(tiny_checkpoint / "ov", attach_them), words)

    return build


@pytest.fixture
def theirs(tiny_checkpoint: Path) -> Callable[[list[TextualInversionEmbedding]], Any]:
    """diffusers in torch with these embeddings."""
    from diffusers import StableDiffusionXLPipeline

    def build(embeddings: list[TextualInversionEmbedding]) -> Any:
        pipe = StableDiffusionXLPipeline.from_pretrained(tiny_checkpoint / "torch", add_watermarker=False)
        for each in embeddings:
            for values, encoder, tokenizer in (
                (each.first, pipe.text_encoder, pipe.tokenizer),
                (each.second, pipe.text_encoder_2, pipe.tokenizer_2),
            ):
                if values is not None:
                    given = {each.token: torch.from_numpy(values)}
                    pipe.load_textual_inversion(given, token=each.token, text_encoder=encoder, tokenizer=tokenizer)
        return pipe

    return build


@pytest.mark.parametrize(
    "embeddings",
    [
        pytest.param([embedding(first=1, second=1)], marks=pytest.mark.slow),
        pytest.param([embedding(first=3, second=2)], marks=pytest.mark.slow),
        [embedding(first=2, second=2), embedding("<owl>", first=1, second=3)],
        [embedding(first=0, second=2)],
        [embedding(first=2, second=0)],
    ],
    ids=["one vector", "several vectors", "two embeddings", "second encoder only", "first encoder only"],
)
def test_an_embedding_means_what_it_means_in_diffusers(
    embeddings: list[TextualInversionEmbedding], attached: Any, theirs: Any
) -> None:
    text = "a red <fox> cat " + " ".join(each.token for each in embeddings[1:])
    with torch.no_grad():
        states, _, pooled, _ = theirs(embeddings).encode_prompt(text, do_classifier_free_guidance=False)
    ours, _ = attached(embeddings).encode(Prompts(prompt=text))
    assert (ours.prompt_embeds - states).abs().max() <= TOLERANCE
    assert (ours.pooled_prompt_embeds - pooled).abs().max() <= TOLERANCE
    without, _ = attached([]).encode(Prompts(prompt=text))
    assert (ours.prompt_embeds - without.prompt_embeds).abs().max() > 0.01, "the embedding changes nothing"


def test_a_prompt_without_the_token_is_read_as_before(attached: Any) -> None:
    plain, _ = attached([]).encode(Prompts(prompt="a red cat"))
    beside, _ = attached([embedding()]).encode(Prompts(prompt="a red cat"))
    assert (plain.prompt_embeds - beside.prompt_embeds).abs().max() <= 1e-6
    assert (plain.pooled_prompt_embeds - beside.pooled_prompt_embeds).abs().max() <= 1e-6


def test_an_embedding_can_be_weighted_and_is_found_in_any_case(attached: Any) -> None:
    encoder = attached([embedding()])
    plain, _ = encoder.encode(Prompts(prompt="a <FOX> cat"))
    heavy, _ = encoder.encode(Prompts(prompt="a (<fox>:1.5) cat"))
    changed = (plain.prompt_embeds != heavy.prompt_embeds)[0]
    assert changed[:, :FIRST].any(dim=-1).nonzero().flatten().tolist() == [2, 3, 4]
    assert changed[:, FIRST:].any(dim=-1).nonzero().flatten().tolist() == [2, 3]


def test_an_embedding_is_not_divided_over_two_chunks(attached: Any) -> None:
    encoder = attached([embedding(first=6, second=6)])
    moved, _ = encoder.encode(Prompts(prompt="a " * 70 + "<fox>"))
    broken, _ = encoder.encode(Prompts(prompt="a " * 70 + "BREAK <fox>"))
    assert torch.equal(moved.prompt_embeds, broken.prompt_embeds)


# every precision

Compress = Callable[[Any, Path], Any]


def as_f32(model: Any, _: Path) -> Any:
    return model


def as_f16(model: Any, folder: Path) -> Any:
    ov.save_model(model, folder / "half.xml", compress_to_fp16=True)
    return ov.Core().read_model(folder / "half.xml")


def as_int8(model: Any, _: Path) -> Any:
    import nncf

    return nncf.compress_weights(model, mode=nncf.CompressWeightsMode.INT8_ASYM)


def as_int8_symmetric(model: Any, _: Path) -> Any:
    import nncf

    return nncf.compress_weights(model, mode=nncf.CompressWeightsMode.INT8_SYM)


ROOM: dict[Compress, str] = {as_f32: "f32", as_f16: "f16", as_int8: "u8", as_int8_symmetric: "i8"}


def run(model: Any, *body: int) -> dict[str, Any]:
    """All outputs by name for the ids of a short text."""
    ids = np.array([[START, *body, END, *[END] * (75 - len(body))]], dtype=np.int64)
    outputs = ov.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})({"input_ids": ids})
    return {next(iter(port.get_names())): np.array(value) for port, value in outputs.items()}


def table_kind(model: Any) -> str:
    """The element type that the vocabulary's table is stored in."""
    node = find_token_embedding(model).gather
    while node.get_type_name() != "Constant":
        node = node.input_value(0).get_node()
    return str(node.get_element_type().get_type_name())


IN_EVERY_RUN = ((as_f16, "text_encoder"), (as_int8, "text_encoder_2"))


@pytest.mark.parametrize(
    ("compress", "part"),
    [
        pytest.param(*each, id=f"{ROOM[each[0]]}-{each[1]}", marks=[] if each in IN_EVERY_RUN else [pytest.mark.slow])
        for each in ((compress, part) for compress in ROOM for part in ("text_encoder", "text_encoder_2"))
    ],
)
def test_at_every_precision_a_tokens_own_vector_is_read_as_that_token(
    tiny_checkpoint: Path, tmp_path: Path, compress: Compress, part: str
) -> None:
    """The expectation comes from the compressed network itself: its own, dequantised, vector of a word."""
    word, other = 70, 30

    def fresh() -> Any:
        return compress(ov.Core().read_model(tiny_checkpoint / "ov" / part / "openvino_model.xml"), tmp_path)

    width = find_token_embedding(fresh()).width
    nothing = fresh()
    attach_vectors(nothing, np.zeros((1, width), np.float32))
    positions = run(nothing, other, ROWS)["hidden_states.0"][0, 2]
    expected = run(fresh(), other, word)
    own = expected["hidden_states.0"][0, 2] - positions
    model = fresh()
    attach_vectors(model, np.stack([vectors(1, width)[0], own]))
    assert table_kind(model) == ROOM[compress], "the vocabulary stays compressed"
    for name, value in run(model, other, ROWS + 1).items():
        np.testing.assert_allclose(value, expected[name], atol=2e-5, err_msg=name)
    for name, value in run(model, other, word).items():
        np.testing.assert_allclose(value, expected[name], atol=2e-5, err_msg=name)
    foreign = run(model, other, ROWS)["hidden_states.0"][0, 2]
    np.testing.assert_allclose(foreign - positions, vectors(1, width)[0], atol=1e-6)  # in 32 bits, whatever the rest


def test_old_exports_find_the_end_of_the_text_beside_an_embedding(tiny_checkpoint: Path, tmp_path: Path) -> None:
    """SDXL's own configuration names 2 as the end mark; then the greatest id counts as the end."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from optimum.exporters.openvino import export
        from optimum.exporters.tasks import TasksManager
        from transformers import CLIPTextModelWithProjection

        model = CLIPTextModelWithProjection.from_pretrained(tiny_checkpoint / "torch" / "text_encoder_2")
        model.text_model.eos_token_id = 2
        model.config.output_hidden_states = True
        config = TasksManager.get_exporter_config_constructor(
            model=model,
            exporter="openvino",
            library_name="diffusers",
            task="feature-extraction",
            model_type="clip-text-with-projection",
        )(model.config, task="feature-extraction")
        export(model, config, tmp_path / "openvino_model.xml")
    word = 70
    legacy = ov.Core().read_model(tmp_path / "openvino_model.xml")
    expected = run(legacy, 30, word)["text_embeds"]
    attach_vectors(legacy, model.text_model.embeddings.token_embedding.weight[word : word + 1].detach().numpy())
    np.testing.assert_allclose(run(legacy, 30, ROWS)["text_embeds"], expected, atol=1e-5)


# what does not fit


def encoders(tiny_checkpoint: Path) -> tuple[Any, Any]:
    first, second = (
        ov.Core().read_model(tiny_checkpoint / "ov" / part / "openvino_model.xml")
        for part in ("text_encoder", "text_encoder_2")
    )
    return first, second


@pytest.mark.parametrize(
    ("wrong", "width", "wanted"),
    [
        (TextualInversionEmbedding("<x>", first=vectors(1, 768), second=vectors(1, SECOND)), 768, "32"),
        (TextualInversionEmbedding("<x>", first=vectors(1, FIRST), second=vectors(1, 1280)), 1280, "48"),
        (TextualInversionEmbedding("<x>", unassigned=vectors(1, 1024)), 1024, "32 or 48"),
    ],
    ids=["first", "second", "either"],
)
def test_a_wrong_width_names_both_and_nothing_is_attached(
    tiny_checkpoint: Path, wrong: TextualInversionEmbedding, width: int, wanted: str
) -> None:
    first, second = encoders(tiny_checkpoint)
    with pytest.raises(AdditionError, match=rf"<x>.*{width} numbers.*has {wanted}\."):
        attach_embeddings([embedding(), wrong], first, second)
    attach_embeddings([embedding()], first, second)  # would object if it had been changed before
    with pytest.raises(AdditionError, match=r"7 numbers.*has 48"):
        attach_vectors(encoders(tiny_checkpoint)[1], vectors(1, 7))


def test_embeddings_are_attached_once(tiny_checkpoint: Path) -> None:
    first, _ = encoders(tiny_checkpoint)
    attach_vectors(first, vectors(1, FIRST))
    with pytest.raises(ValueError, match="already"):
        attach_vectors(first, vectors(1, FIRST))


def test_a_file_for_one_encoder_goes_to_the_one_it_fits(tiny_checkpoint: Path) -> None:
    words: EmbeddingTokenIds = attach_embeddings(
        [
            TextualInversionEmbedding("a", unassigned=vectors(2, FIRST)),
            TextualInversionEmbedding("b", unassigned=vectors(1, SECOND)),
            embedding("c", 1, 1),
        ],
        *encoders(tiny_checkpoint),
    )
    assert words == {"a": ((ROWS, ROWS + 1), ()), "b": ((), (ROWS,)), "c": ((ROWS + 2,), (ROWS + 1,))}


def test_a_refiner_takes_the_second_encoders_vectors(tiny_checkpoint: Path) -> None:
    assert attach_embeddings([embedding()], None, encoders(tiny_checkpoint)[1]) == {
        "<fox>": ((0, 1, 2), (ROWS, ROWS + 1))
    }


@pytest.mark.parametrize("token", ["(fox)", "a b", "fox\\", "[x]", "BREAK", ""])
def test_a_token_that_means_something_else_is_refused(token: str) -> None:
    with pytest.raises(AdditionError, match="cannot stand for an embedding"):
        embedding().with_token(token)
    assert embedding().with_token("my-fox").token == "my-fox"


def test_the_digest_tells_vectors_apart_and_stays_the_same_from_launch_to_launch() -> None:
    assert embeddings_digest([]) == ""
    known = TextualInversionEmbedding("<a>", first=np.ones((1, 2), np.float32))
    assert embeddings_digest([known]) == embeddings_digest([known.with_token("<b>")]) == "af4f82ae25fa77bd0480"
    others = [
        [known, known],
        [TextualInversionEmbedding("<a>", second=known.first)],
        [TextualInversionEmbedding("<a>", first=np.ones((2, 1), np.float32))],
        [TextualInversionEmbedding("<a>", first=np.zeros((1, 2), np.float32))],
        [embedding("x"), known],
        [known, embedding("x")],
    ]
    assert len({embeddings_digest(each) for each in [[known], *others]}) == len(others) + 1
