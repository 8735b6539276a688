"""The training loop of the UNet stages: resuming, learning rate, averaged weights, log and saved state."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .config import Config
from .scene_pool import ScenePool
from .thread_count import ThreadCount
from .training_state import TrainingLog, load_state, save_state

REPORT, SAVE, SHEET = 50, 250, 750
LossOf = Callable[[ScenePool, random.Random, int], Tensor]


@dataclass(frozen=True)
class TrainingSchedule:
    """The differences between stages: file name, length in steps of `batch`, learning rate."""

    name: str
    steps: int
    batch: int
    lr: float
    warmup: int
    ema: float

    def rate(self, step: int) -> float:
        """Warm up, stay constant, and fall to zero over the last third, so that --steps can still change before
        that."""
        return self.lr * min(1.0, (step + 1) / self.warmup, (self.steps - step) / (self.steps / 3))


def trainable_parameters(model: nn.Module) -> list[nn.Parameter]:
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


@torch.no_grad()
def load_weights(model: nn.Module, weights: list[Tensor]) -> None:
    """Load the weights, in the order of `trainable_parameters`, into `model`."""
    for parameter, weight in zip(trainable_parameters(model), weights, strict=True):
        parameter.copy_(weight)


class Trainer:
    """One training stage: the model, its optimizer and its averaged weights, as last saved or fresh.

    `groups` are the optimizer's, each with its own `pace`, a factor of the schedule's rate. `average` are the tensors
    that hold the averaged weights, if a stage needs them inside its own module.
    """

    def __init__(
        self,
        recipe: TrainingSchedule,
        config: Config,
        data: Path,
        model: nn.Module,
        groups: list[dict[str, Any]] | None = None,
        average: list[Tensor] | None = None,
    ) -> None:
        self.recipe, self.config, self.data, self.model = recipe, config, data, model
        self.weights = trainable_parameters(model)
        self.average = average or [weight.detach().clone() for weight in self.weights]
        groups = groups or [{"params": self.weights, "pace": 1.0}]
        self.optimiser = torch.optim.AdamW(groups, lr=recipe.lr, betas=(0.9, 0.99), weight_decay=0.01, fused=True)
        self.begin, self.samples, self.seconds = 0, 0, 0.0
        self.saved_pool: dict[str, Any] | None = None
        if state := load_state(self.file, config.device):
            self.resume(state)

    @property
    def file(self) -> Path:
        return self.data / f"{self.recipe.name}.pt"

    @torch.no_grad()
    def resume(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        for weight, saved in zip(self.average, state["average"], strict=True):
            weight.copy_(saved)
        self.begin, self.samples, self.seconds = state["step"], state["samples"], state["seconds"]
        self.saved_pool = state.get("pool")

    def save(self, done: int, seconds: float, pool: ScenePool) -> None:
        state = {
            "model": self.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "average": self.average,
            "step": done,
            "samples": self.samples,
            "pool": pool.state(),
            "seconds": seconds,
        }
        save_state(self.file, state)

    @torch.no_grad()
    def follow(self, step: int) -> None:
        """Update the exponential moving average of the weights, quickly at first."""
        decay = min(self.recipe.ema, (1 + step) / (10 + step))
        torch._foreach_lerp_(self.average, [weight.detach() for weight in self.weights], 1 - decay)

    def step(self, loss_of: LossOf, pool: ScenePool, step: int) -> float:
        """Run one optimizer step; its random numbers depend on the seed, the stage and `step` only."""
        recipe, seed = self.recipe, self.config.seed
        for group in self.optimiser.param_groups:
            group["lr"] = group["pace"] * recipe.rate(step)
        torch.manual_seed(seed * 1_000_003 + step)
        loss = loss_of(pool, random.Random(f"{recipe.name} {seed} {step}"), recipe.batch)
        self.optimiser.zero_grad()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(self.weights, 1.0)
        self.optimiser.step()
        self.follow(step)
        return loss.item()

    def run(
        self,
        pool: ScenePool,
        loss_of: LossOf,
        *,
        show: Callable[[int], None] = lambda done: None,
    ) -> None:
        """Train to the schedule's last step. `show` is called periodically with the steps done."""
        log, threads = (
            TrainingLog(self.data / f"{self.recipe.name}.jsonl", self.seconds),
            ThreadCount(self.config.threads),
        )
        last = self.recipe.steps
        for step in range(self.begin, last):
            pool.advance(self.samples)
            loss = self.step(loss_of, pool, step)
            self.samples += self.recipe.batch
            log.add(loss, self.recipe.batch)
            threads.step_done()
            done = step + 1
            if done % REPORT == 0 or done == last:
                log.report(done, samples=self.samples)
            if done % SAVE == 0 or done == last:
                self.save(done, log.seconds, pool)
            if done % SHEET == 0 or done == last:
                show(done)
