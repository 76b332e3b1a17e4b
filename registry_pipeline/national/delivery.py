"""The delivery of a year to the national platform: made from what is published, checked, written.

Belongs here: reading the published file, the two CSV files.
Does not belong here: the platform's rules (see `rules`).

The counts are true: the platform masks. Results that are provisional wait for the year to close,
and so does a unit's coverage, until its own data reaches the year's last day: of those invited
lately nobody knows yet who consents. Units of one organisation number are one. Rates of two periods
are refused, and people without a unit are nobody's result. Who declined and has no day of
invitation counts in the coverage of every year, or it would read too high.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import duckdb
import polars as pl

from registry_pipeline.home import Home
from registry_pipeline.national.rules import (
    COLUMNS,
    COVERAGE_TYPE,
    METADATA,
    TYPES,
    Delivery,
    problems,
)
from registry_pipeline.warehouse.database import connect_published

CONTEXT: Final = "caregiver"
"""By the unit that treats, not by where people live."""

COVERAGE: Final = "coverage"
COVERAGE_TITLE: Final = "Dekningsgrad"
_RESULTS: Final = """
SELECT i.indicator_id AS ind_id, i.unit_id, u.orgnr, d.indicator_type,
    CASE WHEN d.indicator_type = 'fraction' THEN i.numerator::DOUBLE ELSE i.value END AS var,
    i.denominator::DOUBLE AS denominator,
    coalesce(i.hidden_reason, '') = 'provisional'
        OR coalesce(i.reason, '') = 'periods_differ' AS waits
FROM quality.indicator i
JOIN quality.indicator_definition d USING (indicator_id)
LEFT JOIN core.unit u ON u.cohort = i.protocol AND u.unit_id = i.unit_id
WHERE i.protocol = $protocol AND i.period_type = 'year' AND i.unit_id <> 'all'
  AND i.period_start = make_date($year, 1, 1) AND i.denominator > 0
"""
_COVERAGE: Final = """
SELECT 'coverage' AS ind_id, p.unit_id, u.orgnr, 'fraction' AS indicator_type,
    count(*) FILTER (p.enrolled)::DOUBLE AS var, count(*)::DOUBLE AS denominator,
    any_value(p.ends) < make_date($year, 12, 31) AS waits
FROM (
  SELECT *, year(coalesce(invited_date, origin_date)) AS since,
    max(cutoff_date) OVER (PARTITION BY cohort, unit_id) AS ends
  FROM core.patient
) p
LEFT JOIN core.unit u USING (cohort, unit_id)
WHERE p.cohort = $protocol AND coalesce(p.since, $year) <= $year
GROUP BY ALL HAVING count(p.since) > 0
"""
_DEFINITIONS: Final = """
SELECT indicator_id AS id, title_nb AS title, indicator_type AS type, min_denominator,
    target_green AS level_green, target_yellow AS level_yellow, direction
