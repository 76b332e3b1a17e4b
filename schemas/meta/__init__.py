"""The meta tables: what came in, by which protocol, what was kept out, and what is published.

Belongs here: one model per meta table. Does not belong here: anything about people's answers.
"""

from __future__ import annotations

from typing import Final

from schemas.fields import RegistryModel
from schemas.meta.ledger import Delivery, Held, ProtocolInUse, Quarantine
from schemas.meta.store import Built, Codebook, Erasure, Key, Publication

META: Final[tuple[type[RegistryModel], ...]] = (
    Delivery,
    ProtocolInUse,
    Quarantine,
    Held,
    Codebook,
    Publication,
    Key,
    Erasure,
    Built,
)
"""The meta tables."""
