"""The command line `python -m tools.starter <stage>`; every stage can be killed and run again."""

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from .config import Config, default_data, pick

ROOT = Path(__file__).resolve().parents[2]
ADDITIONS = ROOT / "resources/additions"
PARTS = ("base", "refiner", "lcm")


def folder_of(part: str) -> Path:
    """Return the folder of the exported base, refiner or few-step variant."""
    return ROOT / "resources/checkpoints" / ("starter" if part == "base" else f"starter-{part}")


def run_fetch(config: Config, args: argparse.Namespace) -> None:
    from .fetch import fetch

    fetch(args.data)


def run_preview(config: Config, args: argparse.Namespace) -> None:
    from .scenes import save_scenes

    save_scenes(config, args.data)


def run_vae(config: Config, args: argparse.Namespace) -> None:
    from .train_vae import train_vae

    train_vae(replace(config, vae_steps=args.steps or config.vae_steps), args.data)


def run_text(config: Config, args: argparse.Namespace) -> None:
    from .train_text import train_text

    train_text(replace(config, text_steps=args.steps or config.text_steps), args.data)


def run_base(config: Config, args: argparse.Namespace) -> None:
    from .train_base import train_base

    train_base(replace(config, steps=args.steps or config.steps), args.data)


def run_refiner(config: Config, args: argparse.Namespace) -> None:
    from .train_refiner import train_refiner

    train_refiner(replace(config, refiner_steps=args.steps or config.refiner_steps), args.data)


def run_distil(config: Config, args: argparse.Namespace) -> None:
    from .distill import distill

    distill(replace(config, distil_steps=args.steps or config.distil_steps), args.data)


def run_lora(config: Config, args: argparse.Namespace) -> None:
    from .train_lora import FILE, train_lora

    target = args.target or ADDITIONS
    train_lora(replace(config, lora_steps=args.steps or config.lora_steps), args.data, target / FILE)


def run_embedding(config: Config, args: argparse.Namespace) -> None:
    from .train_embedding import FILE, train_embedding

    target = args.target or ADDITIONS
    train_embedding(replace(config, embedding_steps=args.steps or config.embedding_steps), args.data, target / FILE)


def run_export(config: Config, args: argparse.Namespace) -> None:
    from .export import export

    export(config, args.data, args.target or folder_of(args.part), args.part)


def run_evaluate(config: Config, args: argparse.Namespace) -> None:
    target = args.target or folder_of(args.part)
    sheet = args.sheet or ROOT / "docs" / f"{folder_of(args.part).name}-sheet.png"
    if args.part == "refiner":
        from .evaluate_refiner import evaluate_refiner
        from .model_card_refiner import write_refiner_model_card

        write_refiner_model_card(config, args.data, target, evaluate_refiner(config, args.data, target, sheet))
    elif args.part == "lcm":
        from .evaluate_few_step import evaluate_few_step
        from .model_card_few_step import write_few_step_model_card

        write_few_step_model_card(config, args.data, target, evaluate_few_step(config, args.data, target, sheet))
    else:
        from .evaluate import evaluate
        from .model_card import write_model_card

        write_model_card(config, args.data, target, evaluate(config, args.data, target, sheet))


# Each stage imports its own module, because the later ones load torch, diffusers and OpenVINO.
STAGES: dict[str, Callable[[Config, argparse.Namespace], None]] = {
    "fetch": run_fetch,
    "compose-preview": run_preview,
    "train-vae": run_vae,
    "train-text": run_text,
    "train-base": run_base,
    "train-refiner": run_refiner,
    "distil": run_distil,
    "train-lora": run_lora,
    "train-embedding": run_embedding,
    "export": run_export,
    "evaluate": run_evaluate,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.starter", description=__doc__)
    parser.add_argument("stage", choices=STAGES)
    parser.add_argument("--data", type=Path, default=default_data(), help="folder for pictures and training state")
    parser.add_argument("--steps", type=int, help="length of a training stage, instead of the recipe's")
    parser.add_argument("--size", type=int, help="native side in pixels, instead of the recipe's")
    parser.add_argument(
        "--set", action="append", default=[], metavar="FIELD=NUMBER", help="another number of the recipe (config.py)"
    )
    parser.add_argument("--part", choices=PARTS, default="base", help="what to export or evaluate")
    parser.add_argument("--target", type=Path, help="folder to write to, instead of the stage's own")
    parser.add_argument("--sheet", type=Path, help="contact sheet to write, instead of the part's own")
    args = parser.parse_args()
    config = pick(args.set)
    STAGES[args.stage](replace(config, size=args.size or config.size), args)


if __name__ == "__main__":
    main()
