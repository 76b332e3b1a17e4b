"""Which protocol is in use: the given text, the stored one, the one that ships, or none."""

from __future__ import annotations

import duckdb
import pytest

from registry_pipeline.warehouse.in_use import protocol_in_use
from schemas.protocol import ProtocolError, shipped_text


def test_a_mistyped_protocol_is_told_the_home_s_own_too() -> None:
    with duckdb.connect() as connection:
        connection.execute("CREATE SCHEMA meta")
        connection.execute("CREATE TABLE meta.protocol AS SELECT 'clinic' protocol, '' content")
        with pytest.raises(ProtocolError, match=r"clinik: .* known: clinic, ctn0027, lar_x"):
            protocol_in_use(connection, "clinik")


def test_a_given_protocol_goes_before_the_one_in_use_for_its_own_deliveries_alone() -> None:
    given = shipped_text("lar_x").replace('id = "lar_x"', 'id = "clinic"', 1)
    with duckdb.connect() as connection:
        connection.execute("CREATE SCHEMA meta")
        connection.execute("CREATE TABLE meta.protocol (protocol VARCHAR, content VARCHAR)")
        assert protocol_in_use(connection, "clinic", given)[1] == given
        assert protocol_in_use(connection, "tsb", given)[0].id == "tsb"
