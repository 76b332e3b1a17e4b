"""Checks on the quality tables: the attackers on what is shown, and the rules of data quality.

Belongs here: one op that reads the stored tables and says what became of each check.
Does not belong here: the attack (`registry_pipeline.disclosure`), the rules (`data_quality`).
"""

from collections.abc import Iterator, Mapping

import dagster as dg

from assets.catalogue import asset_key
from assets.layers import RECHECK
from assets.run import POOL, RegistryRun
from registry_pipeline.data_quality.summary import Summary, summaries
from registry_pipeline.disclosure.checks import (
    PUBLIC,
    PUBLIC_PROGRAMMES,
    attack,
    attack_programmes,
)
from schemas.result_codes import DIMENSION

RULES = "quality.data_quality"


@dg.multi_asset_check(
    name="quality_checks",
    specs=[
        dg.AssetCheckSpec(
            "attacker",
            asset=asset_key(PUBLIC),
            automation_condition=RECHECK,
            description="A linear program that reads the public results works no small count out "
            "of them, over units, quarters and years.",
            blocking=True,
        ),
        dg.AssetCheckSpec(
            "attacker",
            asset=asset_key(PUBLIC_PROGRAMMES),
            automation_condition=RECHECK,
            description="The same of the programmes' pages: over units, groups, ages, quarters, "
            "measures that add up to each other and tables that count the same.",
            blocking=True,
        ),
        *(
            dg.AssetCheckSpec(
                dimension,
                asset=asset_key(RULES),
                automation_condition=RECHECK,
                description=f"Every rule on {label} that applies passes.",
            )
            for dimension, (_, label) in DIMENSION.labels.items()
        ),
    ],
    pool=POOL,
)
def quality_checks(registry: RegistryRun) -> Iterator[dg.AssetCheckResult]:
    """Attacks what is public, and reports the rules by dimension."""
    with registry.connect() as connection:
        found = {PUBLIC: attack(connection), PUBLIC_PROGRAMMES: attack_programmes(connection)}
        by_dimension = summaries(connection)
    for table, by_cohort in found.items():
        yield _attacked(table, by_cohort)
    for dimension in DIMENSION.codes:
        yield _result(dimension, by_dimension.get(dimension, Summary()))


def _attacked(table: str, found: Mapping[str, int]) -> dg.AssetCheckResult:
    """What the attacker worked out of a public table, per cohort."""
    told = [f"{name}: {n} results worked out" for name, n in found.items() if n]
    return dg.AssetCheckResult(
        check_name="attacker",
        asset_key=asset_key(table),
        passed=not told,
        description="; ".join(told) or None,
        metadata={"cohorts": len(found), "results worked out": sum(found.values())},
    )


def _result(dimension: str, summary: Summary) -> dg.AssetCheckResult:
    """Counts alone; a dimension with no rule that applies warns, since nothing checked passes."""
    severe = summary.n_error or summary.n_severe
    return dg.AssetCheckResult(
        check_name=dimension,
        asset_key=asset_key(RULES),
        passed=summary.passed,
        severity=dg.AssetCheckSeverity.ERROR if severe else dg.AssetCheckSeverity.WARN,
        description=" ".join(summary.failed) or None,
        metadata={
            "passed": summary.n_passed,
            "failed": summary.n_failed,
            "not applicable": summary.n_not_applicable,
            "error": summary.n_error,
        },
    )
