"""The base of every part of a protocol: nothing unknown is taken in, nothing changes afterwards.

Belongs here: what all parts share. Does not belong here: any part (see `protocol`).
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Code = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
"""A code that a protocol chooses."""


class Part(BaseModel):
    """A part of a protocol."""

    model_config = ConfigDict(extra="forbid", frozen=True)
