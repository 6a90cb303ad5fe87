"""Settings of an annotation run, read once from a TOML file and the command line, and the presets."""

from __future__ import annotations

import dataclasses
import logging
import tomllib
from collections.abc import Container, Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from annotators.base import ANNOTATORS, Annotator
from annotators.models import MODELS, LocalModel, ModelId, local_model
from annotators.pairs import StyleAnnotator
from annotators.pretrained import PretrainedAnnotator
from annotators.style_bank import read_bank
from annotators.tiny.base import tiny_model
from annotators.weights import WEIGHTS, find
from graph200k.catalogue import GRAPH200K
from graph200k.errors import MissingWeightsError, PlanError, UnknownNameError
from graph200k.settings_errors import explain

logger = logging.getLogger(__name__)

_NAMED: dict[str, tuple[str, ...]] = {
    "default": ("canny", "mlsd", "hed", "foreground", "openpose"),
    # One worker of each fits on one GPU: their shares of it add up to less than 1.
    "paper": (
        "canny",
        "mlsd_network",
        "hed_network",
        "foreground_rmbg",
        "segmentation",
        "depth",
        "normal",
        "openpose_body",
        "sam2_mask",
        "bbox",
        "mask",
        "caption",
        "instant_style",
        "redux_style",
        "edit_captions",
        "fill_edit",
        "depth_edit",
    ),
}

SMOKE = "smoke"
"""The preset that tries the wiring: what `paper` runs, on tiny models with random weights (:mod:`annotators.tiny`)."""

PRESETS: Mapping[str, tuple[str, ...]] = _NAMED | {SMOKE: _NAMED["paper"]}
"""Annotators of each preset."""

SMOKE_PARAMETERS: Mapping[str, Mapping[str, Any]] = {
    "bbox": {"max_pixels": 50_176},
    "caption": {"max_pixels": 50_176},
    "edit_captions": {"max_pixels": 50_176},
    # What random weights make is like nothing, on purpose or not.
    "instant_style": {"steps": 1, "resolution": 64, "min_change": 1.0},
    "redux_style": {"steps": 1, "resolution": 64, "min_change": 1.0},
    "fill_edit": {"steps": 1, "resolution": 64, "min_change": 1.0, "max_drift": 255.0, "max_coverage": 1.0},
    "depth_edit": {"steps": 1, "resolution": 64, "min_change": 1.0},
    "hed_network": {"short_side": 64},
    "mlsd_network": {"short_side": 64},
    "normal": {"steps": 1, "processing_resolution": 64},
    "openpose_body": {"short_side": 64},
    # A network with random weights thinks little of its masks: all are taken.
    "sam2_mask": {
        "short_side": 128,
        "points_per_side": 3,
        "pred_iou_thresh": -1e9,
        "stability_score_thresh": -1.0,
        "nms_thresh": 1.0,
    },
}
"""Parameters in the preset `smoke`, by annotator, over its defaults: it takes a moment and finds something."""


