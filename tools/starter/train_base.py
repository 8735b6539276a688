"""Owns the second training stage: the base UNet and both text encoders, trained on latents of the frozen VAE."""

import random
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, StableDiffusionXLPipeline
from torch import Tensor, nn

from .align import align
from .config import Config
from .parts import make_scheduler, make_text_encoders, make_unet
from .pool import Pool
from .sheet import save_sheet
from .states import Log, load_state, save_state
from .threads import Threads
from .tokenizer import make_tokenizers
from .warmstart import start_unet

REPORT, SAVE, SHEET = 50, 250, 750


class Base(nn.Module):
    """The trained parts as one module, conditioned exactly as diffusers' StableDiffusionXLPipeline does it."""

    def __init__(self, config: Config, data: Path) -> None:
        super().__init__()
        self.text_encoder, self.text_encoder_2 = make_text_encoders(config, *make_tokenizers(data))
        self.unet = make_unet(config)
        start_unet(self.unet)

    def forward(self, noisy: Tensor, time: Tensor, tokens: Tensor, time_ids: Tensor, keep: Tensor) -> Tensor:
        """The predicted velocity; where `keep` [B] is 0 the conditioning is zeros, as for an absent negative prompt."""
        first = self.text_encoder(tokens[0], output_hidden_states=True)
        second = self.text_encoder_2(tokens[1], output_hidden_states=True)
        context = torch.cat([first.hidden_states[-2], second.hidden_states[-2]], dim=-1) * keep[:, None, None]
        added = {"text_embeds": second.text_embeds * keep[:, None], "time_ids": time_ids}
        predicted: Tensor = self.unet(noisy, time, context, added_cond_kwargs=added).sample
        return predicted


def loss_weight(alphas: Tensor) -> Tensor:
    """Weight of the squared velocity error: min-SNR-5 (Hang et al., arXiv 2303.09556), and no less than at SNR 1."""
    snr = alphas / (1 - alphas)
    return snr.clamp(1.0, 5.0) / (snr + 1)


def learning_rate(config: Config, step: int) -> float:
    """Warm up, stay, and fall to nothing over the last third, so that --steps can still move while it stays."""
    return config.lr * min(1.0, (step + 1) / config.warmup, (config.steps - step) / (config.steps / 3))


def noised(
    pool: Pool, config: Config, alphas: Tensor, step: int, count: int
) -> tuple[tuple[Tensor, Tensor, Tensor, Tensor, Tensor], Tensor, Tensor]:
    """The model's inputs for a step, the velocity they should give, and the weight of each sample."""
    rng = random.Random(f"base {config.seed} {step}")
    torch.manual_seed(config.seed * 1_000_003 + step)
    latents, tokens, time_ids = pool.batch(rng, count)
    device = latents.device
    # One time from each of `count` spans, which gives less noise in the gradient than free draws; the exponent makes
    # the spans narrower at high noise, where only the words can tell what the picture is.
    spans = (torch.arange(count, device=device) + torch.rand(count, device=device)) / count
    time = (spans**config.time_exponent * len(alphas)).long()
    noise = torch.randn_like(latents)
    # A shift of whole channels, so that the colour of flat backgrounds is learnt from words and not from the leak of
    # the mean through the noise (crosslabs.org, "Diffusion with offset noise").
    noise = noise + config.offset_noise * torch.randn(count, 4, 1, 1, device=device)
    alpha = alphas[time].view(-1, 1, 1, 1)
    noisy = alpha.sqrt() * latents + (1 - alpha).sqrt() * noise
    lots = torch.rand(count, device=device)
    keep = (lots >= config.caption_dropout).float()
    velocity = alpha.sqrt() * noise - (1 - alpha).sqrt() * latents
    return (noisy, time, tokens, time_ids, keep), velocity, loss_weight(alphas[time])


def loss_of(model: Base, pool: Pool, config: Config, alphas: Tensor, step: int) -> Tensor:
    inputs, velocity, weight = noised(pool, config, alphas, step, config.batch)
    # bfloat16 products, float32 weights and loss: half as fast again on processors that have the instructions.
    with torch.autocast(config.device, torch.bfloat16):
        predicted = model(*inputs)
    errors = (predicted.float() - velocity).square().mean((1, 2, 3))
    weighted: Tensor = (errors * weight).mean()
    return weighted


