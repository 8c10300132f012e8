"""The questions of lesson 7: gradients, changed rules, relevance."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from course_lib.classroom.questions import SEED, Mistake, Question, pictures
from course_lib.classroom.questions.kinds import choice, drawn
from course_lib.classroom.questions.material import TinyNetwork, plain_network

WRITE = "1. write saliency, SmoothGrad, deconvolution, guided backpropagation and relevance propagation"
ASSUMES = "2. say of each what it assumes, and whether and to what its values add up"


def _gradient(
    model: TinyNetwork, x: Tensor, target: Tensor, score: Callable[[Tensor, Tensor], Tensor] | None = None
) -> Tensor:
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        logits = model(x)
        total = score(logits, target) if score else logits.gather(1, target[:, None]).sum()
        return torch.autograd.grad(total, x)[0]


def _networks(seed: int) -> list[tuple[Any, ...]]:
    """Weights, pictures, targets that are never the arg-max, and noise (n, B, 3, H, W)."""
    cases: list[tuple[Any, ...]] = []
    for n, (b, k, h, w) in enumerate([(1, 2, 1, 2), (2, 4, 2, 3)]):
        weights = drawn(seed + n, k, 3, 2, 2), drawn(seed + 10 + n, 5, k * h * w) / 4, drawn(seed + 20 + n, 4, 5)
        x = drawn(seed + 30 + n, b, 3, h + 1, w + 1)
        cases.append((*weights, x, TinyNetwork(*weights)(x).argsort(1)[:, n], drawn(seed + 40 + n, 3, *x.shape)))
    return cases


# --------------------------------------------------------------------------------------------- 1. saliency


def saliency_map(model: TinyNetwork, x: Tensor, target: Tensor) -> Tensor:
    return _gradient(model, x, target).abs().amax(1)


def _without_noise(seed: int) -> list[tuple[Any, ...]]:
    return [case[:-1] for case in _networks(seed)]


SALIENCY = Question(
    name="saliency_map",
    objective=WRITE,
    minutes=10,
    difficulty=2,
    points=4,
    signature="def saliency_map(model: TinyNetwork, x: Tensor, target: Tensor) -> Tensor:",
    shapes="pictures x (B, 3, H, W), target (B,) -> (B, H, W), logits per unit of colour, never negative",
    reference=saliency_map,
    inputs=_without_noise,
    prepare=plain_network,
    mistakes=(
        Mistake("the largest signed gradient", lambda m, x, c: _gradient(m, x, c).amax(1),
                "First the absolute value, then the largest of the three colours."),
        Mistake("the largest, then its size", lambda m, x, c: _gradient(m, x, c).amax(1).abs(),
                "First the absolute value, then the largest of the three colours."),
        Mistake("the sum over the colours", lambda m, x, c: _gradient(m, x, c).abs().sum(1),
                "Of the three colours the largest counts."),
        Mistake("the mean over the colours", lambda m, x, c: _gradient(m, x, c).abs().mean(1),
                "Of the three colours the largest counts."),
        Mistake("the colours cancel", lambda m, x, c: _gradient(m, x, c).sum(1).abs(),
                "First the absolute value, then the largest of the three colours."),
        Mistake("the length over the colours", lambda m, x, c: _gradient(m, x, c).norm(dim=1),
                "Of the three colours the largest counts."),
        Mistake("gradient x input", lambda m, x, c: (_gradient(m, x, c) * x).abs().amax(1),
                "Saliency is the gradient itself: how fast the score moves, not what the pixel adds."),
        Mistake("the probability instead of the logit", lambda m, x, c: _gradient(
            m, x, c, lambda z, t: z.softmax(1).gather(1, t[:, None]).sum()).abs().amax(1),
                "Leave the softmax out: a probability falls when another class rises."),
        Mistake("the loss instead of the logit", lambda m, x, c: _gradient(
            m, x, c, lambda z, t: torch.nn.functional.cross_entropy(z, t, reduction="sum")).abs().amax(1),
                "The gradient of the loss fades where the network is sure: take the logit."),
        Mistake("all logits", lambda m, x, c: _gradient(m, x, c, lambda z, t: z.sum()).abs().amax(1),
                "Pick the target's logit of each picture."),
        Mistake("the arg-max for the target", lambda m, x, c: saliency_map(m, x, m(x).argmax(1)),
                "Explain the class that was asked for."),
        Mistake("the mean over the batch", lambda m, x, c: saliency_map(m, x, c) / len(x),
                "Add the pictures' logits up: a mean shrinks each picture's gradient."),
        Mistake("the first picture's target for all", lambda m, x, c: _gradient(
            m, x, c, lambda z, t: z[:, t[0]].sum() + 0 * z.sum()).abs().amax(1), "Each picture has its own target."),
        Mistake("ReLU", lambda m, x, c: _gradient(m, x, c).relu().amax(1), "In either direction: the absolute value."),
        Mistake("normalized", lambda m, x, c: saliency_map(m, x, c) / saliency_map(m, x, c).amax((1, 2), keepdim=True),
                "Leave it in logits per unit of colour."),
    ),
    hints=("x needs requires_grad; the sum of the pictures' target logits has each picture's gradient in its place.",
           "torch.autograd.grad(model(x).gather(1, target[:, None]).sum(), x)[0] has the shape (B, 3, H, W).",
           "Its absolute value, and of that the largest over dimension 1: .abs().amax(1)."),
    picture="light where the score moves fast with a pixel, whichever way",
    draw=lambda: pictures.maps({
        f"picture {n + 1}": m for n, m in enumerate(saliency_map(*plain_network(*_without_noise(SEED)[1])))},
        "logits per unit"),
)  # fmt: skip


# --------------------------------------------------------------------------------------------- 2. SmoothGrad


def smooth(model: TinyNetwork, x: Tensor, target: Tensor, noise: Tensor) -> Tensor:
    return _each(model, x, target, noise).mean(0)


def _each(m: TinyNetwork, x: Tensor, c: Tensor, noise: Tensor) -> Tensor:
    return torch.stack([_gradient(m, x + one, c) for one in noise])


SMOOTH = Question(
    name="smooth",
    objective=WRITE,
    minutes=8,
    difficulty=2,
    points=4,
    signature="def smooth(model: TinyNetwork, x: Tensor, target: Tensor, noise: Tensor) -> Tensor:",
    shapes="x (B, 3, H, W), target (B,), noise (n, B, 3, H, W) -> (B, 3, H, W), signed",
    reference=smooth,
    inputs=_networks,
    prepare=plain_network,
    mistakes=(
        Mistake("the gradient without noise", lambda m, x, c, e: _gradient(m, x, c),
                "The gradients at x + noise, and their mean."),
        Mistake("the gradient at the mean picture", lambda m, x, c, e: _gradient(m, x + e.mean(0), c),
                "Average the gradients, not the pictures."),
        Mistake("the sum", lambda m, x, c, e: _each(m, x, c, e).sum(0), "The mean over the noise."),
        Mistake("the last sample only", lambda m, x, c, e: _each(m, x, c, e)[-1], "The mean over all samples."),
        Mistake("the first sample only", lambda m, x, c, e: _each(m, x, c, e)[0], "The mean over all samples."),
        Mistake("absolute gradients", lambda m, x, c, e: _each(m, x, c, e).abs().mean(0), "With their signs."),
        Mistake("squared gradients", lambda m, x, c, e: _each(m, x, c, e).square().mean(0),
                "That is SmoothGrad squared, a method of its own."),
        Mistake("noise for a picture", lambda m, x, c, e: _each(m, 0 * x, c, e).mean(0), "x plus the noise."),
        Mistake("the noise taken off", lambda m, x, c, e: _each(m, x, c, -e).mean(0), "x plus the noise."),
        Mistake("the noise multiplied", lambda m, x, c, e: torch.stack([_gradient(m, x * (1 + one), c) for one in e]
                                                                       ).mean(0), "x *plus* the noise."),
        Mistake("noise that piles up", lambda m, x, c, e: _each(m, x, c, e.cumsum(0)).mean(0),
                "Each sample starts from x itself: don't overwrite x."),
        Mistake("targets in another order than the pictures", lambda m, x, c, e: _gradient(
            m, (x + e).flatten(0, 1), c.repeat_interleave(len(e))).view_as(e).mean(0),
                "The noisy pictures come sample by sample: repeat the targets in the same order."),
        Mistake("times the input", lambda m, x, c, e: x * _each(m, x, c, e).mean(0), "The gradients alone."),
    ),
    hints=("One gradient for each noise[i], at x + noise[i].", "torch.stack(list of gradients).mean(0)"),
    picture="one gradient, and the mean of the gradients around it, for one colour",
    draw=lambda: pictures.maps({
        "gradient": _gradient(*plain_network(*_without_noise(SEED)[1]))[0, 0],
        "SmoothGrad": smooth(*plain_network(*_networks(SEED)[1]))[0, 0]}, "logits per unit"),
)  # fmt: skip


# --------------------------------------------------------------------------------------------- 3. three rules


def back_through_relu(rule: str, x: Tensor, arrives: Tensor) -> Tensor:
    passes = {"gradient": x > 0, "deconvolution": arrives > 0, "guided": (x > 0) & (arrives > 0)}
    return torch.where(passes[rule], arrives, 0.0)


def _rules(**others: Callable[[Tensor, Tensor], Tensor]) -> Callable[[str, Tensor, Tensor], Tensor]:
    return lambda rule, x, R: others[rule](x, R) if rule in others else back_through_relu(rule, x, R)


def _signals(seed: int) -> list[tuple[Any, ...]]:
    """Some ReLUs read exactly 0, with both signs arriving there."""
    cases = []
    for n, rule in enumerate(("gradient", "deconvolution", "guided")):
        x, arrives = drawn(seed + n, 12), drawn(seed + 10 + n, 12)
        x[2:4], arrives[2], arrives[3] = 0, arrives[2].abs(), -arrives[3].abs()
        cases.append((rule, x, arrives))
    return cases


RULES = Question(
    name="back_through_relu",
    objective=WRITE,
    minutes=8,
    difficulty=1,
    points=3,
    signature="def back_through_relu(rule: str, x: Tensor, arrives: Tensor) -> Tensor:",
    shapes='rule "gradient", "deconvolution" or "guided", x (n,) that the ReLU read, what arrives (n,) -> (n,)',
    reference=back_through_relu,
    inputs=_signals,
    mistakes=(
        Mistake("everything is let through", lambda rule, x, R: R, "Each rule stops something."),
        Mistake("the gradient for all", lambda rule, x, R: back_through_relu("gradient", x, R),
                "Deconvolution and guided backpropagation look at what *arrives*."),
        Mistake("guided for all", lambda rule, x, R: back_through_relu("guided", x, R),
                "Each rule has a condition of its own; guided has both."),
        Mistake("deconvolution and gradient swapped", _rules(
            gradient=lambda x, R: R.relu(), deconvolution=lambda x, R: R * (x > 0)),
                "The gradient asks what the ReLU read (x > 0), deconvolution what arrives (R > 0)."),
        Mistake("deconvolution asks both", _rules(deconvolution=lambda x, R: R.relu() * (x > 0)),
                "That is guided backpropagation; deconvolution doesn't look at x."),
        Mistake("guided asks for what arrives only", _rules(guided=lambda x, R: R.relu()),
                "Guided backpropagation asks both: x > 0 and R > 0."),
        Mistake("guided asks for x only", _rules(guided=lambda x, R: R * (x > 0)),
                "Guided backpropagation asks both: x > 0 and R > 0."),
        Mistake("guided asks for one of both", _rules(guided=lambda x, R: R * ((x > 0) | (R > 0))),
                "Both, not either."),
        Mistake("guided asks for the product", _rules(guided=lambda x, R: R * (x * R > 0)),
                "Two negatives have a positive product: ask for x > 0 and for R > 0."),
        Mistake("open at 0", _rules(gradient=lambda x, R: R * (x >= 0), guided=lambda x, R: R.relu() * (x >= 0)),
                "A ReLU that read 0 lets nothing back: x > 0."),
        Mistake("the sizes let through", _rules(deconvolution=lambda x, R: R.abs(), guided=lambda x, R: R.abs() * (x
                > 0)),
                "What is negative is stopped, not turned round."),
        Mistake("x for what arrives", lambda rule, x, R: back_through_relu(rule, x, R).sign().abs() * x,
                "What goes on is what arrived, or 0."),
    ),
    hints=("R · [x > 0], R · [R > 0], and R times both.", "arrives * (x > 0) is the gradient's rule."),
    picture="what arrives at six places, and what guided backpropagation lets through",
    draw=lambda: pictures.bars([*[f"arrives {n}" for n in (1, 2, 3)], *[f"goes on {n}" for n in (1, 2, 3)]],
                               [1.0, -0.5, 0.8, 1.0, 0.0, 0.0], "signal (the third ReLU was closed)"),
)  # fmt: skip


# --------------------------------------------------------------------------------------------- 4. relevance


def relevance(inputs: Tensor, weights: Tensor, bias: Tensor, arrives: Tensor, epsilon: float) -> Tensor:
    z = inputs @ weights.T + bias
    return inputs * ((arrives / (z + epsilon * z.sign())) @ weights)


def _layer(seed: int) -> list[tuple[Any, ...]]:
    return [(drawn(seed + n, b, i), drawn(seed + 10 + n, o, i), drawn(seed + 20 + n, o), drawn(seed + 30 + n, b, o),
        0.3)
            for n, (b, i, o) in enumerate([(1, 2, 1), (2, 4, 3)])]  # fmt: skip


RELEVANCE = Question(
    name="relevance",
    objective="4. check relevance: what reached the pixels, and what biases absorbed on the way",
    minutes=15,
    difficulty=3,
    points=5,
    signature="def relevance(inputs: Tensor, weights: Tensor, bias: Tensor, arrives: Tensor, "
    "epsilon: float) -> Tensor:",
    shapes="inputs (B, n), weights (m, n), bias (m,), what arrives at the outputs (B, m) -> what the inputs get (B, n)",
    reference=relevance,
    inputs=_layer,
    mistakes=(
        Mistake("epsilon forgotten", lambda a, w, b, R, e: relevance(a, w, b, R, 0.0),
                "Without epsilon a neuron near 0 hands on enormous amounts."),
        Mistake("epsilon always added", lambda a, w, b, R, e: a * ((R / (a @ w.T + b + e)) @ w),
                "epsilon pushes away from 0: it takes z's sign."),
        Mistake("epsilon taken off", lambda a, w, b, R, e: relevance(a, w, b, R, -e),
                "Away from 0: plus, with z's sign."),
        Mistake("the bias forgotten in z", lambda a, w, b, R, e: relevance(a, w, 0 * b, R, e),
                "z is what the neuron adds up, its bias too: that is how biases absorb relevance."),
        Mistake("the sign before the bias", lambda a, w, b, R, e: a * ((R / (a @ w.T + b + e * (a @ w.T).sign())) @ w),
                "The sign of z itself, and the bias is part of z."),
        Mistake("the size of z", lambda a, w, b, R, e: a * ((R / ((a @ w.T + b).abs() + e)) @ w),
                "z keeps its sign: a neuron below 0 hands on with the other sign."),
        Mistake("made to add up", lambda a, w, b, R, e: relevance(a, w, b, R, e) * R.sum(1, keepdim=True)
                / relevance(a, w, b, R, e).sum(1, keepdim=True),
                "What biases and epsilon absorbed is gone: the inputs don't get all that arrived."),
        Mistake("not multiplied by the inputs", lambda a, w, b, R, e: (R / (a @ w.T + b + e * (a @ w.T + b).sign()))
                @ w,
                "In proportion to what each input contributed: a_i w_ij, not the weight alone."),
        Mistake("the gradient", lambda a, w, b, R, e: R @ w, "Divide by z: a neuron hands on what it got, in shares."),
        Mistake("gradient x input", lambda a, w, b, R, e: a * (R @ w),
                "Divide by z: a neuron hands on what it got, in shares."),
        Mistake("multiplied by z", lambda a, w, b, R, e: a * ((R * (a @ w.T + b)) @ w), "Divided by z."),
        Mistake("positive contributions only", lambda a, w, b, R, e: torch.einsum(
            "boi,bo->bi", (a[:, None] * w).relu(), R / ((a[:, None] * w).relu().sum(2) + b.relu()).clamp(min=1e-9)),
                "That is the rule z⁺; the epsilon rule takes both signs."),
        Mistake("relevance ends in the largest input", lambda a, w, b, R, e: relevance(a, w, b, R, e) * (
            a.abs() == a.abs().amax(1, keepdim=True)), "Every input gets its share."),
        Mistake("shared out evenly", lambda a, w, b, R, e: R.sum(1, keepdim=True).expand_as(a) / a.shape[1],
                "In proportion to what each input contributed."),
        Mistake("the bias shared out too", lambda a, w, b, R, e: relevance(a, w, b, R, e) + (
            R * b / (a @ w.T + b + e * (a @ w.T + b).sign())).sum(1, keepdim=True) / a.shape[1],
                "What belongs to the bias stays there."),
    ),
    hints=("z = inputs @ weights.T + bias. Each output's relevance is divided by z + epsilon · sign(z).",
           "Input i gets a_i times the sum over the outputs j of w_ij · (that quotient).",
           "inputs * ((arrives / (z + epsilon * z.sign())) @ weights)"),
    picture="one bar an input, and what the biases and epsilon absorbed; together they are what arrived",
    draw=lambda: pictures.bars(
        ["input 1", "input 2", "absorbed"],
        [*relevance(*_layer(SEED)[0])[0], _layer(SEED)[0][3].sum() - relevance(*_layer(SEED)[0]).sum()], "relevance"),
)  # fmt: skip


# --------------------------------------------------------------------------------------------- 5. the loss


def loss_gradient(logits: Tensor, gradients: Tensor, target: Tensor) -> Tensor:
    p = logits.softmax(1)
    p = p - torch.nn.functional.one_hot(target, p.shape[1])
    return torch.einsum("bc,bcn->bn", p, gradients)


def _mixed(mix: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    return lambda z, g, t: torch.einsum("bc,bcn->bn", mix(z, torch.nn.functional.one_hot(t, z.shape[1]).to(z)), g)


LOSS = Question(
    name="loss_gradient",
    objective="3. say why the gradient of the loss fades, and where its map is largest",
    minutes=8,
    difficulty=2,
    points=3,
    signature="def loss_gradient(logits: Tensor, gradients: Tensor, target: Tensor) -> Tensor:",
    shapes="logits (B, C), the gradient of each of them (B, C, n), target (B,) -> "
    "gradient of -ln p of the target (B, n)",
    reference=loss_gradient,
    inputs=lambda seed: [(drawn(seed + n, b, c), drawn(seed + 10 + n, b, c, k), torch.tensor(t))
                         for n, (b, c, k, t) in enumerate([(1, 2, 2, [1]), (2, 4, 3, [3, 0])])],
    mistakes=(
        Mistake("the target's own gradient", _mixed(lambda z, t: t), "The other classes' logits count as well."),
        Mistake("minus the target's gradient", _mixed(lambda z, t: -t),
                "That is the loss of a network without a softmax: where is p?"),
        Mistake("weighed by the probabilities", _mixed(lambda z, t: z.softmax(1)), "p - 1 for the target."),
        Mistake("the sign flipped", _mixed(lambda z, t: t - z.softmax(1)), "The gradient of -ln p, which falls."),
        Mistake("p times (1 - p)", _mixed(lambda z, t: z.softmax(1) * (t - z.softmax(1).mul(t).sum(1, keepdim=True))),
                "That is the gradient of p itself."),
        Mistake("the target's logit alone", _mixed(lambda z, t: (z.softmax(1) - 1) * t),
                "The other classes' logits count as well: raising one lowers p."),
        Mistake("minus the target's gradient over p", _mixed(lambda z, t: -t / z.softmax(1)),
                "-1 / p belongs to the gradient of p; you have those of the logits."),
        Mistake("sigmoid for softmax", _mixed(lambda z, t: z.sigmoid() - t),
                "The classes share one probability: softmax."),
        Mistake("the target left out", _mixed(lambda z, t: z.softmax(1) * (1 - t)), "The target counts with p - 1."),
        Mistake("logits for probabilities", _mixed(lambda z, t: z - t), "softmax makes probabilities of the logits."),
        Mistake("softmax over the pictures", _mixed(lambda z, t: z.softmax(0) - t), "Over the classes, dimension 1."),
        Mistake("averaged over the batch", lambda z, g, t: loss_gradient(z, g, t) / len(z),
                "Each picture's own loss: cross_entropy takes the mean over the batch, unless it is told not to."),
    ),
    hints=("Each logit j counts with p_j, and the target's with p_c - 1.",
           "torch.einsum('bc,bcn->bn', p - one_hot, gradients)"),
    picture="the factor p - 1 of the target: near -1 for a network that errs, near 0 for one that is sure",
    draw=lambda: pictures.curves(
        torch.linspace(-6, 6, 60), {"p - 1": torch.linspace(-6, 6, 60).sigmoid() - 1}, "margin, logits", "factor"),
)  # fmt: skip


# --------------------------------------------------------------------------------------------- 6. a choice

DRAWING = choice(
    "only_a_drawing",
    "6. tell, by two controls, an explanation from a drawing",
    "a",
    {
        "b": ("saliency", "The gradient depends on the weights above: with random ones it is another map."),
        "c": ("Grad-CAM", "Its weights are gradients of the class: another class gives another map."),
        "d": ("none", "One of them stops what is negative on the way and forgets which class it came from."),
    },
    ("Which map stays nearly the same for another class, and with random weights in the last layers?",
     "Crisp edges are what the *picture* has."),
)  # fmt: skip

QUESTIONS = (SALIENCY, SMOOTH, RULES, RELEVANCE, LOSS, DRAWING)
