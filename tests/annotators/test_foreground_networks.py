from pathlib import Path

import numpy as np
import pytest
from onnxruntime.capi.onnxruntime_pybind11_state import Fail, RuntimeException

from annotators.base import ANNOTATORS
from annotators.batching import BatchSize
from annotators.foreground_networks import foreground_mattes, load_session, pictures_at_once
from annotators.models import local_model
from annotators.tiny.rembg import save_birefnet, save_rmbg
from graph200k.errors import MissingWeightsError

RED_LEFT = np.zeros((60, 90, 3), np.uint8)
RED_LEFT[:, :45, 0], RED_LEFT[:, 45:, 2] = 255, 255


def make_matte(name: str, folder: Path) -> np.ndarray:
    cls = ANNOTATORS[name]
    (made,) = cls(local=local_model(cls.pretrained, folder)).load(folder)({"target": RED_LEFT}, None)
    return made.image


def test_what_the_network_sees_as_subject_is_white(tmp_path: Path) -> None:
    reddest = make_matte("foreground_rmbg", save_rmbg(tmp_path / "rmbg"))
    bluest = make_matte("foreground_birefnet", save_birefnet(tmp_path / "birefnet"))
    assert reddest[:, :40].min() == 255 == bluest[:, 50:].min()
    assert reddest[:, 50:].max() == 0 == bluest[:, :40].max()


def test_a_file_of_rembgs_own_cache_will_do_and_nothing_is_downloaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pooch.retrieve", lambda *_, **__: pytest.fail("rembg tried to download"))
    (tmp_path / "bria-rmbg").mkdir()
    (save_rmbg(tmp_path / "made") / "onnx" / "model.onnx").rename(tmp_path / "bria-rmbg" / "bria-rmbg.onnx")
    assert make_matte("foreground_rmbg", tmp_path / "bria-rmbg").shape == (60, 90)


def test_of_two_files_it_takes_neither(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / f"{name}.onnx").write_bytes(b"x")
    with pytest.raises(MissingWeightsError, match="2 ONNX files"):
        make_matte("foreground_rmbg", tmp_path)


def test_without_a_copy_the_page_of_the_licence_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(MissingWeightsError, match=r"CC-BY-NC-4.0.*huggingface.co/briaai/RMBG-2.0.*--model rmbg=PATH"):
        ANNOTATORS["foreground_rmbg"]().load(tmp_path)


@pytest.mark.parametrize(("batch", "on_gpu"), [("batch", 2), (1, 1)])
def test_only_a_gpu_takes_several_pictures_and_only_where_the_file_leaves_the_number_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch: int | str, on_gpu: int
) -> None:
    network = load_session("rmbg", "bria-rmbg", save_rmbg(tmp_path, batch=batch)).inner_session
    assert pictures_at_once(network) == 1
    monkeypatch.setattr(network, "get_providers", lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"])
    assert pictures_at_once(network) == on_gpu


@pytest.mark.parametrize(
    ("error", "seen"),
    [
        (RuntimeException("AllocateRawInternal Failed to allocate memory for requested buffer of size 9"), MemoryError),
        (Fail("CUDA failure 2: out of memory ; GPU=0"), MemoryError),
        (Fail("CUDNN failure 4"), Fail),
    ],
    ids=["allocator", "cuda", "other"],
)
def test_lack_of_memory_halves_the_batch_and_no_other_error_does(
    tmp_path: Path, error: Exception, seen: type[Exception]
) -> None:
    session = load_session("rmbg", "bria-rmbg", save_rmbg(tmp_path))
    network = session.inner_session

    class FullGpu:
        """The network on a GPU with room for one picture."""

        get_inputs = network.get_inputs

        def run(self, outputs: None, feed: dict[str, np.ndarray]) -> list[np.ndarray]:
            if len(feed["image"]) > 1:
                raise error
            return network.run(outputs, feed)

    session.inner_session = FullGpu()
    with pytest.raises(seen):
        foreground_mattes([RED_LEFT, RED_LEFT], session)
    if seen is MemoryError:
        size = BatchSize(2)
        mattes = size.map([RED_LEFT, RED_LEFT[:, ::-1]], lambda some: foreground_mattes(some, session))
        assert size.now == 1
        assert [int(matte[0, 0]) for matte in mattes] == [255, 0]
