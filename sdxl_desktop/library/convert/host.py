"""The conversion's own process: takes one job from its standard input, does it, tells how it goes in lines of JSON.

It ends as soon as the application is gone, and when it takes more memory than it may. Being killed costs nothing: the
next one goes on with the first part that is not finished.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
import threading
import time
import warnings
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TextIO

import psutil

from sdxl_desktop.core.errors import SdxlDesktopError
from sdxl_desktop.library.convert import events
from sdxl_desktop.library.convert.copying import copy_parts
from sdxl_desktop.library.convert.descriptions import write_descriptions
from sdxl_desktop.library.convert.events import ConversionProgress, Stage
from sdxl_desktop.library.convert.extras import Extras
from sdxl_desktop.library.convert.forecast import gigabytes
from sdxl_desktop.library.convert.grafting import parts_of, take_parts, unet_alone
from sdxl_desktop.library.convert.telling import Teller
from sdxl_desktop.library.convert.weights import WeightFormat
from sdxl_desktop.library.convert.workspace import Workspace
from sdxl_desktop.library.detect.errors import ImportFailedError
from sdxl_desktop.library.detect.found import Found, Kind, Layout
from sdxl_desktop.library.detect.identify import identify, identify_file

OUT_OF_MEMORY = 77
"""Exit code of a conversion that took more memory than it may."""
_NICENESS = 5
_SECONDS_BETWEEN_LOOKS = 0.1


@dataclass(frozen=True, slots=True)
class Job:
    """What to convert, where it comes together (`home` and `key` of the workspace), and how much memory it may take.

    `weights` is "" where a folder of OpenVINO parts is copied as it is; `extras` are those of `Extras`.
    """

    path: str
    title: str
    weights: str
    home: str
    key: str
    memory_limit: int
    extras: dict[str, Any] = field(default_factory=dict)

    def line(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def read(cls, line: str) -> Job:
        return cls(**json.loads(line))


def do(job: Job, out: TextIO) -> int:
    """Do `job`, telling on `out`; returns the exit code. The last net under everything that libraries raise."""

    def emit(progress: ConversionProgress) -> None:
        print(events.progress_line(progress), file=out, flush=True)

    try:
        workspace = Workspace(Path(job.home), job.key)
        with workspace.held():
            _convert(job, workspace, emit)
    except SdxlDesktopError as problem:
        print(events.error_line(problem), file=out, flush=True)
        return 1
    except MemoryError:
        return OUT_OF_MEMORY
    except Exception as problem:
        logging.getLogger(__name__).exception("The conversion failed unexpectedly")
        words = str(problem).splitlines()
        failed = ImportFailedError(
            "The checkpoint could not be converted.",
            why=f"{type(problem).__name__}: {words[0][:300] if words else ''}".rstrip(": ") + ".",
            next_step="Import it again; what is finished is kept. If it happens again, choose another file.",
        )
        print(events.error_line(failed), file=out, flush=True)
        return 1
    print(events.done_line(), file=out, flush=True)
    return 0


def _convert(job: Job, workspace: Workspace, emit: Any) -> None:
    emit(ConversionProgress(stage=Stage.STARTING))
    extras = Extras.from_json(job.extras)
    found = identify(Path(job.path)) if extras.parts_of is None else unet_alone(Path(job.path), extras.parts_of)
    if found.kind is Kind.PICKLED:
        found = _unpickled(found, workspace, emit)
    if found.kind is not Kind.CHECKPOINT:
        raise ImportFailedError(f"{found.path.name} is a {found.kind}, not a whole checkpoint.")
    if found.layout is Layout.OPENVINO:
        copy_parts(found, workspace, job.title, emit)
    else:
        _convert_parts(found, WeightFormat(job.weights), workspace, job.title, extras, emit)
    about = {"source": extras.source or Path(job.path).name, "weights": job.weights, "family": found.family}
    workspace.finish(about | ({"licence": extras.licence} if extras.licence else {}))


def _unpickled(found: Found, workspace: Workspace, emit: Any) -> Found:
    from sdxl_desktop.library.convert.unpickling import unpickle  # torch

    plain = workspace.folder / "unpickled" / f"{found.path.stem}.safetensors"
    if not plain.is_file():
        teller = Teller(emit, [])
        teller.stage(Stage.UNPICKLING, found.path.stat().st_size)
        writing = plain.with_suffix(".writing")
        unpickle(found.path, writing, teller.advance)
        writing.rename(plain)
    return identify_file(plain, setups=found.path.parent)


def _convert_parts(
    found: Found, weights: WeightFormat, workspace: Workspace, title: str, extras: Extras, emit: Any
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        without_telemetry()
        from sdxl_desktop.library.convert.converting import convert  # torch, diffusers, OpenVINO
        from sdxl_desktop.library.convert.tracing import OUTPUTS

        taken = parts_of(extras.parts_of) if extras.parts_of is not None else ()
        parts = [(part, 0) for part in taken] + [
            (output, part.bytes // len(OUTPUTS[part.name])) for part in found.parts for output in OUTPUTS[part.name]
        ]
        tell = Teller(emit, parts)
        if extras.parts_of is not None:
            take_parts(extras.parts_of, workspace, tell.checking, tell.advance)
        with _fusing(extras.lora, found, workspace) as adapt:
            convert(found, weights, workspace, tell, adapt)
    write_descriptions(found, workspace.whole, title, card=extras.card, scheduler=extras.scheduler)
    tell.finishing()


def _fusing(lora: Path | None, found: Found, workspace: Workspace) -> contextlib.AbstractContextManager[Any]:
    """What changes parts before they are traced, None for nothing."""
    if lora is None:
        return contextlib.nullcontext()
    from sdxl_desktop.library.convert.fusing import fused  # diffusers' loaders

    unet = next(part for part in found.parts if part.name == "unet")
    return fused(lora, unet.config, workspace.spool)


def without_telemetry() -> None:
    """Keep OpenVINO's converter from forking a process that reports its use over the network, and that would inherit
    the conversion's pipe and lock and hold them. To be called before openvino is imported."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]


