"""In-context tasks in a plain PyTorch loop: python examples/pytorch_tasks.py DATASET_FOLDER."""

import sys

from torch.nn.functional import mse_loss
from torch.utils.data import DataLoader

from graph200k import Dataset
from sampler.config import SamplerConfig
from sampler.loader import ClozeDataset, ShapeBatches, collate
from sampler.task_sampler import TaskSampler

# Every sample is a function of its index: the same for any number of workers, and again after a restart.
sampler = TaskSampler([Dataset(sys.argv[1])], SamplerConfig(seed=0, area_px=128**2, shape_block=8))
indices = ShapeBatches(shape_block=8, batch_size=2, steps=4)
for step, batch in enumerate(DataLoader(ClozeDataset(sampler), batch_sampler=indices, collate_fn=collate)):
    query = batch.rows[-1] / 255  # B×3×H×(L·W): the last row, which has the cells to generate
    cell_width = query.shape[-1] // batch.columns
    hole = batch.masked[:, -1].repeat_interleave(cell_width, dim=1)[:, None, None].expand_as(query)
    prediction = query.mean(dim=(2, 3), keepdim=True).expand_as(query)  # a model would see query * ~hole
    loss = mse_loss(prediction[hole], query[hole])
    print(f"step {step}: rows {[tuple(row.shape) for row in batch.rows]}, loss {loss:.3f}, {batch.prompts[0][:60]!r}")
