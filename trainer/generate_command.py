"""What ``graph200k generate`` does: complete a grid of the user's images, or grids drawn from a dataset."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from graph200k.catalogue import MetaTask
from graph200k.dataset import Dataset
from graph200k.errors import PlanError
from graph200k.seeds import derive_seed
from graph200k.settings_errors import explain
from sampler.cloze import find_task_or_cloze
from sampler.config import ALL_SAID, DatasetShare, SamplerConfig, with_overrides
from sampler.grid import Grid
from sampler.own_images import own_grid, own_instructions, read_images
from sampler.samples import Sample
from sampler.task_sampler import TaskSampler
from trainer.adapters import Adapter, parse_adapter
from trainer.command import CONFIG
from trainer.config import TrainConfig, read_config
from trainer.generation import GenerationSettings, batches_of_one_shape, generate
from trainer.generation_models import GenerationModels, load_models
from trainer.generation_output import Made, write_made
from trainer.loop import MODEL, TINY
from trainer.placement import PlacementSettings
from trainer.settings import Settings
from trainer.upsampling import UpsamplingSettings, upsample

_GRIDS = 8
"""Drawn from a dataset if no number is given."""
_MAX_CONTEXTS = 8
_MIN_UPSAMPLED_PX = 64
_LEVELS = 4
"""How far above a LoRA its run's folder may be: RUN/checkpoints/step-00001000/ema/FILE."""


Kind = TypeVar("Kind", bound=Settings)
Given: TypeAlias = dict[str, Any]
"""Settings that were given, by name; the others have their defaults, or the training's values."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """What the user asked for: a grid of own images, or grids drawn from a dataset."""

    task: str
    """Name of the task, or a cloze spec (:mod:`sampler.cloze`)."""
    out: Path
    loras: tuple[str, ...] = ()
    """See :func:`trainer.adapters.parse_adapter`."""
    query: str | None = None
    """Files; see :func:`sampler.own_images.read_images`."""
    contexts: tuple[str, ...] = ()
    """Files of each example; with a dataset one number, of examples a grid."""
    content: str = ""
    """What the generated image shows, "" if that is not said."""
    data: str | None = None
    """Dataset to draw from in place of ``query``."""
    count: int | None = None
    """Results of one row of images with seeds from ``seed`` on, or grids of a dataset."""
    seed: int = 0
    config: Path | None = None
    """Settings of the training; by default those of the run that the first LoRA is in."""
    upsample: str | None = None
    """Side of a square or WIDTHxHEIGHT to enlarge results to; None does not."""
    upsampling: Given = field(default_factory=dict)
    sampling: Given = field(default_factory=dict)
    placing: Given = field(default_factory=dict)
    model: Given = field(default_factory=dict)
    latents: Given = field(default_factory=dict)
    layout: Given = field(default_factory=dict)
    """Settings of the sampler."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """A request with all its settings known."""

    request: Request
    adapters: tuple[Adapter, ...]
    config: TrainConfig
    layout: SamplerConfig
    sampling: GenerationSettings
    placing: PlacementSettings
    upsampling: UpsamplingSettings | None

    def load(self) -> GenerationModels:
        """Return the models."""
        return load_models(self.config.model, self.config.latents, self.placing, self.adapters)


def run(request: Request) -> Iterator[dict[str, Any]]:
    """Yield what was written, one result at a time; see :func:`trainer.generation_output.write_made`.

    Raises
    ------
    PlanError
        If images, examples or settings do not fit the task, or neither images nor a dataset are named.
    UnknownNameError
        For a task that there is not.
    MissingWeightsError
        If the base model or a LoRA is not there.
    """
    _check_source(request)
    plan = make_plan(request)
    return _from_dataset(plan, request.data) if request.query is None else _from_images(plan, request.query)


def make_plan(request: Request) -> Plan:
    """Return a request with the training's settings, the user's on top of them."""
    adapters = tuple(parse_adapter(lora) for lora in request.loras)
    found = request.config or _run_config(adapters)
    config = read_config(found, {"model": request.model, "latents": request.latents})
    if config.model.base in TINY and found is not None:
        own = str(found.parent / MODEL)  # such a run has made its base itself
        config = config.model_copy(update={"model": config.model.model_copy(update={"base": own})})
    return Plan(
        request=request,
        adapters=adapters,
        config=config,
        layout=with_overrides(config.data.sampler, request.layout),
        sampling=_checked(GenerationSettings, request.sampling),
        placing=_checked(PlacementSettings, request.placing),
        upsampling=_upsampling(request),
    )


def _from_images(plan: Plan, query: str) -> Iterator[dict[str, Any]]:
    request = plan.request
    own = read_images(find_task_or_cloze(request.task), request.contexts, query)
    grid = own_grid(own, plan.layout)
    models = plan.load()
    for seed in range(request.seed, request.seed + (request.count or 1)):
        said = own_instructions(own, request.content, derive_seed("words", seed))
        (filled,) = generate(models, [grid], [said.prompt], [seed], plan.sampling)
        made = Made(name=str(seed), seed=seed, columns=own.columns, instructions=said, grid=filled)
        yield write_made(_enlarged(models, made, [request.content] * len(made.cells), plan), request.out)


def _from_dataset(plan: Plan, data: str | None) -> Iterator[dict[str, Any]]:
    sampler = _open_sampler(plan, str(data))
    models = plan.load()
    count, block = plan.request.count or _GRIDS, plan.layout.shape_block
    # One block of the stream at a time, whose grids have one shape: results come as they are made.
    for start in range(0, count, block):
        loaded = [sampler.load(index) for index in range(start, min(start + block, count))]
        for numbers in batches_of_one_shape([grid.shape for _, grid in loaded], plan.sampling.batch):
            yield from _complete(models, [loaded[number] for number in numbers], sampler, plan)


def _complete(
    models: GenerationModels, loaded: Sequence[tuple[Sample, Grid]], sampler: TaskSampler, plan: Plan
) -> Iterator[dict[str, Any]]:
    samples, grids = [sample for sample, _ in loaded], [grid for _, grid in loaded]
    seeds = [derive_seed("generate", sample.seed, sample.index) for sample in samples]
    prompts = [sample.instructions.prompt for sample in samples]
    filled = generate(models, grids, prompts, seeds, plan.sampling)
    for sample, truth, seed, grid in zip(samples, grids, seeds, filled, strict=True):
        made = Made(
            name=f"{sample.seed}-{sample.index}",
            seed=seed,
            columns=sample.columns,
            instructions=sample.instructions,
            grid=grid,
        )
        captions = [_caption(sampler, sample, sample.columns[column].node) for _, column in made.cells]
        made = _enlarged(models, made, captions, plan)
        yield write_made(made, plan.request.out, truth) | {"sample": sample.to_json()}


def _enlarged(models: GenerationModels, made: Made, captions: Sequence[str], plan: Plan) -> Made:
    """Return the same with its generated cells enlarged if that was asked for, each prompted with its caption."""
    if plan.upsampling is None:
        return made
    cells = made.cells
    pictures = [made.grid.cell(*place) for place in cells]
    seeds = [derive_seed("upsample", made.seed, *place) for place in cells]
    large = upsample(models, pictures, captions, seeds, plan.upsampling, plan.sampling)
    return replace(made, upsampled=dict(zip(cells, large, strict=True)))


def _caption(sampler: TaskSampler, sample: Sample, node: str) -> str:
    """Return what a generated photograph shows, "" for a node type that is no photograph of the record's item."""
    dataset = sampler.datasets[sample.dataset]
    if dataset.catalogue[node].meta_task != MetaTask.TARGET:
        return ""
    text = dataset.info(sample.records[-1]).text
    return " ".join(part for part in (text.item, text.description) if part)


