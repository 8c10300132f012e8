"""What the layer picker draws: every map of a picture and a class, and the words and limits that go with it."""

import math
import time
from collections.abc import Callable, Sequence
from functools import cache, cached_property, partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from course_lib.layers import Layer, layers
from course_lib.methods.cam import neuron_importance
from course_lib.methods.registry import METHODS, Method, find_head, through_head, words_for
from course_lib.recording import INPUT, record

WORDS = {
    "title": "Layer picker",
    "pictures": "Pictures",
    "picture": "Picture",
    "number": "picture {number}",
    "page": "The picture, and {method} at {layers}. {sentence}",
    "picture_alt": "{name}, {width} x {height} pixels, as the network sees it",
    "upload": "Upload a picture",
    "uploaded": "{name} is shown with the class that the network answers.",
    "target": "Class",
    "target_hint": "type part of a name",
    "no_class": "There is no class '{text}'; near it: {near}.",
    "layer": "Layer",
    "layer_text": "{layer}, {shape}",
    "method": "Method",
    "relu": "ReLU",
    "opacity": "Opacity",
    "overlay": "Overlay",
    "map": "Map",
    "unit": "{units}",
    "logits": "Logits",
    "channels": "Channels that weigh most (α: logits per unit of activation)",
    "no_channels": "No channel has a weight: α is 0 for all.",
    "channel": "channel {number}",
    "alpha": "α {alpha}",
    "channel_alt": "Activation of channel {number} in {layer}, from {low} to {high}; its weight α is {alpha}",
    "computing": "Computing ...",
    "interrupted": "Interrupted; what is shown is as before.",
    "where": "{layer}: {grid} cells of {cell} pixels",
    "where_pixels": "Pixels: {width} x {height}",
    "gathered": "{where}; {share} % of {what} lies {place}.",
    "scattered": "{where}; {what} is spread out: no quarter of the picture holds more than {share} %.",
    "for": "the positive evidence for '{target}'",
    "marked": "what {method} marks for '{target}'",
    "against": " {share} % of all evidence is against it.",
    "no_evidence": "{where}; no positive evidence for '{target}', so with ReLU the map is 0 everywhere.",
    "only_against": "{where}; all the evidence is against '{target}'.",
    "zero": "{where}; the map for '{target}' is 0 everywhere.",
    "said": "{where}. {said}",
    "not_finite": "{method} gives NaN or infinity here, so there is no map to draw.",
    "bad_logits": "The network answers this picture with NaN or infinity, so there is nothing to explain.",
    "places": "in the upper left, in the upper right, in the lower left, in the lower right, in the centre",
}
"""Every word that the picker shows, with the names of what Python fills in."""

PLACED, CHANNEL_TEXTS = ("layer", "head"), ("channel", "alpha", "channel_alt")
CHANNELS, SIDE, TOP = 6, 32, 5  # channels shown, their largest side in cells, classes listed first
QUARTERS = np.zeros((5, 4, 4), np.float32)  # of a picture in 4 x 4 blocks: the four, and the centre of the same size
QUARTERS[0, :2, :2] = QUARTERS[1, :2, 2:] = QUARTERS[2, 2:, :2] = QUARTERS[3, 2:, 2:] = QUARTERS[4, 1:3, 1:3] = 1
REPEATING = ("Pool", "Dropout", "StochasticDepth", "Identity")
GATHERED = 0.4  # a quarter with this share of the evidence is named; spread evenly, each has 0.25


def default_layers(model: nn.Module, picture: Tensor, most: int = 40, cells: int = 64 * 64) -> list[Layer]:
    """The layers with a grid, at the finest depth of names that gives at most `most` of them.

    Left out: what only repeats the layer before it (dropout, pooling more coarsely, a container that ends with it),
    grids of more than `cells` cells (unless all are), and what the logits don't depend on.
    """
    listed = [
        layer for layer in layers(model, picture) if layer.grid and not any(kind in layer.kind for kind in REPEATING)
    ]
    listed = [layer for layer in listed if math.prod(layer.grid or ()) <= cells] or listed
    depth = max((layer.name.count(".") for layer in listed), default=0)
    while True:
        level = [layer for layer in listed if layer.name.count(".") <= depth]
        chosen = [
            layer
            for before, layer in zip([None, *level], level, strict=False)
            if not (before and layer.kind == "Sequential" and before.name.startswith(layer.name + "."))
        ]
        if len(chosen) <= most or depth == 0:
            return _that_matter(model, picture, chosen)
        depth -= 1


