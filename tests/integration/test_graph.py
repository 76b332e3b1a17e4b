"""The asset graph as it is committed: a change of it shows in review."""

from __future__ import annotations

import json
from pathlib import Path

from assets.lineage import UPSTREAM
from registry_pipeline.definitions import build_defs
from schemas.catalog import TABLES

SNAPSHOT = Path(__file__).parent / "asset_graph.json"


def test_the_graph_is_the_committed_one(tmp_path: Path) -> None:
    graph = build_defs(tmp_path, tmp_path).resolve_asset_graph()
    found = {
        key.to_user_string().replace("/", "."): {
            "group": graph.get(key).group_name,
            "from": sorted(
                parent.to_user_string().replace("/", ".") for parent in graph.get(key).parent_keys
            ),
            "checks": sorted(
                check.name for check in graph.asset_check_keys if check.asset_key == key
            ),
        }
        for key in sorted(graph.get_all_asset_keys())
    }
    text = json.dumps(found, indent=1) + "\n"
    assert text == SNAPSHOT.read_text(), f"if meant, write it to {SNAPSHOT.name}:\n{text}"


def test_every_table_is_an_asset_with_an_owner_and_columns(tmp_path: Path) -> None:
    graph = build_defs(tmp_path, tmp_path).resolve_asset_graph()
    tables = {key.to_user_string().replace("/", ".") for key in graph.get_all_asset_keys()}
    assert set(TABLES) - tables == {"meta.key", "meta.built"}  # written on the way, by every run
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        assert node.owners
        assert node.description
        assert node.kinds
        assert node.code_version
        assert node.metadata["dagster/column_schema"].columns


def test_lineage_names_tables_that_exist() -> None:
    for table, parents in UPSTREAM.items():
        assert table in TABLES
        assert all(parent in TABLES or parent.startswith("intake.") for parent in parents)


def test_the_code_location_loads_whole(tmp_path: Path) -> None:
    """What the webserver asks for: no two definitions share a name."""
    build_defs(tmp_path, tmp_path).get_repository_def().load_all_definitions()
