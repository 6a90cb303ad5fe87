"""What all settings of the trainer have in common: they are read once, checked, and never change."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Settings(BaseModel):
    """Settings that stand beside what they configure; a name that no field has is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)
