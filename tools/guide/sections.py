"""The sections of the guide, in order: prompts, pictures, refiners, steps and schedulers, additions."""

from __future__ import annotations

from tools.guide.additions import ADDITIONS
from tools.guide.commands import Section, difference, drawn_picture, existing_picture, python_command

HEART = "a red heart on a yellow background"
APPLE = "a red apple on a green background"
SUN = "a sun on a light blue background"
CAR = "a car on a yellow background"
BUTTERFLY = "a butterfly on a light green background"
FOX = "a fox"
MASK = "from PIL import Image; mask = Image.new('L', (64, 64)); mask.paste(255, (0, 0, 32, 64)); mask.save('left.png')"
REFINER = "--refiner starter-refiner"
WIDE = "--image wide.png --size 64x64"
INTENTS = ("fill", "replace", "add", "remove", "refine")
MASKED = "--image text.png --mask left.png"
VARY = "--variation-seed 2 --variation-strength"

WORDS = (
    Section(
        "Words to a picture, seeds and batches",
        "Write what you want to see. The same seed and settings give the same picture again. `--count` draws several, "
        "each with the next seed: the second of two from seed 1 is the picture of seed 2. The starter's pictures of "
        "one thing are nearly the same with every seed, so the difference is shown too, four times as strong.",
        (
            drawn_picture("text", "a red heart", HEART),
            drawn_picture("some", "a fox, seed 1", FOX, "--count 2", seed=1),
            existing_picture("some-2", "the second of the two"),
            drawn_picture("some-seed-2", "seed 2 by itself", FOX, seed=2),
            difference("some-difference", "some", "some-2", 4),
        ),
    ),
    Section(
        "Two prompts and their negatives",
        "SDXL reads the prompt with two text encoders. `--prompt-2` gives the second one another prompt. `--negative` "
        "says what to steer away from, `--negative-2` the same for the second encoder alone.",
        (
            existing_picture("text", "both: on yellow"),
            drawn_picture("two", "second: on blue", HEART, "--prompt-2 'a red heart on a blue background'"),
            drawn_picture("negative", "away from a heart", HEART, "--negative 'a red heart'"),
            drawn_picture("negative-two", "second: away from yellow", HEART, "--negative-2 yellow"),
        ),
    ),
    Section(
        "Weights in a prompt",
        "`(word:1.3)` makes a word stronger, `(word:0.7)` or `[word]` weaker, `BREAK` begins a new chunk of 77 tokens, "
        "and `\\(` is a plain bracket. Prompts can have any length. Weights act on each word, and not on the padding "
        "after the words. The starter mostly uses that padding, so a weight changes little; and `BREAK`, which gives "
        "each chunk its own padding, makes it mix two pictures.",
        (
            existing_picture("text", "yellow"),
            drawn_picture("weight", "(yellow:3)", "a red heart on a (yellow:3) background"),
            difference("weight-difference", "text", "weight", 10),
            drawn_picture("weight-break", "with BREAK", "a red heart BREAK on a yellow background"),
        ),
    ),
    Section(
        "Styles and variants",
        "`--style` puts the words of a style around the prompt; `sdxl-desktop styles list` shows them all. Of `{a|b}` "
        "in a prompt each picture takes one by its seed, or `--variants all` draws every combination. "
        "[prompts.md](prompts.md) says more, also about files of words and about presets.",
        (
            drawn_picture("style", "a style", "a red heart", "--style 'Pink background'"),
            drawn_picture("styles", "two styles", "a red heart", "--style 'On the left' --style 'Pink background'"),
            drawn_picture("variants", "a variant", "a {cat|car} on a {yellow|blue} background", "--variants all"),
            existing_picture("variants-2", "another"),
            existing_picture("variants-3", "a third"),
            existing_picture("variants-4", "the last"),
        ),
    ),
    Section(
        "Micro-conditioning",
        "SDXL was trained with the original size of every picture, and with the position of its crop. "
        "`--original-size`, `--target-size` and `--crop` set these values, the three `--negative-…` options the values "
        "to steer away from. The starter has learnt them: a picture of a small original is blurred, and one that was "
        "cropped from the lower end of a taller picture is higher up.",
        (
            drawn_picture("micro", "as it is", BUTTERFLY),
            drawn_picture("micro-small", "original 16x16", BUTTERFLY, "--original-size 16x16"),
            drawn_picture("micro-away", "away from 16x16", BUTTERFLY, "--negative-original-size 16x16"),
            difference("micro-difference", "micro-small", "micro-away", 4),
            drawn_picture("micro-crop", "crop 0,32 of 64x96", BUTTERFLY, "--original-size 64x96 --crop 0,32"),
        ),
    ),
    Section(
        "Variations",
        "`--variation-strength` turns the noise from one seed's towards another's, on the sphere: small values change "
        "details, 1 gives the other seed's picture.",
        (
            existing_picture("some", "seed 1"),
            drawn_picture("vary-30", "0.3 towards seed 2", FOX, f"{VARY} 0.3", seed=1),
            difference("vary-30-difference", "some", "vary-30", 4),
            drawn_picture("vary-100", "1", FOX, f"{VARY} 1", seed=1),
            difference("vary-100-difference", "some", "vary-100", 4),
        ),
    ),
)

