"""The check on counts that must add up: a total counted by hand, and its parts.

Belongs here: what the check says. Does not belong here: the sums (`derivations.quality_services`).
"""

from collections.abc import Iterator

import dagster as dg

from assets.catalogue import asset_key
from assets.layers import RECHECK
from assets.run import POOL, RegistryRun

TABLE = "quality.goal_result"
_TOTALS = f"""
SELECT protocol, goal_id, value::BIGINT FROM {TABLE}
WHERE measure = 'adds_up' AND value IS NOT NULL ORDER BY ALL
"""


@dg.multi_asset_check(
    name="programme_checks",
    specs=[
        dg.AssetCheckSpec(
            "totals_add_up",
            asset=asset_key(TABLE),
            automation_condition=RECHECK,
            description="The parts of each total of the protocol add up to it.",
        )
    ],
    pool=POOL,
)
def programme_checks(registry: RegistryRun) -> Iterator[dg.AssetCheckResult]:
    """Fails with the differences; where a protocol names no totals there are none to fail."""
    with registry.connect() as connection:
        totals = connection.execute(_TOTALS).fetchall()
    wrong = [
        f"{protocol}, {goal}: the parts differ from the total by {difference:+d}."
        for protocol, goal, difference in totals
        if difference
    ]
    yield dg.AssetCheckResult(
        check_name="totals_add_up",
        asset_key=asset_key(TABLE),
        passed=not wrong,
        description=" ".join(wrong) or None,
        metadata={"totals": len(totals), "differ": len(wrong)},
    )
