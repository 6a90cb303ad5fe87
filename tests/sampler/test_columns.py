"""Which images fill the columns of a task."""

from collections import Counter

from graph200k.schema import find_task, graph200k_tasks
from sampler.columns import Column, task_columns


def test_grids_of_graph200k_have_two_to_four_columns() -> None:
    assert Counter(len(task_columns(task)) for task in graph200k_tasks()) == {2: 56, 3: 68, 4: 10}


def test_a_style_fills_two_columns_with_its_stylised_image_last() -> None:
    columns = task_columns(find_task("reference,canny,instant_style"))
    assert columns[-2:] == (Column("instant_style", "reference"), Column("instant_style", "image"))


def test_a_foreground_is_shown_as_an_image_and_not_as_its_matte() -> None:
    assert task_columns(find_task("foreground,target")) == (Column("foreground"), Column("target"))
