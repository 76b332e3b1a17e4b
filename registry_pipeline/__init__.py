"""HOW: pure functions and adapters from a delivered file to a published table.

Belongs here: gate, warehouse, derivations, statistics, charts, command line.
Does not belong here: what the data is (`schemas`) and when a step runs (`assets`).
"""