PICTURES = (
    Section(
        "A picture to a picture",
        "Give a picture, and `--strength` says how much of it is drawn again.",
        (
            existing_picture("text", "the picture"),
            drawn_picture("redraw-30", "apple, strength 0.3", APPLE, "--image text.png --strength 0.3"),
            drawn_picture("redraw-60", "0.6", APPLE, "--image text.png --strength 0.6"),
            drawn_picture("redraw-90", "0.9", APPLE, "--image text.png --strength 0.9"),
        ),
    ),
    Section(
        "Pictures of another shape",
        "A picture of another shape than the drawing is cropped, padded or stretched. `--paste-back` puts the drawing "
        "back into the picture, at the picture's own size.",
        (
            drawn_picture("wide", "the picture, 96x64", SUN, "--size 96x64"),
            drawn_picture("fit-crop", "crop", SUN, f"{WIDE} --strength 0.3 --fit crop"),
            drawn_picture("fit-pad", "pad", SUN, f"{WIDE} --strength 0.3 --fit pad"),
            drawn_picture("fit-stretch", "stretch", SUN, f"{WIDE} --strength 0.3 --fit stretch"),
            drawn_picture("fit-back", "crop, pasted back", SUN, f"{WIDE} --strength 0.6 --fit crop --paste-back"),
        ),
    ),
    Section(
        "Inpainting",
        "With a mask only its white part is drawn; every other pixel stays exactly as it was. `--mask-blur` lets the "
        "new pixels fade in, and `--only-masked` draws only the mask's surroundings, at the full size. The first line "
        "makes the mask.",
        (
            existing_picture("text", "the picture"),
            existing_picture("left", "the mask"),
            drawn_picture("inpaint", "its left half", APPLE, MASKED),
            drawn_picture("inpaint-soft", "blurred mask", APPLE, f"{MASKED} --mask-blur 8"),
            drawn_picture("inpaint-only", "only masked", APPLE, f"{MASKED} --only-masked 4"),
        ),
        before=(python_command(MASK),),
    ),
    Section(
        "What you mean to do with a mask",
        "`--intent` sets the strength, what the masked area starts from, and how the new pixels are blended in: `fill` "
        "continues the surroundings, `replace` draws something else, `add` keeps what is there below it, `remove` "
        "takes it away, `refine` changes a little, more where the mask is stronger. Options that you also give, such "
        "as `--grow`, `--prefill`, `--soft-mask` or `--match-colours`, override it.",
        (
            existing_picture("text", "the picture"),
            *(drawn_picture(f"intent-{intent}", intent, APPLE, f"{MASKED} --intent {intent}") for intent in INTENTS),
        ),
    ),
)

REFINERS = (
    Section(
        "A refiner that takes over",
        "A refiner is trained on the last part of the noise schedule. As an ensemble of expert denoisers the base "
        "denoises up to `--handoff` (by default 0.8), and the refiner continues with the noisy latents. "
        "`--aesthetic-score` tells the refiner how beautiful the picture should be; the starter's was trained with "
        "high scores for crisp pictures.",
        (
            drawn_picture("base-alone", "base alone", CAR),
            drawn_picture("ensemble-low", "score 2", CAR, f"{REFINER} --aesthetic-score 2"),
            drawn_picture("ensemble", "score 6, as usual", CAR, REFINER),
            drawn_picture("ensemble-high", "score 9", CAR, f"{REFINER} --aesthetic-score 9"),
            drawn_picture("ensemble-early", "score 9, from 0.6", CAR, f"{REFINER} --aesthetic-score 9 --handoff 0.6"),
        ),
    ),
    Section(
        "A refiner that retouches",
        "Or the base finishes, and the refiner redraws the picture with its own strength and steps. A refiner can also "
        "redraw any picture alone: then it is the checkpoint.",
        (
            existing_picture("base-alone", "base alone"),
            drawn_picture("retouch", "strength 0.3", CAR, f"{REFINER} --refine img2img --aesthetic-score 9"),
            drawn_picture(
                "retouch-more",
                "strength 0.5, 40 steps",
                CAR,
                f"{REFINER} --refine img2img --refiner-strength 0.5 --refiner-steps 40 --aesthetic-score 9",
            ),
            drawn_picture(
                "retouch-any",
                "the butterfly of above",
                BUTTERFLY,
                "--checkpoint starter-refiner --image micro.png --strength 0.3 --aesthetic-score 9",
            ),
        ),
    ),
    Section(
        "Inpainting with a refiner",
        "Both modes work inside a mask too, and every pixel outside of it still stays as it was.",
        (
            existing_picture("inpaint", "base alone"),
            drawn_picture("inpaint-ensemble", "takes over", APPLE, f"{MASKED} {REFINER} --aesthetic-score 9"),
            drawn_picture(
                "inpaint-retouch", "retouches", APPLE, f"{MASKED} {REFINER} --refine img2img --aesthetic-score 9"
            ),
        ),
    ),
)

