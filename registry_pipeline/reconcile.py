"""What a killed run leaves in the Dagster instance, set right.

Belongs here: finding runs whose process is gone, marking them failed, freeing their pool slots.
Does not belong here: what a killed run leaves on the disk (see `home`).
"""

from __future__ import annotations

import dagster as dg

_ALIVE = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]


def end_dead_runs(instance: dg.DagsterInstance, living: str) -> list[str]:
    """Marks runs that a killed process left as failed, and frees the slots they hold.

    Without this such a run stays STARTED for ever and the next one waits for its pool slot without
    end. To be called under the home's lock, which every run holds from its first step to its last:
    who does not hold it and says it has started is gone, or about to fail for want of the lock.

    Args:
        instance: the home's instance.
        living: the id of the run that holds the lock.

    Returns:
        The ids of the runs that were ended.
    """
    dead = [
        run
        for run in instance.get_runs(filters=dg.RunsFilter(statuses=_ALIVE))
        if run.run_id != living
    ]
    for run in dead:
        instance.report_run_failed(run, "The process of this run is gone: it was killed.")
    storage = instance.event_log_storage
    if storage.supports_global_concurrency_limits:
        for run_id in storage.get_concurrency_run_ids() - {living}:
            storage.free_concurrency_slots_for_run(run_id)
    return [run.run_id for run in dead]
