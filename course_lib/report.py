"""The report: one page about one map, with everything that must be said beside it, as PNG and as PDF."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import shorten, wrap
from typing import Any

import matplotlib
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from scipy.stats import spearmanr
from torch import Tensor
from tqdm.auto import tqdm

from course_lib.figures import PALETTE, draw_heat_map
from course_lib.methods.registry import Explanation, explain
from course_lib.methods.steps import upsample
from course_lib.networks import Network
from course_lib.networks.own import reinitialized

FACTS = {
    "Picture": "{title}; as the network sees it, {width} x {height} pixels",
    "Network": "{network.name}, {count} classes",
    "Class": "{target}, answer {place} of {count}",
    "Score": "the logit, {logit:.3g} (probability {probability:.3f}, which is not what is explained)",
    "Layer": "{layer}",
    "Method": "{method.name} ({method.source}), raw: no ReLU, no normalization; drawn over the picture by bilinear "
    "upsampling",
    "Scale": "from {low:.3g} to {high:.3g} {method.units}",
    "Re-initialized": "weights in random order, explained for its own answer: the rank correlation of its map with "
    "this one is {chance} (seeds {seeds}; the first is drawn), and its values reach {reach:.2g}",
    "Covered squares": "the picture's mean colour on each of {squares} x {squares} squares: the rank correlation of "
    "the map with what the logit loses is {own} (re-initialized: {others}); one square costs at most {cost:.3g}",
}
WORDS = {
    "pixels": "none: the picture's own pixels",
    "note": "Note",
    "constant": "undefined (a constant map)",
    "range": "{low:.2f} to {high:.2f}",
    "answers": "Largest logits",
    "drop": "logits lost",
    "caution": "This map is a hypothesis about one network, class, layer and picture: before you call what it marks "
    "the reason, change that in the picture, and see whether the answer changes.",
    "alt": "A report. {facts}. {caution}",
}
"""Every word of a report: its facts by heading, and the others, with the names of what is filled in."""
SQUARES, TOP = 8, 5


@dataclass(frozen=True)
class Report:
    """One page about one map.

    Attributes:
        figure: the page
        facts: what it says, by heading
        chance: rank correlation of each re-initialized model's map with this one (NaN where a map is constant)
        agreement: that of this map, then of each of those, with what the logit loses when a square is covered
        alt: all facts in words, for those who don't see the page
        files: the PNG and the PDF
    """

    figure: Figure
    facts: dict[str, str]
    chance: list[float]
    agreement: list[float]
    alt: str
    files: tuple[Path, Path]


def report(
    network: Network, picture: Any, title: str, path: str | Path, target: int | None = None, method: str = "Grad-CAM",
    layer: str | None = None, *, seeds: Sequence[int] = range(5), batch: int = 32, progress: bool = False,
    **options: Any,
) -> Report:  # fmt: skip
    """Explain a picture, hold the map against two controls, and save the page as `path`.png and `path`.pdf.

    The page computes what it reports, so nothing can be left out: picture, layer, class, score, method, scale, and the
    controls. These are the same method on re-initialized models (the weights in random order, explained for that
    model's own answer), and what the logit loses when each of 8 x 8 squares gets the picture's mean colour. Maps are
    compared by Spearman's rank correlation over the squares (the mean of the map in each).

    Args:
        network: from `load`, `pretrained` or `own`
        picture: what `network.preprocessing` takes
        title: what the picture shows and where it comes from
        path: with or without an ending
        target, method, layer, options: as in `explain`; without a target the class with the largest logit
        seeds: of the re-initialized models
        batch: covered pictures in one pass, which bounds the memory

    Raises:
        ValueError: without a title or without a seed; as `explain` and the preprocessing
        LookupError: for an unknown layer or method

    Source: Adebayo et al., NeurIPS 2018 (randomized weights); Zeiler and Fergus, ECCV 2014 (covered squares).

    >>> report(None, None, "A cat, my own photograph", "cat", seeds=())
    Traceback (most recent call last):
    ValueError: Without its control a map can't be told from a pretty picture: give at least one seed.
    """
    if not title.strip():
        raise ValueError("The title is empty: say what the picture shows and where it comes from.")
    if not len(seeds):
        raise ValueError("Without its control a map can't be told from a pretty picture: give at least one seed.")
    x = network.preprocessing(picture)[None].to(next(network.model.parameters(), torch.zeros(())))
    found = explain(network.model, x, _answer(network, x) if target is None else target, method, layer, **options)
    place, chance = found.layer.name if found.layer else None, []
    for seed in tqdm(seeds, disable=not progress):
        control = reinitialized(network, seed)
        chance.append(explain(control.model, x, _answer(control, x), method, place, **options).map[0])
    lost = occluded(network, x, found.target, batch, progress)
    size = (x.shape[-2], x.shape[-1])
    by_chance = [_agreement(one, found.map[0], size) for one in chance]
    agreement = [_agreement(one, lost, size) for one in (found.map[0], *chance)]
    logits = found.logits[0]
    facts = {heading: form.format(
        title=title.strip(), network=network, target=network.classes[found.target], count=len(network.classes),
        method=found.method, layer=found.layer or WORDS["pixels"], height=size[0], width=size[1], squares=SQUARES,
        logit=float(logits[found.target]), probability=float(logits.softmax(0)[found.target]),
        place=int((logits > logits[found.target]).sum()) + 1, low=float(found.map.min()), high=float(found.map.max()),
        chance=_range(by_chance), reach=float(torch.stack(chance).abs().max()), seeds=", ".join(map(str, seeds)),
        own=_range(agreement[:1]), others=_range(agreement[1:]), cost=float(lost.max()),
    ) for heading, form in FACTS.items()} | ({WORDS["note"]: found.words} if found.words else {})  # fmt: skip
    figure = _page(network, network.preprocessing.undo(x[0]).cpu(), found, chance[0], lost, facts)
    alt = WORDS["alt"].format(facts="; ".join(f"{k}: {v}" for k, v in facts.items()), caution=WORDS["caution"])
    return Report(figure, facts, by_chance, agreement, alt, _save(figure, Path(path), title, alt))


def occluded(network: Network, x: Tensor, target: int, batch: int = 32, progress: bool = False) -> Tensor:
    """What the logit loses when each of 8 x 8 squares of x (1, 3, H, W) gets the mean colour: (8, 8), in logits."""
    covers = upsample(torch.eye(SQUARES**2).view(-1, 1, SQUARES, SQUARES), (x.shape[-2], x.shape[-1]), "nearest").to(x)
    covered = (x + some * (x.mean((-2, -1), keepdim=True) - x) for some in covers.split(batch))
    with torch.no_grad():
        logits = [network.model(some)[:, target] for some in tqdm(covered, disable=not progress)]
        lost: Tensor = network.model(x)[0, target] - torch.cat(logits)
    return lost.view(SQUARES, SQUARES)


def _answer(network: Network, x: Tensor) -> int:
    with torch.no_grad():
        return int(network.model(x).argmax())


def _agreement(a: Tensor, b: Tensor, size: tuple[int, int]) -> float:
    """Spearman's rank correlation over the squares, of the cells as they are."""
    large = (upsample(one[None].float().cpu(), size, "nearest") for one in (a, b))
    a, b = (F.adaptive_avg_pool2d(one, SQUARES).flatten() for one in large)
    constant = any(float(one.max() - one.min()) <= 1e-6 * float(one.abs().max()) for one in (a, b))
    return float("nan") if constant else float(spearmanr(a, b).statistic)


def _range(ranks: Sequence[float]) -> str:
    known = [rank for rank in ranks if rank == rank]
    if not known:
        return WORDS["constant"]
    return f"{known[0]:.2f}" if len(known) == 1 else WORDS["range"].format(low=min(known), high=max(known))


def _page(
    network: Network, picture: Tensor, found: Explanation, chance: Tensor, lost: Tensor, facts: dict[str, str]
) -> Figure:
    parts = {heading: wrap(fact, 66, break_on_hyphens=False) for heading, fact in facts.items()}
    rows = [("" if n else heading, line) for heading, lines in parts.items() for n, line in enumerate(lines)]
    height = 0.17 * len(rows)
    figure = Figure((8.27, 2.9 + height), layout="constrained")
    halves: Any = figure.subfigures(2, 1, height_ratios=[2.1, 0.8 + height])
    axes = halves[0].subplots(1, 4)
    axes[0].imshow(picture.permute(1, 2, 0).numpy())
    unit, signed = found.method.units, found.method.signed
    draw_heat_map(axes[1], found.map[0], picture, signed, label=unit)
    draw_heat_map(axes[2], chance, None, signed, label=unit)
    draw_heat_map(axes[3], lost, None, True, label=WORDS["drop"])
    for ax, title in zip(axes, ([*FACTS][0], found.method.name, *[*FACTS][-2:]), strict=True):
        ax.axis("off")
        ax.set_title(title, fontsize=9)
    bars, text = halves[1].subplots(1, 2, width_ratios=[1, 2.7])
    logits = found.logits[0].tolist()
    best = sorted(range(len(logits)), key=logits.__getitem__, reverse=True)[:TOP]
    best += [found.target] * (found.target not in best)
    colours = [PALETTE["orange" if c == found.target else "blue"] for c in best]
    bars.barh(range(len(best)), [logits[c] for c in best], color=colours)
    bars.set_yticks(range(len(best)), [shorten(network.classes[c], 18, placeholder=" ...") for c in best])
    bars.invert_yaxis()
    bars.tick_params(labelsize=8)
    bars.set_title(WORDS["answers"], fontsize=9)
    bars.spines[["top", "right"]].set_visible(False)
    text.axis("off")
    for row, line in enumerate(rows):
        for left, words, weight in zip((0, 0.23), line, ("bold", "normal"), strict=True):
            y = 1 - (row + 0.5) / len(rows)
            text.text(left, y, words, fontsize=8, weight=weight, va="center").set_in_layout(False)
    figure.supxlabel("\n".join(wrap(WORDS["caution"], 110)), fontsize=9, style="italic")
    return figure


def _save(figure: Figure, path: Path, title: str, alt: str) -> tuple[Path, Path]:
    """The same page twice: as PNG for the screen, and as PDF, whose letters and lines are no pixels."""
    path = path.with_suffix("") if path.suffix.lower() in (".png", ".pdf") else path
    path.parent.mkdir(parents=True, exist_ok=True)
    png, pdf = path.with_name(path.name + ".png"), path.with_name(path.name + ".pdf")
    figure.savefig(png, dpi=150, facecolor="white", metadata={"Title": title, "Description": alt})
    with matplotlib.rc_context({"pdf.fonttype": 42}):  # letters as letters, which can be searched and read aloud
        figure.savefig(pdf, metadata={"Title": title, "Subject": alt, "CreationDate": None})
    return png, pdf
