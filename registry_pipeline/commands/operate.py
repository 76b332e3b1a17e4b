"""Operating a home folder: the whole job in process.

Belongs here: a run as the command line carries it out with Dagster. Does not belong here: the UI
(see `serving`), the instance (see `operation.instance`), printing (see `cli`), assets, tables.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import dagster as dg
from dagster_shared.error import SerializableErrorInfo

from registry_pipeline.deliveries.folders import deliveries, left_alone, partition_key, unannounced
from registry_pipeline.deliveries.settled import SETTLE_SECONDS, settled
from registry_pipeline.home import WAIT_SECONDS, Home, HomeBusyError, Say
from registry_pipeline.operation.instance import prepare_instance
from registry_pipeline.operation.notices import COMMAND_LINE, TOLD
from registry_pipeline.operation.reconcile import ended_by

PARTITIONS = "delivery"

_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
"""The event log holds every step; the terminal gets progress and one sentence per fault."""

Observer = Callable[[str, int, int], None]
"""Told of each finished step: its name, how many are done, how many there are."""


@dataclass
class Outcome:
    """What became of a run.

    Attributes:
        success: every step ran and no blocking check is red.
        began: it had the home; a run that could not begin says why in `errors`.
        deliveries: the deliveries of the landing folder that were looked at.
        since: when the run began, in seconds since 1970, as its instance says.
        killed: one sentence per run before it that was killed, and that it ended.
        waiting: one sentence per delivery that is still being written or has no manifest.
        left_alone: one sentence per reason why folders cannot be taken in: names, rights.
        red_checks: `table check: description` of each failed check.
        errors: one sentence per failed step.
    """

    run_id: str
    success: bool
    deliveries: list[str]
    since: float = 0
    killed: list[str] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)
    left_alone: list[str] = field(default_factory=list)
    red_checks: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    began: bool = True


def run_job(
    home: Home,
    landing: Path | None,
    protocol_file: Path | None = None,
    observer: Observer | None = None,
    job_name: str | None = None,
    *,
    wait_seconds: float = WAIT_SECONDS,
    settle_seconds: float = SETTLE_SECONDS,
    say: Say = lambda _: None,
) -> Outcome:
    """Runs the whole job in this process: every delivery of the landing folder in one run.

    Args:
        home: the home folder; made where it is missing.
        landing: the landing folder; None where nothing is to be taken in.
        protocol_file: a protocol for this run.
        observer: told of each finished step.
        job_name: another job of the code location, one that takes no delivery in.
        wait_seconds: how long to wait for another run on the home.
        settle_seconds: how long a folder without hashes is watched before it counts as whole.
        say: told at once who is waited for.
    """
    if home.path.is_dir():
        with suppress(HomeBusyError), home.lock():
            home.prepare()  # on a full disk what a killed run left has the room its records need
    prepare_instance(home)
    from registry_pipeline.definitions import build_defs  # noqa: PLC0415 - imports every asset

    there = deliveries(landing) if landing else []
    whole = settled(there, settle_seconds)
    keys = [partition_key(folder) for folder in whole]
    repository = build_defs(home.path, landing, protocol_file, wait_seconds)
    with dg.DagsterInstance.get() as instance:
        tags = {TOLD: COMMAND_LINE}
        if keys:
            instance.add_dynamic_partitions(PARTITIONS, keys)
            known = [key for key in instance.get_dynamic_partitions(PARTITIONS) if key in keys]
            tags |= {
                "dagster/asset_partition_range_start": known[0],
                "dagster/asset_partition_range_end": known[-1],
            }
        job = repository.resolve_job_def(job_name or ("registry" if keys else "rebuild"))
        run_id = str(uuid4())
        home.say_who_holds(wait_seconds, say)
        if observer:
            _watch(instance, run_id, len(job.graph.node_defs), observer)
        result = job.execute_in_process(
            run_config=_QUIET,
            instance=instance,
            run_id=run_id,
            tags=tags,
            raise_on_error=False,
        )
        outcome = _outcome(result, run_id, keys)
        record = instance.get_run_record_by_id(run_id)
        outcome.since = (record.start_time if record else None) or 0
        outcome.killed = ended_by(instance, run_id)
    outcome.left_alone = left_alone(landing) if landing else []
    outcome.waiting = [
        f"{partition_key(folder)}: still being written; the next run takes it in"
        for folder in there
        if folder not in whole
    ] + (unannounced(landing) if landing else [])
    return outcome


def _watch(instance: dg.DagsterInstance, run_id: str, total: int, observer: Observer) -> None:
    """Tells the observer of each step as it ends, as the run's event log hears of it."""
    ends = {dg.DagsterEventType.STEP_SUCCESS, dg.DagsterEventType.STEP_FAILURE}
    done = itertools.count(1)

    def heard(entry: dg.EventLogEntry) -> None:
        if entry.is_dagster_event and entry.get_dagster_event().event_type in ends:
            observer(entry.step_key or "", next(done), total)

    instance.add_event_listener(run_id, heard)


def _outcome(result: dg.ExecuteInProcessResult, run_id: str, keys: list[str]) -> Outcome:
    red = [
        f"{check.asset_key.to_user_string().replace('/', '.')} {check.check_name}: "
        f"{check.description or 'failed'}"
        for check in result.get_asset_check_evaluations()
        if not check.passed and check.severity is dg.AssetCheckSeverity.ERROR
    ]
    errors = [
        f"{event.step_key}: {_root(event.step_failure_data.error)}"
        for event in result.filter_events(lambda event: event.is_step_failure)
    ]
    if not errors:
        # A run that could not begin, the home being held for one, has no step to blame.
        errors = [
            _root(event.job_failure_data.error)
            for event in result.filter_events(lambda event: event.is_run_failure)
        ]
    began = bool(result.filter_events(lambda event: event.is_step_start))
    success = result.success and not red
    return Outcome(run_id, success, keys, red_checks=red, errors=errors, began=began)


def _root(error: SerializableErrorInfo | None) -> str:
    """The sentence of the error behind Dagster's own, without its class."""
    while error is not None and error.cause is not None and _is_dagsters(error):
        error = error.cause
    if error is None:
        return "failed"
    return error.message.strip().split(f"{error.cls_name}: ", 1)[-1]


def _is_dagsters(error: SerializableErrorInfo) -> bool:
    return (error.cls_name or "").startswith("Dagster")
