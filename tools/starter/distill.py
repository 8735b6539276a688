"""The fourth training stage: latent consistency distillation of the base to four steps.

After Luo et al., "Latent Consistency Models" (arXiv 2310.04378): a student learns to predict, from any point of the
teacher's guided trajectory, its end point, by matching its own moving average one solver step further along.
"""

import random
from dataclasses import replace
from pathlib import Path

import torch
from diffusers import StableDiffusionXLPipeline, UNet2DConditionModel
from torch import Tensor, nn

from .config import Config
from .contact_sheet import save_sheet
from .diffusion import draw_noise, draw_spans, noised, split_velocity
from .parts import make_few_step_scheduler, make_few_step_unet, make_scheduler
from .scene_pool import ScenePool
from .train_base import Base, load_vae, make_pipeline, saved_base
from .training import Trainer, TrainingSchedule, load_weights
from .training_state import load_state

# Section 4.1 and appendix of the paper; diffusers' LCMScheduler has the same numbers built in.
SIGMA_DATA, TIME_SCALE = 0.5, 10.0
HUBER = 0.03
FEW_STEPS, FEW_GUIDANCE = 4, 2.0


def guidance_embedding(guidance: Tensor, width: int) -> Tensor:
    """Return sinusoids [B, width] of 1000 · (guidance scale − 1), as diffusers' get_guidance_scale_embedding does."""
    half = width // 2
    rates = torch.exp(torch.arange(half, device=guidance.device) * -(torch.log(torch.tensor(10000.0)) / (half - 1)))
    angles = (guidance - 1)[:, None] * 1000.0 * rates[None]
    return torch.cat([angles.sin(), angles.cos()], dim=1)


def consistency(noisy: Tensor, latents: Tensor, time: Tensor) -> Tensor:
    """The consistency function: c_skip(t) · noisy + c_out(t) · predicted latents, which is `noisy` itself at time 0."""
    scaled = (time * TIME_SCALE).view(-1, 1, 1, 1)
    total = scaled.square() + SIGMA_DATA**2
    return SIGMA_DATA**2 / total * noisy + scaled / total.sqrt() * latents


def pseudo_huber(difference: Tensor) -> Tensor:
    """√(d² + c²) − c: quadratic near zero and linear beyond c (Song and Dhariwal, arXiv 2310.14189)."""
    return ((difference.square() + HUBER**2).sqrt() - HUBER).mean()


def make_student(config: Config, teacher: UNet2DConditionModel) -> UNet2DConditionModel:
    """Return a copy of the teacher; the guidance embedding starts at zero, so the student starts as the unguided
    teacher."""
    student = make_few_step_unet(config)
    student.load_state_dict(teacher.state_dict(), strict=False)
    nn.init.zeros_(student.time_embedding.cond_proj.weight)
    return student


