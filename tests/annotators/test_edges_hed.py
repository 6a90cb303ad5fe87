from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from annotators.base import AnnotateFunction
from annotators.edges_hed import CONVERTED_NAME, Hed, convert_weights, hed_state_dict, load_detector, soft_edges
from annotators.threads import one_thread
from annotators.tiny.controlnet_aux import save_hed
from annotators.weights import load_path
from graph200k.errors import MissingWeightsError

CONVS = (2, 2, 3, 3, 3)
CHANNELS = (2, 3, 4, 5, 5)


@pytest.fixture
def h5_path(tmp_path: Path) -> Path:
    """Return a Keras file of HED's structure with a few channels a layer."""
    rng = np.random.default_rng(0)
    path = tmp_path / "hed.weights.h5"

    def write(layer: str, kernel: tuple[int, ...]) -> None:
        file[f"{layer}/vars/0"] = rng.normal(size=kernel).astype(np.float32)
        file[f"{layer}/vars/1"] = rng.normal(size=kernel[-1:]).astype(np.float32)

    with h5py.File(path, "w") as file:
        inputs = 3
        for block, (convs, channels) in enumerate(zip(CONVS, CHANNELS, strict=True), start=1):
            for conv in range(convs):
                layer = "conv2d" if conv == 0 else f"conv2d_{conv}"
                write(f"block{block}/layers/{layer}", (3, 3, inputs, channels))
                inputs = channels
            write(f"dsn{block}", (1, 1, channels, 1))
        write("fuse", (1, 1, 5, 1))
    return path


def test_kernels_are_transposed_and_only_the_first_is_flipped_to_rgb(h5_path: Path) -> None:
    weights = hed_state_dict(h5_path)
    with h5py.File(h5_path) as file:
        first, second = (np.array(file[f"block1/layers/{layer}/vars/0"]) for layer in ("conv2d", "conv2d_1"))
    assert weights["block1.convs.0.weight"][1, 0, 2, 1] == first[2, 1, 2, 1]
    assert weights["block1.convs.1.weight"][1, 0, 2, 1] == second[2, 1, 0, 1]
    assert weights["norm"].flatten().tolist() == pytest.approx([122.67892, 116.66877, 104.00699])


def test_mean_of_the_converted_side_outputs_is_the_fused_output(h5_path: Path) -> None:
    weights = hed_state_dict(h5_path)
    features = [torch.rand(channels) for channels in CHANNELS]
    with h5py.File(h5_path) as file:
        sides = [feature.numpy() @ file[f"dsn{n}/vars/0"][0, 0, :, 0] + file[f"dsn{n}/vars/1"][0]
                 for n, feature in enumerate(features, start=1)]  # fmt: skip
        fused = float(np.dot(sides, file["fuse/vars/0"][0, 0, :, 0]) + file["fuse/vars/1"][0])
    projected = [weights[f"block{n}.projection.weight"][0, :, 0, 0] @ feature + weights[f"block{n}.projection.bias"][0]
                 for n, feature in enumerate(features, start=1)]  # fmt: skip
    assert float(torch.stack(projected).mean()) == pytest.approx(fused, rel=1e-4)


def test_conversion_is_deterministic_safe_to_load_and_leaves_no_other_file(h5_path: Path) -> None:
    converted = convert_weights(h5_path) / CONVERTED_NAME
    first = converted.read_bytes()
    converted.unlink()
    convert_weights(h5_path)
    assert converted.read_bytes() == first
    assert torch.load(converted, weights_only=True).keys() == hed_state_dict(h5_path).keys()
    assert {path.name for path in h5_path.parent.iterdir()} == {h5_path.name, CONVERTED_NAME}


def test_conversion_happens_once(h5_path: Path) -> None:
    before = (convert_weights(h5_path) / CONVERTED_NAME).stat().st_mtime_ns
    assert (convert_weights(h5_path) / CONVERTED_NAME).stat().st_mtime_ns == before


def test_a_file_of_another_structure_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "other.h5"
    with h5py.File(path, "w") as file:
        file["something"] = np.zeros(3)
    with pytest.raises(MissingWeightsError, match=r"other\.h5 cannot be read as HED weights"):
        convert_weights(path)


def test_missing_weights_are_named(tmp_path: Path) -> None:
    with pytest.raises(MissingWeightsError, match="HED"):
        Hed().load(tmp_path)


@pytest.fixture(scope="module")
def annotate(weights_folder: Path) -> AnnotateFunction:
    """Return HED at a size that takes a tenth of the time."""
    return Hed(short_side=128).load(weights_folder)


def draw_edges(annotate: AnnotateFunction, image: np.ndarray) -> np.ndarray:
    (annotation,) = annotate({"target": image}, np.random.default_rng(0))
    assert (annotation.node, annotation.role, annotation.variant) == ("hed", "", None)
    return annotation.image


def test_contour_is_bright_and_the_rest_dark(annotate: AnnotateFunction, scene: np.ndarray) -> None:
    edges = draw_edges(annotate, scene)
    y, x = np.mgrid[:240, :320]
    distance = np.abs(np.hypot(y - 120, x - 160) - 70)
    assert edges[distance < 2].mean() > 150
    assert edges[(distance > 25)].mean() < 30


@pytest.mark.parametrize("size", [(48, 64), (64, 48), (64, 64), (2000, 1500), (40, 400)], ids=str)
def test_map_has_the_size_of_the_target(annotate: AnnotateFunction, size: tuple[int, int]) -> None:
    edges = draw_edges(annotate, np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8))
    assert edges.shape == size
    assert edges.dtype == np.uint8


def test_bytes_do_not_depend_on_torchs_thread_count_which_is_left_as_it_was(
    annotate: AnnotateFunction, scene: np.ndarray
) -> None:
    before = torch.get_num_threads()
    try:
        maps = []
        for threads in (1, 2):
            torch.set_num_threads(threads)
            maps.append(draw_edges(annotate, scene).tobytes())
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert maps[0] == maps[1]


def test_converted_file_of_the_real_weights_is_complete(weights_folder: Path) -> None:
    weights = torch.load(convert_weights(load_path("hed_bsds500", weights_folder)) / CONVERTED_NAME, weights_only=True)
    assert (
        sum(tensor.numel() for tensor in weights.values()) == 14_716_168
    )  # VGG16's convolutions, five projections, mean


def test_edges_are_those_of_the_library_whose_detector_takes_one_picture_at_a_time(tmp_path: Path) -> None:
    detector = load_detector(save_hed(tmp_path / "hed"))
    images = list(np.random.default_rng(0).integers(0, 256, (2, 64, 128, 3), dtype=np.uint8))
    for image, edges in zip(images, soft_edges(images, detector, short_side=64), strict=True):
        by_library = detector(image, detect_resolution=64, image_resolution=64, output_type="np")[..., 0]
        assert np.abs(edges.astype(int) - by_library).max() <= 1
    (alone,) = soft_edges(images[:1], detector, short_side=64)
    with one_thread():
        assert (alone == detector(images[0], detect_resolution=64, image_resolution=64, output_type="np")[..., 0]).all()
