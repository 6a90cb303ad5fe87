from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
import pytest

from annotators.degradations import degradations, replay
from annotators.degradations.quantization import LEVELS, cut_boxes, equal_bins, median_cut, multi_otsu, otsu_bounds


def between_class_variance(histogram: np.ndarray, bounds: list[int]) -> float:
    levels = np.arange(256)
    mean = np.average(levels, weights=histogram)
    total = 0.0
    for low, high in pairwise(bounds):
        mass = histogram[low:high].sum()
        if mass:
            total += mass * (np.average(levels[low:high], weights=histogram[low:high]) - mean) ** 2
    return total / histogram.sum()


@pytest.mark.parametrize("classes", [2, 3, 4])
def test_otsu_finds_what_trying_all_thresholds_finds(classes) -> None:
    rng = np.random.default_rng(classes)
    for _ in range(3):
        used = np.sort(rng.choice(256, 14, replace=False))
        histogram = np.zeros(256)
        histogram[used] = rng.integers(1, 5000, 14)
        best = max(
            between_class_variance(histogram, [0, *cuts, 256]) for cuts in combinations(used[1:].tolist(), classes - 1)
        )
        found = between_class_variance(histogram, otsu_bounds(histogram, classes).tolist())
        assert found == pytest.approx(best, rel=1e-6)


def test_otsu_of_few_levels_keeps_them_all() -> None:
    histogram = np.bincount([3, 3, 90, 200], minlength=256)
    assert otsu_bounds(histogram, 15).tolist() == [0, 90, 200, 256]


@pytest.mark.parametrize(("kind", "argument"), [("multi_otsu", "classes"), ("equal_bins", "bins")])
def test_channels_have_at_most_so_many_levels_and_fewer_lose_more(kind, argument, sized_photo, psnr) -> None:
    loss = []
    for severity, arguments in enumerate(LEVELS[kind], start=1):
        reduced = replay(sized_photo, "quantization", {"kind": kind, "severity": severity, **arguments})
        assert max(len(np.unique(reduced[..., channel])) for channel in range(3)) <= arguments[argument]
        loss.append(psnr(sized_photo, reduced))
    assert loss == sorted(loss, reverse=True)


def test_otsu_loses_less_than_equal_bins(photo, psnr) -> None:
    assert psnr(photo, multi_otsu(photo, classes=8)) > psnr(photo, equal_bins(photo, bins=8))


def test_equal_bins_are_those_of_numpy(photo, psnr) -> None:
    plain = np.zeros(photo.shape)
    for channel in range(3):
        values = photo[..., channel]
        edges = np.histogram_bin_edges(values, bins=16, range=(int(values.min()), int(values.max()) + 1))
        label = np.digitize(values, edges[1:-1])
        for index in np.unique(label):
            plain[..., channel][label == index] = values[label == index].mean()
    assert psnr(equal_bins(photo, bins=16), plain) > 50


@pytest.mark.parametrize("arguments", LEVELS["median_cut"])
def test_median_cut_leaves_so_many_colours(arguments, sized_photo) -> None:
    reduced = median_cut(sized_photo, **arguments).astype(int)
    codes = reduced @ [65536, 256, 1]
    assert np.count_nonzero(np.bincount(codes.ravel())) == arguments["colors"]


def test_median_cut_is_the_textbook_on_a_list_of_pixels(photo, psnr) -> None:
    small = photo[30:70, 20:80]
    pixels = [(tuple(int(level) >> 3 for level in small[index]), index) for index in np.ndindex(small.shape[:2])]
    boxes = [sorted(pixels)]
    while len(boxes) < 15:
        box = max((box for box in boxes if len({color for color, _ in box}) > 1), key=len)
        axis = int(np.argmax(np.ptp([color for color, _ in box], axis=0)))
        position = boxes.index(box)
        box.sort(key=lambda entry: entry[0][axis])
        colors = [color for color, _ in box]
        middle = colors.index(colors[(len(box) + 1) // 2 - 1]) or colors.count(colors[0])
        boxes[position : position + 1] = [box[:middle], box[middle:]]
    plain = np.zeros(small.shape)
    for box in boxes:
        for _, index in box:
            plain[index] = np.mean([color for color, _ in box], axis=0) * 8 + 3.5
    assert psnr(median_cut(small, colors=15), plain) > 40


def test_boxes_part_all_colours() -> None:
    points = np.random.default_rng(0).integers(0, 32, (200, 3))
    boxes = cut_boxes(points, np.ones(200, int), 10)
    assert sorted(np.concatenate(boxes).tolist()) == list(range(200))
    assert max(len(box) for box in boxes) < 60


def test_a_picture_of_one_colour_survives() -> None:
    flat = np.full((32, 32, 3), 77, np.uint8)
    degradation = degradations["quantization"]()
    for seed in range(12):
        reduced = degradation.apply(flat, degradation.draw(np.random.default_rng(seed)))
        assert np.abs(reduced.astype(int) - 77).max() <= 4
