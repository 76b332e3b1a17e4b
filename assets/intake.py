"""Intake: each delivery through the gate into `intake.*` and the ledger.

Belongs here: the partitioned intake op and the check that reads the whole ledger.
Does not belong here: how a file is judged (`registry_pipeline.gate`).
"""

from collections.abc import Iterator
from datetime import timedelta

import dagster as dg

from assets.catalogue import asset_key, asset_spec
from assets.run import POOL, RegistryRun
from registry_pipeline.deliveries.folders import deliveries, partition_key
from registry_pipeline.deliveries.intake import take_in
from registry_pipeline.deliveries.taken import DeliveryReport
from registry_pipeline.gate.gate import canary
from registry_pipeline.keys import open_key
from registry_pipeline.warehouse import ledger, refusals
from registry_pipeline.warehouse.witness import prove_whole
from schemas.catalog import TABLES
from schemas.fields import describe
from schemas.forms import FORMS

DELIVERY = dg.DynamicPartitionsDefinition(name="delivery")
"""One partition per delivery, `<protocol>/<delivery>`."""

EVERY_FILE = "every_file_accepted"
"""The check that tells of refused files, which fail no run."""

LEDGER_TABLES = ("meta.delivery", "meta.protocol", "meta.quarantine")
_FRESHNESS = dg.FreshnessPolicy.time_window(
    warn_window=timedelta(days=100), fail_window=timedelta(days=130)
)
_SPECS = [
    *(asset_spec(describe(model), "intake", partitions=DELIVERY) for model in FORMS.values()),
    *(
        asset_spec(
            TABLES[name],
            "intake",
            freshness=_FRESHNESS if name == "meta.delivery" else None,
            partitions=DELIVERY,
        )
        for name in LEDGER_TABLES
    ),
]


@dg.multi_asset(
    specs=_SPECS,
    partitions_def=DELIVERY,
    backfill_policy=dg.BackfillPolicy.single_run(),
    pool=POOL,
)
def intake(
    context: dg.AssetExecutionContext, registry: RegistryRun
) -> Iterator[dg.MaterializeResult[None]]:
    """Takes the run's deliveries in, in the order they apply; a refused file stops no other."""
    canary()
    wanted = set(context.partition_keys)
    folders = [f for f in deliveries(registry.landing_folder) if partition_key(f) in wanted]
    reports: list[DeliveryReport] = []
    prove_whole(registry.place)
    with registry.connect(in_any_order=True) as connection:
        key = open_key(connection, registry.place)
        for folder in folders:
            report = take_in(connection, registry.place, folder, key, registry.protocol_text)
            for message in report.messages:
                context.log.warning(message)
            registry.remember(report.leaving)
            reports.append(report)
    yield from _results(reports)


def _results(reports: list[DeliveryReport]) -> Iterator[dg.MaterializeResult[None]]:
    """Counts per table, also of forms no delivery held: never a row, a value or an identifier."""
    for form in FORMS:
        files = [file for report in reports for file in report.files if file.form == form]
        yield dg.MaterializeResult(
            asset_key(f"intake.{form}"),
            metadata={
                "received": sum(file.n_received for file in files),
                "accepted": sum(file.n_accepted for file in files),
                "quarantined": sum(file.n_quarantined for file in files),
                "warnings": sum(file.n_warning for file in files),
                "files refused": sum(file.status == "refused" for file in files),
            },
        )
    for name in LEDGER_TABLES:
        yield dg.MaterializeResult(asset_key(name), metadata={"deliveries": len(reports)})


@dg.multi_asset_check(
    name="ledger",
    specs=[
        dg.AssetCheckSpec(
            "received_is_accepted_plus_quarantined",
            asset=asset_key("meta.delivery"),
            description="Every form of every delivery: received = accepted + quarantined, and "
            "the tables hold what the ledger says.",
            blocking=True,
        ),
        dg.AssetCheckSpec(
            EVERY_FILE,
            asset=asset_key("meta.delivery"),
            description="No refused file waits to be mended.",
        ),
    ],
    pool=POOL,
)
def ledger_checks(registry: RegistryRun) -> Iterator[dg.AssetCheckResult]:
    """Proves the whole ledger, whichever deliveries the run took in."""
    with registry.connect() as connection:
        ledger.prepare(connection)
        wrong = ledger.discrepancies(connection)
        refused = refusals.open_refusals(connection)
    yield dg.AssetCheckResult(
        check_name="received_is_accepted_plus_quarantined",
        asset_key=asset_key("meta.delivery"),
        passed=not wrong,
        description="; ".join(wrong) or None,
        metadata={"discrepancies": len(wrong)},
    )
    yield dg.AssetCheckResult(
        check_name=EVERY_FILE,
        asset_key=asset_key("meta.delivery"),
        passed=not refused,
        severity=dg.AssetCheckSeverity.WARN,
        description="; ".join(reason for *_, reason in refused) or None,
        metadata={"refused files": len(refused)},
    )
