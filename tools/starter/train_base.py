"""The third training stage: the base UNet, on latents of the frozen VAE and outputs of the frozen text encoders."""

import random
from collections.abc import Callable
from pathlib import Path

import torch
from diffusers import AutoencoderKL, StableDiffusionXLPipeline
from torch import Tensor, nn

from .config import Config
from .contact_sheet import save_sheet
from .diffusion import draw_noise, draw_spans, noised, velocity_loss, velocity_of
from .parts import make_scheduler, make_text_encoders, make_unet
from .region_attention import RegionAttention
from .scene_pool import ScenePool
from .text_encoding_cache import Read, TextEncodingCache
from .tokenizer import make_tokenizers
from .training import LossOf, Trainer, TrainingSchedule, load_weights
from .training_state import load_state
from .weight_init import start_unet


class Base(nn.Module):
    """The trained parts as one module, conditioned exactly as in diffusers' StableDiffusionXLPipeline."""

    def __init__(self, config: Config, data: Path) -> None:
        super().__init__()
        self.text_encoder, self.text_encoder_2 = make_text_encoders(config, *make_tokenizers(data))
        self.unet = make_unet(config)
        self.read: Read = self.conditions
        start_unet(self.unet)

    def conditions(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Return the context [B, 77, E] and the pooled text [B, P] of token ids [2, B, 77]."""
        first = self.text_encoder(tokens[0], output_hidden_states=True)
        second = self.text_encoder_2(tokens[1], output_hidden_states=True)
        return torch.cat([first.hidden_states[-2], second.hidden_states[-2]], dim=-1), second.text_embeds

    def freeze_text(self) -> None:
        """Freeze both text encoders, and cache their outputs."""
        self.text_encoder.requires_grad_(False)
        self.text_encoder_2.requires_grad_(False)
        self.read = TextEncodingCache(self.conditions)

    def forward(self, noisy: Tensor, time: Tensor, tokens: Tensor, time_ids: Tensor, keep: Tensor) -> Tensor:
        """Return the predicted velocity; where `keep` [B] is 0 the conditioning is zeros, as for an absent negative
        prompt."""
        context, pooled = self.read(tokens)
        added = {"text_embeds": pooled * keep[:, None], "time_ids": time_ids}
        predicted: Tensor = self.unet(noisy, time, context * keep[:, None, None], added_cond_kwargs=added).sample
        return predicted


def inputs_and_velocity(
    latents: Tensor, tokens: Tensor, time_ids: Tensor, alphas: Tensor, config: Config, times: int
) -> tuple[tuple[Tensor, Tensor, Tensor, Tensor, Tensor], Tensor]:
    """Return the model's inputs at times below `times`, and the target velocity."""
    count, device = len(latents), latents.device
    time = (draw_spans(count, config.time_exponent, device) * times).long()
    noise = draw_noise(latents, config.offset_noise)
    alpha = alphas[time]
    keep = (torch.rand(count, device=device) >= config.caption_dropout).float()
    return (noised(latents, noise, alpha), time, tokens, time_ids, keep), velocity_of(latents, noise, alpha)


def make_loss(
    model: nn.Module, config: Config, alphas: Tensor, times: int, astray: Callable[..., Tensor] | None = None
) -> LossOf:
    """Return the velocity loss at times below `times`, for `Trainer.run`.

    `astray`, if given, computes an additional loss from the model's inputs, from the tokens on.
    """

    def loss_of(pool: ScenePool, rng: random.Random, count: int) -> Tensor:
        inputs, velocity = inputs_and_velocity(*pool.batch(rng, count), alphas, config, times)
        # bfloat16 products, float32 weights and loss: 1.5 times as fast on CPUs with the instructions.
        with torch.autocast(config.device, torch.bfloat16):
            predicted = model(*inputs)
            more = astray(*inputs[2:]) if astray else 0.0
        return velocity_loss(predicted, velocity, alphas[inputs[1]]) + more

    return loss_of


def load_text(model: Base, data: Path) -> Tensor:
    """Load the text encoders of train-text, and return the head that predicts a region from its token.

    Raises FileNotFoundError before that stage.
    """
    state = load_state(data / "text.pt", "cpu")
    if state is None:
        raise FileNotFoundError(f"{data / 'text.pt'} does not exist yet: run train-text first.")
    known = {key: value for key, value in state["model"].items() if key.startswith("text_encoder")}
    model.load_state_dict(known, strict=False)
    regions: Tensor = state["model"]["regions.weight"]
    return regions


def load_vae(config: Config, data: Path) -> AutoencoderKL:
    """Return the VAE of train-vae, configured with the native size."""
    vae = AutoencoderKL.from_pretrained(data / "vae")
    vae.register_to_config(sample_size=config.size)
    return vae


def make_pipeline(config: Config, data: Path, model: Base) -> StableDiffusionXLPipeline:
    """Return a diffusers pipeline of the frozen VAE and the model's parts."""
    tokenizer, tokenizer_2 = make_tokenizers(data)
    pipeline = StableDiffusionXLPipeline(
        vae=load_vae(config, data),
        text_encoder=model.text_encoder,
        text_encoder_2=model.text_encoder_2,
        tokenizer=tokenizer,
        tokenizer_2=tokenizer_2,
        unet=model.unet,
        scheduler=make_scheduler(),
        add_watermarker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline.to(config.device)


def with_weights(config: Config, data: Path, weights: list[Tensor]) -> Base:
    """Return a model for inference with the given (averaged) UNet weights and the frozen text encoders."""
    model = Base(config, data)
    load_text(model, data)
    model.freeze_text()
    load_weights(model, weights)
    return model.eval()


def saved_base(config: Config, data: Path) -> Base:
    """Return the last saved averaged weights; raises FileNotFoundError before training."""
    state = load_state(data / "base.pt", config.device)
    if state is None:
        raise FileNotFoundError(f"{data / 'base.pt'} does not exist yet: run train-base first.")
    return with_weights(config, data, state["average"]).to(config.device)


def train_base(config: Config, data: Path) -> None:
    """Train, or resume training, to `config.steps`; saves `data/base.pt` and sheets on the way."""
    torch.manual_seed(config.seed)
    vae = load_vae(config, data).to(config.device).eval()
    model = Base(config, data).to(config.device)
    regions = load_text(model, data).to(config.device)
    model.freeze_text()
    model.unet.to(memory_format=torch.channels_last)
    recipe = TrainingSchedule("base", config.steps, config.batch, config.lr, config.warmup, config.ema)
    # A resumed run has its own weights, which Trainer restores.
    places = RegionAttention(model.unet, regions)
    training = Trainer(recipe, config, data, model)
    # The encoders of train-text, even if that stage continued after this one began.
    load_text(model, data)
    alphas = make_scheduler().alphas_cumprod.to(config.device)
    pool = ScenePool(config, data, vae, training.samples, training.saved_pool)
    end_token = model.text_encoder.config.eos_token_id

    def astray(tokens: Tensor, time_ids: Tensor, keep: Tensor) -> Tensor:
        return config.place_weight * places.attention_loss(tokens, end_token, time_ids, keep)

    def show(done: int) -> None:
        pipeline = make_pipeline(config, data, with_weights(config, data, training.average))
        save_sheet(pipeline, data / "sheets" / f"base-{done:06d}.png")

    training.run(pool, make_loss(model, config, alphas, len(alphas), astray), show=show)
