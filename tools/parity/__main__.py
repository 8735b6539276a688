"""`python -m tools.parity`: measure every workflow against diffusers and write docs/parity.md."""

from __future__ import annotations

import argparse
import sys
import tempfile
import warnings
from pathlib import Path

import torch

from tests.engine.parity.cases import TOLERANCE
from tests.engine.parity.family import TinyFamily
from tools.parity import measuring, page

TARGET = Path(__file__).resolve().parents[2] / "docs" / "parity.md"


def main(arguments: list[str]) -> int:
    """0 when our engine equals the reference everywhere."""
    parser = argparse.ArgumentParser(prog="python -m tools.parity", description=__doc__)
    parser.add_argument("--out", type=Path, default=TARGET, help="the page to write")
    parser.add_argument("--checkpoints", type=Path, help="where the tiny checkpoints are kept (else made anew)")
    parser.add_argument("--only", default="", help="only the rows whose names contain this")
    options = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        family = TinyFamily.in_folder(options.checkpoints or Path(scratch))
        drawers = measuring.installed(Path(scratch))
        rows = list(measuring.rows(family, drawers, tell, options.only))
    options.out.write_text(page.page(rows, list(drawers), TOLERANCE), encoding="utf-8")
    return 0 if all(_equal(row) for row in rows) else 1


def tell(row: measuring.Row) -> None:
    """One line for each row, as it is measured."""
    told = [
        f"{name} {outcome.error or outcome.missing if outcome.difference is None else f'{outcome.difference:.1e}'}"
        for name, outcome in row.outcomes.items()
    ]
    print(f"{'ok    ' if _equal(row) else 'DIFFER'} {row.case.name}: {', '.join(told)}", flush=True)


def _equal(row: measuring.Row) -> bool:
    return row.outcomes[measuring.OURS].equal


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
