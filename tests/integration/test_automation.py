"""When things run: the sensor, the quarterly look, and rebuilding behind the blocking checks."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from assets.automation import (
    failure_notice,
    fault_notice,
    killed_runs,
    new_deliveries,
    owed_job,
    rebuild_when_new,
)
from assets.catalogue import asset_key
from assets.intake import DELIVERY
from assets.run import POOL, RegistryRun
from registry_pipeline.definitions import build_defs
from registry_pipeline.deliveries.owed import owed
from registry_pipeline.home import Home
from registry_pipeline.operation.instance import prepare_instance
from registry_pipeline.operation.notices import COMMAND_LINE, TOLD, Notice
from registry_pipeline.operation.run_names import run_name
from registry_pipeline.warehouse.database import connect

ALL = rebuild_when_new.asset_selection
FIRST = "lar_x/2014-Q2"


@pytest.fixture
def landing(tmp_path: Path, sample: Path) -> Path:
    """A landing folder with the sample's first delivery."""
    folder = tmp_path / "landing"
    shutil.copytree(sample / FIRST, folder / FIRST)
    return folder


@pytest.fixture
def registry(tmp_path: Path, landing: Path) -> RegistryRun:
    return RegistryRun(home=str(tmp_path / "home"), landing=str(landing))


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        yield made


def look(
    instance: dg.DagsterInstance, registry: RegistryRun, cursor: str | None = None
) -> dg.SensorResult:
    with dg.build_sensor_context(
        instance, cursor=cursor, resources={"registry": registry}
    ) as context:
        result = new_deliveries(context)
    assert isinstance(result, dg.SensorResult)
    return result


def test_the_sensor_asks_for_each_delivery_once(
    instance: dg.DagsterInstance, registry: RegistryRun, landing: Path, sample: Path
) -> None:
    first = look(instance, registry)
    assert [request.partition_key for request in first.run_requests or []] == [FIRST]
    assert [
        list(request.partition_keys) for request in first.dynamic_partitions_requests or []
    ] == [[FIRST]]
    again = look(instance, registry, first.cursor)
    assert not again.run_requests
    shutil.copytree(sample / "lar_x" / "2014-Q3", landing / "lar_x" / "2014-Q3")
    third = look(instance, registry, again.cursor)
    assert [request.partition_key for request in third.run_requests or []] == ["lar_x/2014-Q3"]


