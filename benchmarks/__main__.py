"""Run every benchmark but the longest, or those named; write ``benchmarks/results.json`` and ``benchmarks/results.md``.

Run ``make bench``, or ``python -m benchmarks dataset_open cli_start`` for some of them.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import platform
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
RESULTS = HERE / "results.json"


def main(names: list[str]) -> None:
    """Run the named benchmarks; by default all but those to be run ``BY_NAME_ONLY``. Rows of those not run are kept."""
    known = sorted(module.name for module in pkgutil.iter_modules([str(HERE)]))
    modules = {name: importlib.import_module(f"benchmarks.{name}") for name in known if name != "__main__"}
    runnable = {name: module for name, module in modules.items() if hasattr(module, "run")}
    if unknown := set(names) - set(runnable):
        sys.exit(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(runnable)}")
    chosen = names or [name for name, module in runnable.items() if not hasattr(module, "BY_NAME_ONLY")]
    rows = []
    for name in chosen:
        print(f"== {name}", flush=True)
        for found in runnable[name].run():
            rows.append(found | {"name": f"{name}: {found['name'].removeprefix(f'{name}: ')}"})
            print(_line(rows[-1]), flush=True)
    kept = set(runnable) - set(chosen)
    earlier = json.loads(RESULTS.read_text()) if RESULTS.exists() else []
    rows += [found for found in earlier if found["name"].split(":")[0] in kept]
    rows.sort(key=lambda found: found["name"])
    RESULTS.write_text(json.dumps(rows, indent=1) + "\n")
    (HERE / "results.md").write_text(_markdown(rows))
    if missed := [found["name"] for found in rows if not found["ok"]]:
        print(f"\nbelow target: {'; '.join(missed)}")


def _line(found: dict[str, Any]) -> str:
    sign = "≥" if found["better"] == "higher" else "≤"
    target = (
        "" if found["target"] is None else f"  (target {sign} {found['target']:g}{'' if found['ok'] else ': MISSED'})"
    )
    return f"{found['name']}: {found['value']:g} {found['unit']}{target}"


def _markdown(rows: list[dict[str, Any]]) -> str:
    lines = [
        f"Written by `make bench` on {platform.machine()}, Python {platform.python_version()}.",
        "",
        "| benchmark | value | target | reached |",
        "|---|---|---|---|",
    ]
    for found in rows:
        sign = "≥" if found["better"] == "higher" else "≤"
        target = "" if found["target"] is None else f"{sign} {found['target']:g}"
        reached = "" if found["target"] is None else ("yes" if found["ok"] else "**no**")
        lines.append(f"| {found['name']} | {found['value']:g} {found['unit']} | {target} | {reached} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main(sys.argv[1:])
