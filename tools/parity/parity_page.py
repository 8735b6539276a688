"""Writes the measured rows as a page for readers who do not know the code."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib.metadata import PackageNotFoundError, version

from tests.engine.parity.cases import ParityWorkflow
from tools.parity.measure import OUR_NAME, ParityOutcome, ParityRow

PACKAGES = ("torch", "diffusers", "transformers", "openvino", "optimum-intel", "openvino-genai")

INTRODUCTION = """\
# Parity: what is drawn equals the reference

Written by `python -m tools.parity`; do not edit it.

**What is compared.** The same request is drawn by diffusers in torch with 32 bits, SDXL's reference implementation, and
by each of the columns below, with the same weights and seed. A number is the largest difference of any channel of any
pixel, where black is 0 and white is 1, before pixels are rounded to 8 bits. Up to {tolerance} counts as equal; **bold**
is more than that. One level of an 8-bit picture is 0.004.

**The weights** are random and tiny, so that the comparison takes minutes, but they have the topologies of the published
checkpoints: SDXL base, its refiner, the 9-channel inpainting UNet, the blocks of SSD-1B and of Vega, and an LCM with
embedded guidance. With random weights every mistake shows: if two inputs are exchanged, pixels change by 0.1 and more.
`tests/engine/parity/test_comparisons_can_fail.py` does that for every workflow. The parts are exported in fp32.

**The columns.** *{ours}* is this application's engine. *optimum-intel* are its `OVStableDiffusionXL…Pipeline` classes,
called as their users call them. *OpenVINO GenAI* are its image pipelines, with torch's noise as input; their pictures
have 8 bits, truncated and not rounded, so up to 0.006 counts as equal there. A dash means that a library does not offer
this.

**What to know.**

- *One prompt, square.* GenAI gives each of the two prompts to the other encoder, and the sizes as (width, height)
  instead of (height, width). The cases have two prompts and are not square, so it differs in nearly all of them; the
  rows called "square, one prompt" show its result where neither matters.
- *Fractional timesteps.* The exported UNet takes whole timesteps. Schedulers with others (Karras, Heun, LMS, DPM++ SDE)
  drift in optimum-intel; our engine patches the UNet before it compiles it.
- *Inpainting, refiner takes over.* When diffusers' inpainting pipeline is given the base's noisy latents, it treats
  them as a clean picture and adds noise again outside the mask. There the reference is our own loop over diffusers'
  networks and schedulers, in which the latents outside the mask are the original picture's
  (`tests/engine/parity/inpaint_ensemble.py`); optimum-intel does the same as diffusers' pipeline.
- *Thin strokes.* diffusers shrinks a mask to the latents by the corner of each cell, so it omits strokes that touch no
  corner, and the edge of every shape at two sides. Here every cell that the mask touches is drawn, and the reference is
  diffusers with these cells as its mask; in the rows called "diffusers' own way", whose mask lies on the latents' grid,
  it is unchanged diffusers.
- *Settings left out.* A value that a checkpoint's scheduler configuration omits is SDXL's own, for the reference too.
- *Negative sizes on a picture.* diffusers' image-to-image and inpainting pipelines ignore the negative crop of a base
  checkpoint. There the reference is corrected to what its text-to-image pipeline does; optimum-intel does the same as
  diffusers.
- *Only the masked area.* diffusers gives finished 8-bit pictures here, so these rows compare those; one level counts as
  equal.
- *Few-step.* Our LCM rows have a scheduler of their own; VegaRT is Vega's blocks with a LoRA, drawn with LCM.

**To repeat it:** `python -m tools.parity`, for GenAI after `pip install openvino-genai=={genai}`. The same comparisons
are tests: `pytest tests/engine/parity`, and a denser grid of strengths, steps and hand-offs with `-m slow`.
"""


def render_page(rows: Sequence[ParityRow], names: Sequence[str], tolerance: float) -> str:
    """Return the whole page in Markdown; `names` are the columns."""
    footnotes: list[str] = []
    parts = [
        INTRODUCTION.format(tolerance=f"{tolerance:g}", ours=OUR_NAME, genai=_version("openvino") or "VERSION"),
        _versions(),
        _summary(rows, names),
    ]
    for workflow in ParityWorkflow:
        own = [row for row in rows if row.case.workflow is workflow]
        if own:
            parts += [f"## {workflow}\n", _table(own, names, footnotes)]
    if footnotes:
        parts += ["## What went wrong there\n"]
        parts += ["\n".join(f"{number}. {note}" for number, note in enumerate(footnotes, start=1)) + "\n"]
    return "\n".join(parts)


def _versions() -> str:
    lines = [f"| {package} | {_version(package) or 'not installed'} |" for package in PACKAGES]
    return "\n".join(["| library | version |", "| --- | --- |", *lines]) + "\n"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _summary(rows: Sequence[ParityRow], names: Sequence[str]) -> str:
    lines = ["## In short\n", "| | " + " | ".join(names) + " |", "| --- |" + " --- |" * len(names)]
    for workflow in ParityWorkflow:
        own = [row for row in rows if row.case.workflow is workflow]
        if own:
            cells = [_worst(own, name) for name in names]
            lines.append(f"| {workflow}, {len(own)} rows | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _worst(rows: Iterable[ParityRow], name: str) -> str:
    """Return how many rows are equal, and the largest difference."""
    outcomes = [row.outcomes[name] for row in rows]
    drawn = [(outcome.is_equal, outcome.difference) for outcome in outcomes if outcome.difference is not None]
    failed = sum(bool(row.outcomes[name].error) for row in rows)
    if not drawn:
        return _errors(failed) if failed else _missing(row.outcomes[name] for row in rows)
    equal = sum(is_equal for is_equal, _ in drawn)
    said = f"{equal} of {len(drawn)} equal, at most {max(value for _, value in drawn):.1e}"
    return said + (f", {_errors(failed)}" if failed else "")


def _errors(count: int) -> str:
    return f"{count} error{'s' * (count != 1)}"


def _missing(outcomes: Iterable[ParityOutcome]) -> str:
    reasons = {outcome.unsupported_reason for outcome in outcomes}
    return "not installed" if reasons == {"not installed"} else "—"


def _table(rows: Sequence[ParityRow], names: Sequence[str], footnotes: list[str]) -> str:
    lines = ["| | " + " | ".join(names) + " |", "| --- |" + " --- |" * len(names)]
    for row in rows:
        cells = [_cell(row.outcomes[name], footnotes) for name in names]
        lines.append(f"| {row.case.detail} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _cell(outcome: ParityOutcome, footnotes: list[str]) -> str:
    if outcome.error:
        if outcome.error not in footnotes:
            footnotes.append(outcome.error)
        return f"error ({footnotes.index(outcome.error) + 1})"
    if outcome.difference is None:
        return "not installed" if outcome.unsupported_reason == "not installed" else "—"
    number = f"{outcome.difference:.1e}"
    return number if outcome.is_equal else f"**{number}**"
