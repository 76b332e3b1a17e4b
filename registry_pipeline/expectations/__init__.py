"""Great Expectations on the stored tables: plausible, complete, stable; with pages to read.

Belongs here: suites as data, running them, and their pages.
Does not belong here: the contract of a row (see `gate`) and rules on rows (see `data_quality`).
"""
