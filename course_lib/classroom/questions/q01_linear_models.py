"""The questions of lesson 1: linear models."""

from typing import Any

import torch
from torch import Tensor

from course_lib.classroom.questions import SEED, Mistake, Question, pictures
from course_lib.classroom.questions.kinds import choice, conditions, drawn

COMPUTE = "2. compute the contribution of each input to each output of a linear model, and check that they add up"
HIDES = "3. say what hides in a contribution: the baseline, the bias, the encoding, and that it speaks of the model"
FEATURES = ["wheel score", "metal score", "windows", "size"]


# --------------------------------------------------------------------------------------------- 1. contributions


def shares(weights: Tensor, inputs: Tensor) -> Tensor:
    return inputs[:, None, :] * weights


def _layer(seed: int) -> list[tuple[Any, ...]]:
    return [(drawn(seed, 2, 3), drawn(seed + 1, 1, 3)), (drawn(seed + 2, 4, 3), drawn(seed + 3, 2, 3))]


SHARES = Question(
    name="shares",
    objective=COMPUTE,
    minutes=8,
    difficulty=1,
    points=3,
    signature="def shares(weights: Tensor, inputs: Tensor) -> Tensor:",
    shapes="weights (outputs, n), inputs (B, n) -> contributions (B, outputs, n), in units of the output",
    reference=shares,
    inputs=_layer,
    mistakes=(
        Mistake("the outputs", lambda w, x: x @ w.T, "These are already added up over the inputs: keep them apart."),
        Mistake("the weights alone", lambda w, x: w.expand(len(x), *w.shape).clone(),
                "A weight says what one unit of an input would do; multiply by how much of it is there."),
        Mistake("the inputs alone", lambda w, x: x[:, None].expand(len(x), *w.shape).clone(),
                "The same input counts for one output and against another: multiply by the weight."),
        Mistake("axes swapped", lambda w, x: (x[:, None] * w).transpose(1, 2),
                "Picture, output, input: in this order."),
        Mistake("absolute values", lambda w, x: (x[:, None] * w).abs(),
                "A contribution has a sign: for the output, or against it."),
        Mistake("the absolute weight", lambda w, x: x[:, None] * w.abs(),
                "An input with a negative weight pushes the output down: keep its sign."),
        Mistake("shares of the sum", lambda w, x: x[:, None] * w / (x @ w.T)[..., None],
                "Don't divide by the output: contributions are in its unit, and a share explodes where they cancel."),
        Mistake("normalized", lambda w, x: x[:, None] * w / (x[:, None] * w).abs().amax(2, keepdim=True),
                "Leave them in the output's unit: after a division by the largest they no longer add up to it."),
        Mistake("the first picture for all", lambda w, x: (x[:1, None] * w).expand(len(x), *w.shape).clone(),
                "Each picture has contributions of its own: x[:, None, :] * weights."),
        Mistake("from the average input", lambda w, x: (x - x.mean())[:, None] * w,
                "That is another baseline; here each input is compared with 0."),
        Mistake("softmax over the inputs", lambda w, x: (x[:, None] * w).softmax(2),
                "Contributions add up to the output, not to 1."),
        Mistake("negative ones dropped", lambda w, x: (x[:, None] * w).relu(),
                "What speaks against the output belongs to the sum as well."),
        Mistake("the sign flipped", lambda w, x: -x[:, None] * w, "Weight times input, without a minus."),
    ),
    hints=(
        "The contribution of input i to output j is w_ij x_i: one number for each picture, output and input.",
        "inputs[:, None, :] has the shape (B, 1, n): it meets weights (outputs, n) for every picture.",
        "inputs[:, None, :] * weights",
    ),
    picture="one bar an input, to the right where it pushes the output up and to the left where it pushes it down",
    draw=lambda: pictures.bars(FEATURES[:3], shares(*_layer(SEED)[1])[0, 0], "contribution, log-odds"),
)  # fmt: skip


# --------------------------------------------------------------------------------------------- 2. rather than what?


