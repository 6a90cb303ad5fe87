"""Commands that generate images with a trained LoRA, and that convert and add up LoRAs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from graph200k.cli.app import app


@app.command()
def generate(
    task: Annotated[
        str, typer.Option(help="What to do, as `graph200k tasks` names it (conditions, result), or CONDITIONS:TARGETS.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for the pictures.")],
    lora: Annotated[
        list[str] | None, typer.Option(help="LoRA's file or folder, :WEIGHT behind it if not 1; may be repeated.")
    ] = None,
    query: Annotated[
        str | None, typer.Option(help="Images of the task's conditions, with commas; or one a column, _ for a gap.")
    ] = None,
    context: Annotated[
        list[str] | None, typer.Option(help="All images of an example, with commas; may be repeated. With --data: 0-8.")
    ] = None,
    content: Annotated[str, typer.Option(help="What the result shows.")] = "",
    data: Annotated[str | None, typer.Option(help="Dataset to draw grids from, in place of --query.")] = None,
    count: Annotated[int | None, typer.Option("-n", help="Results (default: 1, with --data 8).", min=1)] = None,
    seed: Annotated[int, typer.Option(help="First seed, or that of the samples.", min=0)] = 0,
    steps: Annotated[int | None, typer.Option(help="Steps of sampling (default: 30).", min=1)] = None,
    guidance: Annotated[float | None, typer.Option(help="Guidance (default: 30).", min=0)] = None,
    batch: Annotated[int | None, typer.Option(help="Grids at a time (default: 1).", min=1)] = None,
    area: Annotated[
        int | None, typer.Option(help="Side of a square cell; others have its area (default: the training's).", min=64)
    ] = None,
    upsample: Annotated[
        str | None, typer.Option(help="Enlarge results (SDEdit) to the area of a square of this side, or to WxH.")
    ] = None,
    upsample_strength: Annotated[
        float | None, typer.Option(help="How far results may change in it (default: 0.4).", min=0.01, max=1)
    ] = None,
    upsample_base: Annotated[bool, typer.Option("--upsample-base", help="Leave the LoRAs out of it.")] = False,
    config: Annotated[
        Path | None, typer.Option(help="Training's YAML: model, fill, cells (default: that of the first LoRA's run).")
    ] = None,
    base: Annotated[
        str | None, typer.Option(help="Base model: folder or repository (default: the training's).")
    ] = None,
    fill: Annotated[
        Literal["grey", "black"] | None, typer.Option(help="What hides cells (default: the training's).")
    ] = None,
    dtype: Annotated[
        Literal["bfloat16", "float32"] | None, typer.Option(help="Of the base (default: the training's).")
    ] = None,
    quantize: Annotated[
        Literal["none", "int8", "nf4"] | None, typer.Option(help="How the base is stored (default: the training's).")
    ] = None,
    offload: Annotated[
        Literal["none", "model", "sequential"], typer.Option(help="Keep idle models, or layers, off the device.")
    ] = "none",
    device: Annotated[str, typer.Option(help="auto, cuda, cuda:1, mps or cpu.")] = "auto",
) -> None:
    """Generate images from your own (--query, --context) or from a dataset's (--data). One JSON object a line.

    {seed, prompt, grid, cells: [{row, column, node, file, upsampled}]}, with --data also {picture, sample}: the grid
    beside the truth, and the sample as `sample-tasks` prints it.
    """
    from graph200k.console import show_json_lines
    from trainer.generate_command import Request, run

    request = Request(
        task=task,
        out=out,
        loras=tuple(lora or ()),
        query=query,
        contexts=tuple(context or ()),
        content=content,
        data=data,
        count=count,
        seed=seed,
        config=config,
        upsample=upsample,
        upsampling=_given(strength=upsample_strength, adapters=False if upsample_base else None),
        sampling=_given(steps=steps, guidance=guidance, batch=batch),
        placing=_given(device=device, offload=offload),
        model=_given(base=base, dtype=dtype, quantize=quantize),
        latents=_given(fill=fill),
        layout=_given(area_px=area and area**2),
    )
    show_json_lines(run(request))


@app.command("fuse-lora")
def fuse_lora(
    loras: Annotated[list[str], typer.Argument(help="LoRAs: files or folders, :WEIGHT behind them if not 1.")],
    out: Annotated[Path, typer.Option(help="Folder for the file.")],
    base: Annotated[
        str | None, typer.Option(help="Add them to this base model, and save its transformer instead.")
    ] = None,
) -> None:
    """Make one LoRA out of several, their weighted sum; or a transformer that needs none."""
    from graph200k.console import show_line
    from trainer.adapters import parse_adapter
    from trainer.lora_sums import fuse_into_base, fuse_loras

    adapters = [parse_adapter(lora) for lora in loras]
    show_line(str(fuse_loras(adapters, out) if base is None else fuse_into_base(adapters, base, out)))


@app.command("import-lora")
def import_lora(
    source: Annotated[Path, typer.Argument(help="A .pth of the VisualCloze release.")],
    out: Annotated[Path, typer.Option(help="Folder for the file.")],
) -> None:
    """Convert a LoRA of the VisualCloze release to what diffusers and `generate` load."""
    from graph200k.console import show_line
    from trainer.import_lora import import_lora as convert

    show_line(str(convert(source, out)))


def _given(**options: Any) -> dict[str, Any]:
    """Return the options that were given: what is left out has its default where it is read."""
    return {name: value for name, value in options.items() if value is not None}
