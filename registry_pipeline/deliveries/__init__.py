"""Deliveries: a landing folder's folders, from being written to being taken in.

Belongs here: finding them, waiting until they are whole, staging their files, the order of work of
an intake, what a quarter still owes. Does not belong here: judging a file (`gate`), storing rows
(`warehouse`).
"""