STEPS = (
    Section(
        "Four steps",
        "Few-step checkpoints (LCM) need four steps instead of twenty or more, and one UNet call per step, because the "
        "guidance scale is an input of their UNet. Scheduler, steps and guidance come with the checkpoint; options "
        "override them.",
        (
            drawn_picture("lcm", "4 steps", HEART, "--checkpoint starter-lcm"),
            drawn_picture("lcm-8", "8 steps", HEART, "--checkpoint starter-lcm --steps 8"),
            drawn_picture("base-4", "the base, 4 steps", HEART, "--steps 4"),
            existing_picture("text", "the base, 20 steps"),
        ),
    ),
    Section(
        "Exact, balanced, fast",
        "The deep layers of the UNet change little from step to step. *Balanced*, the default, computes one step in "
        "three in full, *fast* one in six; the other steps reuse the deep layers. *Exact* computes every step.",
        (
            drawn_picture("speed-exact", "exact", HEART, "--speed exact"),
            existing_picture("text", "balanced"),
            drawn_picture("speed-fast", "fast", HEART, "--speed fast"),
        ),
    ),
    Section(
        "Guidance and its rescaling",
        "`--guidance` says how closely to follow the prompt; 1 or less is without guidance, and takes half the time. "
        "Strong guidance overexposes; `--guidance-rescale`, from 0 to 1, reduces that.",
        (
            drawn_picture("guidance-1", "guidance 1", HEART, "--guidance 1"),
            existing_picture("text", "2"),
            drawn_picture("guidance-20", "20", HEART, "--guidance 20"),
            drawn_picture("guidance-rescaled", "20, rescaled", HEART, "--guidance 20 --guidance-rescale 1"),
        ),
    ),
    Section(
        "Schedulers, timesteps, clip skip",
        "The method that turns noise into a picture, the timesteps that it visits, and how many of the text encoders' "
        "last layers are left out. The starter's have only three and four, so leaving one out spoils the picture.",
        (
            drawn_picture("heun", "Heun, 10 steps", CAR, "--scheduler heun --steps 10"),
            drawn_picture("karras", "DPM++ 2M Karras", CAR, "--scheduler dpmpp-2m-karras"),
            drawn_picture("ancestral", "Euler a", CAR, "--scheduler euler-a"),
            drawn_picture("timesteps", "six timesteps", CAR, "--timesteps 999,850,700,500,250,80"),
            drawn_picture("clip-skip", "clip skip 1", CAR, "--clip-skip 1"),
        ),
    ),
    Section(
        "Latents kept",
        "`--latents-out` keeps every step of a run in a small file. With it the picture can be decoded again, "
        "retouched by a refiner, or continued from any step with another prompt; the steps before that are not "
        "computed again.",
        (
            drawn_picture("kept", "the run", HEART, "--latents-out kept.safetensors"),
            drawn_picture("kept-again", "decoded again", HEART, "--from-latents kept.safetensors"),
            drawn_picture(
                "kept-refined", "refined", HEART, f"--from-latents kept.safetensors {REFINER} --refine img2img"
            ),
            drawn_picture("branch-2", "apple after step 2", APPLE, "--from-latents kept.safetensors --from-step 2"),
            drawn_picture("branch-8", "apple after step 8", APPLE, "--from-latents kept.safetensors --from-step 8"),
        ),
    ),
)

SECTIONS: tuple[Section, ...] = (*WORDS, *PICTURES, *REFINERS, *STEPS, *ADDITIONS)
