"""WHAT the data is: codes, one model per form and table, and protocols.

Belongs here: names, types, allowed values, meanings, and the reading of protocol files.
Does not belong here: anything that reads a delivery, opens a database or knows Dagster.
"""
