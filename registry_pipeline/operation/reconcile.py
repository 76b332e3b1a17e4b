"""What a killed run leaves in the Dagster instance, set right.

Belongs here: finding runs whose process is gone, marking them ended, telling of those that were
killed, freeing their pool slots.
Does not belong here: what a killed run leaves on the disk (see `home`).
"""

from __future__ import annotations

from collections.abc import Collection

import dagster as dg

from registry_pipeline.home import Home
from registry_pipeline.operation.notices import TOLD, Notice, send
from registry_pipeline.operation.run_names import run_name

_ALIVE = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]


def was_killed(run: dg.DagsterRun, home: Home) -> bool:
    """Whether a run counts as running and its process is gone."""
    return run.status in _ALIVE and not home.is_alive(run.run_id)


def dead_runs(instance: dg.DagsterInstance, home: Home) -> list[dg.DagsterRun]:
    """The runs that count as running and whose process is gone."""
    running = instance.get_runs(filters=dg.RunsFilter(statuses=_ALIVE))
    return [run for run in running if was_killed(run, home)]


def end_runs(
    instance: dg.DagsterInstance, home: Home, run_ids: Collection[str], found_by: str
) -> list[str]:
    """Ends runs whose process is gone; the queue counts them as running else.

    One that a person stopped is marked as canceled. Others were killed: they are marked as failed,
    and told of, since nobody else can.

    Args:
        instance: the home's instance.
        home: knows which runs live, and who is told.
        run_ids: runs that count as running.
        found_by: who tells of them, for their tag `TOLD`.

    Returns:
        One sentence per person or hook that could not be told.
    """
    failed = []
    for run in filter(None, map(instance.get_run_by_id, run_ids)):
        if was_killed(run, home):
            instance.add_run_tags(run.run_id, {TOLD: found_by})
            if home.was_stopped(run.run_id):
                instance.report_run_canceled(run, "A person stopped this run.")
                home.forget_stopped(run.run_id)
                continue
            instance.report_run_failed(run, "The process of this run is gone: it was killed.")
            said = f"Run {run.run_id}.", "What it had stored is kept, and the next run goes on."
            failed += send(home, Notice(f"registry: {run_name(run)} was killed", said))
    return failed


def free_slots(instance: dg.DagsterInstance, home: Home, living: str = "") -> None:
    """Frees the pool slots of runs whose process is gone, those marked as failed among them.

    Without this the next run waits for them without end. A slot is taken by a step, so a run that
    holds one and is not alive does not just begin.
    """
    storage = instance.event_log_storage
    if not storage.supports_global_concurrency_limits:
        return
    for run_id in storage.get_concurrency_run_ids() - {living}:
        if not home.is_alive(run_id):
            storage.free_concurrency_slots_for_run(run_id)


def end_dead_runs(instance: dg.DagsterInstance, home: Home, living: str) -> list[str]:
    """Ends runs that a process left that is gone, as `end_runs` does, and frees their slots.

    To be called under the home's lock. A run that waits for the lock holds a file of its own
    meanwhile, and is left alone.

    Args:
        instance: the home's instance.
        home: knows which runs live.
        living: the id of the run that holds the lock.

    Returns:
        One sentence per person or hook that could not be told.
    """
    dead = [run.run_id for run in dead_runs(instance, home) if run.run_id != living]
    failed = end_runs(instance, home, dead, living)
    free_slots(instance, home, living)
    return failed


def ended_by(instance: dg.DagsterInstance, living: str) -> list[str]:
    """One sentence per run without a process that a run found and ended when it began."""
    return [
        f"{run_name(run)} before this one was "
        f"{'stopped' if run.status is dg.DagsterRunStatus.CANCELED else 'killed'}: "
        f"run {run.run_id}; this one went on"
        for run in instance.get_runs(filters=dg.RunsFilter(tags={TOLD: living}))
    ]
