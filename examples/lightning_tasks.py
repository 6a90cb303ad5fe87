"""In-context tasks, streamed shard by shard, in Lightning: python examples/lightning_tasks.py DATASET_FOLDER."""

import sys

import lightning
import torch

from sampler.config import SamplerConfig
from sampler.stream_loader import Batch, StreamLoader
from sampler.streaming import TaskStream


class OneColour(lightning.LightningModule):
    """A model that paints every cell in the colour it learns."""

    def __init__(self) -> None:
        super().__init__()
        self.colour = torch.nn.Parameter(torch.zeros(3, 1, 1))

    def training_step(self, batch: Batch, _: int) -> torch.Tensor:
        return ((self.colour - batch.rows[-1] / 255) ** 2).mean()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.5)


model, loader = OneColour(), StreamLoader(TaskStream(sys.argv[1], SamplerConfig(area_px=128**2)))
lightning.Trainer(max_steps=20, accelerator="cpu", logger=False, enable_checkpointing=False).fit(model, loader)
print(f"after 20 steps the colour is {model.colour.flatten().tolist()}")