def rather_than(w: Tensor, b: Tensor, x: Tensor, baseline: Tensor) -> tuple[Tensor, Tensor]:
    return w * (x - baseline), w @ baseline + b


def _points(seed: int) -> list[tuple[Any, ...]]:
    return [
        (drawn(seed + n, n), drawn(seed + 10 + n, 1)[0], drawn(seed + 20 + n, n), drawn(seed + 30 + n, n))
        for n in (2, 4)
    ]


RATHER = Question(
    name="rather_than",
    objective=HIDES,
    minutes=10,
    difficulty=2,
    points=4,
    signature="def rather_than(w: Tensor, b: Tensor, x: Tensor, baseline: Tensor) -> tuple[Tensor, Tensor]:",
    shapes="w, x, baseline (n,), b () -> contributions (n,) and start (), with contributions.sum() + start = output",
    reference=rather_than,
    inputs=_points,
    mistakes=(
        Mistake("from 0, the bias for a start", lambda w, b, x, u: (w * x, b),
                "This compares with an input of zeros. Measure each input from its baseline."),
        Mistake("from the baseline, but starting at the bias", lambda w, b, x, u: (w * (x - u), b),
                "The sum no longer gives the output: the model's answer to the baseline itself is w · baseline + b."),
        Mistake("the bias forgotten in the start", lambda w, b, x, u: (w * (x - u), w @ u),
                "The model's answer to the baseline includes its bias."),
        Mistake("the start at x", lambda w, b, x, u: (w * (x - u), w @ x + b),
                "That is the end. The start is the model's answer to the baseline."),
        Mistake("baseline less x", lambda w, b, x, u: (w * (u - x), w @ u + b),
                "How far x went *from* the baseline: x less baseline."),
        Mistake("the difference alone", lambda w, b, x, u: (x - u, w @ u + b),
                "Multiply the difference by the weight."),
        Mistake("the baseline's contributions", lambda w, b, x, u: (w * u, w @ u + b),
                "These are what the baseline adds compared with 0; asked is what x adds compared with it."),
        Mistake("from 0, the baseline's answer for a start", lambda w, b, x, u: (w * x, w @ u + b),
                "Contributions from 0 need the start at 0, which is b. Here both begin at the baseline."),
        Mistake("absolute differences", lambda w, b, x, u: (w * (x - u).abs(), w @ u + b),
                "Less of an input than in the baseline counts too, with the other sign."),
        Mistake("the bias shared out", lambda w, b, x, u: (w * (x - u) + b / len(w), w @ u),
                "The bias belongs to no input."),
        Mistake("from x to the baseline", lambda w, b, x, u: (w * (u - x), w @ x + b),
                "That way leads back: start at the baseline's output, and end at the output for x."),
        Mistake("the pair swapped", lambda w, b, x, u: (w @ u + b, w * (x - u)),
                "First the contributions, then the start."),
    ),
    hints=(
        "Where does the explanation begin? At the model's answer to the baseline.",
        "y(x) - y(baseline) is a sum over the inputs: {w_i (x_i - baseline_i)}.",
        "return w * (x - baseline), w @ baseline + b",
    ),
    picture="bars that begin at the answer to the baseline, and not at the bias",
    draw=lambda: pictures.bars(
        ["start", *FEATURES], [rather_than(*_points(SEED)[1])[1], *rather_than(*_points(SEED)[1])[0]], "log-odds"),
)  # fmt: skip


# --------------------------------------------------------------------------------------------- 3. the same model


def same_model(w: Tensor, b: Tensor, scale: Tensor, shift: Tensor) -> tuple[Tensor, Tensor]:
    return w / scale, b - (w / scale * shift).sum()


def _encodings(seed: int) -> list[tuple[Any, ...]]:
    signs = torch.tensor([1.0, -1.0, 1.0])
    return [
        (drawn(seed + n, n), drawn(seed + 10 + n, 1)[0], (drawn(seed + 20 + n, n).abs() + 0.5) * signs[:n],
         drawn(seed + 30 + n, n))
        for n in (1, 3)
    ]  # fmt: skip


