"""`python -m tools.parity`: measure every workflow against diffusers and write docs/parity.md."""

from __future__ import annotations

import argparse
import sys
import tempfile
import warnings
from pathlib import Path

import torch

from tests.engine.parity.cases import TOLERANCE
from tests.engine.parity.tiny_checkpoints import TinyCheckpoints
from tools.parity import measure, parity_page

TARGET = Path(__file__).resolve().parents[2] / "docs" / "parity.md"


def main(arguments: list[str]) -> int:
    """Return 0 if our engine equals the reference everywhere."""
    parser = argparse.ArgumentParser(prog="python -m tools.parity", description=__doc__)
    parser.add_argument("--out", type=Path, default=TARGET, help="the page to write")
    parser.add_argument("--checkpoints", type=Path, help="where the tiny checkpoints are kept (else made anew)")
    parser.add_argument("--only", default="", help="only the rows whose names contain this")
    options = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        family = TinyCheckpoints.in_folder(options.checkpoints or Path(scratch))
        drawers = measure.installed_pipelines(Path(scratch))
        rows = list(measure.measure_rows(family, drawers, print_row, options.only))
    options.out.write_text(parity_page.render_page(rows, list(drawers), TOLERANCE), encoding="utf-8")
    return 0 if all(_equal(row) for row in rows) else 1


def print_row(row: measure.ParityRow) -> None:
    """Print one line per row as it is measured."""
    told = [
        f"{name} "
        + (outcome.error or outcome.unsupported_reason if outcome.difference is None else f"{outcome.difference:.1e}")
        for name, outcome in row.outcomes.items()
    ]
    print(f"{'ok    ' if _equal(row) else 'DIFFER'} {row.case.name}: {', '.join(told)}", flush=True)


def _equal(row: measure.ParityRow) -> bool:
    return row.outcomes[measure.OUR_NAME].is_equal


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
