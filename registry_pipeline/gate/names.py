"""Names that others gave, as a message may hold them.

Belongs here: which names of files, folders and fields are shown. Does not belong here: the columns
of a file, which are shown by their place (`header`).
"""

from __future__ import annotations

import re
from typing import Final

from registry_pipeline.gate.identity import holds_identity

_PLAIN: Final = re.compile(r"[A-Za-z0-9ÆØÅæøå._() -]{1,100}")


def shown(name: str) -> str:
    """A name as a message may hold it: without odd signs or what may be an identity number."""
    is_safe = _PLAIN.fullmatch(name) and not holds_identity(name)
    return name if is_safe else "(a name that is not shown)"
