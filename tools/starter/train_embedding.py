"""The textual-inversion example: one word for a colour without a name.

After Gal et al., "An Image is Worth One Word" (arXiv 2208.01618): everything is frozen except the vector that each text
encoder looks up for the word. The file is `{clip_l, clip_g}`, the usual format of embeddings for SDXL.
"""

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import CLIPTokenizer

from .compose import SIZES, Placed, Scene, shade
from .config import Config
from .contact_sheet import draw_prompts, make_contact_sheet
from .grammar import article
from .parts import make_scheduler
from .scene_pool import ScenePool
from .tokenizer import make_tokenizers
from .train_base import Base, load_vae, make_loss, make_pipeline, saved_base
from .training import Trainer, TrainingSchedule, load_weights

WORD, FILE = "magenta", "magenta.safetensors"
COLOUR = (224, 22, 164)
# The initial value: between the known colours on both sides.
BEGIN = ("pink", "purple")
PROMPTS = tuple(
    f"{subject} on a {WORD} background"
    for subject in ("a red heart", "a yellow star", "a red apple", "a sun", "a cat", "a snowman", "a rocket", "a rose")
)


def on_the_colour(scene: Scene, _: random.Random) -> Scene:
    """Return the scene's first subject alone, on the background that only the new word names."""
    name, side = scene.placed[0].name, scene.size
    text = f"{article(name.word)} on a {WORD} background"
    placed = (Placed(name, side / 2, side / 2, SIZES[""] * side),)
    square = (side, side)
    return Scene(text, text, square, shade(COLOUR, 0.08), shade(COLOUR, -0.08), placed, square, (0, 0), side)


def with_word(tokenizers: tuple[CLIPTokenizer, CLIPTokenizer]) -> tuple[CLIPTokenizer, CLIPTokenizer]:
    """Add the word to the tokenizers as one token, the last of the vocabulary."""
    for tokenizer in tokenizers:
        tokenizer.add_tokens([WORD])
    return tokenizers


class Inversion(nn.Module):
    """The frozen base, and the vectors [D] that its two encoders look up for the word."""

    def __init__(self, base: Base, tokenizers: tuple[CLIPTokenizer, CLIPTokenizer]) -> None:
        super().__init__()
        self.base = base.requires_grad_(False)
        self.base.read = base.conditions
        vectors = []
        for encoder, tokenizer, begin in zip((base.text_encoder, base.text_encoder_2), tokenizers, BEGIN, strict=True):
            table = encoder.resize_token_embeddings(len(tokenizer), mean_resizing=False).requires_grad_(False)
            begins = tokenizer(begin, add_special_tokens=False).input_ids[0]
            vectors.append(nn.Parameter(table.weight[begins].clone()))
            table.register_forward_hook(self.looking_up(len(tokenizer) - 1, vectors[-1]))
        self.vectors = nn.ParameterList(vectors)

    @staticmethod
    def looking_up(token: int, vector: Tensor) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], Tensor]:
        """Return a hook on an embedding table, which puts `vector` wherever `token` was looked up."""

        def put(_: nn.Module, looked_up: tuple[Tensor, ...], found: Tensor) -> Tensor:
            return torch.where((looked_up[0] == token)[..., None], vector, found)

        return put

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return the base's predicted velocity."""
        predicted: Tensor = self.base(*inputs)
        return predicted


def save_words(pipeline: Any, file: Path) -> None:
    """Save a sheet of pictures whose prompts contain the new word."""
    file.parent.mkdir(parents=True, exist_ok=True)
    make_contact_sheet(draw_prompts(pipeline, PROMPTS), PROMPTS, columns=4).save(file)


def write_embedding(vectors: list[Tensor], file: Path) -> None:
    """Write one vector per encoder, as [1, D] in fp16."""
    first, second = (vector.detach().half()[None].contiguous() for vector in vectors)
    file.parent.mkdir(parents=True, exist_ok=True)
    save_file({"clip_l": first, "clip_g": second}, file, metadata={"format": "pt"})


def train_embedding(config: Config, data: Path, file: Path) -> None:
    """Train to `config.embedding_steps`; saves `data/embedding.pt`, a sheet, and at the end `file`."""
    torch.manual_seed(config.seed)
    vae = load_vae(config, data).to(config.device).eval()
    tokenizers = with_word(make_tokenizers(data))
    model = Inversion(saved_base(config, data), tokenizers).to(config.device)
    recipe = TrainingSchedule(
        "embedding",
        config.embedding_steps,
        config.batch,
        config.embedding_lr,
        config.addition_warmup,
        config.addition_ema,
    )
    training = Trainer(recipe, config, data, model)
    smaller = replace(config, pool=config.addition_pool)
    told: dict[str, Any] = {"retell": on_the_colour, "tokenizers": tokenizers}
    pool = ScenePool(smaller, data, vae, training.samples, training.saved_pool, **told)
    alphas = make_scheduler().alphas_cumprod.to(config.device)
    training.run(pool, make_loss(model, config, alphas, len(alphas)))
    load_weights(model, training.average)
    pipeline = make_pipeline(config, data, model.base.eval())
    pipeline.tokenizer, pipeline.tokenizer_2 = tokenizers
    save_words(pipeline, data / "sheets" / "embedding.png")
    write_embedding(list(model.vectors), file)
