"""Which layers of a network can be explained: their order, the shape of what they give out, and its grid."""

from dataclasses import dataclass
from math import inf
from operator import itemgetter
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from course_lib.recordable import check_model
from course_lib.recording import INPUT, eagerly


@dataclass(frozen=True)
class Layer:
    """A layer as the forward pass meets it.

    Attributes:
        name: what `record` takes: a dotted name, with ":2" for the second call of a layer that runs several times
        kind: the module's class
        shape: of what it gives out, without the batch: (K, h, w) for a convolution
        grid: (h, w) cells that lie over the picture, or None for a layer without places
        cell: height and width of one cell in pixels of the picture, or None
        layout: how the grid lies in the tensor: "BKHW", "BHWK" (channels last) or "BTK" (a sequence of tokens)
        prefix: how many tokens come before those of the grid, such as the class token
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    grid: tuple[int, int] | None = None
    cell: tuple[float, float] | None = None
    layout: str | None = None
    prefix: int = 0

    def to_grid(self, values: Tensor) -> Tensor:
        """This layer's activations or gradients, (..., *shape), as (..., K, h, w).

        Raises:
            ValueError: if the layer has no grid

        >>> tokens = Layer("blocks.0", "Block", (5, 8), (2, 2), (16, 16), "BTK", prefix=1)
        >>> tokens.to_grid(torch.zeros(1, 5, 8)).shape
        torch.Size([1, 8, 2, 2])
        """
        if self.grid is None or self.layout is None:
            raise ValueError(
                f"Layer {self.name!r} gives out {self.shape}: no grid of places that a map could be drawn on. "
                "Choose a layer before the pooling; layers(model, picture) lists those with a grid."
            )
        if self.layout == "BKHW":
            return values
        if self.layout == "BTK":
            values = values[..., self.prefix :, :]
            values = values.reshape(*values.shape[:-2], *self.grid, values.shape[-1])
        return values.movedim(-1, -3)

    def __str__(self) -> str:
        if self.grid is None or self.cell is None:
            return f"{self.name} ({self.kind}): {' x '.join(map(str, self.shape))}, no grid"
        height, width = (f"{side:.3g}" for side in self.cell)
        cell = f"{height}" if height == width else f"{height} x {width}"
        return f"{self.name} ({self.kind}): {self.grid[0]} x {self.grid[1]} cells of {cell} pixels"


def layers(model: nn.Module, picture: Tensor) -> list[Layer]:
    """The layers that can be recorded, in the order in which the forward pass reaches their outputs.

    A block comes after its parts, since what it gives out is ready only then. One forward pass without gradients.
    Where the shape leaves it open, (h, w) is the pair of axes whose proportions come nearest to the picture's; a
    sequence of tokens is such a grid after a few tokens of another kind. No grid have the tokens of a window
    (`WindowPartition`) and what looks like attention between tokens; not listed is what is made from parameters alone.
    A grid is taken to lie over the whole picture: a network that crops, pads or turns it places its cells by itself.

    Args:
        model: in eval mode
        picture: (1, 3, H, W) or (3, H, W)

    Returns:
        a `Layer` for each call of each module that gives out a floating-point tensor for one picture

    Raises:
        TypeError, ValueError: for a model that `record` doesn't take

    >>> model = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2, padding=1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    >>> for layer in layers(model, torch.zeros(3, 16, 16)):
    ...     print(layer)
    0 (Conv2d): 8 x 8 cells of 2 pixels
    1 (AdaptiveAvgPool2d): 4 x 1 x 1, no grid
    2 (Flatten): 4, no grid
    """
    check_model(model)
    picture = picture if picture.ndim == 4 else picture[None]
    height, width = picture.shape[-2:]
    reached: list[tuple[str, str, tuple[int, ...]]] = []
    handles = []
    own: list[Tensor] = [*model.parameters(), *model.buffers()]
    places = {tensor.untyped_storage().data_ptr() for tensor in own}

    def fixed(value: Any) -> bool:
        return isinstance(value, Tensor) and value.untyped_storage().data_ptr() in places

    def note(name: str) -> Any:
        def hook(module: nn.Module, args: Any, given: Any, output: Any) -> None:
            if not isinstance(output, Tensor):
                return
            if all(map(fixed, tree_leaves((args, given)))):  # a table of relative positions, a weight, not the picture
                own.append(output)  # kept, so that nobody gets its place in memory
                places.add(output.untyped_storage().data_ptr())
            elif output.is_floating_point() and output.shape[:1] == picture.shape[:1]:
                reached.append((name, type(module).__name__, tuple(output.shape[1:])))

        return hook

    try:
        for name, module in model.named_modules():
            if name:
                handles.append(module.register_forward_hook(note(name), with_kwargs=True))
        with torch.no_grad(), eagerly():
            model(picture)
    finally:
        for handle in handles:
            handle.remove()
    names = [name for name, _, _ in reached]
    listed: list[Layer] = []
    tokens: set[int] = set()
    windows = False
    for place, (name, kind, shape) in enumerate(reached):
        # a module that is called "input" isn't the pictures
        call = f":{names[: place + 1].count(name)}" if names.count(name) > 1 or name == INPUT else ""
        layout, prefix, grid = _grid(shape, height, width)
        windows = kind == "WindowPartition" or windows and kind != "WindowDepartition"
        if layout == "BTK":
            tokens.add(shape[0])
        elif windows or grid and grid[0] == grid[1] in tokens:
            layout, prefix, grid = None, 0, None
        cell = (height / grid[0], width / grid[1]) if grid else None
        listed.append(Layer(name + call, kind, shape, grid, cell, layout, prefix))
    return listed


def _grid(shape: tuple[int, ...], height: int, width: int) -> tuple[str | None, int, tuple[int, int] | None]:
    def stretch(h: int, w: int) -> float:
        """How much longer one side of a cell is than the other; infinite for what can't lie over the picture."""
        possible = 2 <= h <= height and 2 <= w <= width
        return max(h * width / (w * height), w * height / (h * width)) if possible else inf

    candidates: list[tuple[float, str, int, tuple[int, int]]] = []
    if len(shape) == 3:
        # Twice as long is possible: a pooling to 7 x 7 of a picture that isn't square.
        pairs = (("BKHW", shape[1:]), ("BHWK", shape[:2]))
        candidates = [(stretch(h, w), layout, 0, (h, w)) for layout, (h, w) in pairs if stretch(h, w) <= 2]
    if len(shape) == 2:
        for prefix in range(6):  # a class token, a distillation token, up to four registers
            tokens = max(shape[0] - prefix, 0)
            h = round((tokens * height / width) ** 0.5)
            w = tokens // max(h, 1)
            if h * w == tokens and abs(h * width / height - w) <= 1 and stretch(h, w) <= 2:
                candidates.append((stretch(h, w), "BTK", prefix, (h, w)))
    _, layout, prefix, grid = min(candidates, key=itemgetter(0), default=(inf, None, 0, None))
    return layout, prefix, grid
