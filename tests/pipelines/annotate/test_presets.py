from pathlib import Path

import pytest
from PIL import Image

from annotators.base import ANNOTATORS
from annotators.models import MODELS, local_model
from annotators.tiny.depth import save_depth_model
from graph200k.errors import MissingWeightsError, PlanError, UnknownNameError
from graph200k.storage import Folder
from pipelines.annotate.config import (
    PRESETS,
    SMOKE_PARAMETERS,
    AnnotateConfig,
    choose_annotators,
    preset_models,
    read_config,
)
from pipelines.annotate.engine import Cluster
from pipelines.annotate.plan import Request, dependency_graph, plan_passes, plan_stages
from pipelines.annotate.run import make_plan
from support.datasets import make_dataset


def chosen(tmp_path: Path, *only: str, **settings: object) -> list[str]:
    config = AnnotateConfig.model_validate(settings)
    return [annotator.name for annotator in choose_annotators(config, only or None, tmp_path)]


def test_a_node_type_is_made_by_the_annotator_of_the_preset(tmp_path: Path) -> None:
    assert chosen(tmp_path, "mlsd") == ["mlsd"]
    assert chosen(tmp_path, "mlsd", preset="paper") == ["mlsd_network"]
    assert chosen(tmp_path, "openpose", "depth", preset="paper") == ["openpose_body", "depth"]


def test_paper_needs_no_weight_file_out_of_a_wheel(tmp_path: Path) -> None:
    assert chosen(tmp_path, preset="paper") == list(PRESETS["paper"])


def test_smoke_is_paper_on_tiny_models(tmp_path: Path, tiny: Path) -> None:
    made = choose_annotators(read_config(None, preset="smoke"), ["depth", "mlsd", "sam2_mask"], tiny)
    assert [annotator.model for annotator in made] == ["tiny:depth", "tiny:mlsd", "tiny:sam2"]
    assert PRESETS["smoke"] == PRESETS["paper"]
    assert set(SMOKE_PARAMETERS) <= set(PRESETS["smoke"])


def test_in_smoke_too_settings_stand_over_those_of_the_preset(tiny: Path, tmp_path: Path) -> None:
    folder = save_depth_model(tmp_path / "model")
    config = read_config(
        None, preset="smoke", models={"depth": str(folder)}, annotators={"sam2_mask": {"points_per_side": 2}}
    )
    depth, masks = choose_annotators(config, ["depth", "sam2_mask"], tiny)
    assert depth.model == "local:model"
    assert masks.parameters == SMOKE_PARAMETERS["sam2_mask"] | {"points_per_side": 2}


def test_smoke_needs_no_leave_to_run_without_a_gpu_and_tries_the_stages_of_one(tmp_path: Path, tiny: Path) -> None:
    data = tmp_path / "data"
    make_dataset(data, 1)
    annotators = choose_annotators(read_config(None, preset="smoke"), ["canny", "depth", "mlsd"], tiny)
    folder = Folder(str(data))
    (pool,) = make_plan(folder, annotators, Cluster(cpus=2, gpus=0, memory_mb=4000), Request(), None).pools
    assert pool.stage.name == "canny+depth+mlsd_network"
    assert (pool.workers, pool.stage.gpus) == (2, 0)
    pools = make_plan(folder, annotators, Cluster(cpus=2, gpus=1, memory_mb=4000), Request(), None).pools
    assert [(pool.stage.name, pool.stage.gpus) for pool in pools] == [
        (name, ANNOTATORS[name].resources.gpus) for name in ("canny", "depth", "mlsd_network")
    ]


def test_every_preset_runs_on_one_gpu_in_as_few_passes_as_can_be() -> None:
    config = AnnotateConfig(preset="paper")
    annotators = choose_annotators(config, PRESETS["paper"], Path("unused"))
    stages = plan_stages(dependency_graph(annotators))
    passes = plan_passes(stages, 1.0)
    assert len(passes) == 2
    assert [stage.name for stage in passes[-1]] == ["mask", "depth_edit+fill_edit+redux_style"]
    assert len(plan_passes(stages, 2.0)) == 1


def test_models_of_a_preset_are_those_that_its_annotators_load() -> None:
    assert preset_models("default") == preset_models("smoke") == {}
    found = preset_models("paper")
    assert found["sam2"] == (MODELS["sam2"], ["sam2_mask", "mask"])
    assert set(found) == set(MODELS) - {"birefnet", "normal_bae"}  # alternatives, for --only


@pytest.mark.parametrize(
    "ask", [preset_models, lambda name: choose_annotators(AnnotateConfig(preset=name), None, Path())]
)
def test_an_unknown_preset_is_answered_with_the_closest(ask: object) -> None:
    with pytest.raises(UnknownNameError, match="did you mean paper"):
        ask("papers")


def test_a_folder_takes_the_place_of_a_model_and_of_no_other(tmp_path: Path) -> None:
    folder = save_depth_model(tmp_path / "model")
    config = read_config(None, preset="paper", models={"depth": str(folder)})
    by_name = {annotator.name: annotator for annotator in choose_annotators(config, None, tmp_path)}
    assert by_name["depth"].local == local_model("depth", folder)
    assert by_name["segmentation"].local is None


def test_a_folder_is_taken_from_a_file_of_settings_too(tmp_path: Path) -> None:
    folder = save_depth_model(tmp_path / "model")
    settings = tmp_path / "run.toml"
    settings.write_text(f'[models]\ndepth = "{folder}"\n')
    (annotator,) = choose_annotators(read_config(settings), ["depth"], tmp_path)
    assert annotator.local == local_model("depth", folder)


def test_a_missing_folder_and_an_unknown_model_are_told_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(MissingWeightsError, match="--model depth="):
        chosen(tmp_path, "depth", models={"depth": tmp_path / "none"})
    with pytest.raises(UnknownNameError, match="did you mean depth"):
        chosen(tmp_path, "depth", models={"dept": tmp_path})


def test_where_a_model_lies_is_no_parameter(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="no parameter local; it has raw"):
        chosen(tmp_path, "depth", annotators={"depth": {"local": "x"}})


def test_a_style_bank_and_where_networks_wait_reach_the_annotators_they_concern(tmp_path: Path) -> None:
    bank = tmp_path / "bank"
    bank.mkdir()
    Image.new("RGB", (40, 30), (200, 30, 20)).save(bank / "red.png")
    config = read_config(None, preset="paper", style_bank=str(bank), offload=True)
    style, fill, depth = choose_annotators(config, ["redux_style", "fill_edit", "depth"], tmp_path)
    assert [picture.name for picture in style.styles.pictures] == ["red.png"]
    assert (style.offload, fill.offload) == (True, True)
    assert style.running.offload and not hasattr(depth, "offload")
    with pytest.raises(PlanError, match="no picture found"):
        chosen(tmp_path, "redux_style", style_bank=str(tmp_path / "none"))
