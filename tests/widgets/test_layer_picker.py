"""The layer picker's Python side: what it computes, what it says, and what it answers to messages."""

import io
import time
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from course_lib.methods.registry import METHODS, register
from course_lib.networks import Network
from course_lib.preprocessing import Preprocessing
from course_lib.widgets import layer_picker
from course_lib.widgets.layer_picker import LayerPicker, pick_layers
from course_lib.widgets.picker_state import Recorded, default_layers

CLASSES = ("ant", "bee", "honey bee")


class Quadrant(nn.Module):
    """Logits are the mean of red, of green, and of minus green: what a map must say is known."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = nn.Identity()
        self.body = nn.ReLU()
        self.calls = 0

    def forward(self, pictures: Tensor) -> Tensor:
        self.calls += 1
        red, green, _ = self.body(self.seen(pictures)).mean((-2, -1)).unbind(1)
        return torch.stack([red, green, -green], 1)


def corner() -> Tensor:
    """Red in the upper left quarter, green everywhere, no blue."""
    picture = torch.zeros(3, 8, 8)
    picture[0, :4, :4] = 1
    picture[1] = 0.5
    return picture


def make(target: int | str | None = "ant", **more: Any) -> LayerPicker:
    return pick_layers(Quadrant().eval(), corner(), CLASSES, preprocessing=Preprocessing(8), target=target, **more)


def sentences(picker: LayerPicker, method: str = "Grad-CAM") -> list[str]:
    return [view["sentence"] for view in picker.shown["maps"][f"body {method}"]["views"]]


def send(picker: LayerPicker, buffers: list[bytes] | None = None, **content: Any) -> None:
    picker._receive(picker, {"method": "Grad-CAM", "part": 0, "parts": 1, **content}, buffers or [])


def png(picture: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return file.getvalue()


def test_the_maps_are_those_of_the_methods() -> None:
    picker = make()
    entry = picker.shown["maps"]["body Grad-CAM"]
    maps = np.frombuffer(picker.maps, np.float32)
    seen = maps[entry["at"] : entry["at"] + 64].reshape(entry["size"])
    np.testing.assert_allclose(seen, corner()[0] / 64)
    assert [view["limit"] for view in entry["views"]] == [1 / 64, 1 / 64]
    assert [view["signed"] for view in entry["views"]] == [True, False]


def test_sentences_say_where_the_evidence_is() -> None:
    assert sentences(make()) == [
        "body: 8 x 8 cells of 1 pixels; 100 % of the positive evidence for 'ant' lies in the upper left. "
        "0 % of all evidence is against it.",
        "body: 8 x 8 cells of 1 pixels; 100 % of the positive evidence for 'ant' lies in the upper left.",
    ]
    assert "no quarter of the picture holds more than 25 %" in sentences(make("bee"))[0]
    against = sentences(make("honey bee"))
    assert against[0].endswith("all the evidence is against 'honey bee'.")
    assert against[1].endswith("so with ReLU the map is 0 everywhere.")


def test_a_map_of_zeros_is_said_and_not_divided_by() -> None:
    model = nn.Sequential(nn.Conv2d(3, 2, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
    nn.init.constant_(model[0].weight, -1.0)
    nn.init.constant_(model[0].bias, -1.0)
    picker = pick_layers(model, torch.rand(1, 3, 8, 8))
    views = picker.shown["maps"]["0 Grad-CAM"]["views"]
    assert all("exactly 0 everywhere" in view["sentence"] and view["limit"] == 0 for view in views)
    assert np.isfinite(np.frombuffer(picker.maps, np.float32)).all()
    assert picker.shown["layers"][0]["channels"] == []


def test_tokens_without_gradient_are_said() -> None:
    class Tokens(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.block = nn.Linear(3, 4)
            self.head = nn.Linear(4, 2)

        def forward(self, pictures: Tensor) -> Tensor:
            tokens = nn.functional.avg_pool2d(pictures, 4).flatten(2).mT
            first = torch.ones_like(tokens[:, :1])
            return self.head(self.block(torch.cat([first, tokens], 1))[:, 0])

    picker = pick_layers(Tokens().eval(), torch.rand(1, 3, 16, 16), layers=["block"])
    assert "patch token of block is exactly 0" in picker.shown["maps"]["block Grad-CAM"]["views"][0]["sentence"]


def test_cam_is_refused_in_its_own_words_and_the_rest_stays() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.LazyLinear(3)).eval()
    picture = torch.rand(1, 3, 6, 6)
    model(picture)
    picker = pick_layers(model, picture)
    assert "CAM needs" in picker.shown["maps"]["1 CAM"]["refused"]
    assert "views" in picker.shown["maps"]["1 Grad-CAM"]


def test_a_map_with_nan_is_said() -> None:
    class Root(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.sqrt()

    model = nn.Sequential(nn.ReLU(), Root(), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
    picker = pick_layers(model, torch.zeros(1, 3, 4, 4), layers=["0"])
    assert "NaN or infinity" in picker.shown["maps"]["0 HiResCAM"]["refused"]


def test_logits_that_are_not_finite_are_refused() -> None:
    class Log(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.mean((-2, -1)).log()

    with pytest.raises(ValueError, match="NaN or infinity, so there is nothing to explain"):
        pick_layers(nn.Sequential(nn.ReLU(), Log()).eval(), torch.zeros(1, 3, 4, 4))


def test_a_class_is_one_backward_pass_and_a_picture_one_forward_pass_more() -> None:
    model = Quadrant().eval()
    picker = pick_layers(model, [corner(), corner().flip(-1)], CLASSES, preprocessing=Preprocessing(8))
    calls = model.calls
    send(picker, target="bee")
    assert model.calls == calls
    send(picker, picture=1)
    assert model.calls == calls + 1
    assert picker.shown["status"] == ""


@pytest.mark.parametrize(
    ("seconds", "views", "chosen"),
    [(0.03, False, torch.channels_last), (0.03, True, torch.contiguous_format), (0.0, False, torch.contiguous_format)],
)
def test_channels_last_is_taken_where_it_is_faster(seconds: float, views: bool, chosen: torch.memory_format) -> None:
    """Not for a network that takes a `view` of what must lie in torch's order, nor where nobody would notice."""

    class Waits(Quadrant):
        def forward(self, pictures: Tensor) -> Tensor:
            time.sleep(seconds if pictures.is_contiguous() else seconds / 3)
            return super().forward(pictures.view(-1).view(pictures.shape) if views else pictures)

    picker = pick_layers(Waits().eval(), corner(), CLASSES, preprocessing=Preprocessing(8), target="ant")
    assert picker.memory_format == chosen
    assert picker.maps == make().maps and picker.shown == make().shown


