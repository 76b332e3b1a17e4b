"""The layers: core and the derived groups, one op each, one asset per table.

Belongs here: which op makes which tables, in the order data flows, with its checks inside.
Does not belong here: how a table is made (`registry_pipeline.building.build`).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

import dagster as dg
import duckdb

from assets.catalogue import asset_key, asset_spec
from assets.lineage import in_order, upstream
from assets.run import POOL, RegistryRun
from registry_pipeline.building import beside
from registry_pipeline.building.build import Built, build_core, build_layer, lay_out
from registry_pipeline.building.layers import CORE_TABLES, LAYERS
from registry_pipeline.charts.page import drawn
from registry_pipeline.charts.pages import Pages
from registry_pipeline.child import DRAWER, PROCESSES
from schemas.catalog import TABLES

RECHECK = dg.AutomationCondition.eager().without(~dg.AutomationCondition.any_deps_missing())
"""Check again what is new: publication waits for the blocking checks on what it stands on."""

REBUILD = RECHECK & dg.AutomationCondition.all_deps_blocking_checks_passed()
"""Rebuild when something upstream is new, and never past a red blocking check."""

PROGRAMME: Final = {
    "quality.dropout": "dropout",
    "quality.no_show": "dropout",
    "quality.checklist_use": "dropout",
    "quality.feedback_change": "dropout",
    "quality.transition_gap": "dropout",
    "quality.programme_chart": "dropout",
    "core.worklist": "dropout",
    "quality.co_occurring": "co_occurring",
    "quality.bridging_funnel": "bridging",
    "quality.detox_stay": "bridging",
    "quality.involvement": "bridging",
    "quality.goal_result": "bridging",
}
"""The programmes' tables have a group each in the catalogue, though one op makes them all."""

Results = Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]


def _layer(
    name: str,
    tables: Sequence[str],
    build: Callable[[duckdb.DuckDBPyConnection], Iterable[Built]],
) -> dg.AssetsDefinition:
    """The op of a layer: builds its tables, proves each, and says what became of them.

    Charts are drawn by another process meanwhile.
    """

    @dg.multi_asset(
        name=name,
        specs=[
            asset_spec(
                TABLES[table], PROGRAMME.get(table, name), upstream(table), automation=REBUILD
            )
            for table in tables
        ],
        check_specs=[
            dg.AssetCheckSpec(
                "model",
                asset=asset_key(table),
                description="Every row obeys the table's model and no key stands twice; "
                "proved before the commit.",
                blocking=True,
            )
            for table in tables
        ],
        pool=POOL,
    )
    def layer(context: dg.AssetExecutionContext, registry: RegistryRun) -> Results:
        built: dict[str, Built] = {}
        texts: dict[str, Future[str]] = {}
        with ThreadPoolExecutor(PROCESSES[DRAWER]) as drawing:
            with registry.connect() as connection:
                pages = Pages(connection, tables)
                for one in build(connection):
                    built[one.table] = one
                    for table, page in pages.arrived(one.table, is_new=not one.error).items():
                        texts[table] = drawing.submit(drawn, page)
                due = {node.name for node in context.job_def.graph.node_defs} & LAYERS.keys()
                lay_out(connection, due, () if name == "core" else (name,))
            for table in in_order(tables):
                yield from _results(built[table], texts.get(table))

    return layer


def _results(built: Built, text: Future[str] | None) -> Results:
    if not built.error:
        metadata: dict[str, dg.MetadataValue | int] = {
            "dagster/row_count": built.rows,
            "cohorts kept as they were": built.n_kept,
        }
        if text:
            beside.work_until(text)
            metadata["chart and table"] = dg.MetadataValue.md(text.result())
        yield dg.MaterializeResult(asset_key(built.table), metadata=metadata)
    yield dg.AssetCheckResult(
        check_name="model",
        asset_key=asset_key(built.table),
        passed=not built.error,
        description=built.error or None,
    )


core = _layer("core", CORE_TABLES, build_core)
retention = _layer("retention", LAYERS["retention"].tables, lambda c: build_layer(c, "retention"))
trajectories = _layer(
    "trajectories", LAYERS["trajectories"].tables, lambda c: build_layer(c, "trajectories")
)
pathways = _layer("pathways", LAYERS["pathways"].tables, lambda c: build_layer(c, "pathways"))
quality = _layer("quality", LAYERS["quality"].tables, lambda c: build_layer(c, "quality"))