def _check_source(request: Request) -> None:
    if request.query is not None and request.data is not None:
        raise PlanError("images (--query) and a dataset (--data) are both named; name one, not both")
    if request.data is None and (numbers := [given for given in request.contexts if given.isdecimal()]):
        raise PlanError(
            f"--context {numbers[0]}: a number of examples needs --data, the dataset to draw them from; examples of "
            "your own are files, such as --context a_depth.png,a.png"
        )
    if request.query is None and request.data is None:
        raise PlanError("nothing to generate from; name either images (--query) or a dataset (--data)")


def _run_config(adapters: Sequence[Adapter]) -> Path | None:
    """Return the settings of the run that the first LoRA lies in."""
    if not adapters:
        return None
    folders = adapters[0].file.absolute().parents[:_LEVELS]
    return next((folder / CONFIG for folder in folders if (folder / CONFIG).is_file()), None)


def _upsampling(request: Request) -> UpsamplingSettings | None:
    if request.upsample is None:
        if request.upsampling:
            raise PlanError("--upsample-strength and --upsample-base go with --upsample, such as --upsample 1024")
        return None
    sides = request.upsample.split("x")
    if not (len(sides) in (1, 2) and all(side.isdecimal() and int(side) >= _MIN_UPSAMPLED_PX for side in sides)):
        raise PlanError(f"--upsample {request.upsample}: expected the side of a square, such as 1024, or 1344x768")
    if len(sides) == 1:
        return _checked(UpsamplingSettings, {"area_px": int(sides[0]) ** 2} | request.upsampling)
    return _checked(UpsamplingSettings, {"size": (int(sides[1]), int(sides[0]))} | request.upsampling)


def _checked(kind: type[Kind], given: Given) -> Kind:
    """Return settings of a kind from those given, the errors of their values as one of ours."""
    try:
        return kind(**given)
    except ValueError as error:
        raise PlanError(explain(error, kind)) from None


def _open_sampler(plan: Plan, data: str) -> TaskSampler:
    request = plan.request
    given = request.contexts or ("0",)
    if len(given) != 1 or not given[0].isdecimal() or int(given[0]) > _MAX_CONTEXTS:
        raise PlanError(f"--context {' --context '.join(given)}: with --data expected one number, 0 to {_MAX_CONTEXTS}")
    if request.content:
        raise PlanError("--content goes with --query; with --data the dataset has the descriptions")
    dataset = Dataset(data)
    task = find_task_or_cloze(request.task, dataset.catalogue)
    fixed = {
        "seed": request.seed,
        "contexts": (*(0.0,) * int(given[0]), 1.0),
        "reverse": 0.0,
        "instructions": ALL_SAID,
    }
    return TaskSampler(
        [dataset], plan.layout.model_copy(update=fixed), shares=[DatasetShare(data=data)], only=[task.name]
    )