def _that_matter(model: nn.Module, picture: Tensor, chosen: list[Layer]) -> list[Layer]:
    def matter(some: list[Layer]) -> bool:
        with record(model, [layer.name for layer in some]) as tape:
            model(picture)
        try:
            tape.gradients(0)
        except ValueError:
            return False
        return True

    return chosen if not chosen or matter(chosen) else [layer for layer in chosen if matter([layer])]


def faster_memory_format(model: nn.Module, picture: Tensor, chosen: Sequence[Layer]) -> torch.memory_format:
    """Channels last for a network that is a fifth faster with it (measured), or else torch's own order in memory.

    Max pooling is much faster with channels last, some convolutions are slower: the forward pass of SqueezeNet takes
    0.6 of the time, that of ResNet-18 1.1. A pass under 10 ms stays as it is.
    """
    plain, last = torch.contiguous_format, torch.channels_last
    taken = {plain: math.inf, last: math.inf}
    for memory_format in [plain, last, plain, last]:  # the first pass of each makes ready what the second uses
        start = time.perf_counter()
        try:
            Recorded(model, picture, chosen, memory_format)
        except RuntimeError:  # a network may take a `view` that only torch's own order allows
            break
        taken[memory_format] = min(taken[memory_format], time.perf_counter() - start)
        if taken[plain] < 0.01:
            break
    return last if taken[last] < 0.8 * taken[plain] else plain


class Recorded:
    """One picture's forward pass; `explain` adds a backward pass and the maps of a class."""

    def __init__(
        self,
        model: nn.Module,
        picture: Tensor,
        chosen: Sequence[Layer],
        memory_format: torch.memory_format = torch.contiguous_format,
    ) -> None:
        self.model, self.layers = model, list(chosen)
        fitting = next(model.parameters(), picture)  # its device and precision
        self.picture = picture.to(fitting).contiguous(memory_format=memory_format)
        with record(model, [INPUT, *(layer.name for layer in chosen)]) as self.tape:
            model(self.picture)
        self.logits: Tensor = self.tape.output.detach()[0].float().cpu()
        if not self.logits.isfinite().all():
            raise ValueError(WORDS["bad_logits"])
        self.target = -1

    def explain(self, target: int, own: str | None = None) -> None:
        """Every map of a class: `maps[key]` is a map (h, w) or the sentence that says why there is none.

        `own` names a method with passes of its own that is wanted as well.
        """
        if target != self.target:
            self.gradients = self.tape.gradients(target)
            self.target, self.maps = target, dict[str, Tensor | str]()
            for layer in [*self.layers, None]:
                self._add(layer, [one for one in METHODS.values() if one.kind in (PLACED if layer else ("input",))])
        if own and METHODS[own].kind == "model" and own not in self.maps:
            self._add(None, [METHODS[own]])

    def _add(self, layer: Layer | None, methods: Sequence[Method]) -> None:
        """Make the maps of a layer, or the sentences for those that aren't finite: one look at all takes the least."""
        made = {method: self._map(layer, method) for method in methods}
        maps = [raw.flatten() for raw in made.values() if isinstance(raw, Tensor)]
        finite = not maps or torch.cat(maps).isfinite().all()
        for method, raw in made.items():
            good = finite or isinstance(raw, str) or raw.isfinite().all()
            self.maps[key(layer, method)] = raw if good else WORDS["not_finite"].format(method=method.name)

    @cached_property
    def _head(self) -> nn.Linear | nn.Conv2d:
        return find_head(self.model, len(self.logits))

    def _map(self, layer: Layer | None, method: Method) -> Tensor | str:
        try:
            if method.kind == "model":
                raw = method.function(self.model, self.picture, self.target)
            else:  # `map_from` checks every tensor, for more than the maps cost: what isn't finite shows in the map
                name = layer.name if layer else INPUT
                activations, gradients = (
                    layer.to_grid(tensor) if layer else tensor
                    for tensor in (self.tape.activations[name], self.gradients[name])
                )
                if method.kind == "head":
                    raw = through_head(method, self._head, activations, self.tape.output.detach(), self.target)
                else:
                    raw = method.function(activations, gradients)
        except ValueError as error:
            return str(error)
        return raw[0].detach()

    def channels(self, layer: Layer) -> tuple[list[int], list[float], Tensor]:
        """The channels with the largest |α|, of those that have one: their numbers, α, and activations (n, h, w)."""
        alpha = neuron_importance(layer.to_grid(self.gradients[layer.name])[0])
        largest = alpha.abs().topk(min(CHANNELS, len(alpha)))
        top = largest.indices[: int(largest.values.count_nonzero())].tolist()
        return top, alpha[top].tolist(), layer.to_grid(self.tape.activations[layer.name])[0, top]


