"""HOW: pure functions and adapters from a delivered file to a published table.

Belongs here: gate, warehouse, derivations, statistics, charts, command line.
Does not belong here: what the data is (`schemas`) and when a step runs (`assets`).
"""

import os

# Matrices here are tall and thin. On one thread they are multiplied as fast, a busy machine does
# not make the threads wait for each other, and sums come out alike on every machine.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
