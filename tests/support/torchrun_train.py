"""What the processes of a torchrun test do: train with each strategy, one run after the other.

python -m torch.distributed.run … -m support.torchrun_train CONFIG OUT STRATEGY…
"""

from __future__ import annotations

import sys
from pathlib import Path

from trainer.config import read_config
from trainer.loop import TrainOptions, train

if __name__ == "__main__":
    file, out, *strategies = sys.argv[1:]
    for strategy in strategies:
        config = read_config(Path(file), {"loop": {"strategy": strategy}})
        train(TrainOptions(config=config, out=Path(out) / strategy))
