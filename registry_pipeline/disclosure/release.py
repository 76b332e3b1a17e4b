"""The public view of the indicators: what is shown, and the log of what is not.

Belongs here: from quality.indicator to quality.public_result and quality.disclosure_log, and the
attacker's view of both. Does not belong here: the rules (see `suppress`), the LP (see `attack`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import polars as pl

from registry_pipeline.disclosure.attack import unsafe
from registry_pipeline.disclosure.family import Exposure, Family, IntArray, family
from registry_pipeline.disclosure.suppress import (
    OWN_COMPLEMENT,
    OWN_DENOMINATOR,
    OWN_NUMERATOR,
    Suppressed,
    suppress,
)
from registry_pipeline.version import ASSEMBLED
from schemas.fields import describe
from schemas.protocol import Disclosure
from schemas.quality.public import DisclosureLog, PublicResult

KEY: Final = list(describe(PublicResult).key)
KEPT_BACK: Final = ("low_coverage", "provisional")
"""Reasons for which a result is not shown at all, however many people it is of."""

FEW_ANSWERED: Final = "few of those not fulfilled have a known answer"
_REASONS: Final = {
    OWN_DENOMINATOR: "small_denominator",
    OWN_NUMERATOR: "small_count",
    OWN_COMPLEMENT: "small_count",
    FEW_ANSWERED: "small_count",
}
_UNFULFILLED: Final = "unfulfilled"
_COUNTED: Final = {
    "numerator": ("numerator", "denominator"),
    "missing": ("n_missing", "denominator"),
    "answered": ("n_missing", _UNFULFILLED),
}
"""What is split in two: the columns of one part and of the whole. What the missing leave of those
not fulfilled are the ones whose answer is known: numerator and missing side by side tell them."""


def public_tables(indicator: pl.DataFrame, rule: Disclosure) -> dict[str, pl.DataFrame]:
    """quality.public_result and quality.disclosure_log of one cohort.

    Args:
        indicator: quality.indicator of the cohort, true counts.
        rule: the cohort's thresholds.

    Returns:
        Table name to frame, without as_of_delivery.
    """
    rows = indicator.with_row_index("row").with_columns(
        kept_back=pl.col("hidden_reason").is_in(KEPT_BACK).fill_null(value=False)
    )
    judged = rows.join(_exposures(rows, rule), on="row", how="left", maintain_order="left")
    return {
        "quality.public_result": _public(judged, rule),
        "quality.disclosure_log": _log(judged),
    }


def recovered(
    indicator: pl.DataFrame, public: pl.DataFrame, log: pl.DataFrame, rule: Disclosure
) -> int:
    """How many results an attacker works out of the public table: one row per unit and period.

    The attacker reads the public table; of results it does not show, the denominator is taken as
    known from elsewhere unless the log says it was hidden to protect a small number.

    Args:
        indicator: true counts.
        public: what is shown.
        log: what was hidden.
        rule: the thresholds.
    """
    protected = log.filter(
        pl.col("cell") == "denominator",
        pl.col("reason").is_in(["small_denominator", "secondary"]),
    )
    seen = (
        indicator.join(public.select(*KEY, *_SEEN), on=KEY, how="left")
        .join(protected.select(*KEY, is_protected=pl.lit(value=True)), on=KEY, how="left")
        .with_row_index("row")
    )
    families, exposures = [], []
    has_numerator = pl.col("shown_numerator").is_not_null()
    for column, whole in _COUNTED.values():
        shown, unknown = pl.col(f"shown_{column}").is_not_null(), pl.col("is_protected")
        if whole == _UNFULFILLED:
            shown, unknown = shown & has_numerator, ~(shown & has_numerator)
        told = seen.with_columns(
            exposure=pl.when(shown)
            .then(int(Exposure.SHOWN))
            .when(unknown.fill_null(value=False))
            .then(int(Exposure.NOTHING))
            .otherwise(int(Exposure.DENOMINATOR))
        )
        for part in _parts(told):
            is_told = (part["exposure"] == Exposure.SHOWN) & (part["denominator"] > 0)
            if not is_told.any() or not _is_split(part, column, whole):
                continue  # nothing of it is published, but where nobody is counted
            families.append(_family(part, column, whole))
            exposures.append(part["exposure"].to_numpy().astype(np.int64))
    return sum(len(rows) for rows in unsafe(families, exposures, rule))


_SEEN: Final = [pl.col(name).alias(f"shown_{name}") for name in ("numerator", "n_missing")]


def _parts(rows: pl.DataFrame) -> list[pl.DataFrame]:
    """The rows of each indicator in quarters and years; one that counted nobody has none."""
    counted = rows.filter(pl.col("period_type") != "whole")
    return counted.partition_by("indicator_id", maintain_order=True)


def _is_split(part: pl.DataFrame, column: str, whole: str) -> bool:
    """Whether the parts are news: without a missing answer those not fulfilled are one count."""
    return whole != _UNFULFILLED or bool((part[column] > 0).any())


def _family(part: pl.DataFrame, column: str, whole: str) -> Family:
    """An indicator's counts, or its missing answers, over units and periods."""
    cells = list(part.select("unit_id", "period_start", "period_end").iter_rows())
    return family(cells, _counts(part, column), _counts(part, whole))


