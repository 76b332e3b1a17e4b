"""When things run: the job, the sensor on the landing folder, the quarterly look, automation.

Belongs here: jobs, sensors and schedules.
Does not belong here: what they run.
"""

import json

import dagster as dg

from assets.erasure import absence_check, erasure
from assets.expectations import expectation_checks
from assets.intake import DELIVERY, EVERY_FILE, intake, ledger_checks
from assets.layers import pathways, quality, retention, trajectories
from assets.publication import publication
from assets.run import POOL, RegistryRun
from registry_pipeline.deliveries.folders import deliveries, partition_key
from registry_pipeline.deliveries.owed import owed
from registry_pipeline.deliveries.settled import is_proved, state
from registry_pipeline.operation.notices import COMMAND_LINE, TOLD, Notice, send
from registry_pipeline.operation.reconcile import dead_runs, end_runs, free_slots
from registry_pipeline.operation.run_names import run_name
from registry_pipeline.warehouse import ledger

_STEP_START = dg.DagsterEventType.STEP_START
_CHECKED = dg.DagsterEventType.ASSET_CHECK_EVALUATION
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


@dg.sensor(
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Ends runs whose process was killed, so that those that wait for them begin, and "
    "tells of them.",
)
def killed_runs(context: dg.SensorEvaluationContext, registry: RegistryRun) -> dg.SensorResult:
    """Without it the queue waits for a run that is gone until its longest time has passed.

    A run is gone when it was so at the look before too: one that has just begun is not alive yet.
    """
    before = json.loads(context.cursor or "[]")
    gone = [run.run_id for run in dead_runs(context.instance, registry.place)]
    dead = [run_id for run_id in gone if run_id in before]
    for sentence in end_runs(context.instance, registry.place, dead, "by the daemon"):
        context.log.warning(sentence)
    free_slots(context.instance, registry.place)
    return dg.SensorResult(cursor=json.dumps([run_id for run_id in gone if run_id not in before]))


@dg.run_failure_sensor(
    name="failure_notice",
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Tells the log, and whoever `notices.toml` names, of a run that failed.",
)
def failure_notice(context: dg.RunFailureSensorContext, registry: RegistryRun) -> None:
    """One notice per failed run of which nobody else tells.

    The command line tells of its own, unless another process ended it: then the event says no more.
    """
    run = context.dagster_run
    is_ended_by_another = context.failure_event.event_specific_data is None
    told = run.tags.get(TOLD)
    if told and not (told == COMMAND_LINE and is_ended_by_another):
        return
    steps = [event.step_key or "" for event in context.get_step_failure_events()]
    records = context.instance.get_records_for_run(run.run_id, of_type=_STEP_START, limit=1).records
    if steps:
        failed = f"Failed steps: {', '.join(steps)}."
    elif records:
        failed = "No step failed: its process was killed, or someone ended it."
    else:
        failed = "No step failed: it could not begin."
    _tell(context, registry, "failed", (f"Run {run.run_id}.", failed))


@dg.run_status_sensor(
    name="fault_notice",
    run_status=dg.DagsterRunStatus.SUCCESS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Tells the same people of refused files and red checks, which fail no run.",
)
def fault_notice(context: dg.RunStatusSensorContext, registry: RegistryRun) -> None:
    """One notice per run that went to its end and did not find all as it should be."""
    run = context.dagster_run
    if TOLD not in run.tags and _faults(context):
        _tell(context, registry, "has faults", (f"Run {run.run_id}.",))


def _tell(
    context: dg.RunStatusSensorContext, registry: RegistryRun, what: str, said: tuple[str, ...]
) -> None:
    name = run_name(context.dagster_run)
    notice = Notice(f"registry: {name} {what}", (*said, *_faults(context)))
    context.log.error(" ".join((notice.subject, *notice.sentences)))
    for sentence in send(registry.place, notice):
        context.log.warning(sentence)


def _faults(context: dg.RunStatusSensorContext) -> list[str]:
    """What the red checks of a run say, and that of refused files where it took such in.

    Later runs ask after refused files too, and would tell of the same ones again.
    """
    run = context.dagster_run
    taken_in = run.tags.get("dagster/partition") or run.tags.get(
        "dagster/asset_partition_range_start", ""
    )
    records = context.instance.get_records_for_run(run.run_id, of_type=_CHECKED).records
    events = [record.event_log_entry.get_dagster_event() for record in records]
    unpassed = [
        check for event in events if not (check := event.asset_check_evaluation_data).passed
    ]
    return [
        f"{check.asset_key.to_user_string().replace('/', '.')} {check.check_name}: "
        f"{check.description or 'failed'}"
        for check in unpassed
        if check.severity is dg.AssetCheckSeverity.ERROR
        or (check.check_name == EVERY_FILE and taken_in and taken_in in (check.description or ""))
    ]


@dg.op(pool=POOL, description="What the latest quarter still owes, as counts.")
def look_for_owed(context: dg.OpExecutionContext, registry: RegistryRun) -> None:
    """Logs one sentence per form, file or wave that is owed, and tells who is told of failures."""
    with registry.connect() as connection:
        ledger.prepare(connection)
        sentences = owed(connection)
    for sentence in sentences:
        context.log.warning(sentence)
    if sentences:
        for sentence in send(registry.place, Notice("registry: owed", tuple(sentences))):
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