class AnnotateConfig(BaseModel):
    """Settings of a run; a TOML file given with ``--config`` has the same names."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    preset: str = "default"
    """Name of a preset."""
    seed: int = 0
    """Seed of everything random, with the record's key and the annotator's name."""
    workers: int | None = None
    """Worker processes a stage; by default one a CPU of the cluster, fewer where memory is short."""
    on_cpu: bool = False
    """Run models that want a GPU on the CPU, which takes minutes an image for the large ones."""
    compile: bool = False
    """Let torch compile the networks, on GPUs: minutes at the start, for runs of some thousand images and more."""
    offload: bool = False
    """Keep networks of generators on the GPU only while they work: slower, for GPUs of 24 GB."""
    style_bank: str | None = None
    """Folder or URL with pictures, or tars of them, that style transfer takes its references from."""
    annotators: dict[str, dict[str, Any]] = {}
    """Parameters by annotator, over its own defaults."""
    models: dict[str, Path] = {}
    """Folders by model that take its place, as ``--model NAME=PATH`` names them; on every machine of the cluster."""


def read_config(path: Path | None, **overrides: Any) -> AnnotateConfig:
    """Return the settings in a TOML file (or the defaults), with those of ``overrides`` that are not None on top.

    Raises
    ------
    PlanError
        If the file is missing, is not TOML, or has names or values that do not belong there.
    """
    try:
        values = tomllib.loads(path.read_text()) if path else {}
        return AnnotateConfig.model_validate(
            values | {key: value for key, value in overrides.items() if value is not None}
        )
    except FileNotFoundError:
        raise PlanError(f"--config {path}: no such file") from None
    except ValueError as error:
        raise PlanError(f"{f'--config {path}: ' if path else ''}{explain(error, AnnotateConfig)}") from None


def annotator_names(config: AnnotateConfig, names: Iterable[str]) -> list[str]:
    """Return the annotators that are meant by names of annotators or of node types they make, in the given order.

    Raises
    ------
    UnknownNameError
        For a name that is neither, or a preset that does not exist.
    """
    preset = _preset(config.preset)
    return [_maker_of(name, preset) for name in names]


def choose_annotators(config: AnnotateConfig, only: Iterable[str] | None, weights: Path) -> list[Annotator]:
    """Return the annotators of a run.

    Parameters
    ----------
    config
        Settings; the preset's annotators are taken unless ``only`` names others.
    only
        Names of annotators, or of node types they make.
    weights
        Folder of weight files, where the tiny models of the preset `smoke` are made too. An annotator of the preset
        whose file is not there is left out with one line in the log; one that was asked for by name raises.

    Raises
    ------
    MissingWeightsError
        If an annotator in ``only`` lacks its weights, or a folder that takes a model's place is not there.
    UnknownNameError
        For a preset, an annotator or a model that does not exist.
    PlanError
        For parameters that an annotator does not have, or a style bank without pictures.
    """
    names = annotator_names(config, _preset(config.preset) if only is None else only)
    local = _local_models(config.models)
    parameters: Mapping[str, Mapping[str, Any]] = config.annotators
    if config.preset == SMOKE:
        local = _tiny_models(names, local, weights) | local
        parameters = {name: {**SMOKE_PARAMETERS.get(name, {}), **parameters.get(name, {})} for name in names}
    circumstances = _circumstances(config, names)
    chosen = []
    for name in names:
        annotator = _make(name, parameters, local, circumstances)
        missing = [file for file in annotator.weights if find(file, weights) is None]
        if annotator.is_idle:
            continue
        if not missing:
            chosen.append(annotator)
        elif only is None:
            logger.warning(
                "%s is left out: its weights (%s) are not here; get them with `graph200k weights`",
                annotator.name,
                ", ".join(WEIGHTS[file].model for file in missing),
            )
        else:
            raise MissingWeightsError(
                f"{annotator.name} needs the weights of {WEIGHTS[missing[0]].model}, which are "
                f"not in {weights}; get them with `graph200k weights`"
            )
    for name in config.annotators:
        ANNOTATORS[name]
    return chosen


def preset_models(preset: str) -> dict[str, tuple[ModelId, list[str]]]:
    """Return the models that a preset loads from the Hub by name, each with the annotators that use it.

    Raises
    ------
    UnknownNameError
        For a preset that does not exist.
    """
    found: dict[str, tuple[ModelId, list[str]]] = {}
    for name in _preset(preset) if preset != SMOKE else ():
        cls = ANNOTATORS[name]
        if issubclass(cls, PretrainedAnnotator):
            for model in cls.model_names():
                found.setdefault(model, (MODELS[model], []))[1].append(name)
    return found


def _preset(name: str) -> tuple[str, ...]:
    if name not in PRESETS:
        raise UnknownNameError("preset", name, PRESETS)
    return PRESETS[name]


def _local_models(folders: Mapping[str, Path]) -> dict[str, LocalModel]:
    return {name: local_model(name, folder.expanduser().absolute()) for name, folder in folders.items()}


def _tiny_models(names: Iterable[str], given: Container[str], cache: Path) -> dict[str, LocalModel]:
    """Return tiny models for annotators, made if need be, but for those models that are ``given``."""
    classes = [ANNOTATORS[name] for name in names]
    wanted = {model for cls in classes if issubclass(cls, PretrainedAnnotator) for model in cls.model_names()}
    return {name: tiny_model(name, cache) for name in sorted(wanted) if name not in given}


def _maker_of(name: str, preset: Iterable[str]) -> str:
    """Return the annotator of that name or, the preset's first, one that makes that node type."""
    if name in preset:
        return name
    for annotator in preset:
        if name in ANNOTATORS[annotator].produces:
            return annotator
    if name in ANNOTATORS:
        return name
    for annotator, cls in ANNOTATORS.items():
        if name in cls.produces:
            return annotator
    if name in GRAPH200K and (sources := [node for node in GRAPH200K[name].derived_from if node != "target"]):
        return _maker_of(sources[0], preset)  # the background comes with the matte
    raise UnknownNameError("annotator", name, ANNOTATORS)


def _make(
    name: str,
    parameters: Mapping[str, Mapping[str, Any]],
    local: Mapping[str, LocalModel],
    circumstances: Mapping[str, Any],
) -> Annotator:
    """Return an annotator; of the ``circumstances`` (fields that are no parameters) it takes those that it has."""
    cls = ANNOTATORS[name]
    given = parameters.get(name, {})
    known = cls.parameter_names()
    if unknown := set(given) - set(known):
        raise PlanError(f"{name} has no parameter {', '.join(sorted(unknown))}; it has {', '.join(known) or 'none'}")
    fields = {field.name for field in dataclasses.fields(cls)}
    taken = {field: value for field, value in circumstances.items() if field in fields}
    if issubclass(cls, PretrainedAnnotator):
        companions = tuple(local[model] for model in cls.companions if model in local)
        taken |= {"local": local.get(cls.pretrained), "local_companions": companions}
    return cls(**taken, **given)


def _circumstances(config: AnnotateConfig, names: Iterable[str]) -> dict[str, Any]:
    """Return the settings that change where and how annotators run, and the style bank if one of them draws from it."""
    draws = any(issubclass(ANNOTATORS[name], StyleAnnotator) for name in names)
    bank = read_bank(config.style_bank) if config.style_bank and draws else None
    return {"compiled": config.compile, "offload": config.offload, "bank": bank}
