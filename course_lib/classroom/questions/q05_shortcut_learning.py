"""The questions of lesson 5: shortcut learning."""

from typing import Any

import torch
from torch import Tensor

from course_lib.classroom.questions import SEED, Mistake, Question, pictures
from course_lib.classroom.questions.kinds import choice, conditions, drawn, text
from course_lib.classroom.questions.material import TinyNetwork, biased_network

INTERVENE = "1. say why a test set from the same source cannot reveal a shortcut, and which four interventions do"
BLACK = "2. explain where a black background comes from when nobody painted one"
BLIND_BY = "3. prove for seven methods under which condition they cannot show a cue"
SHOWS = "4. tell a heat map that shows a shortcut from one that only looks like it"


# --------------------------------------------------------------------------------------------- 1. compositing


def on_background(pixels: Tensor, background: Tensor) -> Tensor:
    colour, alpha = pixels[:, :3], pixels[:, 3:]
    return alpha * colour + (1 - alpha) * background[:, None, None]


def _transparent(seed: int) -> list[tuple[Any, ...]]:
    cases = []
    for n, (b, h, w) in enumerate([(1, 1, 2), (2, 3, 4)]):
        generator = torch.Generator().manual_seed(seed + n)
        cases.append((torch.rand(b, 4, h, w, generator=generator).double(), torch.rand(3,
            generator=generator).double()))
    return cases


COMPOSITE = Question(
    name="on_background",
    objective=BLACK,
    minutes=8,
    difficulty=1,
    points=3,
    signature="def on_background(pixels: Tensor, background: Tensor) -> Tensor:",
    shapes="pixels (B, 4, H, W): red, green, blue and opacity, background (3,), all in [0, 1] -> (B, 3, H, W)",
    reference=on_background,
    inputs=_transparent,
    mistakes=(
        Mistake("the opacity thrown away", lambda p, b: p[:, :3].clone(),
                "That is convert('RGB'): whatever colour was stored under a transparent pixel comes out."),
        Mistake("on black", lambda p, b: p[:, 3:] * p[:, :3], "Where it is transparent, the background shows."),
        Mistake("on white", lambda p, b: p[:, 3:] * p[:, :3] + 1 - p[:, 3:], "The background that is given."),
        Mistake("opacity the wrong way round", lambda p, b: (1 - p[:, 3:]) * p[:, :3] + p[:, 3:] * b[:, None, None],
                "Opacity 1 shows the picture, 0 the background."),
        Mistake("hard edges", lambda p, b: torch.where(p[:, 3:] > 0.5, p[:, :3], b[:, None, None].expand_as(p[:, :3])),
                "Half-transparent pixels are blended: hard edges are a cue of their own."),
        Mistake("the background added", lambda p, b: p[:, 3:] * p[:, :3] + b[:, None, None],
                "Only as much of the background as the opacity leaves: (1 - alpha)."),
        Mistake("half and half", lambda p, b: (p[:, :3] + b[:, None, None]) / 2, "Each pixel by its own opacity."),
        Mistake("a grey background", lambda p, b: p[:, 3:] * p[:, :3] + (1 - p[:, 3:]) * b.mean(),
                "The background has three colours: background[:, None, None]."),
        Mistake("the opacity multiplied twice", lambda p, b: p[:, 3:] ** 2 * p[:, :3] + (1 - p[:, 3:]) * b[:, None,
                None],
                "Once: these colours are not multiplied with their opacity yet."),
    ),
    hints=("α F + (1 - α) B, with the opacity α of each pixel.",
           "pixels[:, :3] are the colours, pixels[:, 3:] the opacity, of shape (B, 1, H, W)."),
    picture="the opacity of each pixel, and what comes out in one colour",
    draw=lambda: pictures.maps({"opacity": _transparent(SEED)[1][0][0, 3],
                                "red, blended": on_background(*_transparent(SEED)[1])[0, 0]}, "value"),
)  # fmt: skip


# --------------------------------------------------------------------------------------------- 2. a blank picture


def blank_margin(model: TinyNetwork, colour: Tensor, size: int) -> Tensor:
    with torch.no_grad():
        logits: Tensor = model(colour[None, :, None, None].expand(1, 3, size, size))[0]
    return logits[0] - logits[1]


def _networks(seed: int) -> list[tuple[Any, ...]]:
    cases: list[tuple[Any, ...]] = []
    for n, (size, k) in enumerate([(2, 2), (4, 3)]):
        side = (size - 1) ** 2
        colour = torch.rand(3, generator=torch.Generator().manual_seed(seed + n)).double()
        cases.append((drawn(seed + n, k, 3, 2, 2), drawn(seed + 10 + n, 5, k * side) / 2, drawn(seed + 20 + n, 2, 5),
                      drawn(seed + 30 + n, 2), colour, size))  # fmt: skip
    return cases


