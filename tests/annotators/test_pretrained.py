"""What holds for every annotator with a model from the Hub, shown on real classes with random weights."""

from __future__ import annotations

import dataclasses
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from annotators.base import ANNOTATORS, AnnotateFunction, Annotation, Fact, RecordView
from annotators.batching import BatchFunction
from annotators.generative import GenerativeAnnotator
from annotators.models import MODELS, local_model
from annotators.pretrained import PretrainedAnnotator, batched, loading, settled
from annotators.tiny.controlnet_aux import save_hed, save_mlsd, save_normal_bae, save_openpose
from annotators.tiny.depth import save_depth_model
from annotators.tiny.marigold import save_marigold
from annotators.tiny.qwen_vl import save_qwen_vl
from annotators.tiny.rembg import save_birefnet, save_rmbg
from annotators.tiny.sam2 import save_sam2
from graph200k.catalogue import GRAPH200K
from graph200k.errors import MissingWeightsError, PlanError
from graph200k.record import Box
from support.tiny_models import save_segformer

CASES: dict[str, tuple[Callable[[Path], Path], dict[str, Any]]] = {
    "depth": (save_depth_model, {}),
    "segmentation": (save_segformer, {}),
    "normal": (save_marigold, {"steps": 2, "processing_resolution": 64}),
    "sam2_mask": (
        save_sam2,
        {
            "short_side": 128,
            "points_per_side": 4,
            "pred_iou_thresh": -9.0,
            "stability_score_thresh": -1.0,
            "nms_thresh": 1.0,
        },
    ),
    "bbox": (save_qwen_vl, {"max_pixels": 50_176}),
    "mask": (save_sam2, {}),
    "caption": (save_qwen_vl, {"max_pixels": 50_176}),
    "hed_network": (save_hed, {"short_side": 64}),
    "mlsd_network": (save_mlsd, {"short_side": 64}),
    "openpose_body": (save_openpose, {"short_side": 64}),
    "foreground_rmbg": (save_rmbg, {}),
    "foreground_birefnet": (save_birefnet, {}),
    "normal_bae": (save_normal_bae, {"short_side": 64}),
}
"""How the model of each annotator is made, and parameters under which it takes a moment."""

ROLES = {"foreground_rmbg": "matte", "foreground_birefnet": "matte"}

WEIGHTS = {".safetensors", ".pth", ".pt", ".onnx"}
"""Ends of the names of the files that hold weights."""

SLOW = {"normal_bae"}
"""Its network takes 3 s to build, whatever its weights: tested by ``make test-heavy``."""

NAMES = [pytest.param(name, marks=pytest.mark.heavy) if name in SLOW else name for name in CASES]
MAPS = [entry for entry, name in zip(NAMES, CASES, strict=True) if ANNOTATORS[name].produces]
"""Those that make a picture."""

HALF: dict[str, dict[str, Any]] = {
    "depth": {},
    "segmentation": {},
    "normal": {"processing_resolution": 0},  # the picture as it is: CPUs cannot resize in half precision
    "sam2_mask": {},
}
"""Those that run in half precision on a GPU, and parameters with which a CPU can too."""

BATCHED = [
    *("depth", "segmentation", "normal", "hed_network", "mlsd_network", "openpose_body", "foreground_rmbg"),
    pytest.param("normal_bae", marks=pytest.mark.heavy),
]
"""Those that take several records at once on a GPU."""

Load = Callable[[str], AnnotateFunction]


class Folders(dict[str, Path]):
    """Folders with a model by annotator, made when first asked for."""

    def __init__(self, root: Path) -> None:
        super().__init__()
        self.root = root

    def __missing__(self, name: str) -> Path:
        self[name] = CASES[name][0](self.root / name)
        return self[name]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return a folder with a model by annotator."""
    root = tmp_path_factory.mktemp("models")
    return Folders(root)


def make(name: str, folder: Path, **parameters: Any) -> PretrainedAnnotator:
    cls = ANNOTATORS[name]
    return cls(local=local_model(cls.pretrained, folder), **CASES[name][1] | parameters)


@pytest.fixture(scope="module")
def load(folders: dict[str, Path]) -> Load:
    """Return a function from an annotator's name to what it loaded, once."""
    loaded: dict[str, AnnotateFunction] = {}

    def get(name: str) -> AnnotateFunction:
        if name not in loaded:
            loaded[name] = make(name, folders[name]).load(Path("unused"))
        return loaded[name]

    return get


