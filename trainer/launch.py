"""Processes for a run: this one, those that torchrun started, or workers of Ray Train on one machine or many."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import Any

from accelerate import PartialState

from graph200k.errors import Graph200KError, PlanError, TrainingError
from trainer.config import TrainConfig
from trainer.loop import Ending, PainterFactory, TrainOptions, train
from trainer.stopping import stop_on_signals

RAY_FOLDER = "ray"
"""Where Ray Train keeps its own account of a run, in the run's folder."""


def launch(
    options: TrainOptions,
    num_workers: int | None = None,
    ray_address: str | None = None,
    make_painter: PainterFactory | None = None,
) -> Ending:
    """Train with ``num_workers`` processes; None trains in this one, which may be one of torchrun's.

    Raises
    ------
    PlanError
        As :func:`trainer.loop.train`, or if Ray is missing or has too few GPUs or CPUs.
    TrainingError
        As :func:`trainer.loop.train`, or if a worker died.
    """
    if num_workers is None:
        ending = train(options, make_painter)
        PartialState().destroy_process_group()
        return ending
    interrupted = _train_on_ray(options, num_workers, ray_address, make_painter)
    return Ending(is_first=True, interrupted=interrupted)


def _train_on_ray(
    options: TrainOptions, num_workers: int, ray_address: str | None, make_painter: PainterFactory | None
) -> bool:
    """Train with workers of Ray Train; return whether Ctrl-C asked them to stop."""
    try:
        from ray.train import RunConfig, ScalingConfig
        from ray.train.torch import TorchConfig, TorchTrainer
        from ray.train.v2.api.exceptions import TrainingFailedError
    except ImportError:
        raise PlanError("--num-workers needs Ray; pip install 'graph200k[train]'") from None

    with _ray(ray_address) as resources:
        gpus = _gpus_a_worker(resources, num_workers)
        trainer = TorchTrainer(
            _train_in_worker,
            train_loop_config={
                "config": options.config.model_dump_json(),
                "out": str(options.out.resolve()),
                "resume": options.resume,
                "make_painter": make_painter,
            },
            # Gradients travel by NCCL between GPUs, by gloo between CPUs.
            torch_config=TorchConfig(backend="nccl" if gpus else "gloo"),
            scaling_config=ScalingConfig(num_workers=num_workers, use_gpu=bool(gpus)),
            run_config=RunConfig(name=RAY_FOLDER, storage_path=str(options.out.resolve())),
        )
        try:
            # After ray.init, which puts in a handler of its own.
            with stop_on_signals(options.out, tells_workers=True) as stop:
                # In the main thread Ray Train would take SIGINT for itself, and abort the run.
                with ThreadPool(1) as beside:
                    beside.apply_async(trainer.fit).get()
        except TrainingFailedError as error:
            raise _cause(error) from error
    return stop.interrupted


def _train_in_worker(arguments: dict[str, Any]) -> None:
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    options = TrainOptions(
        config=TrainConfig.model_validate_json(arguments["config"]),
        out=Path(arguments["out"]),
        resume=arguments["resume"],
    )
    train(options, arguments["make_painter"])


def _gpus_a_worker(resources: dict[str, float], num_workers: int) -> int:
    """Return 1 if workers have a GPU each, 0 if there is none at all.

    Raises
    ------
    PlanError
        If there are fewer than workers: they would wait without end.
    """
    for kind in ("GPU", "CPU"):
        there = int(resources.get(kind, 0))
        if there and there < num_workers:
            raise PlanError(f"--num-workers {num_workers}: Ray has {there} {kind}s; name at most as many workers")
        if there:
            return int(kind == "GPU")
    return 0


@contextmanager
def _ray(address: str | None) -> Iterator[dict[str, float]]:
    """Give the resources of the Ray that runs, or of one that is started, or connected to, and left at the end."""
    import ray

    if started := not ray.is_initialized():
        logging.getLogger("ray").setLevel(logging.ERROR)
        where: dict[str, Any] = {"address": "local", "include_dashboard": False} if address is None else {
            "address": address
        }  # fmt: skip
        try:
            ray.init(**where, log_to_driver=True, logging_level=logging.ERROR)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise PlanError(f"--ray-address {address}: {error}") from error
    try:
        yield ray.cluster_resources()
    finally:
        if started:
            ray.shutdown()


def _cause(error: Exception) -> Graph200KError:
    """Return our own error among those of the workers, or one that quotes the first of theirs."""
    failures = getattr(error, "worker_failures", None) or {0: error}
    for failure in failures.values():
        inner: BaseException | None = failure
        while inner is not None:
            if isinstance(inner, Graph200KError):
                return inner
            inner = inner.__cause__
    return TrainingError(f"a worker failed: {next(iter(failures.values()))}")
