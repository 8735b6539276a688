"""A process that edits a document without pause, keeps it with the real autosave at a quick pace, and is killed at it.

Run as `python edited_until_killed.py FOLDER SEED SIDE PACE`. The document is SIDE pixels wide and high, and kept PACE
seconds after a change; where that is 0 it is kept after hundredths, and nobody rests between two moves of the hand.
What it does stands on its standard output, a line for each event, each written at once and whole:

    looking                     for what the process before has left
    found N                     documents that it has left
    recovered HASH              what came back of the newest
    ready TIME
    tick REVISION HASH TIME     the document was handed to the autosave at this monotonic time
    kept REVISION               the autosave said that it is on the disk
    begin WHAT                  a stroke, an apply, ... begins
"""

from __future__ import annotations

import hashlib
import os
import random
import sys
import time
from pathlib import Path

import numpy as np

from sdxl_desktop import __version__
from sdxl_desktop.bridge.background import Worker
from sdxl_desktop.core.edit import EditParameters
from sdxl_desktop.core.events import Picture
from sdxl_desktop.core.latents import SavedLatents
from sdxl_desktop.core.raster import UInt8Array
from sdxl_desktop.core.request import GenerationRequest, Prompts
from sdxl_desktop.core.schedulers import SchedulerName
from sdxl_desktop.metadata.picture_files import PictureRecord, encode_record
from sdxl_desktop.session.document.autosave import Autosave, find_recoverable
from sdxl_desktop.session.document.brush import Brush
from sdxl_desktop.session.document.document import Document
from sdxl_desktop.session.document.project_content import Project
from sdxl_desktop.session.result_files import Result

MOST_CANDIDATES = 5


def fingerprint(project: Project) -> str:
    """A hash of everything that a project holds."""
    made = hashlib.blake2b(project.picture_name.encode(), digest_size=16)
    for pixels in (project.picture, project.mask):
        made.update(b"none" if pixels is None else repr(pixels.shape).encode() + pixels.tobytes())
    for candidate in project.candidates:
        picture, request = candidate.picture, candidate.request
        made.update(
            encode_record(
                PictureRecord(version=__version__, seed=picture.seed, request=request.for_metadata())
            ).encode()
        )
        made.update(picture.pixels.tobytes() + repr(picture.notes).encode())
        if picture.latents is not None:
            made.update(repr(picture.latents).encode() + picture.latents.final.tobytes())
        if request.edit is not None:
            made.update(request.edit.picture.array.tobytes())
    return made.hexdigest()


def ignore(_: object) -> None:
    """Take the outcome of a write, which nobody waits for."""


def print_line(line: str) -> None:
    os.write(1, f"{line}\n".encode())


class RandomEditing:
    """One process's work on one document."""

    def __init__(self, folder: Path, seed: int, side: int, pace: float) -> None:
        self.random = random.Random(seed)
        self.side, self.pace = side, pace
        self.document = Document()
        self.candidates: list[Result] = []
        self.autosave = Autosave(folder)
        self.writer = Worker("autosave")
        self.changes = 0
        self.told = 0
        self.tick_at: float | None = None
        self.document.subscribe(lambda _: self.count())
        self.begin(folder)

    def count(self) -> None:
        self.changes += 1

    def begin(self, folder: Path) -> None:
        print_line("looking")
        left = find_recoverable(folder)
        print_line(f"found {len(left)}")
        if left:
            project = left[0].load()
            print_line(f"recovered {fingerprint(project)}")
            self.document.open(project.picture, project.mask, project.picture_name)
            self.candidates = list(project.candidates)
            self.autosave.adopt(left[0], self.changes)
            self.told = self.changes
        else:
            self.document.set_picture(self.pixels(), "Näher.jpg")
        print_line(f"ready {time.monotonic()}")

    def pixels(self) -> UInt8Array:
        noise = np.random.default_rng(self.random.randrange(2**32)).integers(0, 256, (16, 16, 3), np.uint8)
        return np.tile(noise, (self.side // 16, self.side // 16, 1))

    def pulse(self) -> None:
        """Hand the document over if it is time, and tell what has been kept since."""
        if self.pace:
            time.sleep(0.008)  # a mouse moves 125 times a second
        kept = self.autosave.saved_revision
        if kept > self.told:
            self.told = kept
            print_line(f"kept {kept}")
        if self.tick_at is None and self.autosave.is_due(self.changes):  # as the editor's timer does
            self.tick_at = time.monotonic() + (self.pace or self.random.uniform(0.002, 0.02))
        if self.tick_at is not None and time.monotonic() >= self.tick_at:
            self.tick_at = None
            ground = self.document.edit_source()
            project = Project(
                picture=None if ground.picture is None else ground.picture.array,
                mask=None if ground.mask is None else ground.mask.array,
                picture_name=self.document.name,
                candidates=tuple(self.candidates),
            )
            moment = time.monotonic()
            print_line(f"tick {self.changes} {fingerprint(project)} {moment}")
            self.autosave.set_pending(project, self.changes)
            self.writer.submit(self.autosave.write_pending, ignore, ignore)

    def stroke(self) -> None:
        brush = Brush(size=self.random.uniform(5, 120), erase=self.random.random() < 0.3)
        stroke = self.document.begin_stroke(brush)
        for _ in range(self.random.randrange(5, 30)):
            stroke.move_to(self.random.uniform(0, self.side), self.random.uniform(0, self.side))
            self.pulse()  # in the middle of the stroke
        stroke.end()

    def result(self) -> None:
        ground = self.document.edit_source().picture
        assert ground is not None
        seed = self.random.randrange(1000)
        latents = SavedLatents(
            final=np.full((4, 48, 64), seed, np.float32), seed=seed, steps=4, scheduler=SchedulerName.EULER, digest="d"
        )
        request = GenerationRequest(
            checkpoint=Path("starter"), prompts=Prompts(prompt=f"heart {seed}"), edit=EditParameters(picture=ground)
        )
        picture = Picture(pixels=self.pixels(), seed=seed, notes=("a note",), latents=latents)
        self.candidates = [*self.candidates, Result(picture, request)][-MOST_CANDIDATES:]
        self.count()

    def apply(self) -> None:
        for candidate in self.candidates[-2:]:
            self.document.apply_result(candidate.picture.pixels)
            self.pulse()

    def undo(self) -> None:
        for _ in range(self.random.randrange(1, 3)):
            self.document.undo()
            if not self.document.has_picture:
                self.document.redo()

    def work(self) -> None:
        """Until killed."""
        while True:
            what = self.random.choice(("stroke", "apply", "apply", "apply", "apply", "result", "undo"))
            print_line(f"begin {what}")
            getattr(self, what)()
            self.pulse()


if __name__ == "__main__":
    RandomEditing(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])).work()
