"""Evaluates the exported few-step variant: how close four steps are to the base's twenty."""

import json
from pathlib import Path
from typing import Any

from .config import Config
from .contact_sheet import PROMPTS, make_contact_sheet
from .distill import FEW_GUIDANCE, FEW_STEPS
from .evaluate import Evaluator, background_accuracy, load_evaluator, name_ranks, name_recognition, seconds, share

FEW = {"num_inference_steps": FEW_STEPS, "guidance_scale": FEW_GUIDANCE}


def compare(few: Evaluator, base: Evaluator) -> dict[str, Any]:
    """Return top-1 and top-5 of three ways to generate 300 prompts from the same seeds, and the agreement with the
    base."""
    found = {
        "few": name_ranks(few, **FEW),
        "base": name_ranks(base),
        "base_few": name_ranks(base, num_inference_steps=FEW_STEPS),
    }
    numbers: dict[str, Any] = {
        f"{way}_{what}": name_recognition(ranks, 0)[what] for way, ranks in found.items() for what in ("top1", "top5")
    }
    kept = [rank < 5 for rank, before in zip(found["few"], found["base"], strict=True) if before < 5]
    return {**numbers, "kept_top5": share(kept), "names": len(few.names), "prompts": len(found["few"])}


def evaluate_few_step(config: Config, data: Path, target: Path, sheet: Path) -> dict[str, Any]:
    """Compare the folder `target` with the base in `starter`; write the numbers, and a sheet of its pictures."""
    few, base = load_evaluator(config, data, target), load_evaluator(config, data, target.with_name("starter"))
    make_contact_sheet(few.pictures(list(PROMPTS), **FEW), PROMPTS).save(sheet)
    numbers = {
        **compare(few, base),
        "background": background_accuracy(few, **FEW),
        "seconds": seconds(few, **FEW),
        "base_seconds": seconds(base),
    }
    (data / "evaluation-lcm.json").write_text(json.dumps(numbers, indent=2) + "\n", encoding="utf-8")
    return numbers