def _counts(part: pl.DataFrame, column: str) -> IntArray:
    if column == _UNFULFILLED:
        return _counts(part, "denominator") - _counts(part, "numerator")
    return part[column].to_numpy().astype(np.int64)


def _exposures(rows: pl.DataFrame, rule: Disclosure) -> pl.DataFrame:
    """Per row what is shown of the result and of its missing answers, and why not more."""
    parts = [part for part in _parts(rows) if not part["kept_back"].all()]
    wanted = [
        (part, cell)
        for part in parts
        for cell, columns in _COUNTED.items()
        if _is_split(part, *columns)
    ]
    judged = suppress(
        [_family(part, *_COUNTED[cell]) for part, cell in wanted],
        rule,
        [part["kept_back"].to_numpy() for part, _ in wanted],
    )
    found: Mapping[str, list[pl.DataFrame]] = {cell: [] for cell in _COUNTED}
    for (part, cell), verdict in zip(wanted, judged, strict=True):
        found[cell].append(_verdict(part, cell, verdict))
    numerators, missing, answered = (_stacked(cell, found[cell]) for cell in _COUNTED)
    also = (pl.col("missing_exposure") == Exposure.SHOWN) & (
        pl.col("answered_exposure") > Exposure.SHOWN
    )
    own = [OWN_DENOMINATOR, OWN_NUMERATOR, OWN_COMPLEMENT]
    why = pl.when(pl.col("answered_why").is_in(own)).then(pl.lit(FEW_ANSWERED))
    return (
        numerators.join(missing, on="row")
        .join(answered, on="row", how="left")
        .with_columns(
            missing_exposure=pl.max_horizontal("missing_exposure", "answered_exposure"),
            missing_why=pl.when(also).then(why.otherwise("answered_why")).otherwise("missing_why"),
        )
    )


def _verdict(part: pl.DataFrame, cell: str, verdict: Suppressed) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "row": part["row"],
            f"{cell}_exposure": verdict.exposure,
            f"{cell}_why": verdict.why,
            f"{cell}_why_denominator": verdict.why_denominator,
        }
    )


def _stacked(cell: str, parts: Sequence[pl.DataFrame]) -> pl.DataFrame:
    texts = dict.fromkeys((f"{cell}_why", f"{cell}_why_denominator"), pl.String)
    schema = {"row": pl.UInt32, f"{cell}_exposure": pl.Int64, **texts}
    return pl.concat([pl.DataFrame(schema=schema), *parts])


def _public(judged: pl.DataFrame, rule: Disclosure) -> pl.DataFrame:
    """The rows with hidden numbers null; a row of nobody is shown as it is."""
    nobody = pl.col("denominator") == 0
    kept_back = pl.col("kept_back") & ~nobody
    hidden = kept_back | (pl.col("numerator_exposure") > Exposure.SHOWN).fill_null(value=False)
    whole = kept_back | (pl.col("numerator_exposure") == Exposure.NOTHING).fill_null(value=False)
    lost = kept_back | (pl.col("missing_exposure") > Exposure.SHOWN).fill_null(value=False)
    few = pl.col("denominator") < rule.min_percentage_denominator
    why = (
        pl.when(nobody)
        .then(None)
        .when(kept_back)
        .then(pl.col("hidden_reason"))
        .when(hidden)
        .then(pl.lit("protected"))
        .when(few)
        .then(pl.lit("small_denominator"))
    )
    gone = {
        **dict.fromkeys(("value", "ci_low", "ci_high", "level"), hidden | few),
        "value_known": hidden | few | lost,
        "numerator": hidden,
        "denominator": whole,
        "n_missing": lost,
    }
    columns = [name for name in describe(PublicResult).dtypes if name != ASSEMBLED]
    return judged.with_columns(
        *(
            pl.when(when).then(None).otherwise(pl.col(name)).alias(name)
            for name, when in gone.items()
        ),
        hidden_reason=why,
    ).select(columns)


def _log(judged: pl.DataFrame) -> pl.DataFrame:
    """A row per number taken out."""
    counted = judged.filter(pl.col("denominator") > 0)
    kept = counted.filter("kept_back").with_columns(
        reason=pl.col("hidden_reason"), note=pl.lit("the result is not to be shown yet, or at all")
    )
    parts = [kept.with_columns(cell=pl.lit(cell)) for cell in ("numerator", "missing")]
    for cell, exposure, why, least in (
        ("denominator", "numerator", "numerator_why_denominator", Exposure.NOTHING),
        ("numerator", "numerator", "numerator_why", Exposure.DENOMINATOR),
        ("missing", "missing", "missing_why", Exposure.DENOMINATOR),
    ):
        hidden = counted.filter(pl.col(f"{exposure}_exposure") >= least)
        if cell != "denominator":
            hidden = hidden.filter(~pl.col("kept_back"))
        parts.append(
            hidden.with_columns(
                cell=pl.lit(cell),
                reason=pl.col(why).replace_strict(_REASONS, default="secondary"),
                note=pl.col(why),
            )
        )
    kept_denominator = kept.filter(
        (pl.col("numerator_exposure") < Exposure.NOTHING).fill_null(value=True)
    )
    parts.append(kept_denominator.with_columns(cell=pl.lit("denominator")))
    columns = list(describe(DisclosureLog).dtypes)
    return pl.concat([part.select(columns) for part in parts]).sort(describe(DisclosureLog).key)