SAME = Question(
    name="same_model",
    objective=HIDES,
    minutes=10,
    difficulty=3,
    points=4,
    signature="def same_model(w: Tensor, b: Tensor, scale: Tensor, shift: Tensor) -> tuple[Tensor, Tensor]:",
    shapes="w, scale, shift (n,), b () -> weights (n,) and bias () of the same model for z = scale * x + shift",
    reference=same_model,
    inputs=_encodings,
    mistakes=(
        Mistake("nothing adapted", lambda w, b, r, s: (w, b), "The same weights on other inputs are another model."),
        Mistake("the bias left as it was", lambda w, b, r, s: (w / r, b),
                "The shift adds something to every output; the bias must take it off again."),
        Mistake("the weights left as they were", lambda w, b, r, s: (w, b - w @ s),
                "An input that counts in hundredths is a hundred times as large: its weight is divided by the scale."),
        Mistake("multiplied by the scale", lambda w, b, r, s: (w * r, b - w @ s),
                "x = (z - shift) / scale, so the weight is divided by the scale."),
        Mistake("multiplied, and the bias with it", lambda w, b, r, s: (w * r, b - (w * r) @ s),
                "x = (z - shift) / scale, so the weight is divided by the scale."),
        Mistake("the shift added", lambda w, b, r, s: (w / r, b + (w / r) @ s),
                "What the shift adds must be taken off."),
        Mistake("the shift with the old weights", lambda w, b, r, s: (w / r, b - w @ s),
                "The shift is measured in the new unit, so the new weight carries it."),
        Mistake("the shift alone", lambda w, b, r, s: (w / r, b - s.sum()),
                "A shift of an input reaches the output times that input's weight."),
        Mistake("the scale without its sign", lambda w, b, r, s: (w / r.abs(), b - (w / r.abs()) @ s),
                "A scale may be negative, as depth is in place of height: the weight changes its sign with it."),
        Mistake("the bias divided", lambda w, b, r, s: (w / r, b / r.mean() - (w / r) @ s),
                "The bias has the unit of the output, which hasn't changed."),
        Mistake("the shift times the scale", lambda w, b, r, s: (w / r, b - (w * r) @ s),
                "In z = scale * x + shift the shift comes after the scale: x = (z - shift) / scale."),
    ),
    hints=(
        "Write x with z, and put that into w · x + b.",
        "x = (z - shift) / scale. What multiplies z is the new weight; what is left is the new bias.",
        "return w / scale, b - (w / scale * shift).sum()",
    ),
    picture="the contributions of one and the same model in two encodings, which differ",
    draw=lambda: pictures.bars(
        ["x, as it was", "z, shifted by 2"], [1.5, 3.5], "contribution of the one input, log-odds"),
)  # fmt: skip


# --------------------------------------------------------------------------------------------- 4. a suppressor


def suppressor() -> tuple[Tensor, Tensor]:
    signal, lamp = torch.tensor([1.0, 1.0, -1.0, -1.0]), torch.tensor([1.0, -1.0, 1.0, -1.0])
    return torch.stack([signal + lamp, lamp], 1), signal


def _suppresses(case: tuple[Any, ...], given: Any) -> tuple[str, ...]:
    X, y = (part.double() for part in given)
    if X.ndim != 2 or X.shape[1] != 2 or y.shape != X.shape[:1] or len(y) < 4:
        return conditions({"inputs (n, 2) and answers (n,), with n of 4 or more": False})
    plain = X[:, 1] @ y / (X[:, 1].square().sum() * y.square().sum()).sqrt().clamp(min=1e-12)
    X, y = X - X.mean(0), y - y.mean()
    if min(float(X.square().sum(0).min()), float(y.square().sum())) < 1e-12:
        return conditions({"neither input nor the answer is constant": False})
    r = (X.T @ y) / (X.square().sum(0) * y.square().sum()).sqrt()
    if abs(float((X[:, 0] @ X[:, 1]) / X.square().sum(0).prod().sqrt())) > 1 - 1e-9:
        return conditions({"the two inputs aren't the same up to scale": False})
    w = torch.linalg.lstsq(X, y[:, None]).solution[:, 0]
    return conditions({
        "input 2 and the answer are uncorrelated (below 0.01)": abs(float(r[1])) < 0.01,
        "the weight of input 2 is at least half that of input 1": abs(float(w[1])) >= 0.5 * abs(float(w[0])),
        "input 1 and the answer are correlated (above 0.2)": abs(float(r[0])) > 0.2,
        "the fit is nearly perfect (error below 1 % of the answer)":
            float((X @ w - y).square().sum()) < 1e-4 * float(y.square().sum()),
        "input 2 has a weight": abs(float(w[1])) > 0.01 * abs(float(w[0])),
        "it is input 2 that is uncorrelated, and not input 1": abs(float(r[1])) < 0.01 or abs(float(r[0])) >= 0.01,
        "the correlation is taken of what is left after each mean is taken off":
            abs(float(r[1])) < 0.01 or abs(float(plain)) >= 0.01,
    })  # fmt: skip


