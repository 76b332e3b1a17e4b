"""What a killed run leaves in the Dagster instance, set right.

Belongs here: finding runs whose process is gone, marking them failed, freeing their pool slots.
Does not belong here: what a killed run leaves on the disk (see `home`).
"""

from __future__ import annotations

import dagster as dg

from registry_pipeline.home import Home

_ALIVE = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]


def was_killed(run: dg.DagsterRun, home: Home) -> bool:
    """Whether a run counts as running and its process is gone."""
    return run.status in _ALIVE and not home.is_alive(run.run_id)


def end_dead_runs(instance: dg.DagsterInstance, home: Home, living: str) -> list[str]:
    """Marks runs that a killed process left as failed, and frees the slots they hold.

    Without this such a run stays STARTED for ever and the next one waits for its pool slot without
    end. To be called under the home's lock. A run that waits for the lock holds a file of its own
    meanwhile, and is left alone.

    Args:
        instance: the home's instance.
        home: knows which runs live.
        living: the id of the run that holds the lock.

    Returns:
        The ids of the runs that were ended.
    """
    dead = [
        run
        for run in instance.get_runs(filters=dg.RunsFilter(statuses=_ALIVE))
        if run.run_id != living and was_killed(run, home)
    ]
    for run in dead:
        instance.report_run_failed(run, "The process of this run is gone: it was killed.")
    storage = instance.event_log_storage
    if storage.supports_global_concurrency_limits:
        for run_id in storage.get_concurrency_run_ids() - {living}:
            if home.is_alive(run_id):
                continue
            storage.free_concurrency_slots_for_run(run_id)
    return [run.run_id for run in dead]
