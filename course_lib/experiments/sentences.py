"""Lesson 6's tables: does the heat map of a word, or of an answer, point at what it speaks of?"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from course_lib.datasets.scenes import COLOURS, SHAPES, Scenes, scenes
from course_lib.evaluation import centre_map, pointing
from course_lib.experiments.seeds import network
from course_lib.methods.cam import grad_cam, hires_cam
from course_lib.methods.steps import upsample
from course_lib.networks.sentences import ANSWERS, KINDS, VOCABULARY, captioned, exact, tokens
from course_lib.recording import record

CHOOSING_SEED, FRESH_SEED = 5_000_000, 6_000_000
"""Architecture and score were chosen on scenes of the first seed; the tables are measured on those of the second."""

Score = Callable[[Tensor, Tensor, tuple[str, ...]], Tensor]
SCORES: dict[str, Score] = {
    "logit": lambda logits, said, kind: logits.gather(1, said[:, None]).sum(),
    "log-probability": lambda logits, said, kind: logits.log_softmax(1).gather(1, said[:, None]).sum(),
    "contrast": lambda logits, said, kind: (
        logits.gather(1, said[:, None])[:, 0] - logits[:, [VOCABULARY.index(word) for word in kind]].mean(1)
    ).sum(),
}
"""(the logits (B, words) of one place in the sentence, the word that stands there (B,), the words of its kind) -> ()"""


def word_maps(model: nn.Module, pictures: Tensor, sentences: Tensor, place: int, score: str) -> dict[str, Tensor]:
    """Grad-CAM and HiResCAM (B, 64, 64) of the words at one place of the sentences (B, 8), at the trunk's map."""
    said, kind = sentences[:, place], list(KINDS.values())[place % 4]
    with record(model, "features") as tape:
        model(pictures, sentences)
    g = tape.gradients(lambda logits: SCORES[score](logits[:, place], said, kind))["features"]
    return _both(tape.activations["features"], g, pictures)


def _both(A: Tensor, g: Tensor, pictures: Tensor) -> dict[str, Tensor]:
    maps = {"Grad-CAM": grad_cam(A, g), "HiResCAM": hires_cam(A, g)}
    return {name: upsample(m, (pictures.shape[-2], pictures.shape[-1])) for name, m in maps.items()}


def word_masks(drawn: Scenes, place: int) -> Tensor:
    """The visible pixels (B, 64, 64) that the word at one place of the captions speaks of.

    Article, colour and noun speak of their object; a relation of both.
    """
    n = torch.arange(len(drawn.labels))
    first, second = drawn.masks[n, drawn.decisive], drawn.masks[n, 1 - drawn.decisive]
    return first | second if place == 3 else first if place < 3 else second


def words_row(
    kind: str, trained: int, seed: int, pictures: int = 500, drawn_from: int = FRESH_SEED, score: str = "logit"
) -> dict[str, float]:
    """Captions written exactly, and pointing by the words of one kind in the true captions of fresh scenes."""
    model, first = network("scenes_captioner", trained, seed), list(KINDS).index(kind)
    drawn = captioned(pictures, drawn_from)
    sentences = torch.stack([tokens(caption) for caption in drawn.captions])
    with torch.no_grad():
        parts = zip(drawn.pictures.split(20), sentences.split(20), strict=True)
        written = torch.cat([exact(model, *part) for part in parts])
    hits: dict[str, list[Tensor]] = {"Grad-CAM": [], "HiResCAM": [], "centre": [], "chance": []}
    for place in (first,) if kind == "relation" else (first, first + 4):
        with_word = (sentences[:, place] > 0).nonzero().flatten()
        masks = word_masks(drawn, place)[with_word]
        for part, mask in zip(with_word.split(20), masks.split(20), strict=True):
            for name, maps in word_maps(model, drawn.pictures[part], sentences[part], place, score).items():
                hits[name].append(pointing(maps, mask))
        hits["centre"].append(pointing(centre_map(masks.shape), masks))
        hits["chance"].append(masks.float().mean((1, 2)))
    found = {name: torch.cat(parts).float() for name, parts in hits.items()}
    return {"exact": float(written.float().mean()), "words": len(found["chance"])} | {
        name: float(values.mean()) for name, values in found.items()
    }


def questions_row(
    asked_for: str, trained: int, seed: int, pictures: int = 500, drawn_from: int = FRESH_SEED
) -> dict[str, float]:
    """Answers and pointing where both objects of a scene are asked for: the colour of a shape, or the reverse.

    "both": both peaks lie in the object asked for; "other": a peak lies in the object that wasn't.
    """
    model, kind = network("scenes_questions", trained, seed), asked_for == "shape"
    drawn = scenes(3 * pictures, drawn_from)
    pick = (drawn.shapes[:, 1] >= 0).nonzero().flatten()[:pictures]
    hits: dict[str, list[Tensor]] = {
        name: [] for name in ("right", "Grad-CAM", "HiResCAM", "other", "centre", "chance")
    }
    for which in (0, 1):
        for part in pick.split(20):
            shapes, colours = drawn.shapes[part, which], drawn.colours[part, which]
            pairs = [(SHAPES[s], list(COLOURS)[c]) for s, c in zip(shapes, colours, strict=True)]
            asked = [f"what shape is the {c} thing" if kind else f"what colour is the {s}" for s, c in pairs]
            with record(model, "features") as tape:
                logits = model(drawn.pictures[part], torch.stack([tokens(question) for question in asked]))
            answers = torch.tensor([ANSWERS.index(pair[not kind]) for pair in pairs])
            hits["right"].append(logits.argmax(1) == answers)
            A, g = tape.activations["features"], tape.gradients(answers)["features"]
            mask, other = drawn.masks[part, which], drawn.masks[part, 1 - which]
            for name, maps in _both(A, g, drawn.pictures).items():
                hits[name].append(pointing(maps, mask))
            hits["other"].append(pointing(_both(A, g, drawn.pictures)["Grad-CAM"], other))
            hits["centre"].append(pointing(centre_map(mask.shape), mask))
            hits["chance"].append(mask.float().mean((1, 2)))
    found = {name: torch.cat(parts).float() for name, parts in hits.items()}
    first, second = found["Grad-CAM"].chunk(2)
    return {name: float(values.mean()) for name, values in found.items()} | {"both": float((first * second).mean())}
