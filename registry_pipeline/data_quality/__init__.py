"""Data quality as rules: few check types over many fields, after OHDSI's Data Quality Dashboard.

Belongs here: the check types, the rules that spread them over tables and columns, the engine.
Does not belong here: rules that decide a row's fate (see `gate` and `transform.holding`), and the
expectations people read as pages (see `expectations`).
"""
