"""Operation: Dagster's records of a home, and who is told when a run fails.

Belongs here: the instance, its event log, what a killed run leaves, notices.
Does not belong here: assets, sensors and schedules (`assets`), commands (`commands`).
"""
