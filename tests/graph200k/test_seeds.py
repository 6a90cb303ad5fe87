"""Seeds depend on names and on nothing else."""

from __future__ import annotations

import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st

from graph200k.seeds import derive_rng, derive_seed

parts = st.lists(st.text(max_size=5) | st.integers(-5, 5), max_size=4)


@given(parts)
def test_same_parts_give_the_same_seed_and_stream(names: list[str | int]) -> None:
    assert derive_seed(*names) == derive_seed(*names)
    assert 0 <= derive_seed(*names) < 2**63
    assert derive_rng(*names).integers(1000, size=3).tolist() == derive_rng(*names).integers(1000, size=3).tolist()


@given(parts, parts)
def test_other_parts_give_another_seed(one: list[str | int], other: list[str | int]) -> None:
    separated = any("\x1f" in part for part in [*one, *other] if isinstance(part, str))
    assert separated or (derive_seed(*one) == derive_seed(*other)) == (one == other)


def test_a_number_is_not_its_digits() -> None:
    assert derive_seed(0) != derive_seed("0")


def test_another_process_derives_the_same_seed() -> None:
    code = "from graph200k.seeds import derive_seed; print(derive_seed(0, 'cat-1a2b3c4d', 'canny'))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert int(done.stdout) == derive_seed(0, "cat-1a2b3c4d", "canny")


def test_a_seed_does_not_change_from_release_to_release() -> None:
    assert derive_seed(0, "cat-1a2b3c4d", "canny") == 8728733380856001782  # in the provenance of datasets out there