SUPPRESSOR = Question(
    name="suppressor",
    objective="4. recognize a suppressor, an input with a large weight that says nothing of the answer",
    minutes=12,
    difficulty=3,
    points=4,
    signature="def suppressor() -> tuple[Tensor, Tensor]:",
    shapes="-> inputs (n, 2) and answers (n,), n of 4 or more, in which input 2 is a suppressor",
    reference=suppressor,
    inputs=lambda seed: [()],
    observe=_suppresses,
    mistakes=(
        Mistake("an input that isn't needed", lambda: (
            torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]]), torch.tensor([1.0, 1.0, -1.0, -1.0])),
            "Uncorrelated it is, but its weight is 0: input 1 must carry a disturbance that input 2 can take off."),
        Mistake("an input that knows the answer", lambda: (
            torch.tensor([[1.0, 1.0], [2.0, -1.0], [-1.0, 3.0], [-1.0, -2.0]]), torch.tensor([2.0, 1.0, 2.0, -3.0])),
            "Your input 2 goes along with the answer. It must say nothing of it by itself."),
        Mistake("the two swapped", lambda: (suppressor()[0].flip(1), suppressor()[1]),
                "Input 1 measures signal and disturbance, input 2 the disturbance alone."),
        Mistake("a right angle, but a correlation", lambda: (
            torch.tensor([[3.0, 2.0], [1.0, -1.0], [7.0, 4.0], [1.0, -3.0]]), torch.tensor([1.0, 2.0, 3.0, 4.0])),
            "The product of input 2 and the answer is 0, but a correlation takes each one's mean off first."),
        Mistake("a weak disturbance", lambda: (
            suppressor()[0] * torch.tensor([0.0, 1.0]) + torch.stack([
                suppressor()[1] + 0.3 * suppressor()[0][:, 1], torch.zeros(4)], 1), suppressor()[1]),
            "Input 2 has a weight, but a small one: put more of the disturbance into input 1."),
        Mistake("the same input twice", lambda: (suppressor()[0][:, :1].expand(4, 2).clone(), suppressor()[1]),
                "Two copies have no weights of their own: any split of the weight fits as well."),
        Mistake("no input needed", lambda: (suppressor()[0], torch.zeros(4)), "The answer must vary."),
        Mistake("three rows", lambda: (suppressor()[0][:3], suppressor()[1][:3]), "Take four rows, or many."),
        Mistake("a weak disturbance, and noise besides", lambda: (
            torch.tensor([[1.3, 1.0], [0.7, -1.0], [-0.7, 1.0], [-1.3, -1.0]]), torch.tensor([1.0, 0.8, -0.8, -1.0])),
            "Nearly: input 2 should carry so much of input 1 that half the weight goes to taking it off."),
        Mistake("the answer is a product", lambda: (
            torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]]), torch.tensor([1.0, -1.0, -1.0, 1.0])),
            "No linear model fits a product: neither input is correlated with it, and both weights are 0."),
    ),
    hints=(
        "In the lesson: input 1 measures signal and disturbance, input 2 the disturbance alone.",
        "Signal and disturbance must be uncorrelated in your rows. With few rows, choose them: signal [1, 1, -1, -1] "
        "and lamp [1, -1, 1, -1].",
        "torch.stack([signal + lamp, lamp], 1), and the answer is the signal.",
    ),
    picture="two weights of equal size, one of them of an input that says nothing of the answer",
    draw=lambda: pictures.bars(
        ["weight of input 1", "weight of input 2", "correlation of input 2"], [1.0, -1.0, 0.0], "number"),
)  # fmt: skip


