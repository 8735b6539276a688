"""The rows of the details: everything that is not at its default, under the panel's labels."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

from PySide6.QtWidgets import QApplication

from sdxl_desktop.core.additions import Additions, LoraReference
from sdxl_desktop.core.events import Timings
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.refine import RefinerParameters
from sdxl_desktop.core.request import GenerationRequest, MicroConditioning, Prompts, Sampling
from sdxl_desktop.history.entries import HistoryDetails, HistoryEntry, PictureKind
from sdxl_desktop.metadata.picture_files import PictureRecord
from sdxl_desktop.ui.gallery.record_rows import rows_of

ENTRY = HistoryEntry(
    id=1,
    file=Path(os.fsdecode(b"/pictures/a\xff.png")),
    created=datetime(2026, 3, 2, 12, 30).astimezone(),
    size=Size(640, 512),
    kind=PictureKind.REFINED,
    prompt="a fox",
    seed=2**32 - 5,
    checkpoint_title="Starter",
    rating=4,
    tags=("one", "two"),
)


def rows_for(request: GenerationRequest) -> dict[str, str]:
    record = PictureRecord(version="9.8", seed=ENTRY.seed, request=request)
    details = HistoryDetails(ENTRY, record, Timings(load=1.25, denoise=12.5), {"unet": "CPU"}, file_bytes=2048)
    return dict(rows_of(details))


def test_what_was_set_is_there_and_what_was_not_is_left_out(qapp: QApplication) -> None:
    rows = rows_for(
        GenerationRequest(
            checkpoint=Path("starter"),
            prompts=Prompts(prompt="a fox", prompt_2="in snow", clip_skip=2),
            sampling=Sampling(steps=17, guidance_scale=6.5, variation_strength=0.25, variation_seed=9),
            micro_conditioning=MicroConditioning(original_size=Size(512, 256)),
            refine=RefinerParameters(checkpoint=Path("/somewhere/fine-refiner")),
            additions=Additions(loras=(LoraReference(Path("/loras/inks.safetensors"), 0.5),)),
        )
    )
    assert (rows["Prompt"], rows["Prompt 2"], rows["Clip skip"]) == ("a fox", "in snow", "2")
    assert (rows["Steps"], rows["Seed"], rows["Size"]) == ("17", str(2**32 - 5), "640 × 512")
    assert rows["Rating"] == "★★★★☆"
    assert rows["Tags"] == "one, two"
    assert "fine-refiner" in " ".join(text for label, text in rows.items() if label.startswith("Refiner"))
    assert "somewhere" not in " ".join(rows.values())
    assert any("512x256" in text for label, text in rows.items() if label.startswith("Micro-conditioning"))
    assert any("inks" in text for text in rows.values())
    assert "denoise 12" in rows["Time"]
    assert "Negative prompt" not in rows
    assert not any(text in ("Off", "None", "") for text in rows.values())
    for text in rows.values():
        text.encode()  # names that are no text do not reach the screen


def test_a_picture_of_which_nothing_is_known_has_its_file(qapp: QApplication) -> None:
    rows = dict(rows_of(HistoryDetails(ENTRY, None)))
    assert rows["Prompt"] == "a fox"
    assert rows["File"].startswith("/pictures/a")
    assert "Steps" not in rows