FROM quality.indicator_definition
"""
_TARGETS: Final = """
SELECT DISTINCT indicator_id AS id, target_green AS own_green, target_yellow AS own_yellow
FROM quality.indicator WHERE protocol = $protocol
"""


class NationalDeliveryError(ValueError):
    """A delivery that must not be written; the message has one sentence per reason."""


@dataclass(frozen=True)
class Written:
    """What was written.

    Attributes:
        protocol: the cohort.
        rows: rows of the delivery.
        indicators: indicators described.
        units: units with a result.
        metadata: the file beside it that describes the indicators.
    """

    protocol: str
    rows: int
    indicators: int
    units: int
    metadata: Path


def deliver(home: Home, year: int, to: Path, protocol: str | None = None) -> Written:
    """Writes the year's delivery and, beside it, the description of its indicators.

    Whoever is killed in the midst leaves the two as they were, or rows whose description is missing
    until the command is repeated: never rows beside another delivery's description.

    Args:
        home: the home folder; what is published there is read.
        year: the calendar year.
        to: the CSV file; the description is `<name>.indicators.csv`.
        protocol: the cohort; needed where several have units with an organisation number.

    Raises:
        StoreError: the published file does not open.
        NationalDeliveryError: nothing is published, the cohort is not clear, or a rule is broken;
            nothing was written.
    """
    if not home.analysis.exists():
        raise NationalDeliveryError(f"{home.path}: nothing is published yet; start with run")
    with connect_published(home) as connection:
        cohort = _published(connection, protocol) if protocol else _only_cohort(connection)
        delivery = _delivery(connection, cohort, year)
    if wrong := problems(delivery):
        raise NationalDeliveryError("; ".join(f"{cohort} {year}: {sentence}" for sentence in wrong))
    if to.is_dir():
        raise NationalDeliveryError(f"{to}: is a folder; name the file that is to be written")
    metadata = to.with_name(f"{to.stem}.indicators.csv")
    partials = [
        (_written_beside(path, frame), path)
        for path, frame in ((to, delivery.rows), (metadata, delivery.indicators))
    ]
    metadata.unlink(missing_ok=True)  # an old one never stands beside new rows
    for partial, path in partials:
        partial.replace(path)
    return Written(
        cohort,
        delivery.rows.height,
        delivery.indicators.height,
        delivery.rows["orgnr"].n_unique(),
        metadata,
    )


def _delivery(connection: duckdb.DuckDBPyConnection, cohort: str, year: int) -> Delivery:
    given = {"protocol": cohort, "year": year}
    counted = pl.concat(
        pl.DataFrame(connection.sql(query, params=given)) for query in (_RESULTS, _COVERAGE)
    ).filter(pl.col("unit_id").is_not_null(), pl.col("unit_id") != "unknown")
    told = counted.filter(~pl.col("waits"))
    nameless = sorted(set(told.filter(pl.col("orgnr").is_null())["unit_id"]))
    if nameless:
        raise NationalDeliveryError(
            f"{cohort}: no organisation number in the protocol for {', '.join(nameless)}"
        )
    rows = (
        _by_organisation(counted)
        .select(
            pl.lit(CONTEXT).alias("context"),
            pl.lit(year, pl.Int64).alias("year"),
            "orgnr",
            "ind_id",
            "var",
            "denominator",
        )
        .sort("ind_id", "orgnr")
    )
    orgnr = connection.execute(
        "SELECT orgnr FROM core.unit WHERE cohort = ? AND orgnr IS NOT NULL", [cohort]
    ).fetchall()
    return Delivery(
        rows.select(COLUMNS),
        _indicators(connection, cohort, set(rows["ind_id"])),
        {number for (number,) in orgnr},
        year,
    )


def _by_organisation(counted: pl.DataFrame) -> pl.DataFrame:
    """The results of each organisation number: units that share one are one to the platform.

    Counts add up. Nothing is told of an organisation while the year is open at any of its units,
    nor a result that waits at one of them. What is no count has no sum, and is left empty.
    """
    open_year = counted.filter(pl.col("waits"), ind_id=COVERAGE)["orgnr"].drop_nulls()
    closed = counted.filter(~pl.col("orgnr").is_in(open_year.implode()))
    adds_up = (pl.col("indicator_type") == "fraction").all() | (pl.len() == 1)
    return (
        closed.group_by("ind_id", "orgnr")
        .agg(
            pl.when(adds_up).then(pl.col("var", "denominator").sum()),
            waits=pl.col("waits").any(),
        )
        .filter(~pl.col("waits"))
    )


def _indicators(
    connection: duckdb.DuckDBPyConnection, cohort: str, delivered: set[str]
) -> pl.DataFrame:
    """The description of what is delivered: the protocol's own targets where it has them."""
    own = pl.DataFrame(connection.sql(_TARGETS, params={"protocol": cohort}))
    described = (
        pl.DataFrame(connection.sql(_DEFINITIONS))
        .join(own, on="id", how="left")
        .select(
            "id",
            "title",
            pl.col("type").replace_strict(TYPES),
            "min_denominator",
            pl.coalesce("own_green", "level_green").alias("level_green"),
            pl.coalesce("own_yellow", "level_yellow").alias("level_yellow"),
            (pl.col("direction") == "higher").cast(pl.Int64).alias("level_direction"),
            pl.lit(COVERAGE).alias("dg_id"),
        )
    )
    coverage = pl.DataFrame(
        {
            "id": [COVERAGE], "title": [COVERAGE_TITLE], "type": [COVERAGE_TYPE],
            "min_denominator": [None], "level_green": [None], "level_yellow": [None],
            "level_direction": [1], "dg_id": [None],
        },
        schema=described.schema,
    )  # fmt: skip
    together = pl.concat([coverage, described]).filter(pl.col("id").is_in(sorted(delivered)))
    return together.select(METADATA).sort("id")


def _published(connection: duckdb.DuckDBPyConnection, cohort: str) -> str:
    """The cohort, which must be among those that are published."""
    sql = "SELECT DISTINCT cohort FROM core.unit ORDER BY cohort"
    known = [name for (name,) in connection.execute(sql).fetchall()]
    if cohort not in known:
        raise NationalDeliveryError(f"{cohort}: no such cohort; published: {', '.join(known)}")
    return cohort


def _only_cohort(connection: duckdb.DuckDBPyConnection) -> str:
    """The cohort whose units have organisation numbers."""
    found = [
        name
        for (name,) in connection.execute(
            "SELECT cohort FROM core.unit WHERE orgnr IS NOT NULL GROUP BY cohort ORDER BY cohort"
        ).fetchall()
    ]
    if not found:
        raise NationalDeliveryError("no unit of any cohort has an organisation number")
    if len(found) > 1:
        raise NationalDeliveryError(
            f"units of several cohorts have organisation numbers ({', '.join(found)}): "
            "say which with --protocol"
        )
    return str(found[0])


def _written_beside(path: Path, frame: pl.DataFrame) -> Path:
    """A file beside its place, for the owner alone; whole numbers without a decimal point."""
    whole = [
        pl.col(name).cast(pl.Int64)
        for name, kind in frame.schema.items()
        if kind == pl.Float64 and not frame.filter(pl.col(name) != pl.col(name).floor()).height
    ]
    partial = path.with_name(f".{path.name}.tmp")
    partial.touch(mode=0o600)
    frame.with_columns(whole).write_csv(partial)
    return partial
