"""Processes that train one LoRA: where they compute, how the base is held, and what they tell each other."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import torch
from accelerate import Accelerator
from diffusers import FluxTransformer2DModel

from graph200k.errors import PlanError
from trainer.config import LoopSettings
from trainer.lora import lora_parameters
from trainer.quantisation import refuse_int8


def open_accelerator(settings: LoopSettings, out: Path) -> Accelerator:
    """Return Accelerate's view of this process: its device, rank, peers and tracker.

    Ranks come from the environment that torchrun, Ray Train or ``accelerate launch`` set; without one there is one.

    Raises
    ------
    PlanError
        If the tracker's library is not installed.
    """
    tracker = settings.tracker
    if tracker != "none" and importlib.util.find_spec(tracker) is None:
        raise PlanError(f"loop.tracker = {tracker!r} needs {tracker}; pip install {tracker}, or set it to none")
    # Without cpu=True, Accelerate takes processes that have no GPU for runs of their own.
    cpu = not torch.accelerator.is_available()
    return Accelerator(cpu=cpu, log_with=None if tracker == "none" else tracker, project_dir=out)


class Replicas:
    """A transformer with its LoRA on every rank, and the gradients of the LoRA averaged over them.

    ``ddp`` holds the whole base everywhere and averages while the backward pass runs. ``fsdp2`` shards the frozen base,
    block by block, and gathers a block when it runs; the LoRA stays whole, so that optimiser, average and checkpoints
    are the same in both, and its gradients are averaged once an optimiser step.
    """

    def __init__(self, transformer: FluxTransformer2DModel, accelerator: Accelerator, strategy: str) -> None:
        self._accelerator = accelerator
        self._parameters = list(lora_parameters(transformer).values())
        self._sharded = strategy == "fsdp2" and accelerator.num_processes > 1
        if self._sharded:
            shard_base(transformer, accelerator.device)
            self.model: torch.nn.Module = transformer
        else:
            leave_base_to_ranks(transformer)
            self.model = accelerator.prepare(transformer)

    def accumulating(self, *, last: bool) -> AbstractContextManager[object]:
        """Return a block for forward and backward of one micro-batch; gradients are averaged in the ``last``."""
        return nullcontext() if last or self._sharded else self._accelerator.no_sync(self.model)

    def average_gradients(self) -> None:
        """Average over the ranks what the backward pass did not."""
        if self._sharded:
            average_over_ranks(parameter.grad for parameter in self._parameters)

    def reduce(self, *values: torch.Tensor | float) -> list[float]:
        """Return the sum over ranks of each value."""
        device = self._accelerator.device
        tensor = torch.stack([torch.as_tensor(value, dtype=torch.float64).cpu() for value in values])
        # Metal and some other devices have no float64; gloo and NCCL both have float32.
        return [float(value) for value in self._accelerator.reduce(tensor.float().to(device), "sum")]


def leave_base_to_ranks(transformer: FluxTransformer2DModel) -> None:
    """Have DDP send its first rank's LoRA to the others, and not the base, which each rank has read itself.

    That saves 24 GB of messages at the start, and torchao's int8 weights cannot be sent at all.
    """
    lora = set(lora_parameters(transformer))
    frozen = [name for name, _ in [*transformer.named_parameters(), *transformer.named_buffers()] if name not in lora]
    torch.nn.parallel.DistributedDataParallel._set_params_and_buffers_to_ignore_for_model(transformer, frozen)


def shard_base(transformer: FluxTransformer2DModel, device: torch.device) -> None:
    """Shard the frozen weights over all ranks and put each rank's shard, and the whole LoRA, on its device.

    Tested with two processes on a CPU, nf4 included; untested on GPUs.

    Raises
    ------
    PlanError
        If the base is int8.
    """
    refuse_int8(transformer, "loop.strategy = fsdp2 (torchao does not split int8 weights)", "ddp, or nf4")
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    mesh = init_device_mesh(device.type, (torch.distributed.get_world_size(),))
    lora = set(lora_parameters(transformer).values())
    for parameter in lora:
        parameter.data = parameter.data.to(device)
    for block in [*transformer.transformer_blocks, *transformer.single_transformer_blocks]:
        fully_shard(block, mesh=mesh, ignored_params=lora & set(block.parameters()))
    fully_shard(transformer, mesh=mesh, ignored_params=lora)


def average_over_ranks(gradients: Iterable[torch.Tensor | None]) -> None:
    """Replace each gradient by its mean over all ranks, in one message."""
    found = [gradient for gradient in gradients if gradient is not None]
    flat = torch.cat([gradient.flatten() for gradient in found])
    torch.distributed.all_reduce(flat)
    flat /= torch.distributed.get_world_size()
    for gradient, values in zip(found, flat.split([gradient.numel() for gradient in found]), strict=True):
        gradient.copy_(values.view_as(gradient))
