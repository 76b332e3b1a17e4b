"""The proof that a person is gone: a signed list of what was searched.

Belongs here: the proof file, its signature, and the request that waits for its proof.
Does not belong here: the search itself (`search`) and the erasure (`warehouse.erasure`).

Between erasure and proof the pseudonym is needed for the search, and the database no longer has
it: it waits in a file beside the proofs, and is gone when the proof is written.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from registry_pipeline.gate.pseudonym import Key
from registry_pipeline.home import Home
from registry_pipeline.warehouse.erasure import Request
from registry_pipeline.withdrawal.search import Place

LIMIT_DAYS: Final = 30
"""The person is told within so many days of the request (domain notes, section 5)."""

_WAITING: Final = ".waiting"
_THE_ID: Final = "the id, in every way of writing it"
_TOO_SHORT: Final = "the id, which is too short to be told from other text"
_NOT_AT_HAND: Final = "the id, which only the run knew that took the request in"


def proof_file(home: Home, tombstone: str) -> Path:
    """Where the proof of an erasure stands."""
    return home.erasures / f"{tombstone}.json"


def waiting_file(home: Home, tombstone: str) -> Path:
    """Where the pseudonym of an erased person waits for the proof."""
    return home.erasures / f"{tombstone}{_WAITING}"


def wait_for_proof(home: Home, tombstone: str, pseudonym: str) -> None:
    """Notes that a person's absence is to be proved."""
    home.erasures.mkdir(mode=0o700, exist_ok=True)
    _write(waiting_file(home, tombstone), pseudonym)


def waiting(home: Home) -> dict[str, str]:
    """Tombstone to pseudonym of everyone whose absence is to be proved."""
    return {
        path.name.removesuffix(_WAITING): path.read_text(encoding="ascii")
        for path in sorted(home.erasures.glob(f"*{_WAITING}"))
    }


def write_proof(
    home: Home,
    key: Key,
    request: Request,
    ways: Sequence[str] | None,
    places: Sequence[Place],
) -> datetime:
    """Writes and signs the proof of an absence.

    Args:
        home: the home folder.
        key: signs.
        request: what was asked and done.
        ways: those of writing the id, which were searched for beside the pseudonym; none where the
            id is too short, None where it was not at hand.
        places: what was searched, and nothing found.

    Returns:
        The time of the proof, UTC.
    """
    now = datetime.now(UTC)
    days = (now.date() - request.requested_on).days
    proof: dict[str, Any] = {
        "tombstone": request.tombstone,
        "key_id": key.key_id,
        "source": request.source,
        "requested_on": request.requested_on.isoformat(),
        "erased_at": request.erased_at and f"{request.erased_at.isoformat()}+00:00",
        "proved_at": now.isoformat(),
        "days_from_request": days,
        "limit_days": LIMIT_DAYS,
        "within_limit": days <= LIMIT_DAYS,
        "rows_erased": request.n_rows,
        "searched_for": ["the pseudonym", *([_THE_ID] if ways else [])],
        "not_searched_for": [] if ways else [_TOO_SHORT if ways is not None else _NOT_AT_HAND],
        "found": 0,
        "tables": [
            {"file": place.file, "table": place.table, "rows": place.size}
            for place in places
            if place.table
        ],
        "files": [{"file": place.file, "bytes": place.size} for place in places if not place.table],
    }
    proof["signature"] = key.sign(_canonical(proof))
    text = json.dumps(proof, indent=1, ensure_ascii=False)
    _write(proof_file(home, request.tombstone), text + "\n")
    return now


def is_genuine(path: Path, key: Key) -> bool:
    """Whether a proof file stands as it was signed, by any key of the chain."""
    try:
        proof = json.loads(path.read_text(encoding="utf-8"))
        signature = proof.pop("signature")
    except (ValueError, KeyError, AttributeError, TypeError):  # not JSON, or no object, or unsigned
        return False
    content = _canonical(proof)
    made = [Key((secret,)).sign(content) for secret in key.secrets]
    return any(hmac.compare_digest(one, str(signature)) for one in made)


def _canonical(proof: dict[str, Any]) -> bytes:
    return json.dumps(proof, sort_keys=True, separators=(",", ":")).encode()


def _write(path: Path, text: str) -> None:
    beside = path.with_name(f"{path.name}.tmp")
    beside.write_text(text, encoding="utf-8")
    beside.chmod(0o600)
    beside.replace(path)
