"""The layer picker: one widget in which picture, class, layer and method are chosen, and the map follows at once."""

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
import traitlets
from PIL import Image
from torch import Tensor, nn

from course_lib.figures import colour_table, overlay_rgb
from course_lib.layers import Layer
from course_lib.layers import layers as list_layers
from course_lib.methods.registry import METHODS, find_layer, find_method
from course_lib.networks import Network
from course_lib.preprocessing import Preprocessing, check_pictures
from course_lib.recordable import check_model
from course_lib.recording import check_target
from course_lib.widgets.page import PageWidget, png, source
from course_lib.widgets.picker_state import (
    CHANNELS,
    PLACED,
    SIDE,
    WORDS,
    Recorded,
    as_bytes,
    default_layers,
    faster_memory_format,
    key,
    state,
)

THUMB, PART = 44, 3_000_000  # a thumbnail's side; bytes of an upload in one message (servers refuse large ones)
PAGE_SIDE, PAGE_BYTES = 96, 50_000  # in a page without a kernel: the picture's longest side, bytes for its layers
SMALL = 96 * 96  # up to this many pixels a page holds the methods that explain pixels


@dataclass(frozen=True)
class Given:
    """A picture to choose: as the model takes it (1, 3, H, W), as a person sees it (H, W, 3), and small."""

    name: str
    tensor: Tensor
    pixels: np.ndarray
    thumbnail: bytes

    @classmethod
    def read(cls, name: str, picture: Any, preprocessing: Preprocessing | None) -> "Given":
        """From whatever `preprocessing` takes; without one from a tensor as the model takes it."""
        tensor = check_pictures(picture) if preprocessing is None else preprocessing(picture)[None]
        seen = tensor[0] if preprocessing is None else preprocessing.undo(tensor[0])
        low, high = float(seen.min()), float(seen.max())
        if low < 0 or high > 1:  # normalized by somebody else: stretched into what can be seen
            seen = (seen - low) / (high - low)
        pixels = np.floor(255 * seen.permute(1, 2, 0).cpu().float().numpy() + 0.5).astype(np.uint8)
        return cls(name, tensor, pixels, _resized(pixels, THUMB, THUMB).tobytes())


