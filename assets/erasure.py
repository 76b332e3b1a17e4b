"""Erasure: people who withdrew leave the store before anything is derived, and are proved gone.

Belongs here: the op between intake and core, and the check after publication.
Does not belong here: what erasing and proving are (`registry_pipeline.withdrawal`).
"""

from collections.abc import Iterator

import dagster as dg

from assets.catalogue import asset_key, asset_spec
from assets.layers import REBUILD, RECHECK
from assets.lineage import upstream
from assets.run import POOL, RegistryRun
from registry_pipeline.keys import open_key
from registry_pipeline.withdrawal.withdraw import WithdrawalError, carry_out, prove
from schemas.catalog import TABLES

_TABLE = "meta.erasure"


@dg.multi_asset(
    name="erasure",
    specs=[asset_spec(TABLES[_TABLE], "intake", upstream(_TABLE), automation=REBUILD)],
    pool=POOL,
)
def erasure(registry: RegistryRun) -> Iterator[dg.MaterializeResult[None]]:
    """Writes the database anew without the people who are to be erased, where there are any."""
    carry_out(registry.place)
    yield dg.MaterializeResult(asset_key(_TABLE))


@dg.multi_asset_check(
    name="absence",
    specs=[
        dg.AssetCheckSpec(
            "erased_people_are_absent",
            asset=asset_key("meta.publication"),
            automation_condition=RECHECK,
            description="Nobody who was erased since the last run is in any table or file of the "
            "home; the proof is written.",
            blocking=True,
        )
    ],
    pool=POOL,
)
def absence_check(registry: RegistryRun) -> dg.AssetCheckResult:
    """Searches the home for whoever was erased and not proved gone yet."""
    with registry.connect() as connection:
        key = open_key(connection, registry.place)
    problem = None
    try:
        prove(registry.place, key, registry.leaving)
    except WithdrawalError as error:
        problem = str(error)
    return dg.AssetCheckResult(
        check_name="erased_people_are_absent",
        asset_key=asset_key("meta.publication"),
        passed=problem is None,
        description=problem,
    )
