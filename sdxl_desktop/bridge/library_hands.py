"""What the library's threads do with their hands: the library's own work, to be pretended in tests."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from sdxl_desktop.core.errors import SdxlDesktopError
from sdxl_desktop.core.events import Phase
from sdxl_desktop.core.paths import AppPaths
from sdxl_desktop.engine.process.client import ProcessEngine
from sdxl_desktop.library import leftovers
from sdxl_desktop.library.bring.bringing import Brought, bring
from sdxl_desktop.library.bring.offers import Offer, look_up
from sdxl_desktop.library.bring.progress import BringProgress, Journey
from sdxl_desktop.library.convert.weights import WeightFormat
from sdxl_desktop.library.holdings import bytes_in
from sdxl_desktop.library.quantize.comparing import ComparisonProgress, Drawing, compare
from sdxl_desktop.library.quantize.comparison import Comparison
from sdxl_desktop.library.quantize.prompts import read_prompts, spread
from sdxl_desktop.library.quantize.running import discard, run_quantization
from sdxl_desktop.library.scan import Library, read_checkpoint
from sdxl_desktop.session.tasks import ComparisonNote, QuantizationNote, Reduced, comparison_request, free_name, plan

Emit = Callable[[BringProgress], None]


class Hands(Protocol):
    """What is done in the threads; blocks, and raises SdxlDesktopError."""

    def look_up(
        self, what: str, library: Library, *, name: str | None, openvino: bool, cancel: threading.Event
    ) -> Offer: ...

    def bring(
        self,
        offer: Offer,
        weights: WeightFormat | None,
        library: Library,
        emit: Emit,
        cancel: threading.Event,
        *,
        keep_download: bool,
    ) -> Brought: ...

    def throw_away(self, name: str, source: Path | None, weights: WeightFormat | None, library: Library) -> None: ...

    def quantize(self, note: QuantizationNote, library: Library, emit: Emit, cancel: threading.Event) -> Reduced: ...

    def throw_quantization_away(self, note: QuantizationNote, library: Library) -> None: ...

    def compare(self, note: ComparisonNote, emit: Emit, cancel: threading.Event) -> Comparison: ...


class RealHands:
    """The library's own. Comparisons draw with what `open_engine` gives: an engine with a process of its own."""

    def __init__(self, open_engine: Callable[[], Drawing] | None = None) -> None:
        self._open_engine = open_engine or (lambda: ProcessEngine(AppPaths.from_environment()))

    def look_up(
        self, what: str, library: Library, *, name: str | None, openvino: bool, cancel: threading.Event
    ) -> Offer:
        return look_up(what, library, name=name, openvino=openvino, cancel=cancel)

    def bring(
        self,
        offer: Offer,
        weights: WeightFormat | None,
        library: Library,
        emit: Emit,
        cancel: threading.Event,
        *,
        keep_download: bool,
    ) -> Brought:
        return bring(offer, weights, library, emit, cancel, keep_download=keep_download)

    def throw_away(self, name: str, source: Path | None, weights: WeightFormat | None, library: Library) -> None:
        leftovers.throw_away(name, source, weights, library)

    def quantize(self, note: QuantizationNote, library: Library, emit: Emit, cancel: threading.Event) -> Reduced:
        planned = plan(note, library)
        journey = Journey(emit, [planned.forecast.seconds])
        journey.next_leg(0)
        made = run_quantization(
            planned,
            lambda at: journey.on(at.phase.value, at.part, at.done, at.total, at.fraction, expected=True),
            cancel,
        )
        return Reduced(checkpoint=made, bytes=bytes_in(made.folder), bytes_before=bytes_in(planned.source.folder))

    def throw_quantization_away(self, note: QuantizationNote, library: Library) -> None:
        with contextlib.suppress(SdxlDesktopError, OSError):  # what it was made from is gone: nothing is found by it
            discard(plan(note, library, name=free_name(note.name, library.own)))

    def compare(self, note: ComparisonNote, emit: Emit, cancel: threading.Event) -> Comparison:
        first, second = read_checkpoint(note.first), read_checkpoint(note.second)
        prompts = spread(read_prompts(), note.prompts)
        folder = note.home / free_name(note.title, note.home)
        tell = _Telling(emit)
        try:
            return compare(
                first,
                second,
                comparison_request(first, note),
                prompts,
                folder,
                open_engine=self._open_engine,
                show=tell,
                cancel=cancel,
            )
        except SdxlDesktopError:
            with contextlib.suppress(OSError):  # one that was not written to is of no use to anyone
                folder.rmdir()
            raise


class _Telling:
    """Tells of the pictures that two engines draw as of one job."""

    def __init__(self, emit: Emit) -> None:
        self._journey = Journey(emit, [1.0])
        self._journey.next_leg(0)

    def __call__(self, at: ComparisonProgress) -> None:
        drawing = at.progress.phase in (Phase.ENCODING, Phase.DENOISING, Phase.DECODING)
        stage = f"drawing with {at.checkpoint}" if drawing else f"getting {at.checkpoint} ready"
        share = {Phase.DENOISING: at.progress.fraction or 0.0, Phase.DECODING: 1.0}.get(at.progress.phase, 0.0)
        share = (at.progress.picture + share) / max(1, at.progress.pictures)
        what = f"prompt {at.number + 1} of {at.total}"
        self._journey.on(stage, what, at.number, at.total, (at.number + share) / at.total)