def load_text(model: Base, data: Path) -> Tensor:
    """Start from the text encoders of train-text, and return what reads a region off its token.

    Raises FileNotFoundError before that stage.
    """
    state = load_state(data / "text.pt", "cpu")
    if state is None:
        raise FileNotFoundError(f"{data / 'text.pt'} does not exist yet: run train-text first.")
    known = {key: value for key, value in state["model"].items() if key.startswith("text_encoder")}
    model.load_state_dict(known, strict=False)
    regions: Tensor = state["model"]["regions.weight"]
    return regions


@torch.no_grad()
def follow(average: list[Tensor], model: nn.Module, config: Config, step: int) -> None:
    """Move the exponential moving average of the weights, quickly at first."""
    decay = min(config.ema, (1 + step) / (10 + step))
    torch._foreach_lerp_(average, [weight.detach() for weight in model.parameters()], 1 - decay)


def load_vae(config: Config, data: Path) -> AutoencoderKL:
    """The VAE of train-vae, told the native size that it will be used at."""
    vae = AutoencoderKL.from_pretrained(data / "vae")
    vae.register_to_config(sample_size=config.size)
    return vae


def make_pipeline(config: Config, data: Path, weights: list[Tensor]) -> StableDiffusionXLPipeline:
    """A diffusers pipeline of the frozen VAE and the given (averaged) weights."""
    model = Base(config, data)
    with torch.no_grad():
        for parameter, weight in zip(model.parameters(), weights, strict=True):
            parameter.copy_(weight)
    model.eval()
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


def saved_pipeline(config: Config, data: Path) -> tuple[StableDiffusionXLPipeline, dict[str, Any]]:
    """The pipeline of the last saved averaged weights, and that state; raises FileNotFoundError before training."""
    state = load_state(data / "base.pt", config.device)
    if state is None:
        raise FileNotFoundError(f"{data / 'base.pt'} does not exist yet: run train-base first.")
    return make_pipeline(config, data, state["average"]), state


def train_base(config: Config, data: Path) -> None:
    """Train, or go on training, to `config.steps`; saves `data/base.pt` and sheets as it goes."""
    torch.manual_seed(config.seed)
    vae = load_vae(config, data).to(config.device).eval()
    model = Base(config, data).to(config.device)
    regions = load_text(model, data)
    model.unet.to(memory_format=torch.channels_last)
    average = [parameter.detach().clone() for parameter in model.parameters()]
    # The words already know their pictures; they follow the UNet slowly.
    text = [weight for name, weight in model.named_parameters() if not name.startswith("unet.")]
    groups = [{"params": text, "pace": 0.2}, {"params": list(model.unet.parameters()), "pace": 1.0}]
    optimiser = torch.optim.AdamW(groups, lr=config.lr, betas=(0.9, 0.99), weight_decay=0.01, fused=True)
    alphas = make_scheduler().alphas_cumprod.to(config.device)
    begin, samples, seconds = 0, 0, 0.0
    if state := load_state(data / "base.pt", config.device):
        model.load_state_dict(state["model"])
        optimiser.load_state_dict(state["optimiser"])
        average, begin, samples, seconds = state["average"], state["step"], state["samples"], state["seconds"]
    pool = Pool(config, data, vae, samples, state and state.get("pool"))
    log, threads = Log(data / "base.jsonl", seconds), Threads(config.threads)
    for step in range(begin, config.steps):
        pool.advance(samples)
        if step == config.align_step:
            align(model, noised(pool, config, alphas, step, 64)[0], regions.to(config.device))
        for group in optimiser.param_groups:
            group["lr"] = group["pace"] * learning_rate(config, step)
        loss = loss_of(model, pool, config, alphas, step)
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        follow(average, model, config, step)
        samples += config.batch
        log.add(loss.item(), config.batch)
        threads.step_done()
        done = step + 1
        if done % REPORT == 0:
            log.report(done, samples=samples)
        if done % SAVE == 0 or done == config.steps:
            save_state(
                data / "base.pt",
                {
                    "model": model.state_dict(),
                    "optimiser": optimiser.state_dict(),
                    "average": average,
                    "step": done,
                    "samples": samples,
                    "pool": pool.state(),
                    "seconds": log.seconds,
                },
            )
        if done % SHEET == 0 or done == config.steps:
            save_sheet(make_pipeline(config, data, average), data / "sheets" / f"base-{done:06d}.png", count=24)
