"""What the pipeline costs, measured beside a floor and beside what one would write by hand.

Belongs here: the cases, their peers and the report of `make bench`.
Does not belong here: anything the pipeline itself uses; tests of right answers (see `tests`),
except that peers must give the same tables for a comparison of times to mean anything.

Every case runs in a process of its own, on the same generated landing folder.
"""

import registry_pipeline  # noqa: F401 - before numpy: it sets how many threads multiply matrices