class LayerPicker(PageWidget):
    """The widget that `pick_layers` returns; its traits are what the browser draws."""

    _esm = source("draw.js", "layer_picker.js")
    _rendering = "pixelated"
    fixed = traitlets.Dict().tag(sync=True)
    shown = traitlets.Dict().tag(sync=True)
    tables = traitlets.Bytes().tag(sync=True)
    maps = traitlets.Bytes().tag(sync=True)
    pixels = traitlets.Bytes().tag(sync=True)
    thumbs = traitlets.Bytes().tag(sync=True)

    def __init__(
        self, model: nn.Module, pictures: list[Given], labels: list[str], preprocessing: Preprocessing,
        layers: list[Layer], target: int | str | None, layer: str | None, method: str, page_layers: Sequence[str],
    ) -> None:  # fmt: skip
        super().__init__()
        self.model, self.labels, self.layers = model, labels, layers
        self.memory_format = faster_memory_format(model, pictures[0].tensor, layers)
        self.pictures, self.preprocessing = pictures, preprocessing
        self.page_layers = [find_layer(layers, name) for name in page_layers]
        self.parts: list[bytes] = []
        self.states = self.chosen = self.at = 0
        self.recorded: Recorded | None = None
        self.start, self.method = find_layer(layers, layer), find_method(method)
        self.tables = b"".join(colour_table(signed).tobytes() for signed in (True, False))
        start = {"layer": layers.index(self.start), "method": method, "relu": False, "opacity": 0.5}
        sizes = {"part": PART, "thumb": THUMB}
        self.fixed = {"words": WORDS, "labels": labels, "live": True, "start": start, **sizes}
        self.show(0, target, method)
        self.on_msg(self._receive)

    def show(self, picture: int, target: int | str | None = None, method: str = "Grad-CAM", status: str = "") -> None:
        """Compute and show a picture and a class: one forward and one backward pass, or the latter alone."""
        recorded = self._record(picture)
        recorded.explain(self._class(target, recorded.logits), method)
        header, maps, activations = state(recorded, self.layers, self.labels)
        self.target, self.chosen, self.states = recorded.target, picture, self.states + 1
        pixels, names = self._pixels(), [given.name for given in self.pictures]
        with self.hold_sync():
            self.maps, self.pixels = maps.numpy().tobytes(), pixels.tobytes() + activations
            self.thumbs = b"".join(given.thumbnail for given in self.pictures)
            self.shown = {**header, **self._about(pixels), "pictures": names, "state": self.states, "status": status}

    def _record(self, picture: int) -> Recorded:
        """The recording of a picture. The one before goes first: its memory serves the next, which saves a fifth."""
        if self.recorded is None or self.at != picture:
            self.recorded, self.at = None, picture
            self.recorded = Recorded(self.model, self.pictures[picture].tensor, self.layers, self.memory_format)
        return self.recorded

    def _class(self, wanted: int | str | None, logits: Tensor) -> int:
        if not isinstance(wanted, str):
            return int(logits.argmax()) if wanted is None else check_target(wanted, logits[None])
        if wanted in self.labels:
            return self.labels.index(wanted)
        part = wanted.strip().casefold()
        ranks: list[int] = logits.argsort(descending=True).tolist()
        for number in ranks:
            if part in self.labels[number].casefold():
                return number
        near = difflib.get_close_matches(wanted, self.labels, 3, 0.3) or self.labels[:3]
        raise LookupError(WORDS["no_class"].format(text=wanted, near=", ".join(near)))

    def _receive(self, _: Any, content: dict[str, Any], buffers: list[memoryview]) -> None:
        """Answer a message of the browser; what goes wrong becomes a sentence, and nothing else changes."""
        before = self.pictures
        try:
            if "upload" in content:
                self.parts = [*(self.parts if content["part"] else []), b"".join(map(bytes, buffers))]
                if len(self.parts) < content["parts"]:
                    return
                given = Given.read(content["upload"], b"".join(self.parts), self.preprocessing)
                self.pictures = [*before, given]
                self.show(len(before), None, content["method"], WORDS["uploaded"].format(name=given.name))
            elif "picture" in content:
                self.show(content["picture"], None, content["method"])
            else:
                self.show(self.chosen, content.get("target", self.target), content["method"])
        except (Exception, KeyboardInterrupt) as error:
            self.pictures, self.states = before, self.states + 1
            self.recorded = None if "upload" in content else self.recorded
            status = str(error.args[0]) if error.args else WORDS["interrupted"]
            self.shown = {**self.shown, "state": self.states, "status": status}

    def _pixels(self, most: int | None = None) -> np.ndarray:
        """The picture as the network sees it, (H, W, 3), made smaller where a side is longer than `most`."""
        pixels = self.pictures[self.chosen].pixels
        scale = min(1.0, (most or max(pixels.shape)) / max(pixels.shape))
        return _resized(pixels, round(pixels.shape[0] * scale), round(pixels.shape[1] * scale))

    def _about(self, pixels: np.ndarray) -> dict[str, Any]:
        height, width = self.pictures[self.chosen].pixels.shape[:2]
        words = WORDS["picture_alt"].format(name=self.pictures[self.chosen].name, width=width, height=height)
        return {"size": list(pixels.shape[:2]), "picture": words, "chosen": self.chosen}

    def _page_state(self) -> dict[str, Any]:
        """The state of a page without a kernel: fewer layers, maps as bytes, pixel methods for small pictures only."""
        recorded, picture, layers = self._record(self.chosen), self._pixels(PAGE_SIDE), self._page_layers()
        small = recorded.picture[0, 0].numel() <= SMALL
        for name in METHODS if small else ("",):
            recorded.explain(self.target, name)
        header, maps, activations = state(recorded, layers, self.labels, pixels=small)
        start = {**self.fixed["start"], "layer": layers.index(self.start) if self.start in layers else len(layers) - 1}
        return {
            "fixed": {**self.fixed, "labels": [], "live": False, "start": start},
            "shown": {**header, **self._about(picture), "pictures": [], "status": ""},
            "tables": self.tables,
            "maps": as_bytes(maps, header["maps"]),
            "pixels": picture.tobytes() + activations,
        }

    def _page_layers(self) -> list[Layer]:
        """The ends of blocks, as many as `PAGE_BYTES` allow, evenly spaced in depth, with the one shown first."""
        if self.page_layers:
            return self.page_layers
        parts = [(layer.name.rpartition(".")[0], layer.shape) for layer in self.layers]
        ends = [
            layer
            for layer, part, following in zip(self.layers, parts, [*parts[1:], None], strict=True)
            if layer is self.start or part != following and math.prod(layer.grid or ()) <= SIDE**2
        ]
        for count in range(len(ends), 1, -1):
            places = {round(i * (len(ends) - 1) / (count - 1)) for i in range(count)}
            layers = [layer for i, layer in enumerate(ends) if i in places or layer is self.start]
            if sum(self._page_bytes(layer) for layer in layers) <= PAGE_BYTES:
                return layers
        return [self.start]

    def _page_bytes(self, layer: Layer) -> int:
        methods = sum(method.kind in PLACED for method in METHODS.values())
        return (methods + CHANNELS) * (math.prod(layer.grid or ()) + 250)

    def _page_picture(self) -> tuple[str, str]:
        """The picture, then the overlay at layers from early to late, side by side."""
        picture, layers = self._pixels(PAGE_SIDE), self._page_layers()
        layers = [layers[i] for i in sorted({round(i * (len(layers) - 1) / 3) for i in range(4)})]
        places: list[Layer | None] = [*layers] if self.method.kind in PLACED else [None]
        maps = self._record(self.chosen).maps
        raws = {place: maps.get(key(place, self.method)) for place in places}
        drawn = {place: raw.cpu().numpy() for place, raw in raws.items() if isinstance(raw, Tensor)}
        tiles = [picture, *(overlay_rgb(picture, raw, signed=self.method.signed) for raw in drawn.values())]
        names = ", ".join(place.name if place else WORDS["picture"] for place in drawn)
        entry = self.shown["maps"].get(key(places[-1], self.method), {"refused": ""})
        sentence = entry["refused"] if "refused" in entry else entry["views"][0]["sentence"]
        words = WORDS["page"].format(method=self.method.name, layers=names, sentence=sentence)
        return png(np.concatenate(tiles, 1)), words