def main() -> int:
    """Run the conversion process; returns only by ending it."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.ERROR)
    for variable in ("DIFFUSERS_VERBOSITY", "TRANSFORMERS_VERBOSITY"):
        os.environ.setdefault(variable, "error")
    os.environ["HF_HUB_OFFLINE"] = "1"
    with contextlib.suppress(psutil.Error, OSError):
        psutil.Process().nice(psutil.BELOW_NORMAL_PRIORITY_CLASS if sys.platform == "win32" else _NICENESS)
    out = _private_output()
    job = Job.read(sys.stdin.readline())
    threading.Thread(target=_end_with_the_application, daemon=True, name="application").start()
    threading.Thread(target=_watch_memory, args=(job.memory_limit, out), daemon=True, name="memory").start()
    code = do(job, out)
    out.flush()
    os._exit(code)  # what torch and OpenVINO hold is let go at once, instead of piece by piece


def _private_output() -> TextIO:
    """What was standard output, where no library can print any more."""
    kept = os.dup(1)
    os.dup2(2, 1)
    return os.fdopen(kept, "w", encoding="utf-8")


def _end_with_the_application() -> None:
    sys.stdin.read()  # returns when the pipe is closed, whatever the reason
    os._exit(0)


def _watch_memory(limit: int, out: TextIO) -> None:
    """End the process, saying why, when its own memory passes `limit` bytes: before the computer starts to swap."""
    process = psutil.Process()
    while True:
        time.sleep(_SECONDS_BETWEEN_LOOKS)
        if own_memory(process) > limit:
            failed = ImportFailedError(
                "The conversion was stopped because it took too much memory.",
                why=f"It may take {gigabytes(limit)} here.",
                next_step="Close other programs and import it again; what is finished is kept.",
            )
            print(events.error_line(failed), file=out, flush=True)
            os._exit(OUT_OF_MEMORY)


def own_memory(process: psutil.Process) -> int:
    """Bytes that are the process's own: resident, less what merely mirrors files."""
    if sys.platform == "linux":
        about = process.memory_info()
        return int(about.rss - about.shared)
    return int(process.memory_full_info().uss)
