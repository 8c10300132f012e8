"""The layer picker in a real browser: what it draws, what it sends, and that nothing is lost on the way."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from course_lib.figures import overlay_rgb
from course_lib.methods.registry import METHODS, explain
from tests.browser.conftest import Open
from tests.browser.lab import OpenNotebook

pytestmark = pytest.mark.full

NOTEBOOK = [
    """
import torch
from torch import nn
from course_lib.preprocessing import Preprocessing
from course_lib.widgets.layer_picker import pick_layers

torch.manual_seed(0)
model = nn.Sequential(
    nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
    nn.Conv2d(8, 12, 3, padding=1), nn.ReLU(),
    nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(12, 7),
).eval()
pictures = {name: torch.rand(3, 32, 32) for name in ("first", "second")}
classes = ("ant", "bee", "cat", "dog", "eel", "fox", "gnu")
""",
    "picker = pick_layers(model, pictures, classes, preprocessing=Preprocessing(size=32))\npicker",
    "print('after the picker')",
]
READ = """(canvas) => {
    const { width, height } = canvas;
    return [width, height, ...canvas.getContext("2d").getImageData(0, 0, width, height).data];
}"""
"""What stands on a canvas."""


class Picker:
    """The controls and canvases of the picker in a page."""

    def __init__(self, place: Page | Locator) -> None:
        self.root = place.locator(".picker")
        self.target = self.root.get_by_label("Class", exact=True)
        self.method = self.root.get_by_role("combobox", name="Method", exact=True)
        self.layer = self.root.get_by_label("Layer", exact=True)
        self.relu = self.root.get_by_role("checkbox", name="ReLU")
        self.opacity = self.root.get_by_role("slider", name="Opacity")
        self.upload = self.root.get_by_label("Upload a picture").first
        self.status = self.root.get_by_role("status")
        self.sentence = self.root.locator(".sentence")

    @property
    def draws(self) -> int:
        return int(self.root.get_attribute("data-draws") or 0)

    def canvas(self, place: int) -> np.ndarray:
        """0: the picture, 1: the overlay, 2: the map, as (H, W, 3)."""
        width, height, *values = self.root.locator("figure > canvas:not(.bar)").nth(place).evaluate(READ)
        return np.array(values, np.uint8).reshape(height, width, 4)[..., :3]

    def logits(self) -> list[str]:
        return self.root.locator(".logits .number").all_inner_texts()

    def logit(self, name: str) -> Locator:
        return self.root.locator(".logits button", has_text=name)

    def type_class(self, text: str) -> None:
        self.target.press_sequentially(text)
        self.target.press("Enter")

    @property
    def refused(self) -> bool:
        return self.root.locator("figure.refused").count() > 0

    def wait_idle(self) -> None:
        expect(self.root).to_have_attribute("aria-busy", "false")


@pytest.fixture(scope="module")
def live(open_notebook: Open) -> OpenNotebook:
    notebook = open_notebook(NOTEBOOK)
    notebook.run_all()
    return notebook


@pytest.fixture
def picker(live: OpenNotebook) -> Picker:
    live.cell("pick_layers(model")
    found = Picker(live.page)
    found.wait_idle()
    return found


@pytest.fixture(scope="module")
def twin() -> Any:
    """The same picker outside the browser: it says what should be seen."""
    names: dict[str, Any] = {}
    for source in NOTEBOOK[:2]:
        exec(source, names)
    return names["picker"]


def expected(twin: Any, picture: int, target: str, layer: int, method: str, relu: bool, opacity: float) -> np.ndarray:
    given = twin.pictures[picture]
    number = twin.labels.index(target)
    raw = explain(twin.model, given.tensor, number, method, twin.layers[layer].name).map[0]
    signed = METHODS[method].signed and not relu
    return overlay_rgb(given.pixels, raw.clamp(min=0) if relu else raw, opacity, signed)


def difference(one: np.ndarray, other: np.ndarray) -> int:
    assert one.shape == other.shape
    return int(np.abs(one.astype(int) - other.astype(int)).max())


def test_shows_itself_once_without_errors(live: OpenNotebook, picker: Picker) -> None:
    assert live.errors() == []
    expect(picker.root).to_have_count(1)
    expect(live.page.locator("[data-course-widget]")).to_have_count(0)


def test_draws_what_python_draws(live: OpenNotebook, picker: Picker, twin: Any) -> None:
    """Every layer and method, with and without ReLU: the canvas against `overlay_rgb`."""
    target = picker.target.input_value()
    drawn, worst = 0, 0
    for method in picker.method.locator("option").all_inner_texts():
        picker.method.select_option(method)
        picker.wait_idle()
        for layer in range(len(twin.layers)):
            picker.layer.fill(str(layer))
            for relu in (False, True):
                picker.relu.set_checked(relu)
                if picker.refused:
                    with pytest.raises(ValueError) as refused:
                        expected(twin, 0, target, layer, method, relu, 0.5)
                    assert str(refused.value) == picker.sentence.inner_text()
                else:
                    seen = picker.canvas(1)
                    worst = max(worst, difference(seen, expected(twin, 0, target, layer, method, relu, 0.5)))
                    drawn += 1
    assert worst <= 2
    assert drawn >= 2 * len(twin.layers) * (len(METHODS) - 3)  # no head for CAM, no attention for two
    picker.relu.set_checked(False)
    picker.method.select_option("Grad-CAM")
    assert difference(picker.canvas(0), twin.pictures[0].pixels) == 0


def test_map_shows_its_cells_and_opacity_mixes(picker: Picker, twin: Any) -> None:
    target, layer = picker.target.input_value(), int(picker.layer.input_value())
    picker.opacity.fill("100")
    assert difference(picker.canvas(1), expected(twin, 0, target, layer, "Grad-CAM", False, 1)) <= 2
    assert picker.canvas(2).shape[:2] == twin.layers[-1].grid
    picker.opacity.fill("0")
    assert difference(picker.canvas(1), twin.pictures[0].pixels) == 0
    picker.opacity.fill("50")


def test_a_change_is_one_draw_and_no_message(live: OpenNotebook, picker: Picker) -> None:
    changes: list[Callable[[], Any]] = [
        lambda: picker.layer.press("ArrowLeft"),
        lambda: picker.layer.press("ArrowRight"),
        lambda: picker.method.select_option("HiResCAM"),
        lambda: picker.relu.check(),
        lambda: picker.opacity.press("ArrowRight"),
        lambda: picker.opacity.press("ArrowLeft"),
        lambda: picker.relu.uncheck(),
        lambda: picker.method.select_option("Grad-CAM"),
    ]
    for change in changes:
        draws, messages = picker.draws, len(live.noted["messages"])
        change()
        live.page.wait_for_timeout(100)
        assert (picker.draws - draws, len(live.noted["messages"]) - messages) == (1, 0)


def test_a_class_is_one_message_and_one_draw(live: OpenNotebook, picker: Picker, twin: Any) -> None:
    draws, messages = picker.draws, len(live.noted["messages"])
    picker.type_class("gn")
    expect(picker.target).to_have_value("gnu")
    assert len(live.noted["messages"]) - messages == 1
    assert picker.draws - draws == 1
    assert "'gnu'" in picker.sentence.inner_text()
    assert difference(picker.canvas(1), expected(twin, 0, "gnu", len(twin.layers) - 1, "Grad-CAM", False, 0.5)) <= 2


def test_an_unknown_class_gets_a_sentence_and_loses_nothing(picker: Picker) -> None:
    before = picker.canvas(1)
    picker.type_class("foxx")
    expect(picker.status).to_contain_text("There is no class 'foxx'; near it: fox")
    picker.target.blur()
    assert difference(picker.canvas(1), before) == 0
    picker.logit("eel").click()
    expect(picker.logit("eel")).to_have_attribute("aria-pressed", "true")
    expect(picker.status).to_have_text("")


def test_quick_choices_end_on_the_last(live: OpenNotebook, picker: Picker, twin: Any) -> None:
    height = live.page.evaluate("document.querySelector('.picker').offsetHeight")
    live.page.evaluate("""() => {
        const names = [...document.querySelectorAll(".picker .logits button")];
        for (let i = 0; i < 20; i++) names[i % names.length].click();
    }""")
    last = picker.root.locator(".logits .name").all_inner_texts()[19 % 5]
    picker.wait_idle()
    expect(picker.target).to_have_value(last)
    assert difference(picker.canvas(1), expected(twin, 0, last, len(twin.layers) - 1, "Grad-CAM", False, 0.5)) <= 2
    assert live.page.evaluate("document.querySelector('.picker').offsetHeight") == height


def test_another_picture_and_back(picker: Picker, twin: Any) -> None:
    picker.root.get_by_role("button", name="second").click()
    expect(picker.root.get_by_role("button", name="second")).to_have_attribute("aria-pressed", "true")
    assert difference(picker.canvas(0), twin.pictures[1].pixels) == 0
    picker.root.get_by_role("button", name="first").click()
    expect(picker.root.get_by_role("button", name="first")).to_have_attribute("aria-pressed", "true")


def test_upload(live: OpenNotebook, picker: Picker, tmp_path: Path) -> None:
    """A picture of several messages is put together; a file that is none gets a sentence, and nothing is lost."""
    before, messages = picker.logits(), len(live.noted["messages"])
    file = tmp_path / "noise.png"
    noise = np.random.default_rng(0).integers(0, 256, (1100, 1000, 3), np.uint8)
    Image.fromarray(noise // 2).save(file, compress_level=0)
    picker.upload.set_input_files(file)
    expect(picker.status).to_contain_text("noise.png is shown")
    assert len(live.noted["messages"]) - messages == -(-file.stat().st_size // 3_000_000) == 2
    after, shown = picker.logits(), picker.canvas(1)
    assert after != before
    for name, content in {"words.png": b"no picture", "cut.png": file.read_bytes()[:50_000]}.items():
        (tmp_path / name).write_bytes(content)
        status = picker.status.inner_text()
        picker.upload.set_input_files(tmp_path / name)
        expect(picker.status).not_to_have_text(status)
        picker.wait_idle()
        assert picker.status.inner_text().endswith(".") and "Traceback" not in picker.status.inner_text()
        assert picker.logits() == after
        assert difference(picker.canvas(1), shown) == 0
    assert live.errors() == []


def test_by_keyboard_alone(live: OpenNotebook, picker: Picker) -> None:
    """Tab reaches every control, and arrow keys in the picker do not move the notebook."""
    picker.root.locator(".thumbnails button").first.focus()
    reached = []
    for _ in range(20):
        focused = "document.activeElement.getAttribute('type') ?? document.activeElement.tagName"
        reached.append(live.page.evaluate(focused))
        if live.page.evaluate("document.activeElement === document.querySelector('.picker [aria-valuetext]')"):
            break
        live.page.keyboard.press("Tab")
    assert {"button", "file", "text", "SELECT", "checkbox", "range"} <= set(reached)
    active = "window.jupyterapp.shell.currentWidget.content.activeCellIndex"
    cell, place = live.page.evaluate(active), int(picker.layer.input_value())
    for key, step in (("ArrowLeft", -1), ("ArrowDown", -2), ("ArrowUp", -1), ("ArrowRight", 0)):
        live.page.keyboard.press(key)
        assert int(picker.layer.input_value()) == place + step
    assert live.page.evaluate(active) == cell


def test_everything_has_a_name(picker: Picker) -> None:
    """What a screen reader needs: names of controls, words for pictures, a status that speaks."""
    for control in picker.root.locator("input, select, button").all():
        name = control.evaluate("""(node) => node.getAttribute("aria-label") ?? node.labels?.[0]?.textContent
            ?? node.textContent""")
        assert name.strip()
    for picture in picker.root.locator("canvas:not([aria-hidden])").all():
        assert picture.get_attribute("role") == "img"
        assert len(picture.get_attribute("aria-label") or "") > 15
    label = picker.root.locator("figure canvas").nth(1).get_attribute("aria-label") or ""
    assert picker.sentence.inner_text() in label
    assert picker.layer.get_attribute("aria-valuetext") == picker.root.locator(".layer-text").inner_text()


LARGE = [
    NOTEBOOK[0].replace("torch.rand(3, 32, 32)", "torch.rand(3, 224, 224)").replace("MaxPool2d(2)", "MaxPool2d(16)"),
    NOTEBOOK[1].replace("Preprocessing(size=32)", "Preprocessing(size=224)"),
]
MEASURE = """async () => {
    // a frame is on the screen when the next one begins
    const frame = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
    const root = document.querySelector(".picker");
    const layer = root.querySelector("[aria-valuetext]");
    const [picture, overlay, map] = [...root.querySelectorAll("figure > canvas:not(.bar)")];
    const bare = [picture, overlay, map].map((canvas) => {
        const copy = document.createElement("canvas");
        [copy.width, copy.height] = [canvas.width, canvas.height];
        root.append(copy);
        return copy;
    });
    const images = [picture, overlay, map].map((canvas) =>
        canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height));
    const times = { choice: [], draw: [], bare: [] };
    for (let turn = 0; turn < 41; turn++) {
        await frame();
        let start = performance.now();
        layer.value = turn % 2 ? layer.max : layer.max - 1;
        layer.dispatchEvent(new Event("input"));
        times.draw.push(performance.now() - start);
        await frame();
        times.choice.push(performance.now() - start);
        await frame();
        start = performance.now();
        bare.forEach((canvas, i) => {
            const image = new ImageData(canvas.width, canvas.height);
            for (let j = 0; j < image.data.length; j++) image.data[j] = images[i].data[j] ^ (turn % 2);
            canvas.getContext("2d").putImageData(image, 0, 0);
        });
        await frame();
        times.bare.push(performance.now() - start);
    }
    bare.forEach((canvas) => canvas.remove());
    const median = (values) => values.slice(1).sort((a, b) => a - b)[20];
    return Object.fromEntries(Object.entries(times).map(([name, values]) => [name, median(values)]));
}"""
"""Milliseconds from a choice to the frame that shows it, of that the script's own, and for a bare draw of that size."""


@pytest.mark.measures
def test_a_choice_is_shown_as_fast_as_a_canvas_can(open_notebook: Open) -> None:
    notebook = open_notebook(LARGE)
    notebook.run_all()
    notebook.cell("pick_layers(model")
    Picker(notebook.page).wait_idle()
    taken = notebook.page.evaluate(MEASURE)
    print({name: f"{value:.1f} ms" for name, value in taken.items()})
    assert taken["choice"] <= 2 * taken["bare"]
    notebook.close()
