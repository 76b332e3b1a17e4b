"""From a model's table to the asset the catalogue shows.

Belongs here: asset keys, columns, titles, owners, tags and kinds.
Does not belong here: which op makes which asset.
"""

from collections.abc import Iterable
from typing import Final

import dagster as dg

from schemas.fields import Table

OWNER: Final = "team:registry"
CODE_VERSION: Final = "1"
_TYPES: Final = {
    "String": "text",
    "Int32": "integer",
    "Int64": "integer",
    "Float64": "number",
    "Boolean": "flag",
    "Date": "date",
    "Datetime": "timestamp",
}


def asset_key(table: str) -> dg.AssetKey:
    """`schema.table` as an asset key."""
    return dg.AssetKey(table.split("."))


def asset_spec(
    table: Table,
    group: str,
    deps: Iterable[str] = (),
    *,
    automation: dg.AutomationCondition[dg.AssetKey] | None = None,
    freshness: dg.FreshnessPolicy | None = None,
    partitions: dg.PartitionsDefinition[str] | None = None,
) -> dg.AssetSpec:
    """The asset of a table: its model's words, columns and key, and what it is made from.

    A table that breaks its model is not materialised, and what stands on it is skipped.
    """
    return dg.AssetSpec(
        asset_key(table.full_name),
        deps=[asset_key(name) for name in deps],
        description=f"**{table.title}** / {table.title_nb}\n\n{table.description}",
        group_name=group,
        owners=[OWNER],
        kinds={"duckdb", "table"},
        tags={"schema": table.schema_name},
        code_version=CODE_VERSION,
        skippable=partitions is None,
        automation_condition=automation,
        freshness_policy=freshness,
        partitions_def=partitions,
        metadata={
            "dagster/table_name": table.full_name,
            "dagster/column_schema": column_schema(table),
            "key": ", ".join(table.key),
        },
    )


def column_schema(table: Table) -> dg.TableSchema:
    """The Columns tab, from the model."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name=column.name,
                type=_TYPES[type(column.dtype).__name__],
                description=" ".join(
                    part
                    for part in (
                        column.description,
                        f"Unit: {column.unit}." if column.unit else "",
                        f"Allowed: {column.allowed}." if column.allowed else "",
                        f"Null: {column.missing_meaning}.",
                    )
                    if part
                ),
                constraints=dg.TableColumnConstraints(nullable=column.nullable),
                tags={"key": ""} if column.name in table.key else {},
            )
            for column in table.columns
        ]
    )
