"""What the guide shows: each workflow in plain words, and the commands whose pictures stand beside them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Shot:
    """One command of `sdxl-desktop generate` and what its picture is called in the guide.

    `{work}` in an argument is the folder the guide works in; what it writes is `{work}/NAME.png`.
    """

    name: str
    caption: str
    arguments: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """A workflow: its title, what it is for, and the shots in a row. `shown` are files that stand before them."""

    title: str
    words: str
    shots: tuple[Shot, ...]
    shown: tuple[tuple[str, str], ...] = ()


HEART = "a red heart on a blue background"
APPLE = "a green apple on a yellow background"
SEED = ("--seed", "3")
REFINER = ("--refiner", "starter-refiner")


def _shot(name: str, caption: str, *arguments: str) -> Shot:
    return Shot(name, caption, (*arguments, *(() if "--seed" in arguments else SEED)))


SECTIONS = (
    Section(
        "Words to a picture",
        "Write what you want to see. The same seed and settings give the same picture again; `--count` draws several, "
        "each with the next seed.",
        (
            _shot("text", "a red heart", HEART),
            _shot("text-other-seed", "seed 4", HEART, "--seed", "4"),
            _shot("text-negative", "steered away from red", HEART, "--negative", "red"),
        ),
    ),
    Section(
        "Two prompts for two encoders",
        "SDXL reads the prompt with two text encoders. `--prompt-2` gives the second one words of its own, for "
        "instance subject here and background there.",
        (
            _shot("two-same", "both: on blue", HEART),
            _shot("two-other", "second: on yellow", HEART, "--prompt-2", "a red heart on a yellow background"),
        ),
    ),
    Section(
        "Weights in a prompt",
        "`(word:1.3)` says it louder, `(word:0.7)` or `[word]` softer, `BREAK` begins a new chunk of 77 tokens, and "
        "`\\(` is just a bracket. Prompts can be of any length.",
        (
            _shot("weight-soft", "(blue:0.5)", "a red heart on a (blue:0.5) background"),
            _shot("weight-plain", "blue", HEART),
            _shot("weight-loud", "(blue:1.5)", "a red heart on a (blue:1.5) background"),
        ),
    ),
    Section(
        "Micro-conditioning",
        "SDXL was trained with the true size of every picture and where it had been cropped. Telling it that the "
        "original was small gives a coarse picture, and steering away from that a crisp one.",
        (
            _shot("micro-plain", "as it is", HEART),
            _shot("micro-small", "original 16x16", HEART, "--original-size", "16x16"),
            _shot("micro-away", "away from 16x16", HEART, "--negative-original-size", "16x16"),
        ),
    ),
    Section(
        "A picture to a picture",
        "Give a picture, and `--strength` says how much of it is drawn anew. A picture of any size is cropped, padded "
        "or stretched to the size that is drawn; `--paste-back` returns it at its own.",
        (
            _shot("redraw-30", "strength 0.3", APPLE, "--image", "{work}/text.png", "--strength", "0.3"),
            _shot("redraw-60", "strength 0.6", APPLE, "--image", "{work}/text.png", "--strength", "0.6"),
            _shot("redraw-90", "strength 0.9", APPLE, "--image", "{work}/text.png", "--strength", "0.9"),
        ),
        shown=(("text", "the picture"),),
    ),
    Section(
        "Inpainting",
        "With a mask only its white part changes; every other pixel stays exactly as it was. `--mask-blur` lets the "
        "new pixels fade in, `--only-masked` draws the mask's surroundings at the full size.",
        (
            _shot("inpaint", "the left half", APPLE, "--image", "{work}/text.png", "--mask", "{work}/left.png"),
            _shot(
                "inpaint-soft",
                "with a blurred mask",
                APPLE,
                *("--image", "{work}/text.png", "--mask", "{work}/left.png", "--mask-blur", "8"),
            ),
        ),
        shown=(("text", "the picture"), ("left", "the mask")),
    ),
    Section(
        "A refiner that takes over",
        "A refiner is trained on the last part of the noise. As an ensemble of expert denoisers the base draws the "
        "first 80 % and hands its latents over while they are still noisy. `--aesthetic-score` tells the refiner how "
        "beautiful the picture is to be.",
        (
            _shot("ensemble-none", "base alone", HEART),
            _shot("ensemble", "with refiner", HEART, *REFINER),
            _shot("ensemble-low", "aesthetic score 2", HEART, *REFINER, "--aesthetic-score", "2"),
        ),
    ),
    Section(
        "A refiner that retouches",
        "Or the base finishes, and the refiner redraws the picture a little.",
        (
            _shot("retouch", "strength 0.3", HEART, *REFINER, "--refine", "img2img"),
            _shot("retouch-more", "strength 0.6", HEART, *REFINER, "--refine", "img2img", "--refiner-strength", "0.6"),
            _shot(
                "refine-picture",
                "any picture",
                *(HEART, "--checkpoint", "starter-refiner", "--image", "{work}/redraw-30.png", "--strength", "0.3"),
            ),
        ),
    ),
    Section(
        "Inpainting with a refiner",
        "Both ways work inside a mask too.",
        (
            _shot(
                "inpaint-ensemble",
                "takes over",
                *(APPLE, "--image", "{work}/text.png", "--mask", "{work}/left.png", *REFINER),
            ),
            _shot(
                "inpaint-retouch",
                "retouches",
                *(APPLE, "--image", "{work}/text.png", "--mask", "{work}/left.png", *REFINER, "--refine", "img2img"),
            ),
        ),
    ),
    Section(
        "Four steps",
        "Few-step checkpoints (LCM) need four steps where others need twenty or more. Scheduler, steps and guidance "
        "come with the checkpoint.",
        (
            _shot("lcm", "4 steps", HEART, "--checkpoint", "starter-lcm"),
            _shot("lcm-8", "8 steps", HEART, "--checkpoint", "starter-lcm", "--steps", "8"),
            _shot("base-4", "the base at 4 steps", HEART, "--steps", "4"),
        ),
    ),
    Section(
        "Variations",
        "`--variation-strength` turns the noise from one seed's towards another's: small values change details, 1 is "
        "the other seed's picture.",
        (
            _shot("vary-0", "seed 3", HEART),
            _shot("vary-30", "0.3", HEART, "--variation-seed", "9", "--variation-strength", "0.3"),
            _shot("vary-60", "0.6", HEART, "--variation-seed", "9", "--variation-strength", "0.6"),
            _shot("vary-100", "1", HEART, "--variation-seed", "9", "--variation-strength", "1"),
        ),
    ),
    Section(
        "Latents kept",
        "`--latents-out` keeps every step of a run in a small file. From it the picture is decoded again, refined, or "
        "continued from any step with other words, without starting over: the replayed steps cost nothing.",
        (
            _shot("kept", "the run", HEART, "--latents-out", "{work}/kept.safetensors"),
            _shot("kept-again", "decoded again", HEART, "--from-latents", "{work}/kept.safetensors"),
            _shot(
                "branch-4", "apple from step 4", APPLE, "--from-latents", "{work}/kept.safetensors", "--from-step", "4"
            ),
            _shot("branch-10", "from step 10", APPLE, "--from-latents", "{work}/kept.safetensors", "--from-step", "10"),
        ),
    ),
    Section(
        "Guidance, schedulers, timesteps, clip skip",
        "How closely to follow the words, how to walk from noise to picture, and how deep to read.",
        (
            _shot("guidance-1", "guidance 1", HEART, "--guidance", "1"),
            _shot("guidance-6", "6, rescaled", HEART, "--guidance", "6", "--guidance-rescale", "0.7"),
            _shot("heun", "Heun, 10 steps", HEART, "--scheduler", "heun", "--steps", "10"),
            _shot("timesteps", "6 timesteps", HEART, "--timesteps", "999,850,700,500,250,80"),
            _shot("clip-skip", "clip skip 1", HEART, "--clip-skip", "1"),
        ),
    ),
)
