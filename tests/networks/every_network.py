"""Explain every network of torchvision once, hold each map against the limit, and write the table that the tests keep.

    python -m tests.networks.every_network --into tests/networks/every_network.csv

What is meant: weights are random (seed 0, also where the head starts at 0), each network gets a picture of its own
size, and the score is the largest logit. In "classes_difference" the three largest logits are explained in one backward
pass, each against a limit of its own. The last layer is the last one with a grid at which the gradient isn't 0
everywhere; the middle one stands half way down the list. For transformers a grid is: the patch tokens of ViT row by
row, without the class token (after its last attention the head reads the class token alone, so the last layer lies
before it); the cells of Swin, channels last; in MaxViT what lies between the windows, whose tokens have no grid.
Segmentation is explained by the mean logit of a class over the pixels, detection by the score of the best box, at the
end of the body and in the middle. A detector resizes and pads pictures by itself: cells lie as said where a side of
the resized picture is a multiple of 32.
"""

import argparse
import csv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
import torchvision
from torch import Tensor, nn
from torchvision.models import detection, segmentation

from course_lib.layers import Layer, layers
from course_lib.methods.cam import grad_cam
from course_lib.methods.registry import explain
from course_lib.recording import record
from tests.networks.limit import difference, fingerprint, grad_cam_by_hand, limit

TABLE = Path(__file__).with_name("every_network.csv")
COLUMNS = ["network", "score", "input", "layers", "layer", "map", "difference", "middle", "middle_map",
           "middle_difference", "classes_difference", "unchanged", "agrees"]  # fmt: skip
LIMIT = 1e-5
"""The largest difference, as a share of the map's largest value, that counts as agreement."""

# The end of the body, the same for each of a kind: what follows gives out one number a class and pixel, or boxes.
BODIES = {
    "fcn_resnet50": "backbone.layer4",
    "deeplabv3_mobilenet_v3_large": "backbone.16",
    "lraspp_mobilenet_v3_large": "backbone.16",
    "fasterrcnn_mobilenet_v3_large_320_fpn": "backbone.body.16",
    "fasterrcnn_resnet50_fpn": "backbone.body.layer4",
    "retinanet_resnet50_fpn": "backbone.body.layer4",
    "fcos_resnet50_fpn": "backbone.body.layer4",
    "ssdlite320_mobilenet_v3_large": "backbone.features.1",
    "maskrcnn_resnet50_fpn": "backbone.body.layer4",
}
Score = Callable[[Any], Tensor]


def names() -> list[str]:
    """All classification networks, then the chosen ones for segmentation and detection."""
    return [*torchvision.models.list_models(module=torchvision.models), *BODIES]


def make(name: str, **given: Any) -> nn.Module:
    """The network with random weights; a detector without threshold, since no random score reaches one."""
    if name in detection.__dict__:
        key = "box_score_thresh" if "rcnn" in name else "score_thresh"
        given |= {"weights_backbone": None, key: 0.0}
    elif name in segmentation.__dict__:
        given |= {"weights_backbone": None}
    elif name in ("googlenet", "inception_v3"):
        given |= {"init_weights": False}  # theirs takes minutes
    torch.manual_seed(0)
    model = torchvision.models.get_model(name, weights=None, **given).eval()
    for module in model.modules():
        if isinstance(module, nn.Linear) and not module.weight.any():  # the head of a ViT starts at 0: no score at all
            nn.init.normal_(module.weight, std=0.02)
    return model


def own_size(name: str, model: nn.Module) -> int:
    if name in BODIES:
        return 320
    size = getattr(model, "image_size", None)  # a ViT takes no other
    return size or next(iter(torchvision.models.get_model_weights(name))).transforms().crop_size[0]


def score_of(name: str) -> Score | None:
    """None: the class with the largest logit."""
    if name in detection.__dict__:
        return lambda output: output[0]["scores"].max()
    return (lambda output: output["out"][:, 1].mean((1, 2)).sum()) if name in segmentation.__dict__ else None


def largest(model: nn.Module, x: Tensor) -> Score:
    with torch.no_grad():
        target = int(model(x)[0].argmax())
    return lambda output: output[:, target].sum()