def _blank(m: TinyNetwork, colour: Tensor, size: int) -> Tensor:
    with torch.no_grad():
        logits: Tensor = m(colour[None, :, None, None].expand(1, 3, size, size))[0]
    return logits


BLANK = Question(
    name="blank_margin",
    objective=INTERVENE,
    minutes=8,
    difficulty=2,
    points=3,
    signature="def blank_margin(model: TinyNetwork, colour: Tensor, size: int) -> Tensor:",
    shapes="a network with 2 classes, a colour (3,), the side of its pictures -> the margin, a tensor ()",
    reference=blank_margin,
    inputs=_networks,
    prepare=biased_network,
    mistakes=(
        Mistake("black whatever the colour", lambda m, c, s: blank_margin(m, 0 * c, s), "The colour that is given."),
        Mistake("white whatever the colour", lambda m, c, s: blank_margin(m, 0 * c + 1, s),
                "The colour that is given."),
        Mistake("grey", lambda m, c, s: blank_margin(m, c.mean().expand(3), s),
                "All three colours, each in its layer."),
        Mistake("the other class first", lambda m, c, s: -blank_margin(m, c, s), "Class 0 less class 1."),
        Mistake("a difference of probabilities", lambda m, c, s: (lambda p: p[0] - p[1])(_blank(m, c, s).softmax(0)),
                "The margin is a difference of logits: probabilities saturate."),
        Mistake("the size of the margin", lambda m, c, s: blank_margin(m, c, s).abs(), "Its sign says which class."),
        Mistake("the first logit", lambda m, c, s: _blank(m, c, s)[0],
                "One logit says nothing: any number may be added to both."),
        Mistake("the probability", lambda m, c, s: _blank(m, c, s).softmax(0)[0], "The margin is in logits."),
        Mistake("less the margin of black", lambda m, c, s: blank_margin(m, c, s) - blank_margin(m, 0 * c, s),
                "Black has a margin, too: what is asked for is the margin itself."),
        Mistake("half the margin", lambda m, c, s: _blank(m, c, s)[0] - _blank(m, c, s).mean(),
                "That is the logit less the mean of both, half of the margin."),
    ),
    hints=("A blank picture: colour[None, :, None, None].expand(1, 3, size, size).",
           "logits = model(picture)[0]; the margin is logits[0] - logits[1]."),
    picture="the margin of a black, a grey and a white picture, for a network that knows the background only",
    draw=lambda: pictures.bars(["black", "grey", "white"], [6.0, 0.5, -5.0], "margin, logits"),
)  # fmt: skip


# --------------------------------------------------------------------------------------------- 3. a blind spot


def blind_spot() -> tuple[Tensor, Tensor]:
    return torch.tensor([-4.0, 1.0]), torch.tensor([0.0, 1.0])


def _blind(case: tuple[Any, ...], given: Any) -> tuple[str, ...]:
    w, x = (part.double() for part in given)
    if w.ndim != 1 or w.shape != x.shape or len(w) < 2 or not 0 <= float(x.min()) <= float(x.max()) <= 1:
        return conditions({"w and x are (n,), with n of 2 or more and x in [0, 1]": False})
    flipped = x.clone()
    flipped[0] = 1.0
    return conditions({
        "f(x) is above 0": w @ x > 0,
        "with pixel 0 set to white, f is below 0": w @ flipped < 0,
        "gradient x input says 0 for pixel 0": w[0] * x[0] == 0,
        "pixel 0 has a weight": w[0] != 0,
        "gradient x input says something of the others": (w[1:] * x[1:]).abs().sum() > 0,
    })  # fmt: skip


