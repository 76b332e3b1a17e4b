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

TO_COMPLETE: Final = "repeat registry withdraw with the id, and the proof is written anew"
"""How a person completes a search for which the id was not at hand."""

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

    A proof that stands there is replaced; the first one says whether the limit was kept.

    Returns:
        The time of the proof, UTC.
    """
    now = datetime.now(UTC)
    before = _read(proof_file(home, request.tombstone), key)
    first = (
        datetime.fromisoformat(before.get("first_proved_at", before["proved_at"]))
        if before
        else now
    )
    days = (first.date() - request.requested_on).days
    proof: dict[str, Any] = {
        "tombstone": request.tombstone,
        "key_id": key.key_id,
        "source": request.source,
        "requested_on": request.requested_on.isoformat(),
        "erased_at": request.erased_at and f"{request.erased_at.isoformat()}+00:00",
        "first_proved_at": first.isoformat(),
        "proved_at": now.isoformat(),
        "days_from_request": days,
        "limit_days": LIMIT_DAYS,
        "within_limit": days <= LIMIT_DAYS,
        "rows_erased": request.n_rows,
        "searched_for": ["the pseudonym", *([_THE_ID] if ways else [])],
        "not_searched_for": [] if ways else [_TOO_SHORT if ways is not None else _NOT_AT_HAND],
        "to_complete": TO_COMPLETE if ways is None else None,
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
    return bool(_read(path, key))


def is_whole(path: Path, key: Key) -> bool:
    """Whether a genuine proof stands there and nothing is left that a person could complete."""
    return is_genuine(path, key) and not lacks_id(path)


def lacks_id(path: Path) -> bool:
    """Whether a proof stands there that says the id was not at hand for the search."""
    return path.exists() and _NOT_AT_HAND in _parsed(path).get("not_searched_for", ())


def _read(path: Path, key: Key) -> dict[str, Any]:
    """A proof without its signature; empty where none stands as any key of the chain signed it."""
    proof = _parsed(path) if path.exists() else {}
    signature = str(proof.pop("signature", ""))
    content = _canonical(proof)
    made = [Key((secret,)).sign(content) for secret in key.secrets]
    return proof if any(hmac.compare_digest(one, signature) for one in made) else {}


def _parsed(path: Path) -> dict[str, Any]:
    """What a file says as a JSON object; empty where it is none."""
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def _canonical(proof: dict[str, Any]) -> bytes:
    return json.dumps(proof, sort_keys=True, separators=(",", ":")).encode()


def _write(path: Path, text: str) -> None:
    beside = path.with_name(f"{path.name}.tmp")
    beside.write_text(text, encoding="utf-8")
    beside.chmod(0o600)
    beside.replace(path)
