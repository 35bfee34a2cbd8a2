"""Results of the judge: one row for each treatment of one dataset at one level, in a CSV file."""

from __future__ import annotations

import csv
from dataclasses import asdict, dataclass, fields
from pathlib import Path

NAN = float("nan")


@dataclass(frozen=True)
class Row:
    """One treatment of one dataset at one level. Shares are in 0..1, errors in degrees, NaN where there is none.

    Attributes
    ----------
    phase, size, data, electrons, treatment, points
        What was judged.
    digest : str
        Of the command and the weights.
    judge_error : float
        Median error of the indexer on patterns without background and noise.
    within2, within2_low, within2_high, within5, within5_low, within5_high : float
        Share of points this near to the truth, in degrees, and 95% intervals, resampled by grain.
    at_boundaries : float
        Share within 2 degrees of those points of a map that have a neighbour in another grain.
    median_right : float
        Median error of the points within 2 degrees.
    median_common, median_common_raw, common : float, float, int
        Median error, treated and raw, on the points within 2 degrees both raw and treated, and their number.
    median, p90 : float
        Median and 90th percentile of the error over all points.
    threshold : float
        Confidence that 1% of raw patterns of pure noise exceed, at this size and level.
    confident, confident_wrong : float
        Share above it, and share above it and more than 5 degrees off.
    psnr, ssim : float
        Means of the peak signal to noise ratio, dB, and of the structural similarity, as `similarity` takes them.
    patterns_per_second : float
        From file to file.
    """

    phase: str
    size: int
    data: str
    electrons: float
    treatment: str
    points: int
    digest: str
    judge_error: float = NAN
    within2: float = NAN
    within2_low: float = NAN
    within2_high: float = NAN
    within5: float = NAN
    within5_low: float = NAN
    within5_high: float = NAN
    at_boundaries: float = NAN
    median_right: float = NAN
    median_common: float = NAN
    median_common_raw: float = NAN
    common: int = 0
    median: float = NAN
    p90: float = NAN
    threshold: float = NAN
    confident: float = NAN
    confident_wrong: float = NAN
    psnr: float = NAN
    ssim: float = NAN
    patterns_per_second: float = NAN

    @property
    def key(self) -> tuple[object, ...]:
        """Rows of one key replace each other."""
        return self.phase, self.size, self.data, self.electrons, self.treatment, self.points


class Results:
    """Rows, and the CSV file that they are in, which is written anew at each row so that it is always whole.

    Parameters
    ----------
    path : Path or None
        Without one, rows are kept for this run only.
    resume : bool
        Go on with the rows that are there, instead of starting afresh.
    """

    def __init__(self, path: Path | None, resume: bool) -> None:
        self.path = path
        self.rows = {row.key: row for row in read_rows(path)} if path and path.exists() and resume else {}

    def __contains__(self, row: Row) -> bool:
        return row.key in self.rows and self.rows[row.key].digest == row.digest

    def add(self, row: Row) -> None:
        """Keep a row, and write all to the file."""
        self.rows[row.key] = row
        if self.path is None:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        part = self.path.with_suffix(".part")
        with part.open("w", newline="") as file:
            writer = csv.DictWriter(file, [field.name for field in fields(Row)])
            writer.writeheader()
            writer.writerows(
                {name: _text(value) for name, value in asdict(kept).items()} for kept in self.rows.values()
            )
        part.replace(self.path)


def read_rows(path: Path) -> list[Row]:
    """The rows of a results file."""
    kinds = {"float": float, "int": int, "str": str}
    with path.open(newline="") as file:
        return [
            Row(**{field.name: kinds[str(field.type)](line[field.name]) for field in fields(Row)})
            for line in csv.DictReader(file)
        ]


def _text(value: object) -> object:
    return f"{value:.5g}" if isinstance(value, float) else value
