"""The landing folders that every intake case reads.

Belongs here: the generated cohort in one delivery, and the same with one row in a hundred bad.
Does not belong here: the simulation itself (see `registry_pipeline.synthetic`).
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

import polars as pl

from registry_pipeline.gate.manifest import read_manifest
from registry_pipeline.landing import write_manifest
from registry_pipeline.synthetic.cohort import write_cohort
from schemas.protocol import load_shipped

PROTOCOL: Final = "lar_x"
SEED: Final = 2014
INTERVIEWS_PER_PERSON: Final = 8.545
BAD_EVERY: Final = 100
BAD_SCORE: Final = "12"
"""A coping score, which goes to 10."""


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
    manifest = read_manifest(given)
    write_manifest(
        folder,
        protocol=manifest.protocol,
        quarter=manifest.quarter,
        extracted_on=manifest.extracted_on,
        sender=manifest.sender,
        rows=manifest.rows,
    )
    return {"bad": manifest.rows["interviews"] // BAD_EVERY}


def delivery_of(landing: Path) -> Path:
    """The one delivery of a landing folder."""
    (manifest,) = landing.glob("*/*/delivery.toml")
    return manifest.parent
