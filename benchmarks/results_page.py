"""Writes the benchmark page from the JSON results, with tables, plots and the command of each.

    python -m benchmarks.results_page [RESULTS] [--out docs/benchmarks.md]

RESULTS is a folder with one JSON file per run (see `benchmarks.results`). They are copied, without their single turns,
into a folder next to the page with the page's name, where each replaces the file of its name; the page covers all files
there, so that one benchmark can be run again without the others. Plots are written there, too. Unknown benchmarks get a
table with all their numbers.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.plots import Bar, render_bars
from sdxl_desktop.cli.bench_plot import format_seconds

Row = dict[str, Any]
Result = dict[str, Any]

INTRODUCTION = """\
# Benchmarks

Written by `python -m benchmarks.results_page`; do not edit it. Each result has the command that measured it; a path in
a command is shortened to its last name.

The speed of machines of this kind drifts by a factor of two within minutes. So the programs in a comparison were
measured alternately in one run (A B A B), with the same weights, sizes, steps and seeds; seconds are medians of the
rounds, and a ratio is the median of the rounds' ratios, which drifts much less than seconds. The *full-size* checkpoint
has the shapes of SDXL base and random weights (`python -m benchmarks.full_size_checkpoint`): its time and memory are
exact, its pictures only show whether they are equal. The *starter* is the small checkpoint that ships with the
application.
"""


@dataclass(frozen=True)
class ResultSection:
    """How a benchmark is presented: heading, introduction, plotted key, and column names.

    `plotted` is a row's key; with `against` the plot has a dashed line at the value 1. `units` are for keys whose names
    do not contain a unit; `leave_out` are keys omitted from the table.
    """

    title: str
    about: str
    plotted: str = ""
    against: bool = False
    columns: dict[str, str] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    leave_out: frozenset[str] = frozenset()


SECTIONS = {
    "speed": ResultSection(
        "Time for a picture",
        "From words to pixels, encoding the prompt and decoding included, everything loaded and compiled before. "
        "*Ratio* is to plain optimum-intel; *largest difference* is between its 8-bit pictures and these, in levels "
        "of 255; *telling* is what progress and, where watched, previews cost of the time for denoising. Where a "
        "processor computes in bf16, which this one does unless it is told f32, peers round timesteps and sizes to 8 "
        "bits and ours do not; with random weights a rounding grows to many levels. How equal exact is shows in f32.",
        "ratio",
        against=True,
        columns={"who": "", "seconds": "a picture", "fastest": "fastest", "encode": "encode", "decode": "decode"},
    ),
    "quality": ResultSection(
        "What the presets lose",
        "Prompts by name, drawn by the starter and searched among the pictures that it was taught. *Distance* is to "
        "the taught picture of that name in a descriptor of colours and outlines; the other columns compare with the "
        "exact pictures of the same seeds.",
        "top 5",
        columns={"who": ""},
    ),
    "launch": ResultSection(
        "Starting",
        "How soon after the start of the program the first denoising step begins.",
        "first_step",
        columns={"who": ""},
        units={"first_step": "seconds"},
        leave_out=frozenset({"counted"}),
    ),
    "memory": ResultSection(
        "Memory",
        "Of the whole process tree at its peak, compiled parts in a cache, ours and plain optimum-intel's in turns: "
        "*anonymous* is what the system cannot drop and read again.",
        "anonymous",
        columns={"who": ""},
        units={"anonymous": "gb", "total": "gb"},
        leave_out=frozenset({"counted"}),
    ),
    "decode": ResultSection(
        "Decoding in strips",
        "Whole and strip by strip, in turns, the same latents; memory is what decoding takes at its peak beyond the "
        "loaded decoder. *First* is the first decode of a process, which compiles the strips and tries them out.",
        "anonymous",
        columns={"how": ""},
        units={"anonymous": "mb", "resident": "mb", "first": "seconds", "trying": "seconds"},
        leave_out=frozenset({"plan"}),
    ),
    "convert": ResultSection(
        "Converting", "From half precision, whole checkpoint: time and memory, ours and optimum-cli's."
    ),
    "canvas": ResultSection(
        "Painting", "From a mouse event until the window has painted, while the engine draws and not."
    ),
    "blend": ResultSection("Blending", "How well what is drawn in a mask joins what is around it."),
}
_TITLES = {
    "gib": "GiB", "gb": "GB", "mb": "MB", "mib": "MiB", "ms": "ms", "p50": "median", "psnr": "PSNR", "ssim": "SSIM",
}  # fmt: skip


def read(folder: Path) -> list[Result]:
    """Return the results in `folder`, in the order of SECTIONS and then by name; exits if one is incomplete."""
    found: list[Result] = []
    for file in sorted(folder.glob("*.json")):
        result = _with_defaults(json.loads(file.read_text(encoding="utf-8")), file.stem)
        if not isinstance(result["rows"], list) or not result["rows"]:
            raise SystemExit(f"{file.name} is no benchmark's result: it has no rows.")
        found.append({**result, "name": file.stem})
    known = list(SECTIONS)
    return sorted(found, key=lambda one: known.index(one["benchmark"]) if one["benchmark"] in known else len(known))


def import_results(results: Path, kept: Path) -> None:
    """Write every result in `results` to `kept`, without its turns; exits if one is incomplete."""
    read(results)
    for file in results.glob("*.json"):
        content = json.loads(file.read_text(encoding="utf-8"))
        content.pop("turns", None)
        (kept / file.name).write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def _with_defaults(result: Result, stem: str) -> Result:
    """Return `result` with defaults: the benchmark's name is the file's, the rows are its runs, and single numbers next
    to them are its summary. Warm-up rows are dropped."""
    name = result.get("benchmark", stem.partition("-")[0])
    rows = result.get("rows") or result.get("runs") or []
    summary = {key: value for key, value in result.items() if isinstance(value, int | float)}
    return {
        "command": f"python -m benchmarks.{name}",
        "summary": summary,
        **result,
        "benchmark": name,
        "rows": _folded([row for row in rows if row.get("counted", True)]),
    }


def _folded(rows: Sequence[Row]) -> list[Row]:
    """Merge rows with equal names into one, with the medians of their numbers and their count."""
    alike: dict[str, list[Row]] = {}
    for row in rows:
        alike.setdefault(_label(row), []).append(row)
    if all(len(group) == 1 for group in alike.values()):
        return list(rows)
    return [
        {
            key: statistics.median(row[key] for row in group if _is_number(row.get(key)))
            if _is_number(value)
            else value
            for key, value in group[0].items()
        }
        | {"rounds": len(group)}
        for group in alike.values()
    ]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def render_page(found: Sequence[Result], plots: str) -> tuple[str, dict[str, str]]:
    """Return (the page in Markdown, its plots as SVG by file name); `plots` is the page's folder of plots."""
    parts, drawn = [INTRODUCTION], dict[str, str]()
    headings: set[str] = set()
    for result in found:
        kind = result["benchmark"]
        section = SECTIONS.get(kind) or ResultSection(kind.capitalize(), "")
        if kind not in headings:
            headings.add(kind)
            parts.append(f"## {section.title}\n\n{textwrap.fill(section.about, 120)}".rstrip() + "\n")
        if where := _where(result):
            parts.append(f"**{where}**\n")
        if (svg := _plot(section, result)) is not None:
            file = f"{_slug(result['name'])}.svg"
            drawn[file] = svg
            parts.append(f"![{section.title}]({plots}/{file})\n")
        parts.append(_table(section, result["rows"]))
        if result["summary"]:
            told = (f"{_title(key, section)}: {_words(key, value)}" for key, value in result["summary"].items())
            parts.append("; ".join(told).capitalize() + ".\n")
        parts.append(_footnote(result))
    return "\n".join(parts), drawn


