"""The third training stage: the refiner, a second UNet for the last fifth of the noise schedule only.

One network per range of noise, after Balaji et al., "eDiff-I" (arXiv 2211.01324), like SDXL's refiner. The base's
second text encoder is unchanged, so that the two checkpoints share it.
"""

from pathlib import Path

import torch
from diffusers import StableDiffusionXLImg2ImgPipeline, UNet2DConditionModel
from PIL import Image
from torch import Tensor, nn

from .aesthetic import graded
from .config import Config
from .contact_sheet import GUIDANCE, PROMPTS, STEPS, draw_prompts, make_contact_sheet
from .parts import make_refiner_unet, make_scheduler
from .scene_pool import ScenePool
from .text_encoding_cache import TextEncodingCache
from .tokenizer import make_tokenizers
from .train_base import Base, load_vae, make_loss, make_pipeline, saved_base
from .training import Trainer, TrainingSchedule, load_weights
from .training_state import load_state

TIME_ID_COUNT = 5
DENOISING_END = 0.8


@torch.no_grad()
def copy_base_weights(base: UNet2DConditionModel, refiner: UNet2DConditionModel) -> None:
    """Initialize `refiner` from `base`; where it has fewer input columns, copy those with the same meaning.

    Cross-attention loses the first encoder's columns, which come first. The embedding of the added conditions is pooled
    text, then the ids one after another; four of the base's six are the refiner's too, and the score's columns start at
    zero.
    """
    source = dict(base.named_parameters())
    for name, weight in refiner.named_parameters():
        known = source[name]
        if name == "add_embedding.linear_1.weight":
            shared = weight.shape[1] - base.config.addition_time_embed_dim
            weight.zero_()
            weight[:, :shared] = known[:, :shared]
        elif known.shape != weight.shape:
            weight.copy_(known[:, -weight.shape[1] :])
        else:
            weight.copy_(known)


class Refiner(nn.Module):
    """The refiner's UNet and the base's second text encoder, which is not trained."""

    def __init__(self, config: Config, base: Base) -> None:
        super().__init__()
        self.text_encoder_2 = base.text_encoder_2.requires_grad_(False)
        self.read = TextEncodingCache(self.conditions)
        self.unet = make_refiner_unet(config)
        copy_base_weights(base.unet, self.unet)

    def conditions(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Return the second encoder's context [B, 77, E] and its pooled text [B, P] of token ids [2, B, 77]."""
        second = self.text_encoder_2(tokens[1], output_hidden_states=True)
        return second.hidden_states[-2], second.text_embeds

    def forward(self, noisy: Tensor, time: Tensor, tokens: Tensor, time_ids: Tensor, keep: Tensor) -> Tensor:
        """Return the predicted velocity; where `keep` [B] is 0 the text conditioning is zeros, but the ids and the
        score stay."""
        context, pooled = self.read(tokens)
        added = {"text_embeds": pooled * keep[:, None], "time_ids": time_ids}
        predicted: Tensor = self.unet(noisy, time, context * keep[:, None, None], added_cond_kwargs=added).sample
        return predicted


def make_refiner_pipeline(config: Config, data: Path, model: Refiner) -> StableDiffusionXLImg2ImgPipeline:
    """Return a diffusers pipeline with the parts of SDXL's refiner: no first text encoder, and an aesthetic score."""
    _, tokenizer_2 = make_tokenizers(data)
    pipeline = StableDiffusionXLImg2ImgPipeline(
        vae=load_vae(config, data),
        text_encoder=None,
        text_encoder_2=model.text_encoder_2,
        tokenizer=None,
        tokenizer_2=tokenizer_2,
        unet=model.unet,
        scheduler=make_scheduler(),
        requires_aesthetics_score=True,
        add_watermarker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline.to(config.device)


def with_weights(config: Config, data: Path, weights: list[Tensor]) -> Refiner:
    model = Refiner(config, saved_base(config, data)).to(config.device)
    load_weights(model, weights)
    return model.eval()


def saved_refiner(config: Config, data: Path) -> Refiner:
    """Return the last saved averaged weights; raises FileNotFoundError before training."""
    state = load_state(data / "refiner.pt", config.device)
    if state is None:
        raise FileNotFoundError(f"{data / 'refiner.pt'} does not exist yet: run train-refiner first.")
    return with_weights(config, data, state["average"])


def save_refined(config: Config, data: Path, model: Refiner, file: Path) -> None:
    """Save a sheet of rows of three: the base alone, and its latents at 0.8 refined at score 2 and at 9."""
    prompts = PROMPTS[:8]
    base = make_pipeline(config, data, saved_base(config, data))
    refiner = make_refiner_pipeline(config, data, model)
    alone = draw_prompts(base, prompts)
    handed = base(
        list(prompts),
        num_inference_steps=STEPS,
        guidance_scale=GUIDANCE,
        generator=[torch.Generator().manual_seed(seed) for seed in range(len(prompts))],
        denoising_end=DENOISING_END,
        output_type="latent",
    ).images
    refined: list[list[Image.Image]] = [
        refiner(
            list(prompts),
            image=handed,
            num_inference_steps=STEPS,
            guidance_scale=GUIDANCE,
            denoising_start=DENOISING_END,
            aesthetic_score=score,
            generator=torch.Generator().manual_seed(0),
        ).images
        for score in (2.0, 9.0)
    ]
    rows = list(zip(prompts, alone, *refined, strict=True))
    pictures = [picture for _, *three in rows for picture in three]
    captions = [text for prompt, *_ in rows for text in (prompt, "refined, score 2", "refined, score 9")]
    file.parent.mkdir(parents=True, exist_ok=True)
    make_contact_sheet(pictures, captions).save(file)


def train_refiner(config: Config, data: Path) -> None:
    """Train, or resume training, to `config.refiner_steps`; saves `data/refiner.pt` and sheets on the way."""
    torch.manual_seed(config.seed)
    vae = load_vae(config, data).to(config.device).eval()
    model = Refiner(config, saved_base(config, data)).to(config.device)
    model.unet.to(memory_format=torch.channels_last)
    recipe = TrainingSchedule(
        "refiner", config.refiner_steps, config.batch, config.refiner_lr, config.warmup, config.refiner_ema
    )
    training = Trainer(recipe, config, data, model)
    alphas = make_scheduler().alphas_cumprod.to(config.device)
    pool = ScenePool(config, data, vae, training.samples, training.saved_pool, show=graded, ids=TIME_ID_COUNT)

    def show(done: int) -> None:
        save_refined(
            config, data, with_weights(config, data, training.average), data / "sheets" / f"refiner-{done:06d}.png"
        )

    training.run(pool, make_loss(model, config, alphas, config.refiner_times), show=show)