BLIND_SPOT = Question(
    name="blind_spot",
    objective=BLIND_BY,
    minutes=8,
    difficulty=2,
    points=2,
    signature="def blind_spot() -> tuple[Tensor, Tensor]:",
    shapes="-> weights (n,) and a picture (n,) in [0, 1], n of 2 or more, for f = w · x; 0 is black, 1 white",
    reference=blind_spot,
    inputs=lambda seed: [()],
    observe=_blind,
    mistakes=(
        Mistake("a white pixel", lambda: (torch.tensor([-4.0, 6.0]), torch.tensor([1.0, 1.0])),
                "Gradient x input sees a white pixel. Which value does it never see?"),
        Mistake("no weight", lambda: (torch.tensor([0.0, 1.0]), torch.tensor([0.0, 1.0])),
                "Without a weight the pixel decides nothing."),
        Mistake("a weight that is too small", lambda: (torch.tensor([-0.5, 1.0]), torch.tensor([0.0, 1.0])),
                "Setting the pixel to white must change the answer."),
        Mistake("a black picture", lambda: (torch.tensor([-4.0, 1.0]), torch.tensor([0.0, 0.0])),
                "f(x) must be above 0: another pixel has to speak for it."),
        Mistake("a weight of the other sign", lambda: (torch.tensor([4.0, -1.0]), torch.tensor([0.0, 1.0])),
                "f(x) above 0 first, and below 0 with pixel 0 set to white."),
    ),
    hints=("Gradient x input is w_i x_i. For which x_0 is it 0, whatever the weight?",
           "A black pixel 0 whose being black matters: a large negative weight."),
    picture="what gradient x input says of the two pixels, and what setting each to the other colour does",
    draw=lambda: pictures.bars(["pixel 0, says the method", "pixel 1, says the method", "pixel 0, turned white"],
                               [0.0, 1.0, -4.0], "f"),
)  # fmt: skip


# ------------------------------------------------------------------------------------- 4. a hidden baseline