def _where(result: Result) -> str:
    """Describe the setting in one line: "starter, 64 × 64, 30 steps"."""
    given = result.get("settings") or {}
    words = [
        str(given[key]).replace("x", " × ") if key == "size" else str(given[key]) for key in given if key == "size"
    ]
    if "checkpoint" in given:
        words.insert(0, str(given["checkpoint"]).replace("checkpoints/", ""))
    if "steps" in given:
        words.append(f"{given['steps']} steps")
    if given.get("precision", "auto") != "auto":
        words.append(str(given["precision"]))
    return ", ".join(words)


def _plot(section: ResultSection, result: Result) -> str | None:
    key = section.plotted or _measured(result["rows"])
    told = [row for row in result["rows"] if isinstance(row.get(key), int | float)]
    if not key or len(told) < 2:
        return None
    words = [_words(section.units.get(key, key), row[key]) for row in told]
    measured = [Bar(_label(row), float(row[key]), said, _is_ours(row)) for row, said in zip(told, words, strict=True)]
    subtitle = ", ".join(filter(None, [_title(key, section), _where(result)]))
    return render_bars(section.title, subtitle, measured, 1.0 if section.against else None)


def _measured(rows: Sequence[Row]) -> str:
    """Return the first key that is a time or an amount in most rows; empty if there is none."""
    for key in _keys(rows):
        if _unit(key) and sum(isinstance(row.get(key), int | float) for row in rows) > len(rows) / 2:
            return key
    return ""


