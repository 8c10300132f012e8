"""The questions of lesson 8: change something and look."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from course_lib.classroom.questions import SEED, Mistake, Question, pictures
from course_lib.classroom.questions.kinds import choice, conditions, drawn
from course_lib.classroom.questions.material import one_layer

Score = Callable[[Tensor], Tensor]
WRITE = "1. write occlusion in a few lines, and say what it is on a linear model"
CASES = "3. build the two cases in which covering one thing at a time misleads"
EACH = "4. say what prediction difference, erasure, meaningful perturbation and RISE each do about it"


# --------------------------------------------------------------------------------------------- 1. occlusion


def occlude(score: Score, picture: Tensor, patch: int, fill: float) -> Tensor:
    return _covered(score, picture, patch, lambda where: torch.full_like(where, fill))


def _covered(
    score: Score, x: Tensor, patch: int, fill: Callable[[Tensor], Tensor], lost: Callable[[Tensor, Tensor], Tensor]
    = lambda whole, covered: whole - covered, pile: bool = False,
) -> Tensor:  # fmt: skip
    whole, now = score(x[None])[0], x.clone()
    rows = []
    for top in range(0, x.shape[0], patch):
        row = []
        for left in range(0, x.shape[1], patch):
            now = now if pile else x.clone()
            now[top : top + patch, left : left + patch] = fill(x[top : top + patch, left : left + patch])
            row.append(lost(whole, score(now[None])[0]))
        rows.append(torch.stack(row))
    return torch.stack(rows)


def _pictures(seed: int) -> list[tuple[Any, ...]]:
    return [(drawn(seed + n, h, w) / 3, drawn(seed + 10 + n, 1)[0] / 3, drawn(seed + 20 + n, h, w).abs(), patch, 0.5)
            for n, (h, w, patch) in enumerate([(1, 2, 1), (4, 6, 2)])]  # fmt: skip


OCCLUDE = Question(
    name="occlude",
    objective=WRITE,
    minutes=12,
    difficulty=2,
    points=5,
    signature="def occlude(score: Score, picture: Tensor, patch: int, fill: float) -> Tensor:",
    shapes="score takes (N, H, W) and gives (N,); picture (H, W) -> what is lost, (H / patch, W / patch)",
    reference=occlude,
    inputs=_pictures,
    prepare=one_layer,
    mistakes=(
        Mistake("the score that is left", lambda s, x, p, f: _covered(
            s, x, p, lambda at: torch.full_like(at, f), lambda whole, covered: covered),
                "What is *lost*: the whole picture's score less the score without the patch."),
        Mistake("the size of the change", lambda s, x, p, f: occlude(s, x, p, f).abs(),
                "A patch that spoke against the class makes the score rise: keep the sign."),
        Mistake("filled with 0", lambda s, x, p, f: occlude(s, x, p, 0.0),
                "The fill is a baseline: use the given one."),
        Mistake("filled with the patch's mean", lambda s, x, p, f: _covered(
            s, x, p, lambda at: at.mean().expand_as(at)), "The fill that is given."),
        Mistake("filled with the picture's mean", lambda s, x, p, f: occlude(s, x, p, float(x.mean())),
                "The fill that is given."),
        Mistake("the patches pile up", lambda s, x, p, f: _covered(
            s, x, p, lambda at: torch.full_like(at, f), pile=True), "Cover a fresh copy of the picture each time."),
        Mistake("what the patch alone adds", lambda s, x, p, f: _only(s, x, p, f) - s(torch.full_like(x, f)[None])[0],
                "Cover the patch in the whole picture. Only on a linear model do both give the same."),
        Mistake("everything else covered", lambda s, x, p, f: s(x[None])[0] - _only(s, x, p, f),
                "The patch is covered, the rest stays."),
        Mistake("the share that is lost", lambda s, x, p, f: occlude(s, x, p, f) / s(x[None])[0],
                "In the score's own unit: a share explodes where the score is near 0."),
        Mistake("for each pixel of the patch", lambda s, x, p, f: occlude(s, x, p, f) / p**2,
                "The loss of the whole patch, not divided by its pixels."),
        Mistake("only the corner of the patch", lambda s, x, p, f: _corner(s, x, p, f), "The whole patch is covered."),
        Mistake("rows and columns swapped", lambda s, x, p, f: occlude(s, x, p, f).T,
                "Rows first: (H/patch, W/patch)."),
        Mistake("columns before rows", lambda s, x, p, f: occlude(s, x, p, f).T.reshape(occlude(s, x, p, f).shape),
                "Walk along a row of patches before the next one, as reshape does."),
        Mistake("gained for lost", lambda s, x, p, f: -occlude(s, x, p, f), "Whole less covered."),
    ),
    hints=("Two loops over the patches; in each a copy of the picture, with one patch set to the fill.",
           "score(copy[None])[0] is the score of one copy; the loss is score(picture[None])[0] less that."),
    picture="light where covering the patch costs score, cold where it raises it",
    draw=lambda: pictures.maps({"what is lost": occlude(*one_layer(*_pictures(SEED)[1]))}, "score"),
)  # fmt: skip


def _only(score: Score, x: Tensor, patch: int, fill: float) -> Tensor:
    def rest(top: int, left: int) -> Tensor:
        now = torch.full_like(x, fill)
        now[top : top + patch, left : left + patch] = x[top : top + patch, left : left + patch]
        return score(now[None])[0]

    return torch.stack([torch.stack([rest(i, j) for j in range(0, x.shape[1], patch)])
                        for i in range(0, x.shape[0], patch)])  # fmt: skip


def _corner(score: Score, x: Tensor, patch: int, fill: float) -> Tensor:
    def without(top: int, left: int) -> Tensor:
        now = x.clone()
        now[top, left] = fill
        return score(x[None])[0] - score(now[None])[0]

    return torch.stack([torch.stack([without(i, j) for j in range(0, x.shape[1], patch)])
                        for i in range(0, x.shape[0], patch)])  # fmt: skip


# --------------------------------------------------------------------------------------------- 2. RISE


def rise_map(scores: Tensor, masks: Tensor, kept: float) -> Tensor:
    return torch.einsum("n,nhw->hw", scores, masks) / (len(scores) * kept)


def _masks(seed: int) -> list[tuple[Any, ...]]:
    cases = []
    for n, (count, h, w) in enumerate([(3, 1, 2), (9, 3, 4)]):
        generator = torch.Generator().manual_seed(seed + n)
        cases.append((drawn(seed + n, count), torch.rand(count, h, w, generator=generator).double(), 0.4))
    return cases


RISE = Question(
    name="rise_map",
    objective=EACH,
    minutes=8,
    difficulty=2,
    points=4,
    signature="def rise_map(scores: Tensor, masks: Tensor, kept: float) -> Tensor:",
    shapes="scores (N,) of the masked pictures, masks (N, H, W) in [0, 1], the share q they keep on average "
    "-> a map (H, W)",
    reference=rise_map,
    inputs=_masks,
    mistakes=(
        Mistake("not divided by the share kept", lambda s, m, q: rise_map(s, m, 1.0),
                "Divide by N *and* by the share."),
        Mistake("not divided by N", lambda s, m, q: rise_map(s, m, q) * len(s), "The mean over the masks."),
        Mistake("the sum", lambda s, m, q: rise_map(s, m, q) * len(s) * q, "Divide by N and by the share kept."),
        Mistake("divided by the masks' own sum", lambda s, m, q: torch.einsum("n,nhw->hw", s, m) / m.sum(0),
                "That is a variant; RISE divides by the expected sum, N times the share kept."),
        Mistake("divided by the masks' own mean", lambda s, m, q: rise_map(s, m, float(m.mean())),
                "The share that is given, which the masks keep on average."),
        Mistake("the mean score times the mean mask", lambda s, m, q: s.mean() * m.mean(0) / q,
                "The mean of the products: each mask with its own score."),
        Mistake("what was hidden", lambda s, m, q: rise_map(s, 1 - m, q), "A mask of 1 *keeps* a pixel."),
        Mistake("without the scores", lambda s, m, q: m.mean(0) / q, "Weigh each mask with its picture's score."),
        Mistake("the best mask", lambda s, m, q: m[s.argmax()] / q, "All masks, weighed with their scores."),
        Mistake("positive scores only", lambda s, m, q: rise_map(s.relu(), m, q), "All scores, of both signs."),
        Mistake("softmax of the scores", lambda s, m, q: rise_map(s.softmax(0), m, q), "The scores as they are."),
        Mistake("the scores less their mean", lambda s, m, q: rise_map(s - s.mean(), m, q),
                "That takes the common level off, which RISE leaves in."),
        Mistake("masks rounded", lambda s, m, q: rise_map(s, m.round(), q),
                "The masks are smooth: use them as they are."),
    ),
    hints=("Σ_n score_n mask_n, divided by N and by the share kept.",
           "(scores[:, None, None] * masks).sum(0) / (len(scores) * kept)"),
    picture="light where keeping a pixel went with a high score",
    draw=lambda: pictures.maps({"RISE": rise_map(*_masks(SEED)[1])}, "score"),
)  # fmt: skip


# --------------------------------------------------------------------------------------------- 3. two causes


def enough_alone() -> tuple[float, float, float, float]:
    return 0.0, 1.0, 1.0, 1.0


def _two(case: tuple[Any, ...], given: Any) -> tuple[str, ...]:
    none, first, second, both = (float(part) for part in given)
    return conditions({
        "with nothing there f is 0": none == 0,
        "with both there f is 1": both == 1,
        "covering the first loses nothing": both - second == 0,
        "covering the second loses nothing": both - first == 0,
        "covering both loses 1": both - none == 1,
        "covering one alone doesn't lose everything": max(both - first, both - second) < 1,
    })  # fmt: skip


ALONE = Question(
    name="enough_alone",
    objective=CASES,
    minutes=5,
    difficulty=1,
    points=2,
    signature="def enough_alone() -> tuple[float, float, float, float]:",
    shapes="-> f with nothing there, with the first cause only, with the second only, with both",
    reference=enough_alone,
    inputs=lambda seed: [()],
    observe=_two,
    mistakes=(
        Mistake("a product", lambda: (0.0, 0.0, 0.0, 1.0),
                "There each loses everything. Each cause is enough *alone*."),
        Mistake("a sum", lambda: (0.0, 1.0, 1.0, 2.0), "f is 1 with both. Then what is lost without one?"),
        Mistake("one cause", lambda: (0.0, 1.0, 0.0, 1.0), "The second must be enough by itself as well."),
        Mistake("no cause", lambda: (1.0, 1.0, 1.0, 1.0), "With nothing there f should be 0."),
        Mistake("half and half", lambda: (0.0, 0.5, 0.5, 1.0), "That is a sum: covering one loses a half."),
    ),
    hints=("A maximum: one is enough.", "f = max of the two causes, at 0 and 1."),
    picture="what is lost without the first, without the second, and without both",
    draw=lambda: pictures.bars(["without the first", "without the second", "without both"], [0.0, 0.0, 1.0], "loss"),
)  # fmt: skip


# --------------------------------------------------------------------------------------------- 4. odds


def evidence(p: float, samples: Tensor) -> Tensor:
    mean = samples.mean()
    return torch.tensor(p).double().logit() / _LN2 - mean.logit() / _LN2


_LN2 = torch.tensor(2.0).double().log()


def _log2_odds(p: Any) -> Tensor:
    return torch.as_tensor(p).double().logit() / _LN2


EVIDENCE = Question(
    name="evidence",
    objective=EACH,
    minutes=10,
    difficulty=2,
    points=4,
    signature="def evidence(p: float, samples: Tensor) -> Tensor:",
    shapes="the probability p of the whole picture, those with the patch resampled (n,) -> evidence in bits, ()",
    reference=evidence,
    inputs=lambda seed: [(0.7 + 0.002 * (seed % 50), drawn(seed + n, count).sigmoid()) for n, count in ((0, 3), (1,
        7))],
    mistakes=(
        Mistake("natural logarithms", lambda p, s: evidence(p, s) * _LN2, "In bits: logarithms to base 2."),
        Mistake("logarithms to base 10", lambda p, s: evidence(p, s) * _LN2 /
                torch.tensor(10.0).double().log(),
                "In bits: logarithms to base 2."),
        Mistake("the mean of the odds' logarithms", lambda p, s: _log2_odds(p) - _log2_odds(s).mean(),
                "First the mean of the probabilities, then its odds."),
        Mistake("the mean of the odds", lambda p, s: _log2_odds(p) - (s / (1 - s)).mean().log2(),
                "First the mean of the probabilities, then its odds."),
        Mistake("probabilities for odds", lambda p, s: torch.tensor(p).double().log2() - s.mean().log2(),
                "The odds are p / (1 - p)."),
        Mistake("a difference of probabilities", lambda p, s: p - s.mean(),
                "The difference of log-odds: from 0.98 to 0.99 is a long way, from 0.5 to 0.51 a short one."),
        Mistake("a difference of odds", lambda p, s: torch.tensor(p / (1 - p)).double() - s.mean() / (1 - s.mean()),
                "Of the *logarithms* of the odds."),
        Mistake("one sample", lambda p, s: evidence(p, s[:1]), "The mean over all samples."),
        Mistake("the median", lambda p, s: evidence(p, s.sort()[0][len(s) // 2 : len(s) // 2 + 1]),
                "The mean of the samples, not the middle one."),
        Mistake("the sign flipped", lambda p, s: -evidence(p, s), "Positive where the patch speaks for the class."),
    ),
    hints=("The odds of p are p / (1 - p). Once for p, once for the mean of the samples.",
           "torch.log2(odds of p) less torch.log2(odds of samples.mean())"),
    picture="log-odds over the probability: steep at both ends",
    draw=lambda: pictures.curves(torch.linspace(0.02, 0.98, 80), {"log₂ of the odds": _log2_odds(
        torch.linspace(0.02, 0.98, 80))}, "probability", "bits"),
)  # fmt: skip


# --------------------------------------------------------------------------------------------- 5. the price


def passes(height: int, width: int, patch: int, stride: int) -> int:
    return ((height - patch) // stride + 1) * ((width - patch) // stride + 1) + 1


PASSES = Question(
    name="passes",
    objective="5. give the price of a map in forward passes",
    minutes=5,
    difficulty=1,
    points=2,
    signature="def passes(height: int, width: int, patch: int, stride: int) -> int:",
    shapes="-> pictures that pass the network for one occlusion map, the whole picture among them",
    reference=passes,
    inputs=lambda seed: [(2, 3, 1, 1), (32, 48, 8, 4), (65, 30 + seed % 7, 7, 3)],
    mistakes=(
        Mistake("the whole picture forgotten", lambda h, w, p, s: passes(h, w, p, s) - 1, "Its score is needed too."),
        Mistake("patches side by side", lambda h, w, p, s: (h // p) * (w // p) + 1, "They move by the stride."),
        Mistake("one for each stride", lambda h, w, p, s: (h // s) * (w // s) + 1,
                "The last patch must still fit: (side - patch) // stride + 1."),
        Mistake("a patch that sticks out", lambda h, w, p, s: (-((p - h) // s) + 1) * (-((p - w) // s) + 1) + 1,
                "The last patch must still fit: round down."),
        Mistake("places over the stride", lambda h, w, p, s: ((h - p + 1) // s) * ((w - p + 1) // s) + 1,
                "The first place counts as well: (side - patch) // stride + 1."),
        Mistake("as if square", lambda h, w, p, s: ((h - p) // s + 1) ** 2 + 1, "Width and height differ."),
        Mistake("the last place forgotten", lambda h, w, p, s: ((h - p) // s) * ((w - p) // s) + 1,
                "The first place counts as well: + 1 on each side."),
        Mistake("one for each pixel", lambda h, w, p, s: h * w + 1, "One for each place of the patch."),
        Mistake("one side only", lambda h, w, p, s: (h - p) // s + (w - p) // s + 3, "Rows times columns."),
    ),
    hints=("At how many places can the patch stand in one row?", "(width - patch) // stride + 1"),
    picture="no picture: a number",
)  # fmt: skip


# --------------------------------------------------------------------------------------------- 6. a choice

FILL = choice(
    "which_fill",
    "2. show that the fill, the colour that covers, is a baseline, and that it decides what you see",
    "c",
    {
        "a": ("black is neutral", "Black is a colour like others; a network may have learnt that it means something."),
        "b": ("grey is neutral", "On a grey background grey covers nothing, and on any other it draws an edge."),
        "d": ("it makes no difference", "On a linear model the map is w (x - fill): another fill, another map."),
    },
    ("On a linear model, covering x_i with a fill loses w_i (x_i - fill). For which fill is that the truth?",
     "There is no neutral colour. What can one do instead?"),
)  # fmt: skip

QUESTIONS = (OCCLUDE, RISE, ALONE, EVIDENCE, PASSES, FILL)