def hidden_baseline(gradients: Tensor, pictures: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    return (gradients * (pictures - mean[:, None, None])).sum(1)


def _normalized(seed: int) -> list[tuple[Any, ...]]:
    return [(drawn(seed + n, *shape), torch.rand(*shape, generator=torch.Generator().manual_seed(seed)).double(),
             drawn(seed + 10 + n, 3).abs() / 2, drawn(seed + 20 + n, 3).abs() + 0.2)
            for n, shape in enumerate([(1, 3, 1, 2), (2, 3, 4, 5)])]  # fmt: skip


def _along(mean: Tensor) -> Tensor:
    return mean[:, None, None]


HIDDEN = Question(
    name="hidden_baseline",
    objective=BLIND_BY,
    minutes=12,
    difficulty=3,
    points=4,
    signature="def hidden_baseline(gradients: Tensor, pictures: Tensor, mean: Tensor, std: Tensor) -> Tensor:",
    shapes="df/dx and pictures x (B, 3, H, W), mean and std (3,) -> sum over the colours of z df/dz, (B, H, W)",
    reference=hidden_baseline,
    inputs=_normalized,
    mistakes=(
        Mistake("gradient x input of the pixels", lambda g, x, m, s: (g * x).sum(1),
                "That has black for its baseline. Normalized, the mean is what counts as 0."),
        Mistake("the pixels' gradient, normalized input", lambda g, x, m, s: (g * (x - _along(m)) / _along(s)).sum(1),
                "The gradient is of z as well: by the chain rule df/dz = std df/dx."),
        Mistake("the chain rule the wrong way round", lambda g, x, m, s: (g * (x - _along(m)) / _along(s) ** 2).sum(1),
                "z = (x - mean) / std, so df/dz = std times df/dx."),
        Mistake("the chain rule alone", lambda g, x, m, s: (g * x * _along(s)).sum(1), "z is (x - mean) / std, not x."),
        Mistake("the mean added", lambda g, x, m, s: (g * (x + _along(m))).sum(1), "The mean is taken off."),
        Mistake("one mean for all colours", lambda g, x, m, s: (g * (x - m.mean())).sum(1), "Each colour has its own."),
        Mistake("the largest colour", lambda g, x, m, s: (g * (x - _along(m))).amax(1), "Add the colours up."),
        Mistake("absolute values", lambda g, x, m, s: (g * (x - _along(m))).abs().sum(1), "With their signs."),
        Mistake("the mean over the colours", lambda g, x, m, s: (g * (x - _along(m))).mean(1), "Add the colours up."),
        Mistake("the mean divided by std", lambda g, x, m, s: (g * (x - _along(m / s))).sum(1),
                "Work it out: z df/dz = (x - mean) / std * std * df/dx."),
        Mistake("the sign flipped", lambda g, x, m, s: (g * (_along(m) - x)).sum(1), "x less mean."),
    ),
    hints=("z = (x - mean) / std. What is df/dz, when df/dx is known?",
           "df/dz = std df/dx, so std drops out of z df/dz.",
           "(gradients * (pictures - mean[:, None, None])).sum(1)"),
    picture="two maps of one picture and one function: black is 0 in one of them only",
    draw=lambda: pictures.maps({
        "gradient x input": (_normalized(SEED)[1][0] * _normalized(SEED)[1][1]).sum(1)[0],
        "of the normalized picture": hidden_baseline(*_normalized(SEED)[1])[0]}),
)  # fmt: skip


# --------------------------------------------------------------------------------------------- 5. what it uses


def uses(iid: float, background: float, codec: float) -> str:
    return "background" if background < 0.3 else "codec" if codec < 0.3 else "shape"


def _tables(seed: int) -> list[tuple[Any, ...]]:
    rows = [(1.0, 0.01, 0.98), (0.98, 0.96, 0.03), (0.92, 0.91, 0.9), (0.96, 0.02, 0.02), (0.97, 0.25, 0.05),
            (0.95, 0.4, 0.9), (0.7, 0.25, 0.69), (0.72, 0.45, 0.7)]  # fmt: skip
    noise = torch.rand(len(rows), 3, generator=torch.Generator().manual_seed(seed)).div(50).tolist()
    near = [tuple(round(abs(a - b), 3) for a, b in zip(*pair, strict=True)) for pair in zip(rows, noise, strict=True)]
    return [*near, (1.0, 0.3, 0.97)]  # 0.3 isn't less than 0.3


USES = Question(
    name="uses",
    objective=INTERVENE,
    minutes=6,
    difficulty=1,
    points=2,
    signature="def uses(iid: float, background: float, codec: float) -> str:",
    shapes='shares right: as trained, backgrounds swapped, codecs swapped -> "background", "codec" or "shape"',
    reference=uses,
    inputs=_tables,
    mistakes=(
        Mistake("the i.i.d. score believed", lambda i, b, c: "shape" if i > 0.9 else "background",
                "The i.i.d. test set shares the confounder: look at the swaps."),
        Mistake("the codec asked first", lambda i, b, c: "codec" if c < 0.3 else "background" if b < 0.3 else "shape",
                "Where both swaps hurt, say background: it is asked for first."),
        Mistake("the two swaps mixed up", lambda i, b, c: "codec" if b < 0.3 else "background" if c < 0.3 else "shape",
                "A swap that hurts names the cue that was swapped."),
        Mistake("the lower one where both are low", lambda i, b, c: "shape" if min(b, c) >= 0.3 else (
            "background" if b < c else "codec"), "If both swaps leave less than 30 %, say background."),
        Mistake("less than half", lambda i, b, c: "background" if b < 0.5 else "codec" if c < 0.5 else "shape",
                "Less than 30 % right, not less than half."),
        Mistake("30 % of what was right before", lambda i, b, c: "background" if b < 0.3 * i else (
            "codec" if c < 0.3 * i else "shape"), "30 % of all pictures, whatever was right before."),
        Mistake("a fall of 30 points", lambda i, b, c: "background" if i - b > 0.3 else (
            "codec" if i - c > 0.3 else "shape"), "What is left counts, not how far it fell."),
        Mistake("30 % as well", lambda i, b, c: "background" if b <= 0.3 else "codec" if c <= 0.3 else "shape",
                "*Less* than 30 %."),
        Mistake("the swap that changes nothing", lambda i, b, c: "background" if b > 0.5 else (
            "codec" if c > 0.5 else "shape"), "A swap that *hurts* names the cue."),
    ),
    hints=("A network that uses the background alone gets everything wrong when backgrounds are swapped.",
           "Below 0.3 after a swap: that is what it used. Neither: the shape."),
    picture="the accuracies of four networks after each swap, of which one uses shapes",
    draw=lambda: pictures.bars(["i.i.d.", "swapped background", "swapped codec"], [0.92, 0.91, 0.9], "share right"),
)  # fmt: skip


# --------------------------------------------------------------------------------------------- 6. in your words

COLLEAGUE = text(
    "to_a_colleague",
    SHOWS,
    minutes=8,
    points=3,
    example="An outline that a file format left sits on the animal, too. Swap the formats: what is left of 99 %?",
    hints=("Which cue would lie on the animal, too?",
           "Which one thing would you change, and what would each of the two possible results mean?"),
)  # fmt: skip

# --------------------------------------------------------------------------------------------- 7. a choice

REPAIR = choice(
    "where_to_repair",
    "5. repair data, and find the shortcut that your repair has left, or made",
    "d",
    {
        "a": ("in the test set", "A cleaner test shows the fraud; the network still lives on it."),
        "b": ("in the folder, once", "The network then sees files in use that never went through the repair."),
        "c": ("in the last layer", "Nothing in the weights keeps the cue out: the pictures carry it."),
    },
    ("Which pictures will the network meet when it is used?", "All of them pass one place on their way in."),
)  # fmt: skip

QUESTIONS = (COMPOSITE, BLANK, BLIND_SPOT, HIDDEN, USES, COLLEAGUE, REPAIR)