def test_maps_are_the_same_with_channels_last() -> None:
    torch.manual_seed(0)
    body = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(inplace=True), nn.MaxPool2d(2), nn.Conv2d(8, 5, 3))
    model = nn.Sequential(body, nn.AdaptiveAvgPool2d(1), nn.Flatten()).double().eval()
    picture = torch.rand(1, 3, 16, 16)
    plain, last = (
        Recorded(model, picture, default_layers(model, picture.double()), memory_format)
        for memory_format in (torch.contiguous_format, torch.channels_last)
    )
    for recorded in (plain, last):
        recorded.explain(2)
    assert last.tape.activations["0.0"].is_contiguous(memory_format=torch.channels_last)
    assert plain.maps.keys() == last.maps.keys()
    for name, made in plain.maps.items():
        torch.testing.assert_close(last.maps[name], made) if isinstance(made, Tensor) else None
    assert sum(isinstance(made, Tensor) for made in plain.maps.values()) >= 12


@pytest.mark.parametrize(
    ("typed", "found"), [("ant", "ant"), ("bee", "bee"), ("hon", "honey bee"), ("BEE", "bee"), (" Honey ", "honey bee")]
)
def test_a_class_is_found_by_part_of_its_name(typed: str, found: str) -> None:
    picker = make()
    send(picker, target=typed)
    assert picker.shown["target"] == found
    assert [entry["name"] for entry in picker.shown["logits"] if entry["target"]] == [found]


def test_names_that_occur_twice_are_told_apart() -> None:
    picker = pick_layers(Quadrant().eval(), corner(), ("crane", "crane", "ant"), preprocessing=Preprocessing(8))
    assert picker.labels == ["crane (0)", "crane (1)", "ant"]


def test_a_method_with_passes_of_its_own_waits_until_it_is_chosen() -> None:
    picker = make()
    assert picker.shown["methods"]["integrated gradients"]["ready"] is False
    send(picker, method="integrated gradients")
    assert picker.shown["methods"]["integrated gradients"]["ready"] is True
    assert "integrated gradients" in picker.shown["maps"]


def test_one_registration_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("course_lib.methods.registry.METHODS", METHODS)
    try:
        register("my method", units="apples", source="me")(lambda activations, gradients: activations.sum(-3))
        assert make().shown["maps"]["body my method"]["unit"] == "apples"
    finally:
        METHODS.pop("my method", None)


def test_an_upload_in_parts_is_shown() -> None:
    picker = make()
    data = png(np.full((20, 20, 3), 255, np.uint8))
    send(picker, [data[:10]], upload="white.png", part=0, parts=2)
    assert len(picker.pictures) == 1
    send(picker, [data[10:]], upload="white.png", part=1, parts=2)
    assert picker.shown["pictures"] == ["picture 1", "white.png"]
    assert (picker.shown["chosen"], picker.shown["logits"][0]["text"]) == (1, "+1")
    assert picker.shown["status"].startswith("white.png is shown")


