"""The DuckDB store: connections, tables made from models, the ledger, publication.

Belongs here: everything that speaks SQL to the live or the published file.
Does not belong here: judging rows (`gate`) and deriving them (`transform`, `derivations`).
"""