# --------------------------------------------------------------------------------------------- 5. probabilities


def chance(contributions: Tensor, bias: Tensor) -> Tensor:
    return torch.sigmoid(contributions.sum(1) + bias)


CHANCE = Question(
    name="chance",
    objective=COMPUTE,
    minutes=5,
    difficulty=1,
    points=2,
    signature="def chance(contributions: Tensor, bias: Tensor) -> Tensor:",
    shapes="contributions (B, n), in log-odds, and bias () -> probabilities (B,)",
    reference=chance,
    inputs=lambda seed: [
        (drawn(seed, 1, 2), drawn(seed + 1, 1)[0]),
        (drawn(seed + 2, 3, 4), drawn(seed + 3, 1)[0]),
        (torch.tensor([[900.0, 100.0], [-900.0, -100.0]]).double(), drawn(seed + 4, 1)[0]),  # beyond what exp can hold
    ],
    mistakes=(
        Mistake("probabilities added up", lambda p, b: torch.sigmoid(p).sum(1),
                "Contributions add up in log-odds, not in the probability: add first."),
        Mistake("probabilities averaged", lambda p, b: torch.sigmoid(p).mean(1), "Add up the log-odds first."),
        Mistake("the bias forgotten", lambda p, b: torch.sigmoid(p.sum(1)), "The bias belongs to the sum."),
        Mistake("the bias for each input", lambda p, b: torch.sigmoid((p + b).sum(1)),
                "The bias counts once, and not once for each input."),
        Mistake("log-odds", lambda p, b: p.sum(1) + b, "This is the logit; a sigmoid makes a probability of it."),
        Mistake("odds", lambda p, b: (p.sum(1) + b).exp(), "e^y are the odds p / (1 - p). Solve for p."),
        Mistake("the other class", lambda p, b: torch.sigmoid(-p.sum(1) - b), "This is the probability of the other."),
        Mistake("a softmax over the pictures", lambda p, b: (p.sum(1) + b).softmax(0),
                "Pictures don't compete: each has a probability of its own."),
        Mistake("the mean for the sum", lambda p, b: torch.sigmoid(p.mean(1) + b), "The output is the sum."),
        Mistake("infinity divided by infinity", lambda p, b: (p.sum(1) + b).exp() / (1 + (p.sum(1) + b).exp()),
                "e^y / (1 + e^y) is right on paper, but e^1000 is infinite in the computer: 1 / (1 + e^(-y)) isn't."),
    ),
    hints=("First the log-odds y, which is a sum. Then p = 1 / (1 + e^(-y)).",
           "torch.sigmoid(contributions.sum(dim=1) + bias)"),
    picture="the probability over the log-odds, an S that is steep at even odds",
    draw=lambda: pictures.curves(
        torch.linspace(-6, 6, 80), {"probability": torch.linspace(-6, 6, 80).sigmoid()}, "log-odds", "probability"),
)  # fmt: skip


# --------------------------------------------------------------------------------------------- 6. a choice

UNIT = choice(
    "in_centimetres",
    HIDES,
    "b",
    {
        "a": ("the weight stays", "The number is a hundred times as large now, so its weight must be a hundredth."),
        "c": ("only the output stays", "Weight times input: one is a hundredth, the other a hundred times as large."),
        "d": ("nothing stays", "The weight is adapted so that the output is the same. What else "
              "follows for weight times input?"),
    },
    ("Write down w x for 2 metres with w = 3, then for 200 centimetres. Which w gives the same output?",
     "3 · 2 = 0.03 · 200"),
)  # fmt: skip

QUESTIONS = (SHARES, CHANCE, RATHER, SAME, SUPPRESSOR, UNIT)