def key(layer: Layer | None, method: Method) -> str:
    """The name of a map; a method that explains the pixels has one for all layers."""
    return f"{layer.name} {method.name}" if layer else method.name


def state(
    recorded: Recorded, chosen: Sequence[Layer], labels: Sequence[str], pixels: bool = True
) -> tuple[dict[str, Any], Tensor, bytes]:
    """What the browser draws: the description, all maps one after the other, the channels' activations as bytes."""
    numbers, activations = [torch.zeros(0)], bytearray()
    maps: dict[str, Any] = {}
    described, at = [], 0
    for layer in [*chosen, *([None] if pixels else [])]:
        made = {m: recorded.maps[key(layer, m)] for m in METHODS.values() if key(layer, m) in recorded.maps}
        drawn = {method: raw for method, raw in made.items() if isinstance(raw, Tensor)}
        maps |= {key(layer, method): {"refused": raw} for method, raw in made.items() if isinstance(raw, str)}
        if drawn:
            stack = torch.stack(list(drawn.values())).float().cpu()
            said = partial(words_for, recorded.gradients[layer.name if layer else INPUT], layer)
            entries = views(stack.numpy(), list(drawn), place(layer, recorded.picture), labels[recorded.target], said)
            for method, raw, entry in zip(drawn, stack, entries, strict=True):
                maps[key(layer, method)] = entry | {"at": at, "size": list(raw.shape)}
                at += raw.numel()
            numbers.append(stack.flatten())
        if layer:
            description, small = describe(layer, recorded, len(activations))
            described.append(description)
            activations += small
    header = {"layers": described, "maps": maps, **_answers(recorded, labels), "methods": {
        name: {"layered": method.kind in PLACED, "ready": method.kind in PLACED or name in maps}
        for name, method in METHODS.items()
    }}  # fmt: skip
    return header, torch.cat(numbers), bytes(activations)


def describe(layer: Layer, recorded: Recorded, at: int) -> tuple[dict[str, Any], bytes]:
    """A layer in words, and the channels that weigh most; their activations stand from `at` among all bytes."""
    top, alphas, activations = recorded.channels(layer)
    small, signed, ranges = thumbnails(activations.float().cpu().numpy())
    channels: list[dict[str, Any]] = []
    for number, alpha, (low, high) in zip(top, alphas, ranges, strict=True):
        names = {"number": number, "layer": layer.name, "alpha": signed_text(alpha, 2)}
        texts = {name: WORDS[name].format(**names, low=f"{low:.3g}", high=f"{high:.3g}") for name in CHANNEL_TEXTS}
        channels.append({**texts, "at": at, "size": list(small.shape[1:]), "signed": signed})
        at += small[0].size
    text = WORDS["layer_text"].format(layer=layer, shape=" x ".join(map(str, layer.shape)))
    return {"name": layer.name, "text": text, "channels": channels}, small.tobytes()


def _answers(recorded: Recorded, labels: Sequence[str]) -> dict[str, Any]:
    """The largest logits, with the target's."""
    logits, target = recorded.logits, recorded.target
    best = logits.topk(min(TOP, len(logits))).indices.tolist()
    listed = best if target in best else [*best, target]
    values = logits[listed].tolist()
    largest = max(map(abs, values)) or 1.0
    bars = [
        {"name": labels[c], "text": signed_text(value), "share": value / largest, "target": c == target}
        for c, value in zip(listed, values, strict=True)
    ]
    return {"target": labels[target], "top": [labels[c] for c in best], "logits": bars}


def as_bytes(maps: Tensor, described: dict[str, Any]) -> bytes:
    """Maps in a byte a cell: the signed root of the share of the limit, in 127ths (finer where values are small)."""
    made = bytearray()
    for entry in described.values():
        if "at" in entry:
            raw = maps[entry["at"] : entry["at"] + math.prod(entry["size"])]
            share = raw / (entry["views"][0]["limit"] or 1)
            made += (127 * share.sign() * share.abs().sqrt()).round().to(torch.int8).numpy().tobytes()
    return bytes(made)


