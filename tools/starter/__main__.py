"""Owns the command line: `python -m tools.starter <stage>`, every stage of which can be killed and called again."""

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from .config import Config, default_data, pick

ROOT = Path(__file__).resolve().parents[2]


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


def run_export(config: Config, args: argparse.Namespace) -> None:
    from .export import export

    export(config, args.data, args.target)


def run_evaluate(config: Config, args: argparse.Namespace) -> None:
    from .card import write_card
    from .evaluate import evaluate

    numbers = evaluate(config, args.data, args.target, args.sheet)
    write_card(config, args.data, args.target, numbers)


# Each stage imports its own file, because the later ones load torch, diffusers and OpenVINO.
STAGES: dict[str, Callable[[Config, argparse.Namespace], None]] = {
    "fetch": run_fetch,
    "compose-preview": run_preview,
    "train-vae": run_vae,
    "train-text": run_text,
    "train-base": run_base,
    "export": run_export,
    "evaluate": run_evaluate,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.starter", description=__doc__)
    parser.add_argument("stage", choices=STAGES)
    parser.add_argument("--data", type=Path, default=default_data(), help="folder for pictures and training state")
    parser.add_argument("--steps", type=int, help="length of a training stage, instead of the recipe's")
    parser.add_argument("--size", type=int, help="native side in pixels, instead of the recipe's")
    parser.add_argument("--target", type=Path, default=ROOT / "resources/checkpoints/starter", help="exported folder")
    parser.add_argument("--sheet", type=Path, default=ROOT / "docs/starter-sheet.png", help="contact sheet to write")
    args = parser.parse_args()
    config = pick()
    STAGES[args.stage](replace(config, size=args.size or config.size), args)


if __name__ == "__main__":
    main()
