from __future__ import annotations

import sys
from pathlib import Path

import pytest

from graph200k.schema import graph200k_tasks
from sampler.instructions_page import SAMPLES, instructions_page, main

PAGE = Path(__file__).parents[2] / "docs" / "instructions.md"


def test_the_page_in_docs_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == instructions_page(), (
        "run python -m sampler.instructions_page docs/instructions.md"
    )


def test_the_page_has_sixty_instructions_over_all_meta_tasks() -> None:
    lines = [line for line in instructions_page().splitlines() if line.startswith("- **")]
    assert len(lines) == sum(SAMPLES.values()) == 60
    assert set(SAMPLES) == {task.meta_task for task in graph200k_tasks()}


def test_the_command_writes_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["instructions_page", str(tmp_path / "page.md")])
    main()
    assert (tmp_path / "page.md").read_text(encoding="utf-8") == instructions_page()
