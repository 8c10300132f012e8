"""The questions of lesson 9: scoring explanations."""

from typing import Any

import torch
from torch import Tensor

from course_lib.classroom.questions import SEED, Mistake, Question, pictures
from course_lib.classroom.questions.kinds import choice, conditions, drawn

MASK = "2. score a map against a mask, and read the score beside four controls"
MODEL = "3. score a map against the model, by deletion, insertion and occlusion, and show what the fill decides"
BOARD = "5. read a scoreboard: intervals, controls, prices, and scores that disagree"


def _masked(seed: int) -> list[tuple[Any, ...]]:
    cases = []
    for n, shape in enumerate([(2, 2, 3), (24, 4, 5)]):
        maps = drawn(seed + n, *shape)
        cases.append((maps, drawn(seed + 10 + n, *shape) + 0.4 * maps > 1.0))
    return cases


# --------------------------------------------------------------------------------------------- 1. pointing


def points_at(maps: Tensor, masks: Tensor) -> Tensor:
    return masks.flatten(1).gather(1, maps.flatten(1).argmax(1, keepdim=True))[:, 0]


POINTS_AT = Question(
    name="points_at",
    objective=MASK,
    minutes=8,
    difficulty=1,
    points=3,
    signature="def points_at(maps: Tensor, masks: Tensor) -> Tensor:",
    shapes="maps (B, H, W), masks (B, H, W) of True and False -> hits (B,), True or False",
    reference=points_at,
    inputs=_masked,
    mistakes=(
        Mistake("the smallest value", lambda m, k: points_at(-m, k), "The peak is the largest value."),
        Mistake("the largest absolute value", lambda m, k: points_at(m.abs(), k),
                "The strongest evidence *for* the class: a cold cell is no peak."),
        Mistake("any positive value in the mask", lambda m, k: ((m > 0) & k).flatten(1).any(1),
                "Only the peak counts: nearly every map has some positive value on the object."),
        Mistake("the mean inside above the mean outside", lambda m, k: (
            (m * k).sum((1, 2)) / k.sum((1, 2)).clamp(min=1) > (m * ~k).sum((1, 2)) / (~k).sum((1, 2)).clamp(min=1)),
                "That is another score. The pointing game asks for one cell, the peak."),
        Mistake("the peak of the whole batch", lambda m, k: ((m == m.max()) & k).flatten(1).any(1),
                "Each map has a peak of its own."),
        Mistake("the first picture's mask for all", lambda m, k: points_at(m, k[:1].expand_as(k)),
                "Each picture has a mask of its own."),
        Mistake("rows and columns swapped", lambda m, k: torch.stack([
            k[n, (i % m.shape[2]) % m.shape[1], (i // m.shape[2]) % m.shape[2]]
            for n, i in enumerate(m.flatten(1).argmax(1).tolist())]),
                "A flat index is row * W + column."),
        Mistake("the peak of each row", lambda m, k: (k & (m == m.amax(2, keepdim=True))).flatten(1).any(1),
                "One peak for the whole map."),
        Mistake("the misses", lambda m, k: ~points_at(m, k), "True where it hits."),
        Mistake("one number", lambda m, k: points_at(m, k).all().expand(len(m)).clone(), "One hit or miss a picture."),
    ),
    hints=("Flatten each map: where is its argmax? Look up the flattened mask there.",
           "masks.flatten(1).gather(1, index), with index of shape (B, 1)."),
    picture="a map and the mask that its peak should lie in",
    draw=lambda: pictures.maps({"map": _masked(SEED)[1][0][0], "mask": _masked(SEED)[1][1][0].double()}, "value"),
)  # fmt: skip


# --------------------------------------------------------------------------------------------- 2. mass, and its control


def beyond_area(maps: Tensor, masks: Tensor) -> Tensor:
    return _beyond(maps.clamp(min=0), masks)


def _share(maps: Tensor, masks: Tensor) -> Tensor:
    total = maps.sum((1, 2))
    return (maps * masks).sum((1, 2)) / torch.where(total == 0, 1.0, total)


def _beyond(maps: Tensor, masks: Tensor) -> Tensor:
    return torch.where(maps.sum((1, 2)) == 0, 0.0, _share(maps, masks) - masks.double().mean((1, 2)))


def _one_without(seed: int) -> list[tuple[Any, ...]]:
    """Some maps hold no positive value: one is 0 all over, one negative; no mask of theirs is empty."""
    (maps, masks), (more, others) = _masked(seed)
    maps[0, 0, 1] = maps[0, 0, 1].abs()
    maps[1], more[3], more[4] = 0, 0, -more[4].abs()
    for one in (masks, others):
        one[:, 0, 0] = True
    return [(maps, masks), (more, others)]


BEYOND = Question(
    name="beyond_area",
    objective=MASK,
    minutes=8,
    difficulty=2,
    points=4,
    signature="def beyond_area(maps: Tensor, masks: Tensor) -> Tensor:",
    shapes="maps (B, H, W), masks (B, H, W) of True and False -> (B,), 0 for a map without positive values",
    reference=beyond_area,
    inputs=_one_without,
    mistakes=(
        Mistake("the share without its control", lambda m, k: _share(m.clamp(min=0), k),
                "A flat map gets the mask's share of the picture: take that off."),
        Mistake("nothing divided by nothing", lambda m, k: (m.clamp(min=0) * k).sum((1, 2)) / m.clamp(min=0).sum((1, 2))
                - k.double().mean((1, 2)), "A map without positive values has no share: 0 for it."),
        Mistake("less than nothing", lambda m, k: _share(m.clamp(min=0), k) - k.double().mean((1, 2)),
                "A map without positive values gets 0, not its control taken off 0."),
        Mistake("lifted by the minimum", lambda m, k: _beyond(m - m.amin((1, 2), keepdim=True), k),
                "Cut at 0: lifting makes evidence of what was none."),
        Mistake("negative values too", _beyond, "Positive values only: what cancels makes no share."),
        Mistake("absolute values", lambda m, k: _beyond(m.abs(), k),
                "Evidence against the class doesn't count for it."),
        Mistake("divided by the area", lambda m, k: _share(m.clamp(min=0), k) / k.double().mean((1, 2)).clamp(min=1e-9),
                "The difference is asked for, not the ratio."),
        Mistake("the mean inside", lambda m, k: (m.clamp(min=0) * k).sum((1, 2)) / k.sum((1, 2)).clamp(min=1)
                - k.double().mean((1, 2)), "The share of all positive values, not the mean in the mask."),
        Mistake("over the batch", lambda m, k: (m.clamp(min=0) * k).sum((1, 2)) / m.clamp(min=0).sum()
                - k.double().mean((1, 2)), "Each map's own total."),
        Mistake("the mean area of all masks", lambda m, k: torch.where(
            m.clamp(min=0).sum((1, 2)) == 0, 0.0, beyond_area(m, k) + k.double().mean((1, 2)) - k.double().mean()),
                "Each picture has its own control: its own mask."),
        Mistake("outside the mask, or the area less the share", lambda m, k: -beyond_area(m, k),
                "Share inside less area: positive where the map does better than a flat one."),
        Mistake("positive cells counted", lambda m, k: _beyond((m > 0).double(), k),
                "Weighed by their values, not counted."),
    ),
    hints=("The share of the positive values that lies in the mask, less the share of the picture that the mask is.",
           "Nothing positive: nothing to divide by. torch.where gives such a map its 0.",
           "positive = maps.clamp(min=0); masks.double().mean(dim=(1, 2)) is the control."),
    picture="one bar a picture, to the right where the map does better than a flat one",
    draw=lambda: pictures.bars([f"picture {n + 1}" for n in range(5)],
                               beyond_area(*_masked(SEED)[1])[:5], "share - area"),
)  # fmt: skip


# --------------------------------------------------------------------------------------------- 3. deletion


def deletion(weights: Tensor, x: Tensor, scores: Tensor, fill: float) -> Tensor:
    return _curve(weights, x, scores.argsort(descending=True), fill)


def _curve(w: Tensor, x: Tensor, order: Tensor, fill: float, start: bool = True) -> Tensor:
    x, curve = x.clone(), [torch.sigmoid(w @ x)] if start else []
    for place in order:
        x[place] = fill
        curve.append(torch.sigmoid(w @ x))
    return torch.stack(curve)


def _rows(seed: int) -> list[tuple[Any, ...]]:
    return [(drawn(seed + n, n), drawn(seed + 10 + n, n) + 1, drawn(seed + 20 + n, n), 0.5) for n in (2, 5)]


def _inserted(w: Tensor, x: Tensor, s: Tensor, fill: float) -> Tensor:
    now, curve = torch.full_like(x, fill), []
    curve.append(torch.sigmoid(w @ now))
    for place in s.argsort(descending=True):
        now[place] = x[place]
        curve.append(torch.sigmoid(w @ now))
    return torch.stack(curve)


DELETION = Question(
    name="deletion",
    objective=MODEL,
    minutes=12,
    difficulty=2,
    points=5,
    signature="def deletion(weights: Tensor, x: Tensor, scores: Tensor, fill: float) -> Tensor:",
    shapes="weights, x, scores (n,), a fill -> probabilities (n + 1,), from the whole input to the emptied one",
    reference=deletion,
    inputs=_rows,
    mistakes=(
        Mistake("the smallest score first", lambda w, x, s, f: _curve(w, x, s.argsort(), f),
                "Deletion begins with what the map says matters most."),
        Mistake("filled with 0", lambda w, x, s, f: _curve(w, x, s.argsort(descending=True), 0.0),
                "The fill decides what you see: use the one that is given."),
        Mistake("one input at a time", lambda w, x, s, f: torch.stack(
            [torch.sigmoid(w @ x), *[torch.sigmoid(w @ x - w[i] * (x[i] - f)) for i in s.argsort(descending=True)]]),
                "What has been emptied stays empty: the curve goes down to the empty input."),
        Mistake("insertion", _inserted, "That begins with the empty input; deletion begins with the whole one."),
        Mistake("logits", lambda w, x, s, f: _curve(w, x, s.argsort(descending=True), f).logit(),
                "Probabilities: torch.sigmoid of the weighted sum."),
        Mistake("the order of the absolute scores", lambda w, x, s, f: _curve(w, x, s.abs().argsort(descending=True),
                f),
                "The largest score first: one that is far below 0 speaks against the class."),
        Mistake("the order of the inputs", lambda w, x, s, f: _curve(w, x, torch.arange(len(x)), f),
                "In the order of the scores."),
        Mistake("the order of the contributions", lambda w, x, s, f: _curve(w, x, (w * x).argsort(descending=True), f),
                "The map under test gives the order, not the model."),
        Mistake("ranks for places", lambda w, x, s, f: _curve(w, x, s.argsort(descending=True).argsort(), f),
                "argsort gives places in order; argsort of that gives the rank of each place."),
        Mistake("weights emptied", lambda w, x, s, f: _curve(x, w, s.argsort(descending=True), f),
                "The input is emptied; the model stays as it is."),
    ),
    hints=("First the probability of the whole input, then after each input that is set to the fill.",
           "for place in scores.argsort(descending=True): set x[place] = fill on a copy, and go on with that copy."),
    picture="a curve that falls from the whole input to the emptied one, steeply where the map is right",
    draw=lambda: pictures.curves(
        torch.arange(6), {"by the scores": deletion(*_rows(SEED)[1]),
                          "by the contributions": _curve(_rows(SEED)[1][0], _rows(SEED)[1][1], (
                              _rows(SEED)[1][0] * _rows(SEED)[1][1]).argsort(descending=True), 0.5)},
        "inputs emptied", "probability"),
)  # fmt: skip


# --------------------------------------------------------------------------------------------- 4. a control that wins


def blind_map(masks: Tensor) -> Tensor:
    return masks.double().mean(0)


def _centred(seed: int) -> list[tuple[Any, ...]]:
    """Most objects share one place, as photographers' do; small ones in a corner and long ones in a row of their own
    keep sizes, rows, columns and the mean place from telling where."""
    few = [[[1, 1, 0, 0, 0, 0]], [[1, 0, 0, 0, 0, 0]], [[1, 0, 1, 1, 1, 0]]]
    cases: list[tuple[Any, ...]] = [(torch.tensor(few).bool(),)]
    for n, (count, h, w) in enumerate([(9, 5, 6), (30, 7, 11)]):
        generator = torch.Generator().manual_seed(seed + n)
        masks = torch.zeros(count, h, w, dtype=torch.bool)
        for i, one in enumerate(masks):
            top, left = torch.randint(0, 2, (2,), generator=generator).tolist()
            if i % 9 in (0, 4):
                one[h - 1, 0] = True
            elif i % 9 in (2, 5, 7):
                one[h - 2, w // 2 :] = True
            else:
                one[top : top + 2, left : left + 2] = True
        cases.append((masks,))
    return cases


def _near_the_mean(masks: Tensor) -> Tensor:
    middle = masks.nonzero()[:, 1:].double().mean(0)
    places = torch.cartesian_prod(*(torch.arange(side).double() for side in masks.shape[1:]))
    return -(places - middle).square().sum(1).view(masks.shape[1:])


def _hits(case: tuple[Any, ...], given: Any) -> tuple[str, ...]:
    masks = case[0]
    if given.shape != masks.shape[1:]:
        return conditions({"one map (H, W)": False})
    peaks = given == given.max()
    reached = masks.double().mean(0)
    middle = masks[:, masks.shape[1] // 2, masks.shape[2] // 2].double().mean()
    hits = reached[peaks].min()
    at = "" if hits == reached.max() else f" at {peaks.nonzero()[0].tolist()}"
    return conditions({
        "the map has one peak": peaks.sum() == 1 or len(reached[peaks].unique()) == 1 and not peaks.all(),
        "no other map for all pictures hits more often": hits >= reached.max() - 1e-12,
        "it hits more often than the centre": hits > middle - 1e-12,
        "it hits at all": hits > 0,
        f"its peak{at} lies on {round(float(hits) * len(masks))} of {len(masks)} objects": True,
    })  # fmt: skip


BLIND = Question(
    name="blind_map",
    objective=BOARD,
    minutes=8,
    difficulty=2,
    points=2,
    signature="def blind_map(masks: Tensor) -> Tensor:",
    shapes="the masks of a training set (B, H, W), True and False -> one map (H, W) for all pictures",
    reference=blind_map,
    inputs=_centred,
    observe=_hits,
    mistakes=(
        Mistake("a flat map", lambda k: torch.ones(k.shape[1:]), "A flat map has no peak: it points nowhere."),
        Mistake("where objects are rarest", lambda k: -k.double().mean(0), "The other way round."),
        Mistake("the first object", lambda k: k[0].double(),
                "One picture says little of where the others' objects are."),
        Mistake("where any object is", lambda k: k.any(0).double(), "How often, not whether."),
        Mistake("only where all overlap", lambda k: k.all(0).double(),
                "Hardly a pixel is part of every object: how often is it part of one?"),
        Mistake("large objects count less", lambda k: (k / k.sum((1, 2), keepdim=True).clamp(min=1)).mean(0),
                "A hit is a hit, on a large object too: every mask counts 1."),
        Mistake("rows times columns", lambda k: k.double().mean((0, 2))[:, None] * k.double().mean((0, 1)),
                "A busy row and a busy column need not meet on an object: count each pixel."),
        Mistake("the mean place", _near_the_mean,
                "The mean place of all objects may lie on few of them: count each pixel."),
    ),
    hints=("A map that looks at no picture can only know where objects usually are.",
           "How often is each pixel part of an object?"),
    picture="how often each pixel is part of an object: light where objects usually are",
    draw=lambda: pictures.maps({"all pictures": blind_map(_centred(SEED)[2][0])}, "share of pictures"),
)  # fmt: skip


# --------------------------------------------------------------------------------------------- 5. ranks


def agreement(a: Tensor, b: Tensor) -> Tensor:
    return _correlation(_ranks(a), _ranks(b))


def _ranks(m: Tensor) -> Tensor:
    return m.flatten(1).argsort(1).argsort(1).double()


def _correlation(a: Tensor, b: Tensor) -> Tensor:
    a, b = a.flatten(1), b.flatten(1)
    a, b = a - a.mean(1, keepdim=True), b - b.mean(1, keepdim=True)
    return (a * b).sum(1) / (a.square().sum(1) * b.square().sum(1)).sqrt()


AGREEMENT = Question(
    name="agreement",
    objective="4. run two sanity checks, and say what passing them proves and what it doesn't",
    minutes=10,
    difficulty=2,
    points=4,
    signature="def agreement(a: Tensor, b: Tensor) -> Tensor:",
    shapes="two sets of maps (B, h, w) without equal values -> rank correlations (B,), from -1 to 1",
    reference=agreement,
    inputs=lambda seed: [(drawn(seed, 1, 2, 2), drawn(seed + 1, 1, 2, 2)),
                         (drawn(seed + 2, 3, 4, 5), drawn(seed + 3, 3, 4, 5).exp())],
    mistakes=(
        Mistake("values for ranks", _correlation, "Correlate the ranks: one large value mustn't decide."),
        Mistake("places for ranks", lambda a, b: _correlation(a.flatten(1).argsort(1).double(),
                                                              b.flatten(1).argsort(1).double()),
                "argsort gives the places in order. The rank of each place is argsort of that."),
        Mistake("ranks of sizes", lambda a, b: agreement(a.abs(), b.abs()),
                "The signed values: a cold cell comes last, not first."),
        Mistake("ranks over the batch", lambda a, b: _correlation(
            a.flatten().argsort().argsort().view_as(a).double(), b.flatten().argsort().argsort().view_as(b).double()),
                "Each map has ranks of its own."),
        Mistake("ranks in each row", lambda a, b: _correlation(a.argsort(2).argsort(2).double(),
                                                               b.argsort(2).argsort(2).double()),
                "One order for the whole map: flatten it first."),
        Mistake("the cosine of the ranks", lambda a, b: (_ranks(a) * _ranks(b)).sum(1) / (
            _ranks(a).square().sum(1) * _ranks(b).square().sum(1)).sqrt(), "Take the mean rank off first."),
        Mistake("the covariance", lambda a, b: ((_ranks(a) - _ranks(a).mean(1, keepdim=True)) * (
            _ranks(b) - _ranks(b).mean(1, keepdim=True))).mean(1), "Divide by both spreads: from -1 to 1."),
        Mistake("the absolute correlation", lambda a, b: agreement(a, b).abs(),
                "The reverse order is -1: that isn't agreement."),
        Mistake("one order turned round", lambda a, b: -agreement(a, b), "Both orders from the smallest, or both from "
                "the largest."),
        Mistake("equal ranks counted", lambda a, b: (_ranks(a) == _ranks(b)).double().mean(1),
                "A rank that is off by one is nearly right: correlate."),
        Mistake("one number", lambda a, b: agreement(a, b).mean().expand(len(a)), "One number for each pair of maps."),
    ),
    hints=("Spearman: the correlation of the ranks. The rank of each place: m.flatten(1).argsort(1).argsort(1).",
           "Take the mean off both, multiply, add up, and divide by the root of the product of the sums of squares."),
    picture="two maps whose order of places is compared",
    draw=lambda: pictures.maps({"a": drawn(SEED, 4, 5), "b": drawn(SEED + 1, 4, 5).exp()}, "value"),
)  # fmt: skip


# --------------------------------------------------------------------------------------------- 6. a choice

PASSED = choice(
    "passed",
    "4. run two sanity checks, and say what passing them proves and what it doesn't",
    "b",
    {
        "a": ("it is right", "A map can depend on the weights and still be wrong about what they do."),
        "c": ("it points at the object", "The check looks at no mask: it compares two maps of one picture."),
        "d": ("nothing", "It does rule something out: a drawing of the picture alone, such as an edge detector."),
    },
    ("What changes in the check, and what stays?", "The picture stays, the weights change. So a map that changes ..."),
)  # fmt: skip

QUESTIONS = (POINTS_AT, BEYOND, DELETION, BLIND, AGREEMENT, PASSED)
