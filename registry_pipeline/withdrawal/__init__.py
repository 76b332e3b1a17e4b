"""Withdrawal: a person leaves, and it is proved that they are gone.

Belongs here: from an id to a request, carrying requests out, searching the home, the proof file.
Does not belong here: what an erasure does to each table (`warehouse.erasure`), the
command from its first step to its last (`commands.withdraw`).
"""
