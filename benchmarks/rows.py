"""What a benchmark returns."""

from __future__ import annotations

from typing import Any


def row(name: str, value: float, unit: str, target: float | None = None, better: str = "higher") -> dict[str, Any]:
    """Return one measured value; ``ok`` says whether it reaches its target (a value without one is for reading)."""
    reached = target is None or (value >= target if better == "higher" else value <= target)
    return {"name": name, "value": round(value, 4), "unit": unit, "target": target, "better": better, "ok": reached}
