"""When things run: the job, the sensor on the landing folder, the quarterly look, automation.

Belongs here: jobs, sensors and schedules.
Does not belong here: what they run.
"""

import json

import dagster as dg

from assets.erasure import absence_check, erasure
from assets.expectations import expectation_checks
from assets.intake import DELIVERY, intake, ledger_checks
from assets.layers import pathways, quality, retention, trajectories
from assets.publication import publication
from assets.run import POOL, RegistryRun
from registry_pipeline.folders import deliveries, partition_key
from registry_pipeline.notices import TOLD, Notice, send
from registry_pipeline.owed import owed
from registry_pipeline.settled import is_proved, state
from registry_pipeline.warehouse import ledger

TAGS = {"dagster/max_runtime": "10800"}
"""A run that hangs ends after three hours and frees its pool slot."""

registry_job = dg.define_asset_job(
    "registry",
    selection=dg.AssetSelection.all() | dg.AssetSelection.all_asset_checks(),
    description="The whole job: intake of the deliveries, gate, store, derive, check, publish.",
    tags=TAGS,
)
rebuild_job = dg.define_asset_job(
    "rebuild",
    selection=(dg.AssetSelection.all() - dg.AssetSelection.assets(intake))
    | dg.AssetSelection.all_asset_checks(),
    description="Core, derived tables, checks and publication from what is stored.",
    tags=TAGS,
)
intake_job = dg.define_asset_job(
    "take_in",
    selection=dg.AssetSelection.assets(intake).without_checks()
    | dg.AssetSelection.checks(ledger_checks),
    description="One delivery through the gate, and the proof of the ledger.",
    tags=TAGS,
)
withdraw_job = dg.define_asset_job(
    "withdraw",
    selection=(
        dg.AssetSelection.assets(erasure, retention, trajectories, pathways, quality, publication)
        | dg.AssetSelection.checks(expectation_checks)
    )
    - dg.AssetSelection.checks(absence_check),
    description="A person leaves: the store without them, derived and published again. Core is "
    "not built anew: every row of it is of one person.",
    tags=TAGS,
)


@dg.sensor(
    job=intake_job,
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Starts a run for each delivery folder that is new, or changed, and whole.",
)
def new_deliveries(context: dg.SensorEvaluationContext, registry: RegistryRun) -> dg.SensorResult:
    """One run per delivery that is whole and not as it was when a run was asked for.

    Whole is what its manifest's hashes prove, or what stood alike at the look before. The cursor
    keeps the state of each folder, and of the last one a run was asked for.
    """
    seen: dict[str, list[str]] = json.loads(context.cursor or "{}")
    known = set(context.instance.get_dynamic_partitions(DELIVERY.name or ""))
    looked: dict[str, list[str]] = {}
    asked: dict[str, str] = {}
    for folder in deliveries(registry.landing_folder):
        key, now = partition_key(folder), state(folder)
        before, last_asked = seen.get(key, ["", ""])
        if now != last_asked and (now == before or is_proved(folder)):
            asked[key] = last_asked = now
        looked[key] = [now, last_asked]
    return dg.SensorResult(
        run_requests=[dg.RunRequest(run_key=now, partition_key=key) for key, now in asked.items()],
        dynamic_partitions_requests=[
            DELIVERY.build_add_request([key for key in asked if key not in known])
        ],
        cursor=json.dumps(looked),
    )


@dg.run_failure_sensor(
    name="failure_notice",
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Tells the log, and whoever `notices.toml` names, of a run that failed.",
)
def failure_notice(context: dg.RunFailureSensorContext, registry: RegistryRun) -> None:
    """One notice per failed run that the command line did not tell of itself."""
    run = context.dagster_run
    if TOLD in run.tags:
        return
    steps = [event.step_key or "" for event in context.get_step_failure_events()]
    notice = Notice(
        f"registry: job {run.job_name} failed",
        (f"Run {run.run_id}.", f"Failed steps: {', '.join(steps) or 'none: it could not begin'}."),
    )
    context.log.error(" ".join((notice.subject, *notice.sentences)))
    for sentence in send(registry.place, notice):
        context.log.warning(sentence)


@dg.op(pool=POOL, description="What the latest quarter still owes, as counts.")
def look_for_owed(context: dg.OpExecutionContext, registry: RegistryRun) -> None:
    """Logs one sentence per form, file or wave that is owed."""
    with registry.connect() as connection:
        ledger.prepare(connection)
        for sentence in owed(connection):
            context.log.warning(sentence)


@dg.job(description="Looks for what a quarter still owes: forms, refused files, due interviews.")
def owed_job() -> None:
    """One look at the ledger and the visits."""
    look_for_owed()


quarter_owed = dg.ScheduleDefinition(
    name="quarter_owed",
    job=owed_job,
    cron_schedule="0 7 15 1,4,7,10 *",
    execution_timezone="Europe/Oslo",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Two weeks after each quarter: what has not been delivered.",
)
rebuild_when_new = dg.AutomationConditionSensorDefinition(
    "rebuild_when_new",
    target=(dg.AssetSelection.all() - dg.AssetSelection.assets(intake))
    | dg.AssetSelection.all_asset_checks(),
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Rebuilds what stands on a new delivery, never past a red blocking check.",
)