class Distillation:
    """The teacher, the student and the student's moving average, which is the target."""

    def __init__(self, config: Config, base: Base) -> None:
        self.config = config
        self.base = base.requires_grad_(False).eval()
        self.base.freeze_text()
        self.student = make_student(config, base.unet).to(config.device, memory_format=torch.channels_last)
        self.target = make_student(config, base.unet).to(config.device, memory_format=torch.channels_last)
        self.target.requires_grad_(False)
        self.alphas = make_scheduler().alphas_cumprod.to(config.device)

    @property
    def stride(self) -> int:
        """Timesteps between neighbouring points of the solver's grid."""
        return len(self.alphas) // self.config.distil_grid

    @torch.no_grad()
    def one_step(
        self, noisy: Tensor, time: Tensor, earlier: Tensor, guidance: Tensor, added: tuple[Tensor, Tensor, Tensor]
    ) -> Tensor:
        """Run one DDIM step (Song et al., arXiv 2010.02502) of the guided teacher, from `time` to `earlier`."""
        context, pooled, ids = added
        told = {
            "text_embeds": torch.cat([torch.zeros_like(pooled), pooled]),
            "time_ids": torch.cat([ids, ids]),
        }
        both = self.base.unet(
            torch.cat([noisy, noisy]),
            torch.cat([time, time]),
            torch.cat([torch.zeros_like(context), context]),
            added_cond_kwargs=told,
        ).sample.float()
        without, with_words = both.chunk(2)
        velocity = without + guidance.view(-1, 1, 1, 1) * (with_words - without)
        return noised(*split_velocity(noisy, velocity, self.alphas[time]), self.alphas[earlier])

    def teacher_prediction(
        self,
        unet: UNet2DConditionModel,
        noisy: Tensor,
        time: Tensor,
        embedding: Tensor,
        added: tuple[Tensor, Tensor, Tensor],
    ) -> Tensor:
        """Return the end point that `unet` predicts from the point `noisy` at `time`."""
        context, pooled, ids = added
        told = {"text_embeds": pooled, "time_ids": ids}
        velocity = unet(noisy, time, context, timestep_cond=embedding, added_cond_kwargs=told).sample.float()
        latents, _ = split_velocity(noisy, velocity, self.alphas[time])
        return consistency(noisy, latents, time)

    def loss_of(self, pool: ScenePool, rng: random.Random, count: int) -> Tensor:
        """Return the distance of the student at one grid point from its average at the point before."""
        config = self.config
        latents, tokens, ids = pool.batch(rng, count)
        device = latents.device
        place = (draw_spans(count, config.time_exponent, device) * config.distil_grid).long()
        time = (place + 1) * self.stride - 1
        earlier = (time - self.stride).clamp(min=0)
        noisy = noised(latents, draw_noise(latents, config.offset_noise), self.alphas[time])
        low, high = config.distil_guidance
        guidance = low + (high - low) * torch.rand(count, device=device)
        embedding = guidance_embedding(guidance, config.guidance_dim)
        with torch.autocast(config.device, torch.bfloat16):
            added = (*self.base.read(tokens), ids)
            with torch.no_grad():
                before = self.one_step(noisy, time, earlier, guidance, added)
                wanted = self.teacher_prediction(self.target, before, earlier, embedding, added)
            foretold = self.teacher_prediction(self.student, noisy, time, embedding, added)
        return pseudo_huber(foretold - wanted)


def make_few_step_pipeline(config: Config, data: Path, unet: UNet2DConditionModel) -> StableDiffusionXLPipeline:
    """Return the base's pipeline with the student as its UNet and its matching scheduler."""
    base = make_pipeline(config, data, saved_base(config, data))
    pipeline = StableDiffusionXLPipeline(
        **{**base.components, "unet": unet, "scheduler": make_few_step_scheduler(config)}, add_watermarker=False
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def saved_few_step(config: Config, data: Path) -> StableDiffusionXLPipeline:
    """Return the pipeline of the last saved averaged student; raises FileNotFoundError before distillation."""
    state = load_state(data / "distil.pt", config.device)
    if state is None:
        raise FileNotFoundError(f"{data / 'distil.pt'} does not exist yet: run distil first.")
    unet = make_student(config, saved_base(config, data).unet).to(config.device)
    load_weights(unet, state["average"])
    return make_few_step_pipeline(config, data, unet.eval())


def distill(config: Config, data: Path) -> None:
    """Distil, or resume, to `config.distil_steps`; saves `data/distil.pt` and sheets on the way."""
    torch.manual_seed(config.seed)
    vae = load_vae(config, data).to(config.device).eval()
    work = Distillation(config, saved_base(config, data))
    recipe = TrainingSchedule(
        "distil", config.distil_steps, config.batch, config.distil_lr, config.warmup, config.distil_ema
    )
    training = Trainer(recipe, config, data, work.student, average=list(work.target.parameters()))
    # The teacher already knows the names, so all kinds of scenes are used from the start.
    pool = ScenePool(replace(config, simple_scenes=0), data, vae, training.samples, training.saved_pool)

    def show(done: int) -> None:
        pipeline = make_few_step_pipeline(config, data, work.target)
        file = data / "sheets" / f"distil-{done:06d}.png"
        save_sheet(pipeline, file, num_inference_steps=FEW_STEPS, guidance_scale=FEW_GUIDANCE)

    training.run(pool, work.loss_of, show=show)