def test_the_sensor_waits_for_a_folder_that_is_still_being_written(
    instance: dg.DagsterInstance, registry: RegistryRun, landing: Path
) -> None:
    interviews = landing / FIRST / "interviews.csv"
    whole = interviews.read_bytes()
    interviews.write_bytes(whole[: len(whole) // 2])
    first = look(instance, registry)
    assert not first.run_requests
    interviews.write_bytes(whole[: 2 * len(whole) // 3])
    second = look(instance, registry, first.cursor)
    assert not second.run_requests
    interviews.write_bytes(whole)
    third = look(instance, registry, second.cursor)
    assert [request.partition_key for request in third.run_requests or []] == [FIRST]


def test_a_folder_that_moves_no_more_is_whole(
    instance: dg.DagsterInstance, registry: RegistryRun, landing: Path
) -> None:
    interviews = landing / FIRST / "interviews.csv"
    interviews.write_bytes(interviews.read_bytes()[:-100])
    first = look(instance, registry)
    assert not first.run_requests
    assert len(look(instance, registry, first.cursor).run_requests or []) == 1


def test_a_failed_run_is_told_of_once(
    instance: dg.DagsterInstance,
    registry: RegistryRun,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[Notice] = []
    monkeypatch.setattr("registry_pipeline.operation.notices.log", told.append)

    @dg.job(name="rebuild")
    def broken() -> None:
        @dg.op
        def breaks() -> None:
            raise ValueError("15076500565")

        breaks()

    for tags in ({}, {TOLD: COMMAND_LINE}):
        result = broken.execute_in_process(instance=instance, tags=tags, raise_on_error=False)
        with dg.build_run_status_sensor_context(
            "failure_notice",
            result.get_run_failure_event(),
            instance,
            result.dagster_run,
            resources={"registry": registry},
        ).for_run_failure() as context:
            failure_notice(context)
    (notice,) = told
    assert notice.subject == "registry: the rebuild failed"
    assert "Failed steps: breaks." in notice.sentences
    assert "15076500565" not in str(notice)


def test_a_run_is_called_what_a_person_understands() -> None:
    chosen = dg.DagsterRun("__ASSET_JOB", tags={"dagster/partition": FIRST})
    rebuilt = dg.DagsterRun("__ASSET_JOB", tags={"dagster/from_automation_condition": "true"})
    assert run_name(chosen) == f"a run begun in the UI for {FIRST}"
    assert run_name(rebuilt) == "the rebuild after a delivery"
    names = {run_name(dg.DagsterRun(job.name)) for job in build_defs().jobs or []}
    assert len(names) == 5
    assert not any("begun" in name for name in names)


def test_a_refused_file_is_told_of_though_no_run_fails(
    instance: dg.DagsterInstance,
    registry: RegistryRun,
    landing: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[Notice] = []
    monkeypatch.setattr("registry_pipeline.operation.notices.log", told.append)
    (landing / FIRST / "interviews.csv").unlink()
    instance.add_dynamic_partitions(str(DELIVERY.name), [FIRST])
    job = build_defs(Path(registry.home), landing).resolve_job_def("take_in")
    for tags in ({}, {TOLD: COMMAND_LINE}):
        result = job.execute_in_process(instance=instance, partition_key=FIRST, tags=tags)
        assert result.success
        with dg.build_run_status_sensor_context(
            "fault_notice",
            result.get_run_success_event(),
            instance,
            result.dagster_run,
            resources={"registry": registry},
        ) as context:
            fault_notice(context)
    (notice,) = told
    assert notice.subject == f"registry: the intake for {FIRST} has faults"
    assert any(
        f"{FIRST}/delivery.toml: announces interviews, and the folder holds no such file" in said
        for said in notice.sentences
    )


def test_a_killed_run_holds_nobody_up_and_is_told_of_once(
    registry: RegistryRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Notice] = []
    monkeypatch.setattr("registry_pipeline.operation.notices.log", told.append)
    monkeypatch.setenv("DAGSTER_HOME", "")
    prepare_instance(registry.place)

    def look_for_killed(instance: dg.DagsterInstance, cursor: str | None) -> str | None:
        with dg.build_sensor_context(
            instance, cursor=cursor, resources={"registry": registry}
        ) as context:
            result = killed_runs(context)
        assert isinstance(result, dg.SensorResult)
        return result.cursor

    with dg.DagsterInstance.get() as instance:
        storage = instance.event_log_storage
        storage.set_concurrency_slots(POOL, 1)
        killed, living = (
            instance.create_run_for_job(
                owed_job, status=dg.DagsterRunStatus.STARTED, tags={TOLD: COMMAND_LINE}
            ).run_id
            for _ in range(2)
        )
        assert storage.claim_concurrency_slot(POOL, killed, "intake").is_claimed
        with registry.place.alive(living):
            cursor = look_for_killed(instance, None)
            became = {run.run_id: run.status for run in instance.get_runs()}
            assert set(became.values()) == {dg.DagsterRunStatus.STARTED}
            look_for_killed(instance, cursor)
            became = {run.run_id: run.status for run in instance.get_runs()}
        assert became == {
            killed: dg.DagsterRunStatus.FAILURE,
            living: dg.DagsterRunStatus.STARTED,
        }
        assert not storage.get_concurrency_run_ids()
        tell_of_failure(instance, registry, killed)
    (notice,) = told
    assert notice.subject == "registry: the quarterly look for what is owed was killed"
    assert f"Run {killed}." in notice.sentences


def test_a_run_of_the_command_line_that_another_ended_is_told_of(
    instance: dg.DagsterInstance, registry: RegistryRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Dagster ends one that lasts longer than any may."""
    told: list[Notice] = []
    monkeypatch.setattr("registry_pipeline.operation.notices.log", told.append)
    run = instance.create_run_for_job(
        owed_job, status=dg.DagsterRunStatus.STARTED, tags={TOLD: COMMAND_LINE}
    )
    instance.report_run_failed(run)
    tell_of_failure(instance, registry, run.run_id)
    assert [notice.subject.split()[-1] for notice in told] == ["failed"]


def tell_of_failure(instance: dg.DagsterInstance, registry: RegistryRun, run_id: str) -> None:
    """What the sensor on failed runs does of one."""
    run = instance.get_run_by_id(run_id)
    (record,) = instance.get_records_for_run(
        run_id, of_type=dg.DagsterEventType.RUN_FAILURE
    ).records
    event = record.event_log_entry.dagster_event
    assert run is not None
    assert event is not None
    with dg.build_run_status_sensor_context(
        "failure_notice", event, instance, run, resources={"registry": registry}
    ).for_run_failure() as context:
        failure_notice(context)


def test_old_quarters_are_one_backfill(
    instance: dg.DagsterInstance, tmp_path: Path, landing: Path, sample: Path
) -> None:
    for name in ("2014-Q3", "2014-Q4"):
        shutil.copytree(sample / "lar_x" / name, landing / "lar_x" / name)
    keys = [FIRST, "lar_x/2014-Q3", "lar_x/2014-Q4"]
    instance.add_dynamic_partitions(str(DELIVERY.name), keys)
    home = Home(tmp_path / "home")
    job = build_defs(home.path, landing).resolve_job_def("take_in")
    tags = {
        "dagster/asset_partition_range_start": keys[0],
        "dagster/asset_partition_range_end": keys[-1],
    }
    assert job.execute_in_process(instance=instance, tags=tags).success
    with connect(home, read_only=True) as connection:
        sql = "SELECT count(DISTINCT delivery) FROM meta.delivery WHERE status = 'accepted'"
        assert connection.execute(sql).fetchall() == [(3,)]


def test_a_new_delivery_rebuilds_what_stands_on_it(
    instance: dg.DagsterInstance, tmp_path: Path, landing: Path
) -> None:
    defs = build_defs(tmp_path / "home", landing)
    before = dg.evaluate_automation_conditions(defs, instance, ALL)
    assert before.total_requested == 0
    instance.add_dynamic_partitions(str(DELIVERY.name), [FIRST])
    job = defs.resolve_job_def("take_in")
    assert job.execute_in_process(instance=instance, partition_key=FIRST).success
    after = dg.evaluate_automation_conditions(defs, instance, ALL, cursor=before.cursor)
    assert after.get_num_requested(asset_key("core.patient")) == 1
    assert after.get_num_requested(asset_key("derived.retention_curve")) == 1
    requested = {result.key for result in after.results if result.true_subset.size}
    checks = {
        dg.AssetCheckKey(asset_key(table), check)
        for table, check in (
            ("core.patient", "patients"),
            ("quality.public_result", "attacker"),
            ("quality.public_programme", "attacker"),
            ("quality.goal_result", "totals_add_up"),
            ("meta.publication", "erased_people_are_absent"),
        )
    }
    assert checks <= requested
    # In the same run, behind the blocking checks.
    assert asset_key("meta.publication") in requested


def test_a_red_ledger_holds_the_rebuilding_back(
    instance: dg.DagsterInstance,
    tmp_path: Path,
    landing: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        "registry_pipeline.warehouse.ledger.discrepancies", lambda _: ["one row is lost"]
    )
    defs = build_defs(tmp_path / "home", landing)
    before = dg.evaluate_automation_conditions(defs, instance, ALL)
    instance.add_dynamic_partitions(str(DELIVERY.name), [FIRST])
    job = defs.resolve_job_def("take_in")
    result = job.execute_in_process(instance=instance, partition_key=FIRST, raise_on_error=False)
    assert not result.success
    after = dg.evaluate_automation_conditions(defs, instance, ALL, cursor=before.cursor)
    requested = {result.key for result in after.results if result.true_subset.size}
    assert not any(isinstance(key, dg.AssetKey) for key in requested)


def test_the_quarterly_look_names_what_is_owed_and_tells_of_it(
    built: Home, registry: RegistryRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Notice] = []
    monkeypatch.setattr("registry_pipeline.operation.notices.log", told.append)
    shutil.copytree(built.path, registry.home)
    with connect(registry.place) as connection:
        connection.execute(
            "DELETE FROM meta.delivery WHERE delivery = '2016-Q3' AND form = 'toxicology'"
        )
        sentences = owed(connection)
    assert "lar_x, helse-bergen: 2016-Q3 has no accepted toxicology, earlier quarters had" in (
        sentences
    )
    assert any("lacks the interview row" in sentence for sentence in sentences)
    assert owed_job.execute_in_process(resources={"registry": registry}).success
    assert told == [Notice("registry: owed", tuple(sentences))]
