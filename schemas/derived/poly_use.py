"""Use over all substances: how many, any illicit, injection, the primary one.

Belongs here: the table that looks at more than one substance or group at a time.
Does not belong here: one substance by wave (see `schemas.derived.substances`).
"""

from __future__ import annotations

import polars as pl

from schemas import result_codes, shared
from schemas.fields import field, table
from schemas.shared import Stratified


class PolyUse(Stratified):
    """One row per cohort, measure, stratum and wave.

    Use over all substances asked about: any illicit one, two or more, three or more, their mean
    number, injection, and the primary substance of the person. Both missing rules stand side by
    side. Alcohol counts as a substance; prescribed medicine is never use. A protocol without an
    illicit group has no such rows. Made from core.substance_use and core.interview.
    """

    measure: pl.String = field(
        "Measure",
        "What is counted.",
        nb="Mål",
        codes=result_codes.POLY_MEASURE,
        required=True,
    )
    wave: pl.Int32 = shared.wave()
    n_expected: pl.Int64 = shared.count(
        "Expected", "Forventede", "People an interview is expected of."
    )
    n_observed: pl.Int64 = shared.count(
        "Observed", "Observerte", "People whose answers decide the measure."
    )
    n_missing: pl.Int64 = shared.count(
        "Missing",
        "Manglende",
        "n_expected less n_observed; for the primary substance also those without one on record.",
    )
    numerator: pl.Int64 = shared.count(
        "Yes", "Ja", "People for whom it holds; for the number, substances over all people."
    )
    estimate: pl.Float64 = shared.number(
        "Estimate", "Estimat", "Share of n_observed; for the number, the mean."
    )
    ci_low: pl.Float64 = shared.ci_low()
    ci_high: pl.Float64 = shared.ci_high()
    missing_is_use: pl.Float64 = field(
        "Missing as use",
        "Numerator and missing, of n_expected.",
        nb="Manglende som bruk",
        unit="share",
        low=0,
        high=1,
        null="nobody expected, or the measure is the number",
    )
    missing_is_use_ci_low: pl.Float64 = shared.share_low("missing_is_use")
    missing_is_use_ci_high: pl.Float64 = shared.share_high("missing_is_use")

    class Config(Stratified.Config):
        """Table name and key."""

        metadata = table(
            "derived.poly_use",
            ["cohort", "measure", "stratum_by", "stratum", "wave"],
            title="Use of several substances",
            nb="Bruk av flere rusmidler",
        )