@pytest.mark.parametrize("data", [b"", b"no picture", png(np.zeros((20, 20, 3), np.uint8))[:40]])
def test_a_bad_upload_gets_a_sentence_and_loses_nothing(data: bytes) -> None:
    picker = make()
    before = {**picker.shown}
    send(picker, [data], upload="bad.png")
    after = {**picker.shown}
    assert after.pop("status").endswith(".") and after.pop("state") > before.pop("state")
    before.pop("status")
    assert after == before and len(picker.pictures) == 1
    send(picker, target="bee")
    assert (picker.shown["target"], picker.shown["status"]) == ("bee", "")


def test_an_error_of_the_model_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    picker = pick_layers(Quadrant().eval(), [corner(), corner()], CLASSES, preprocessing=Preprocessing(8))
    monkeypatch.setattr(picker.model, "forward", lambda x: 1 / 0)
    send(picker, picture=1)
    assert (picker.shown["status"], picker.shown["chosen"]) == ("division by zero", 0)
    monkeypatch.undo()
    send(picker, target="bee")
    assert (picker.shown["status"], picker.shown["chosen"], picker.shown["target"]) == ("", 0, "bee")


@pytest.mark.parametrize(
    ("more", "error", "words"),
    [
        ({"target": 7}, ValueError, "There is no class 7"),
        ({"target": "cat"}, LookupError, "There is no class 'cat'; near it: "),
        ({"target": 1.5}, TypeError, "whole number"),
        ({"layers": ["bodi"]}, LookupError, "body"),
        ({"layer": "bodi"}, LookupError, "body"),
        ({"method": "Grad-CAN"}, LookupError, "Grad-CAM"),
        ({"static_layers": ["nose"]}, LookupError, "nose"),
    ],
)
def test_wrong_arguments(more: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        make(**more)


def test_wrong_models_and_pictures() -> None:
    with pytest.raises(ValueError, match="at least one picture"):
        pick_layers(Quadrant().eval(), [], CLASSES)
    with pytest.raises(ValueError, match="2 class names don't fit the model's 3 logits"):
        pick_layers(Quadrant().eval(), corner(), ("a", "b"), preprocessing=Preprocessing(8))
    with pytest.raises(ValueError, match="nothing to pick"):
        pick_layers(nn.Sequential(nn.Flatten(), nn.Linear(192, 2)).eval(), corner()[None])
    with pytest.raises(ValueError, match="a model that gives logits"):
        pick_layers(nn.Sequential(nn.ReLU()).eval(), corner()[None])
    with pytest.raises(ValueError, match="no grid of places"):
        model = nn.Sequential(nn.Conv2d(3, 2, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
        pick_layers(model, corner()[None], layers=["1"])


def test_pictures_come_in_every_form() -> None:
    model, whole = Quadrant().eval(), Preprocessing(8)
    network = Network(model, CLASSES, whole, "quadrant")
    array = np.zeros((9, 12, 3), np.uint8)
    for pictures, names in (
        (corner()[None].repeat(2, 1, 1, 1), ["picture 1", "picture 2"]),
        ({"a": corner(), "b": array}, ["a", "b"]),
        (array, ["picture 1"]),
        (png(array), ["picture 1"]),
    ):
        assert pick_layers(network, pictures).shown["pictures"] == names
    normalized = pick_layers(model, torch.randn(1, 3, 8, 8))
    assert normalized.pictures[0].pixels.min() == 0 and normalized.pictures[0].pixels.max() == 255


def test_default_layers_leave_out_what_repeats() -> None:
    block = nn.Sequential(nn.Conv2d(3, 3, 1), nn.Dropout(), nn.Sequential(nn.ReLU()))
    model = nn.Sequential(block, nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
    picture = torch.rand(1, 3, 8, 8)
    assert [layer.name for layer in default_layers(model, picture)] == ["0.0", "0.2.0"]
    assert [layer.name for layer in default_layers(model, picture, most=1)] == ["0"]
    assert [layer.name for layer in default_layers(model, picture, cells=16)] == ["0.0", "0.2.0"]
    pooled = nn.Sequential(nn.Conv2d(3, 3, 1), nn.MaxPool2d(2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
    assert [layer.name for layer in default_layers(pooled, picture, cells=16)] == ["2"]


def test_a_page_is_small_and_the_same_each_time() -> None:
    picker = make()
    page = picker.page()
    assert page == picker.page()
    assert len(page.encode()) < 60_000
    data, _ = picker._repr_mimebundle_() or ({}, {})
    assert set(data) == {"text/plain", "text/html", "application/vnd.jupyter.widget-view+json"}
    assert "</" not in page[page.index("standIn(") : page.rindex("</script>")]


def test_messages_fit_the_servers_limit() -> None:
    assert layer_picker.PART < 5_000_000