def draw(height: int, width: int) -> np.ndarray:
    """Return a picture of smooth noise, read-only as a worker's images are."""
    coarse = np.random.default_rng(0).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    image = coarse[np.arange(height) * 4 // height][:, np.arange(width) * 4 // width]
    image.flags.writeable = False
    return image


def view(image: np.ndarray) -> RecordView:
    """Return what any annotator may read: a picture, and boxes on it."""
    height, width = image.shape[:2]
    boxes = [
        Box(name="all", box=[0, 0, width, height], color=[9, 9, 9]),
        Box(name="corner", box=[0, 0, width / 4, height / 4], color=[255, 0, 0]),
    ]
    return RecordView({"target": image}, boxes=boxes)


def annotate(function: AnnotateFunction, image: np.ndarray, seed: int = 0) -> list[Annotation | Fact]:
    return list(function(view(image), np.random.default_rng(seed)))


def the_map(made: list[Annotation | Fact]) -> Annotation:
    (found,) = (one for one in made if isinstance(one, Annotation))
    return found


def content(made: list[Annotation | Fact]) -> list[object]:
    """Return something that is equal for equal outputs."""
    return [one.image.tobytes() if isinstance(one, Annotation) else one for one in made]


def test_every_annotator_with_a_model_that_generates_nothing_is_tested_here() -> None:
    with_model = {name for name, cls in ANNOTATORS.items() if issubclass(cls, PretrainedAnnotator)}
    generative = {name for name, cls in ANNOTATORS.items() if issubclass(cls, GenerativeAnnotator)}
    assert with_model - generative - {"edit_captions"} == set(CASES)


@pytest.mark.parametrize("name", MAPS)
@pytest.mark.parametrize("size", [(120, 200), (200, 120), (64, 64), (1500, 2000)], ids=str)
def test_map_is_of_the_size_of_the_target_with_the_channels_of_its_node_type(
    load: Load, name: str, size: tuple[int, int]
) -> None:
    made = the_map(annotate(load(name), draw(*size)))
    entry = GRAPH200K[made.node]
    assert (made.node,) == ANNOTATORS[name].produces
    assert (made.role, made.variant) == (ROLES.get(name, ""), None)
    assert made.image.dtype == np.uint8
    assert made.image.shape == (size if entry.channels == 1 else (*size, 3))


@pytest.mark.parametrize("name", NAMES)
def test_same_picture_and_seed_same_bytes_after_loading_again(load: Load, folders: dict[str, Path], name: str) -> None:
    image = draw(100, 150)
    again = make(name, folders[name]).load(Path("unused"))
    assert content(annotate(load(name), image)) == content(annotate(again, image))


@pytest.mark.parametrize("name", BATCHED)
def test_a_batch_of_pictures_of_any_size_is_as_one_by_one(load: Load, name: str) -> None:
    function = load(name)
    images = [draw(*size) for size in [(96, 64), (80, 120), (96, 64), (64, 64)]]
    images[2] = np.ascontiguousarray(images[2][::-1])
    views = [RecordView({"target": image}) for image in images]
    together = BatchFunction(function.run, len(views)).many(views, list(map(np.random.default_rng, range(4))))
    for seed, (image, (made,)) in enumerate(zip(images, together, strict=True)):
        (alone,) = (one.image for one in annotate(function, image, seed))
        assert made.image.shape == alone.shape
        assert np.mean(np.abs(made.image.astype(int) - alone) > 1) < 0.001


@pytest.mark.parametrize("name", [name for name in BATCHED if name != "foreground_rmbg"])  # not torch's
def test_a_batch_that_finds_no_memory_is_halved_and_the_size_remembered(load: Load, name: str) -> None:
    refused: list[int] = []

    def refuse(module: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        if isinstance(module, torch.nn.Conv2d) and len(inputs[0]) > 1:
            refused.append(len(inputs[0]))
            raise torch.OutOfMemoryError("CUDA out of memory")

    function = BatchFunction(load(name).run, 2)
    images, rngs = [draw(128, 64), draw(128, 64)[::-1].copy()], list(map(np.random.default_rng, range(2)))
    with torch.nn.modules.module.register_module_forward_pre_hook(refuse):
        first, again = (function.many([view(image) for image in images], rngs) for _ in range(2))
    assert refused == [2]
    assert list(map(content, first)) == list(map(content, again))
    assert content(first[1]) == content(annotate(load(name), images[1], 1))


def test_on_a_cpu_records_come_one_by_one_and_on_a_gpu_together(monkeypatch: pytest.MonkeyPatch) -> None:
    assert batched(lambda views, rngs: [], 8).most == 1
    monkeypatch.setattr("annotators.pretrained.placement", lambda: (torch.device("cuda"), torch.float16))
    assert batched(lambda views, rngs: [], 8).most == 8


def test_a_network_is_compiled_on_a_gpu_alone_and_that_is_no_parameter(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    network = torch.nn.Identity()
    assert settled(network, compiled=True) is network
    monkeypatch.setattr("annotators.pretrained.placement", lambda: (torch.device("cuda"), torch.float16))
    assert settled(network, compiled=False) is network
    assert isinstance(settled(network, compiled=True), torch._dynamo.OptimizedModule)
    assert make("depth", folders["depth"], compiled=True).fingerprint == make("depth", folders["depth"]).fingerprint


@pytest.mark.parametrize("name", HALF)
def test_half_precision_works_and_gives_about_the_same(
    folders: dict[str, Path], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    annotator = make(name, folders[name], **HALF[name])
    image = draw(64, 96)
    full = the_map(annotate(annotator.load(Path("unused")), image)).image.astype(int)
    module = ANNOTATORS[name].__module__
    monkeypatch.setattr(f"{module}.placement", lambda: (torch.device("cpu"), torch.float16))
    half = the_map(annotate(annotator.load(Path("unused")), image)).image
    assert np.mean(np.abs(half - full) > 8) < 0.1


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("damage", ["missing", "truncated"])
def test_missing_and_damaged_weights_are_one_error_that_helps(
    folders: dict[str, Path], tmp_path: Path, name: str, damage: str
) -> None:
    folder = tmp_path / "damaged"
    shutil.copytree(folders[name], folder, ignore=shutil.ignore_patterns(*(f"*{end}" for end in WEIGHTS)))
    (folder / "notes.txt").write_text("a folder of weights alone would be empty now")
    for weights in folders[name].rglob("*"):
        if weights.suffix in WEIGHTS and damage == "truncated":
            with weights.open("rb") as whole:
                (folder / weights.relative_to(folders[name])).write_bytes(whole.read(weights.stat().st_size // 2))
    annotator = make(name, folder)
    with pytest.raises(MissingWeightsError) as raised:
        annotator.load(Path("unused"))
    for part in (str(folder), MODELS[annotator.pretrained].id, f"--model {annotator.pretrained}=PATH"):
        assert part in str(raised.value)


@pytest.mark.parametrize("name", NAMES)
def test_without_any_copy_the_model_and_the_way_to_get_it_are_named(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    annotator = ANNOTATORS[name]()
    with pytest.raises(MissingWeightsError, match=f"{annotator.model} .*--model {annotator.pretrained}=PATH"):
        annotator.load(Path("unused"))


@pytest.mark.parametrize("name", NAMES)
def test_annotator_survives_the_way_to_a_worker(folders: dict[str, Path], name: str) -> None:
    annotator = make(name, folders[name])
    assert pickle.loads(pickle.dumps(annotator)) == annotator


def test_provenance_names_model_and_revision_and_no_path(folders: dict[str, Path]) -> None:
    annotator = ANNOTATORS["depth"]()
    assert (annotator.model, annotator.revision) == (MODELS["depth"].id, MODELS["depth"].revision)
    local = make("segmentation", folders["segmentation"])
    assert (local.model, local.revision) == ("local:segmentation", local.local.digest[:12])
    assert local.parameters == {"short_side": 512}


def test_another_revision_or_id_makes_outputs_stale(monkeypatch: pytest.MonkeyPatch) -> None:
    before = ANNOTATORS["depth"]().fingerprint
    for change in ({"revision": "f" * 40}, {"id": "other/Depth"}):
        changed = MODELS | {"depth": dataclasses.replace(MODELS["depth"], **change)}
        monkeypatch.setattr("annotators.pretrained.MODELS", changed)
        assert ANNOTATORS["depth"]().fingerprint != before


def test_a_local_copy_is_another_model_wherever_it_lies(folders: dict[str, Path], tmp_path: Path) -> None:
    here = make("depth", folders["depth"])
    moved = make("depth", shutil.copytree(folders["depth"], tmp_path / "moved"))
    assert here.fingerprint == moved.fingerprint != ANNOTATORS["depth"]().fingerprint
    (tmp_path / "moved" / "config.json").write_text("{}")
    assert make("depth", tmp_path / "moved").fingerprint != here.fingerprint


def test_a_library_that_is_missing_is_named_with_the_extra_to_install(folders: dict[str, Path]) -> None:
    with pytest.raises(PlanError, match=r"graph200k\[paper\]"), loading("depth", folders["depth"]):
        raise ModuleNotFoundError("No module named 'transformers'")


def test_lack_of_gpu_memory_is_no_damaged_file(folders: dict[str, Path]) -> None:
    with pytest.raises(torch.OutOfMemoryError), loading("depth", folders["depth"]):
        raise torch.OutOfMemoryError("CUDA out of memory")