def ours(model: nn.Module, x: Tensor, layer: Layer, score: Score) -> Tensor:
    """Grad-CAM through `record`."""
    with record(model, layer.name) as tape:
        model(x)
    gradient = tape.gradients(score)[layer.name]
    return grad_cam(*(layer.to_grid(value) for value in (tape.activations[layer.name], gradient)))


def last_usable(model: nn.Module, x: Tensor, listed: list[Layer], score: Score) -> Layer:
    for layer in reversed(listed):
        with record(model, layer.name) as tape:
            model(x)
        try:
            if layer.to_grid(tape.gradients(score)[layer.name]).any():
                return layer
        except ValueError as error:  # beside or after the path to the score
            print(f"  {layer.name}: {error}")
    raise LookupError("No layer with a grid has a gradient.")


def of_several_classes(model: nn.Module, x: Tensor, layer: Layer) -> Iterator[tuple[Tensor, Tensor]]:
    """For each of the three largest logits: Grad-CAM, all of them from one backward pass, and the limit's."""
    with record(model, layer.name) as tape:
        targets = model(x)[0].topk(3).indices.tolist()
    for target, gradient in zip(targets, tape.gradients(targets)[layer.name], strict=True):
        expected = limit(model, x, layer.name, lambda output, target=target: output[:, target].sum())
        found = grad_cam(*(layer.to_grid(value) for value in (tape.activations[layer.name], gradient)))
        yield found, grad_cam_by_hand(*expected, layer)


def row(name: str, model: nn.Module, size: int, batch: int = 1) -> dict[str, str]:
    """One line of the table: what was found at the last usable layer and at the middle one."""
    x = torch.randn(batch, 3, size, size, generator=torch.Generator().manual_seed(1))
    before = fingerprint(model)
    said = {"network": name, "input": f"3 x {size} x {size}"}
    given = score_of(name)
    said["score"] = "largest logit" if given is None else "class 1, mean" if name in segmentation.__dict__ else "box"
    try:
        listed = [layer for layer in layers(model, x[0]) if layer.grid]
        score = given or largest(model, x)
        wanted = [layer for layer in listed if layer.name == BODIES.get(name)]
        last = wanted[0] if wanted else last_usable(model, x, listed, score)
        said["layers"] = str(len(listed))
        agree = []
        for column, layer in (("", last), ("middle_", listed[len(listed) // 2])):
            assert layer.grid is not None
            expected = grad_cam_by_hand(*limit(model, x, layer.name, score), layer)
            found = ours(model, x, layer, score)
            away = difference(found, expected)
            if given is None:
                target = int(model(x)[0].detach().argmax())
                away = max(away, difference(explain(model, x, target, layer=layer.name).map, expected))
            agree.append(away <= LIMIT)
            said[column + "difference"] = f"{away:.1e}"
            said[column + "map"] = " x ".join(map(str, found.shape[1:]))
            said["middle" if column else "layer"] = layer.name
        if given is None:
            away = max(difference(*pair) for pair in of_several_classes(model, x, last))
            said["classes_difference"] = f"{away:.1e}"
            agree.append(away <= LIMIT)
        said["agrees"] = "yes" if all(agree) else "no"
    except (ValueError, TypeError, LookupError) as error:
        said["agrees"] = str(error)
    said["unchanged"] = "yes" if fingerprint(model) == before else "no"
    return said


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", help="names of torchvision's networks (all, if none is given)")
    parser.add_argument("--into", type=Path, help="the CSV to write; its other rows are kept, in the order of the list")
    given = parser.parse_args()
    kept: dict[str, dict[str, str]] = {}
    if given.into and given.into.exists():
        with given.into.open(encoding="utf-8", newline="") as file:
            kept = {line["network"]: line for line in csv.DictReader(file)}
    for name in given.networks or names():
        model = make(name)
        kept[name] = row(name, model, own_size(name, model))
        print({column: kept[name].get(column, "") for column in COLUMNS}, flush=True)
        if given.into:
            with given.into.open("w", encoding="utf-8", newline="") as file:
                writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
                writer.writeheader()
                writer.writerows(kept[one] for one in names() if one in kept)


if __name__ == "__main__":
    main()
