"""Publication: the file analysts open, and the check that it opens and is whole.

Belongs here: the last op of a run. Does not belong here: how a file is replaced.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import dagster as dg

from assets.catalogue import asset_key, asset_spec
from assets.layers import REBUILD
from assets.run import POOL, RegistryRun
from registry_pipeline.disclosure.checks import differences
from registry_pipeline.file_scan import identity_files
from registry_pipeline.warehouse.identity_columns import identity_columns
from registry_pipeline.warehouse.publish import opens_in_a_new_process, publish
from schemas.catalog import TABLES

_READS = [
    name
    for name in TABLES
    if name.startswith(("core.", "derived.", "quality.")) or name == "meta.held"
]


@dg.multi_asset(
    specs=[
        asset_spec(TABLES["meta.publication"], "publication", _READS, automation=REBUILD),
        asset_spec(TABLES["meta.codebook"], "publication"),
    ],
    check_specs=[
        dg.AssetCheckSpec(
            "opens_read_only",
            asset=asset_key("meta.publication"),
            description="The published file opens read-only in another process and holds every "
            "published table, commented.",
            blocking=True,
        ),
        dg.AssetCheckSpec(
            "no_identity_number",
            asset=asset_key("meta.publication"),
            description="No stored table, published page, log or record of a run holds an identity "
            "number; nothing is published otherwise.",
            blocking=True,
        ),
        dg.AssetCheckSpec(
            "differs_by_few_from_the_last",
            asset=asset_key("meta.publication"),
            description="No public result differs from that of the publication before by fewer "
            "people than may be shown: side by side two publications would speak of them.",
        ),
    ],
    pool=POOL,
)
def publication(
    context: dg.AssetExecutionContext, registry: RegistryRun
) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    """Replaces `published/analysis.duckdb` with the live tables, unless a number shows."""
    home = registry.place
    with ThreadPoolExecutor(1) as reading, registry.connect() as connection:
        files = reading.submit(identity_files, home, context.run.run_id)
        seen = [*identity_columns(connection), *files.result()]
    yield dg.AssetCheckResult(
        check_name="no_identity_number",
        asset_key=asset_key("meta.publication"),
        passed=not seen,
        description=", ".join(seen) or None,
    )
    if seen:
        raise dg.Failure("Nothing was published: an identity number stands where none may be.")
    with registry.connect() as connection:
        moved = differences(connection, registry.place)
        rows = publish(connection, registry.place, context.run.run_id)
    problem = opens_in_a_new_process(registry.place.analysis)
    yield dg.MaterializeResult(
        asset_key("meta.publication"),
        metadata={"tables": len(rows), "rows": sum(rows.values())},
    )
    yield dg.MaterializeResult(
        asset_key("meta.codebook"), metadata={"dagster/row_count": rows["meta.codebook"]}
    )
    yield dg.AssetCheckResult(
        check_name="opens_read_only",
        asset_key=asset_key("meta.publication"),
        passed=not problem,
        description=problem or None,
    )
    yield dg.AssetCheckResult(
        check_name="differs_by_few_from_the_last",
        asset_key=asset_key("meta.publication"),
        passed=not any(moved.values()),
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"results that moved by few": sum(moved.values()), "cohorts": len(moved)},
    )
