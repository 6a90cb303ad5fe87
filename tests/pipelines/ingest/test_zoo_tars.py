"""Every tar of the zoo gives the records it should, and one clear line for everything else."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.ingesting import Outcome, run_ingest
from support.zoo_tars import LINES, TARS, Tar


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    root = tmp_path_factory.mktemp("zoo")
    source = root / "source"
    source.mkdir()
    for tar in TARS:
        tar.build(source / tar.name)
    return run_ingest(source, root / "data")


@pytest.mark.parametrize("tar", TARS, ids=lambda tar: tar.name)
def test_a_tar_gives_the_records_it_should(zoo: Outcome, tar: Tar) -> None:
    keys = [key for name, key in zoo.by_name().items() if name.startswith(f"{tar.name}/")]
    assert len(keys) == len(tar.keys)
    for found, expected in zip(keys, tar.keys, strict=True):
        assert found.startswith(expected) if expected.endswith("-") else found == expected


@pytest.mark.parametrize("tar", TARS, ids=lambda tar: tar.name)
def test_a_tar_s_failures_are_clear_lines(zoo: Outcome, tar: Tar) -> None:
    found = [failure for key, failure in zoo.failures.items() if key.startswith(tar.name)]
    for end, error, words in tar.failures:
        matching = [failure for failure in found if failure.key.endswith(end)]
        assert [failure.error for failure in matching] == [error], found
        assert words in matching[0].message and "\n" not in matching[0].message
    unexpected = [failure for failure in found if not any(failure.key.endswith(end) for end, _, _ in tar.failures)]
    # A tar that breaks off says so twice at most: at the member, and where it stops making sense.
    assert all("damaged tar" in failure.message for failure in unexpected)


def test_items_are_records_or_failures(zoo: Outcome) -> None:
    done, failed, total = zoo.progress[-1]
    of_files = sum(key.endswith(")") and "(member" not in key for key in zoo.failures)
    assert done == total
    assert total - failed == len(zoo.dataset) == sum(len(tar.keys) for tar in TARS)
    assert failed + of_files == len(zoo.failures) == zoo.report.failures.total()


def test_imported_annotations_are_kept_in_their_node_s_codec(zoo: Outcome) -> None:
    record = zoo.dataset.record("y1")
    names = [(member.node, member.variant, member.role, member.annotator) for member in record.members]
    assert names == [
        ("target", None, "", "source"),
        ("canny", None, "", "imported"),
        ("foreground", None, "matte", "imported"),
        ("instant_style", 0, "image", "imported"),
        ("instant_style", 0, "reference", "imported"),
        ("fill_edit", 2, "", "imported"),
        ("json", None, "", ""),
    ]
    assert (zoo.dataset.image("y1", "canny") == LINES[..., 0]).all()
    assert {found.annotator for found in record.info.annotations} == {"imported"}


def test_captions_are_found_beside_the_image(zoo: Outcome) -> None:
    assert zoo.dataset.record("p1").info.text.description == "One."
    assert zoo.dataset.record("n1").info.text.description == "Lone."


def test_a_single_tar_and_a_brace_pattern_are_sources_too(tmp_path: Path) -> None:
    for number, tar in enumerate(TARS[:2]):
        tar.build(tmp_path / f"set-{number:03d}.tar")
    one = run_ingest(tmp_path / "set-000.tar", tmp_path / "one")
    both = run_ingest(f"{tmp_path}/set-{{000..001}}.tar", tmp_path / "both")
    assert list(one.dataset.keys) == ["p1", "p2"]
    assert list(both.dataset.keys) == ["p1", "p2", "d1"]
