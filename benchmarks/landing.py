"""The landing folders that every intake case reads.

Belongs here: the generated cohort in one delivery, the same with one row in a hundred bad, its
interviews cut short, and a correction of them.
Does not belong here: the simulation itself (see `registry_pipeline.synthetic`).
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import polars as pl

from registry_pipeline.deliveries.landing import write_manifest
from registry_pipeline.gate.manifest import read_manifest
from registry_pipeline.synthetic.cohort import write_cohort
from schemas.protocol import load_shipped

PROTOCOL: Final = "lar_x"
SEED: Final = 2014
INTERVIEWS_PER_PERSON: Final = 8.545
BAD_EVERY: Final = 100
BAD_SCORE: Final = "12"
"""A coping score, which goes to 10."""
QUARTER: Final = ("2015-04-01", "2015-06-30")
"""The quarter that is corrected, in the middle of the course."""
CORRECTED_EVERY: Final = 10


def clean(source: Path, out: Path) -> dict[str, float]:
    """Writes a landing folder of one delivery with about as many interviews as `source` names."""
    people = max(1, round(int(source.name) / INTERVIEWS_PER_PERSON))
    summary = write_cohort(out, load_shipped(PROTOCOL), people, SEED, deliveries=1)
    return {"interviews": summary.rows["interviews"], "rows": sum(summary.rows.values())}


def with_bad_rows(source: Path, out: Path) -> dict[str, float]:
    """Writes the landing folder `source` again, every hundredth interview out of range."""
    given = delivery_of(source)
    folder = out / given.relative_to(source)
    shutil.copytree(given, folder, ignore=shutil.ignore_patterns("delivery.toml", "interviews.csv"))
    bad = pl.int_range(1, pl.len() + 1) % BAD_EVERY == 0
    score = pl.when(bad).then(pl.lit(BAD_SCORE)).otherwise("coping_score").alias("coping_score")
    rows = pl.scan_csv(given / "interviews.csv", infer_schema=False).with_columns(score)
    rows.sink_csv(folder / "interviews.csv")
    rows_of = read_manifest(given).rows
    _write_manifest(given, folder, rows_of)
    return {"bad": rows_of["interviews"] // BAD_EVERY}


def cut_short(source: Path, out: Path) -> dict[str, float]:
    """Writes the interviews of the landing folder `source` alone, the last row without its end."""
    given = delivery_of(source)
    folder = out / given.relative_to(source)
    folder.mkdir(parents=True)
    with (given / "interviews.csv").open("rb") as whole:
        text = whole.read().rstrip(b"\n")
    (folder / "interviews.csv").write_bytes(text[: text.rindex(b",")] + b"\n")
    rows = read_manifest(given).rows["interviews"]
    _write_manifest(given, folder, {"interviews": rows})
    return {"interviews": rows}


def correction(source: Path, out: Path) -> dict[str, float]:
    """Writes a correction of one quarter: other answers in every tenth of its interviews."""
    given = delivery_of(source)
    folder = out / given.parent.name / f"{given.name}-2"
    folder.mkdir(parents=True)
    days, score = pl.col("heroin_days"), pl.col("coping_score")
    rows = (
        pl.scan_csv(given / "interviews.csv", infer_schema=False)
        .filter(pl.col("interview_date").is_between(*map(pl.lit, QUARTER)), score.is_not_null())
        .gather_every(CORRECTED_EVERY)
        .with_columns(
            ((days.cast(pl.Int64) + 1) % 29).cast(pl.String).alias("heroin_days"),
            ((score.cast(pl.Int64) + 1) % 11).cast(pl.String).alias("coping_score"),
        )
        .collect()
    )
    rows.write_csv(folder / "interviews.csv")
    _write_manifest(given, folder, {"interviews": rows.height}, number=2)
    return {"interviews": rows.height}


def _write_manifest(given: Path, folder: Path, rows: Mapping[str, int], *, number: int = 1) -> None:
    """The manifest of `given` for the files in `folder`; from the second on it is a correction."""
    manifest = read_manifest(given)
    write_manifest(
        folder,
        protocol=manifest.protocol,
        quarter=manifest.quarter,
        extracted_on=manifest.extracted_on,
        sender=manifest.sender,
        rows=rows,
        number=number,
        kind="full" if number == 1 else "correction",
    )


def delivery_of(landing: Path) -> Path:
    """The one delivery of a landing folder."""
    (manifest,) = landing.glob("*/*/delivery.toml")
    return manifest.parent