def pick_layers(
    model: nn.Module | Network,
    pictures: Any,
    classes: Sequence[str] | None = None,
    *,
    preprocessing: Preprocessing | None = None,
    layers: Sequence[str] | None = None,
    target: int | str | None = None,
    layer: str | None = None,
    method: str = "Grad-CAM",
    static_layers: Sequence[str] | None = None,
) -> LayerPicker:
    """Choose picture, class, layer and method, and see at once what the map says.

    Args:
        model: a `Network`, or any `nn.Module` in eval mode that gives logits (B, classes)
        pictures: one or several, as a list, a mapping from names, or a tensor (B, 3, H, W): whatever `preprocessing`
            takes; without a preprocessing, tensors as the model takes them
        classes: the names of the logits; a `Network` brings its own
        preprocessing: how a picture, also an uploaded one, becomes what the model takes
        layers: the names of those to choose from; without them, layers with a grid from all depths
        target, layer, method: what is shown first: by default the class with the largest logit at the last layer
        static_layers: those that a page without a kernel keeps; by default as many as fit

    Raises:
        ValueError: for no picture, names that don't fit the logits, or a layer without a grid
        LookupError: for an unknown layer, method or class (with the nearest names)

    >>> model = nn.Sequential(nn.Conv2d(3, 2, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 5))
    >>> picker = pick_layers(model, torch.ones(1, 3, 8, 8))
    >>> picker.shown["layers"][-1]["text"]
    '1 (ReLU): 6 x 6 cells of 1.33 pixels, 2 x 6 x 6'
    """
    if isinstance(model, Network):
        classes, preprocessing = classes or model.classes, preprocessing or model.preprocessing
        model = model.model
    check_model(model)  # before anything runs: in train mode a call would change it
    given = _named(pictures)
    if not given:
        raise ValueError("Give at least one picture to explain.")
    some = next(iter(given.values()))
    upload = preprocessing or Preprocessing(size=some.shape[-1] if isinstance(some, Tensor) else 224)
    read = [
        Given.read(name, picture, preprocessing if isinstance(picture, Tensor) else upload)
        for name, picture in given.items()
    ]
    first = read[0].tensor.to(next(model.parameters(), read[0].tensor))
    with torch.no_grad():
        logits = model(first)
    if not isinstance(logits, Tensor) or logits.ndim != 2:
        raise ValueError("The layer picker needs a model that gives logits, a tensor (pictures, classes).")
    listed = list_layers(model, first)
    chosen = [find_layer(listed, name) for name in layers] if layers else default_layers(model, first)
    if not chosen:
        raise ValueError("No layer of this model has a grid of places that the logits depend on: nothing to pick.")
    for one in chosen:
        one.to_grid(torch.zeros(1, *one.shape))  # raises its sentence for a layer without a grid
    count = logits.shape[1]
    names = list(classes) if classes is not None else [f"class {c}" for c in range(count)]
    if len(names) != count:
        raise ValueError(f"{len(names)} class names don't fit the model's {count} logits: give one for each, in order.")
    labels = [f"{name} ({c})" if names.count(name) > 1 else name for c, name in enumerate(names)]
    return LayerPicker(model, read, labels, upload, chosen, target, layer, method, static_layers or ())


def _named(pictures: Any) -> dict[str, Any]:
    if isinstance(pictures, Mapping):
        return {str(name): picture for name, picture in pictures.items()}
    alone = isinstance(pictures, str | bytes | Path | Image.Image) or getattr(pictures, "ndim", 4) == 3
    return {WORDS["number"].format(number=i): p for i, p in enumerate([pictures] if alone else pictures, 1)}


def _resized(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    if pixels.shape[:2] == (height, width):
        return pixels
    tensor = torch.from_numpy(pixels).permute(2, 0, 1).float()
    return F.adaptive_avg_pool2d(tensor, (height, width)).round().byte().permute(1, 2, 0).contiguous().numpy()
