"""Judging the rules: counts in one pass per frame, then a status for each.

Belongs here: running passes and giving statuses.
Does not belong here: what a rule asks (see the rules' modules).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import narwhals as nw
import polars as pl

from registry_pipeline.data_quality.deliveries import DELIVERIES
from registry_pipeline.data_quality.interviews import INTERVIEWS
from registry_pipeline.data_quality.people import PEOPLE
from registry_pipeline.data_quality.rule import Pass, Rule
from registry_pipeline.data_quality.services import SERVICES
from registry_pipeline.indicators.definition import Core
from registry_pipeline.transform.engine import Frame
from registry_pipeline.version import ASSEMBLED
from schemas.fields import describe
from schemas.protocol import Protocol
from schemas.quality.indicators import DataQuality

UNIT: Final = "unit_id"

PASSES: Final = (*PEOPLE, *INTERVIEWS, *SERVICES, *DELIVERIES)
"""Every rule, by the rows it is judged on."""


@dataclass(frozen=True)
class Verdict:
    """What became of a rule; the status is the first that holds.

    Attributes:
        n_checked: rows looked at.
        n_failed: rows that break the rule.
        is_asked: the rule applies.
        error: kind of the exception, where the rule could not be computed.
    """

    n_checked: int = 0
    n_failed: int = 0
    is_asked: bool = True
    error: str = ""

    def status(self, threshold: float) -> str:
        """Error before not_applicable before failed before passed; nothing checked never passes."""
        if self.error:
            return "error"
        if not self.is_asked or self.n_checked == 0:
            return "not_applicable"
        return "failed" if self.n_failed > threshold * self.n_checked else "passed"


def data_quality(core: Core, protocol: Protocol, passes: Iterable[Pass] = PASSES) -> pl.DataFrame:
    """quality.data_quality of one cohort, without as_of_delivery.

    One row per rule, over the whole store. A rule that cannot be computed is an error and stops
    no other.
    """
    rows = [
        _row(rule, verdict, protocol)
        for part in passes
        for rule, verdict in _judge(part, core, protocol)
    ]
    dtypes = {
        name: kind for name, kind in describe(DataQuality).dtypes.items() if name != ASSEMBLED
    }
    return pl.DataFrame(rows, schema=dtypes)


def _judge(part: Pass, core: Core, protocol: Protocol) -> list[tuple[Rule, Verdict]]:
    """All rules in one pass; where that breaks each rule alone, to see which of them it is."""
    rules = part.rules(protocol)
    try:
        verdicts = _counts(part.rows(core, protocol), rules)
    except Exception:  # noqa: BLE001 - a check that crashes is an error of its own, never a pass
        verdicts = [_alone(part, rule, core, protocol) for rule in rules]
    return list(zip(rules, verdicts, strict=True))


def _alone(part: Pass, rule: Rule, core: Core, protocol: Protocol) -> Verdict:
    try:
        return _counts(part.rows(core, protocol), [rule])[0]
    except Exception as error:  # noqa: BLE001 - as above; a message may hold a value, its kind none
        return Verdict(error=type(error).__name__)


def _counts(rows: Frame, rules: Sequence[Rule]) -> list[Verdict]:
    """The sums of every rule from one scan of the rows; rules that share a sum share its cost.

    Where a rule says who is asked, a unit that asks nobody is no part of it.
    """
    terms = {
        f"sum_{id(term)}": term
        for rule in rules
        for term in (rule.n_checked, rule.n_failed, rule.asked)
        if term is not None
    }
    sums = [
        term.cast(nw.Int64).sum().fill_null(0).cast(nw.Int64).alias(name)
        for name, term in terms.items()
    ]
    by_unit = any(rule.asked is not None for rule in rules) and UNIT in rows.collect_schema()
    summed = rows.group_by(UNIT).agg(sums).drop(UNIT) if by_unit else rows.select(sums)
    counted: pl.DataFrame = summed.collect("polars").to_native()
    return [_verdict(rule, counted) for rule in rules]


def _verdict(rule: Rule, summed: pl.DataFrame) -> Verdict:
    """The verdict from the sums of each unit, or of all rows at once."""
    if rule.asked is not None:
        summed = summed.filter(pl.col(f"sum_{id(rule.asked)}") > 0)
    checked, failed = (
        int(summed[f"sum_{id(term)}"].sum()) for term in (rule.n_checked, rule.n_failed)
    )
    return Verdict(checked, failed, rule.asked is None or not summed.is_empty())


def _row(rule: Rule, verdict: Verdict, protocol: Protocol) -> dict[str, object]:
    check = rule.check
    threshold = check.threshold if rule.threshold is None else rule.threshold
    status = verdict.status(threshold)
    n_checked = 0 if status == "not_applicable" else verdict.n_checked
    n_failed = 0 if status == "not_applicable" else verdict.n_failed
    return {
        "rule_id": check.rule_id,
        "protocol": protocol.id,
        "table_name": rule.table,
        "column_name": rule.column,
        "period_start": None,
        "dimension": check.dimension,
        "kahn_category": check.kahn_category,
        "severity": check.severity,
        "n_checked": n_checked,
        "n_failed": n_failed,
        "share": n_failed / n_checked if n_checked else None,
        "threshold": threshold,
        "status": status,
        "note": check.note + _why(verdict, status),
    }


def _why(verdict: Verdict, status: str) -> str:
    """Why a rule does not apply or could not be computed, after its words."""
    if status == "error":
        return f" It could not be computed ({verdict.error})."
    if status == "not_applicable":
        return " Nobody was asked." if not verdict.is_asked else " There is no row to look at."
    return ""
