"""The check on counts that must add up: a total counted by hand, and its parts.

Belongs here: what the check says. Does not belong here: the sums (`derivations.quality_services`).
"""

import dagster as dg

from assets.catalogue import asset_key
from assets.run import POOL, RegistryRun

TABLE = "quality.goal_result"
_TOTALS = f"""
SELECT protocol, goal_id, value::BIGINT FROM {TABLE}
WHERE measure = 'adds_up' AND value IS NOT NULL ORDER BY ALL
"""


@dg.asset_check(
    asset=asset_key(TABLE),
    name="totals_add_up",
    description="The parts of each total of the protocol add up to it.",
    pool=POOL,
)
def totals_check(registry: RegistryRun) -> dg.AssetCheckResult:
    """Fails with the differences; where a protocol names no totals there are none to fail."""
    with registry.connect() as connection:
        totals = connection.execute(_TOTALS).fetchall()
    wrong = [
        f"{protocol}, {goal}: the parts differ from the total by {difference:+d}."
        for protocol, goal, difference in totals
        if difference
    ]
    return dg.AssetCheckResult(
        passed=not wrong,
        description=" ".join(wrong) or None,
        metadata={"totals": len(totals), "differ": len(wrong)},
    )