def _table(section: ResultSection, rows: Sequence[Row]) -> str:
    keys = [key for key in _keys(rows) if key not in section.leave_out]
    keys = [key for key in keys if any(row.get(key) is not None for row in rows)]
    if not keys:
        return ""
    heads = [_title(key, section) for key in keys]
    numbers = [any(isinstance(row.get(key), int | float) for row in rows) for key in keys]
    lines = ["| " + " | ".join(heads) + " |", "| " + " | ".join("--:" if n else "---" for n in numbers) + " |"]
    units = [section.units.get(key, key) for key in keys]
    lines += ["| " + " | ".join(map(_words, units, map(row.get, keys))) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def _footnote(result: Result) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in (result.get("versions") or {}).items())
    about = ". ".join(filter(None, [result.get("machine"), result.get("date"), versions]))
    return f"`{result['command']}`\n\n<sub>{about}.</sub>\n"


def _keys(rows: Sequence[Row]) -> list[str]:
    """Return all keys, in order of appearance."""
    return list(dict.fromkeys(key for row in rows for key, value in row.items() if not isinstance(value, dict | list)))


def _title(key: str, section: ResultSection) -> str:
    if key in section.columns:
        return section.columns[key]
    return " ".join(_TITLES.get(word.lower(), word) for word in key.replace("_", " ").split())


def _label(row: Row) -> str:
    return next((str(row[key]) for key in ("who", "how", "what", "name", "title") if key in row), _first_words(row))


def _first_words(row: Row) -> str:
    return next((value for value in row.values() if isinstance(value, str)), "?")


def _is_ours(row: Row) -> bool:
    return not re.search(r"optimum|genai|diffusers|theirs|bare|plain|whole|seamless", _label(row), re.IGNORECASE)


def _unit(key: str) -> Callable[[float], str] | None:
    """Return the format of a key's values if its name contains the unit."""
    words = set(re.split(r"[ _]", key.lower()))
    if words & {"seconds", "s", "fastest", "slowest", "encode", "denoise", "decode", "median"}:
        return format_seconds
    if words & {"ms", "milliseconds", "p50", "p95", "p99"}:
        return lambda value: f"{value:.1f} ms"
    for unit, name in (("gib", "GiB"), ("gb", "GB"), ("mib", "MiB"), ("mb", "MB"), ("psnr", "dB")):
        if unit in words:
            return lambda value, name=name: f"{value:.2f} {name}" if value < 100 else f"{value:.0f} {name}"  # type: ignore[misc]
    if words & {"share", "telling", "top", "percent"}:
        return lambda value: f"{value:.1%}" if value >= 0.01 or value == 0 else f"{value:.3%}"
    return None


def _words(key: str, value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value).replace("|", "\\|").replace("\n", " ")
    unit = _unit(key)
    if unit is not None:
        return unit(float(value))
    return str(value) if isinstance(value, int) else f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, nargs="?")
    parser.add_argument("--out", type=Path, default=Path("docs/benchmarks.md"))
    given = parser.parse_args(arguments)
    plots = given.out.with_suffix("")
    plots.mkdir(parents=True, exist_ok=True)
    if given.results is not None:
        import_results(given.results, plots)
    text, drawn = render_page(read(plots), plots.name)
    for file in plots.glob("*.svg"):
        file.unlink()
    for file, svg in drawn.items():
        (plots / file).write_text(svg, encoding="utf-8")
    given.out.write_text(text, encoding="utf-8")
    print(f"{given.out}: {len(drawn)} plots")


if __name__ == "__main__":
    main()
