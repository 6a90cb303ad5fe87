"""How fast training goes: floating-point operations of a step, the ceiling of the device, and where time goes."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Work:
    """What one token costs a transformer, in floating-point operations, from its own modules."""

    base: float
    """Forward through the frozen Linears of the blocks, a token."""
    lora: float
    """Forward through the LoRAs, a token."""
    attention: float
    """Forward through attention, a token and token it attends to."""

    @classmethod
    def of(cls, transformer: torch.nn.Module) -> Work:
        """Count a FLUX transformer's work. Linears that see one vector a sample, such as modulations, are left out."""
        base = lora = 0.0
        for name, module in transformer.named_modules():
            if isinstance(module, torch.nn.Linear) and "transformer_blocks" in name and "norm" not in name:
                work = 2 * module.in_features * module.out_features * _share_of_tokens(name)
                if ".lora_" in name:
                    lora += work
                else:
                    base += work
        config: Any = transformer.config  # of diffusers, which torch knows nothing of
        width = config.num_attention_heads * config.attention_head_dim
        return cls(base, lora, 4 * width * (config.num_layers + config.num_single_layers))

    def training_step(self, image_tokens: int, text_tokens: int = 512) -> float:
        """Return the operations of forward and backward for one sample, recomputation not counted.

        The frozen Linears pass gradients through (twice the forward) but have none of their own; attention and LoRA
        cost three times the forward.
        """
        tokens = image_tokens + text_tokens
        return tokens * (2 * self.base + 3 * self.lora + 3 * self.attention * tokens)


def _share_of_tokens(name: str) -> float:
    """Return which share of the work on a token a Linear does: a double block has equal sets for text and for image."""
    return 1.0 if "single_transformer_blocks" in name else 0.5


def matmul_ceiling(device: torch.device, dtype: torch.dtype, size: int) -> float:
    """Return the operations a second of size×size matrix products, the most that a step could reach."""
    left = torch.randn(size, size, device=device).to(dtype)
    best = 0.0
    for _ in range(5):
        _wait(device)
        started = time.perf_counter()
        for _ in range(4):
            left @ left
        _wait(device)
        best = max(best, 4 * 2 * size**3 / (time.perf_counter() - started))
    return best


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


@dataclass
class Meter:
    """Adds up what a run did since the last report."""

    ceiling: float
    """Operations a second that the devices could do."""
    tokens: int = 0
    operations: float = 0.0
    waited_s: float = 0.0
    """Time in which the step had no data."""
    padded: float = 0.0
    """Tokens that belong to no sample."""
    _started: float = field(default_factory=time.perf_counter)

    def watch(self, batches: Iterable[T]) -> Iterator[T]:
        """Yield batches, and note how long each was waited for."""
        source = iter(batches)
        while True:
            started = time.perf_counter()
            try:
                batch = next(source)
            except StopIteration:
                return
            self.waited_s += time.perf_counter() - started
            yield batch

    def add(self, tokens: int, operations: float, padding: float) -> None:
        """Count one micro-batch, ``padding`` the share of its tokens that belong to no sample."""
        self.tokens += tokens
        self.operations += operations
        self.padded += padding * tokens

    def start(self) -> None:
        """Forget what was counted: what was done since the last report was no training."""
        self.tokens, self.operations, self.waited_s, self.padded = 0, 0.0, 0.0, 0.0
        self._started = time.perf_counter()

    def report(self) -> dict[str, float]:
        """Return tokens/s, model FLOPs utilisation, and the shares of time without data and of padding; start anew."""
        seconds = max(time.perf_counter() - self._started, 1e-9)
        found = {
            "tokens_per_s": self.tokens / seconds,
            "mfu": self.operations / seconds / self.ceiling,
            "data_wait": self.waited_s / seconds,
            "padding": self.padded / max(self.tokens, 1),
        }
        self.start()
        return found