def place(layer: Layer | None, picture: Tensor) -> str:
    """Where a map lies, in words: the layer, its cells, and their size."""
    if layer is None or layer.grid is None or layer.cell is None:
        return WORDS["where_pixels"].format(width=picture.shape[-1], height=picture.shape[-2])
    sides = [f"{side:.3g}" for side in layer.cell]
    cell = sides[0] if sides[0] == sides[1] else " x ".join(sides)
    return WORDS["where"].format(layer=layer.name, grid=" x ".join(map(str, layer.grid)), cell=cell)


def views(
    raws: np.ndarray, methods: Sequence[Method], where: str, target: str, said: Callable[[], str]
) -> list[dict[str, Any]]:
    """For each map of (n, h, w) its unit, and without and with ReLU the limit, the colours and the sentence.

    `said()` stands where a map is 0.
    """
    positive, size = np.maximum(raws, 0), np.abs(raws)
    limits, highs = size.max((1, 2)), positive.max((1, 2))
    totals, sums = positive.sum((1, 2)), size.sum((1, 2))
    rows, columns = _strips(raws.shape[1]), _strips(raws.shape[2])
    blocks = rows @ (positive / np.where(highs > 0, highs, 1)[:, None, None]) @ columns.T
    quarters = np.einsum("qij,nij->nq", QUARTERS, blocks) / np.where(highs > 0, blocks.sum((1, 2)), 1)[:, None]
    entries = []
    for method, limit, high, total, everything, quarter in zip(
        methods, limits, highs, totals, sums, quarters, strict=True
    ):
        names = {"where": where, "target": target, "method": method.name}
        if limit == 0:
            words = WORDS["said"].format(where=where, said=said()) if said() else WORDS["zero"].format(**names)
            plain = rectified = words
        elif total == 0:
            plain, rectified = WORDS["only_against"].format(**names), WORDS["no_evidence"].format(**names)
        else:
            share, place = float(quarter.max()), WORDS["places"].split(", ")[quarter.argmax()]
            what = WORDS["for" if method.signed else "marked"].format(**names)
            form = WORDS["gathered" if share >= GATHERED else "scattered"]
            plain = rectified = form.format(**names, what=what, share=round(100 * share), place=place)
            if method.signed:
                plain += WORDS["against"].format(share=round(100 * (1 - total / everything)))
        shown = [_view(float(limit), method.signed, plain), _view(float(high), False, rectified)]
        entries.append({"unit": WORDS["unit"].format(units=method.units), "views": shown})
    return entries


def _view(limit: float, signed: bool, sentence: str) -> dict[str, Any]:
    low = f"\N{MINUS SIGN}{limit:.3g}" if signed and limit else "0"
    return {"limit": limit, "signed": signed, "low": low, "high": f"{limit:.3g}", "sentence": sentence}


def signed_text(value: float, digits: int = 3) -> str:
    return f"{value:+.{digits}g}".replace("-", "\N{MINUS SIGN}")


@cache
def _strips(cells: int, count: int = 4) -> np.ndarray:
    """How much of each of n cells lies in each of some equal strips, (strips, n)."""
    edges, cell = np.linspace(0, cells, count + 1)[:, None], np.arange(cells)
    return (np.minimum(cell + 1, edges[1:]) - np.maximum(cell, edges[:-1])).clip(0).astype(np.float32)


def thumbnails(activations: np.ndarray) -> tuple[np.ndarray, bool, list[tuple[float, float]]]:
    """Channels (n, h, w) as places in the colour table (uint8), whether they are signed, and the range of each."""
    low, high = activations.min((1, 2)), activations.max((1, 2))
    signed = bool((low < 0).any())
    h, w = activations.shape[1:]
    if max(h, w) > SIDE:
        rows, columns = (max(1, cells * SIDE // max(h, w)) for cells in (h, w))
        activations = _strips(h, rows) @ activations @ _strips(w, columns).T * (rows * columns / (h * w))
    limit = np.maximum(-low, high)
    share = activations / np.where(limit > 0, limit, 1)[:, None, None]
    places = np.nan_to_num((255 * ((share + 1) / 2 if signed else share)).round()).astype(np.uint8)
    return places, signed, list(zip(low.tolist(), high.tolist(), strict=True))
