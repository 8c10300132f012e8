"""The questions of lesson 3: Grad-CAM."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from course_lib.classroom.questions import SEED, Mistake, Question, pictures
from course_lib.classroom.questions.kinds import choice, conditions, drawn
from course_lib.classroom.questions.material import TinyNetwork, tiny_network

# --------------------------------------------------------------------------------------------- 1. alpha


def alpha(gradients: Tensor) -> Tensor:
    return gradients.mean((2, 3))


def _gradients(seed: int) -> list[tuple[Any, ...]]:
    large = drawn(seed + 1, 2, 4, 3, 5)
    large[0, 1, 2, 4] = large[1, 2, 1, 1] = large[1, 2, 2, 3] = 0  # as behind a ReLU
    return [(drawn(seed, 1, 2, 1, 2),), (large,)]


ALPHA = Question(
    name="alpha",
    objective="1. write Grad-CAM in ten lines, and say what each line does",
    minutes=5,
    difficulty=1,
    points=2,
    signature="def alpha(gradients: Tensor) -> Tensor:",
    shapes="gradients (B, K, h, w) -> (B, K), in logits per unit of activation",
    reference=alpha,
    inputs=_gradients,
    mistakes=(
        Mistake(
            "pooled over the batch",
            lambda g: g.mean((0, 2, 3)).expand(g.shape[:2]),
            "Each picture has weights of its own; keep dimension 0 out of the mean.",
        ),
        Mistake(
            "mean over the channels",
            lambda g: g.mean(1),
            "The mean runs over the places; the channels stay apart.",
        ),
        Mistake(
            "the absolute gradient",
            lambda g: g.abs().mean((2, 3)),
            "A channel may speak against the class: keep the gradient's sign.",
        ),
        Mistake(
            "the absolute mean",
            lambda g: g.mean((2, 3)).abs(),
            "A weight may be negative: that channel speaks against the class.",
        ),
        Mistake(
            "ReLU on the gradients",
            lambda g: g.relu().mean((2, 3)),
            "That is near Grad-CAM++; Grad-CAM averages gradients of both signs.",
        ),
        Mistake(
            "ReLU on the weights",
            lambda g: g.mean((2, 3)).relu(),
            "The ReLU comes at the end, on the map, and not on the weights.",
        ),
        Mistake("the largest gradient", lambda g: g.amax((2, 3)), "Average pooling of the gradient, not max pooling."),
        Mistake(
            "the norm of the gradient",
            lambda g: g.square().mean((2, 3)).sqrt(),
            "The plain mean: no squares, so that the sign survives.",
        ),
        Mistake("one place only", lambda g: g[:, :, 0, 0], "All places count, not only the first."),
        Mistake("mean over one side only", lambda g: g.mean(3)[..., 0], "Both sides: average over height and width."),
        Mistake("sum for mean", lambda g: g.sum((2, 3)), "Divide by Z = h w: it is a mean. That is the theorem's 1/Z."),
        Mistake(
            "mean over the gradients that aren't 0",
            lambda g: g.sum((2, 3)) / (g != 0).sum((2, 3)),
            "A gradient of 0 counts as well: Z is the number of all places, h w.",
        ),
        Mistake("the sign flipped", lambda g: -g.mean((2, 3)), "The mean of the gradient itself, not of its negative."),
    ),
    hints=(
        "The formula is alpha_k = (1/Z) Σ_ij g^k_ij. Which two dimensions are i and j?",
        "Tensor.mean takes several dimensions at once, as a tuple.",
        "gradients.mean(dim=(2, 3))",
    ),
    picture="one bar a channel, to the right for channels that speak for the class, to the left for those against it",
    draw=lambda: pictures.bars(["channel 1", "channel 2", "channel 3", "channel 4"],
                               alpha(_gradients(SEED)[1][0])[0], "logits per unit of activation"),
)

# --------------------------------------------------------------------------------------------- 2. grad_cam


def _steps(
    model: TinyNetwork,
    pictures: Tensor,
    target: Tensor,
    score: Callable[[Tensor, Tensor], Tensor] = lambda z, c: z.gather(1, c[:, None]).sum(),
    weights: Callable[[Tensor], Tensor] = lambda g: g.mean((2, 3), keepdim=True),
    add: Callable[[Tensor], Tensor] = lambda a: a.sum(1),
    end: Callable[[Tensor], Tensor] = torch.relu,
    before_relu: bool = False,
) -> Tensor:
    """Grad-CAM with each of its steps replaceable: the mistakes are one step each."""
    with torch.enable_grad():
        before = model.conv(pictures).detach().requires_grad_()
        after = before.relu()
        logits = model.head(after)
        layer = before if before_relu else after
        (g,) = torch.autograd.grad(score(logits, target), layer)
    return end(add(weights(g) * layer)).detach()


def grad_cam(model: TinyNetwork, pictures: Tensor, target: Tensor) -> Tensor:
    return _steps(model, pictures, target)


def _with(**steps: Any) -> Callable[..., Tensor]:
    return lambda model, pictures, target: _steps(model, pictures, target, **steps)


def _network(seed: int) -> list[tuple[Any, ...]]:
    """A case of one picture, drawn until its map has both signs: on a map of zeros few mistakes show."""
    for first in range(seed, seed + 2000, 100):
        cases = _networks(first)
        model, pictures, target = tiny_network(*cases[0])
        raw = _steps(model, pictures, target, end=lambda m: m)
        if raw.max() > 0.05 and raw.min() < -0.05:
            break
    return cases


def _networks(seed: int) -> list[tuple[Any, ...]]:
    cases: list[tuple[Any, ...]] = []
    for number, (batch, k, h, w) in enumerate([(1, 2, 2, 3), (2, 5, 3, 4)]):
        kernels, pictures = drawn(seed + number, k, 3, 2, 2), drawn(seed + 10 + number, batch, 3, h + 1, w + 1)
        hidden, out = drawn(seed + 20 + number, 6, k * h * w) / 6, drawn(seed + 30 + number, 4, 6)
        model = TinyNetwork(kernels, hidden, out)
        order = model(pictures).argsort(1)
        target = order[:, 1] if number else order[:, 2]  # never the arg-max
        if batch > 1:
            target[1] = order[1, (order[1] != target[0]).nonzero()[0, 0]]  # two pictures, two targets
        cases.append((kernels, hidden, out, pictures, target))
    return cases


GRAD_CAM = Question(
    name="grad_cam",
    objective="1. write Grad-CAM in ten lines, and say what each line does",
    minutes=20,
    difficulty=2,
    points=6,
    signature="def grad_cam(model: TinyNetwork, pictures: Tensor, target: Tensor) -> Tensor:",
    shapes="pictures (B, 3, H, W), target (B,) -> maps (B, h, w) after the ReLU, in logits",
    reference=grad_cam,
    inputs=_network,
    prepare=tiny_network,
    mistakes=(
        Mistake(
            "pre-ReLU activations",
            _with(before_relu=True),
            "The head reads the activations after their ReLU: differentiate with respect to these, and add up these.",
        ),
        Mistake(
            "the probability instead of the logit",
            _with(score=lambda z, c: z.softmax(1).gather(1, c[:, None]).sum()),
            "Leave the softmax out: a probability falls when any other class rises.",
        ),
        Mistake(
            "the log-probability instead of the logit",
            _with(score=lambda z, c: z.log_softmax(1).gather(1, c[:, None]).sum()),
            "A cross-entropy is no score of one class: take the logit itself.",
        ),
        Mistake(
            "the loss instead of the logit",
            _with(score=lambda z, c: -z.log_softmax(1).gather(1, c[:, None]).sum()),
            "The loss falls where the score rises: differentiate the logit.",
        ),
        Mistake(
            "the arg-max for the target",
            lambda m, x, c: _steps(m, x, m(x).argmax(1)),
            "Explain the class that was asked for, which need not be the winner.",
        ),
        Mistake(
            "the first picture's target for all",
            lambda m, x, c: _steps(m, x, c[:1].expand_as(c)),
            "Each picture has its own target: logits[i, target[i]].",
        ),
        Mistake(
            "every target for every picture",
            _with(score=lambda z, c: z[:, c].sum()),
            "logits[:, target] is (B, B): it picks every target for every picture. One for each is meant.",
        ),
        Mistake(
            "the mean of the scores",
            _with(score=lambda z, c: z.gather(1, c[:, None]).mean()),
            "A mean over the batch divides each picture's gradient by B: add the scores up.",
        ),
        Mistake(
            "all logits added up",
            _with(score=lambda z, c: z.sum()),
            "Pick each picture's target before you add up: logits.gather(1, target[:, None]).",
        ),
        Mistake(
            "pooled over the batch",
            _with(weights=lambda g: g.mean((0, 2, 3), keepdim=True)),
            "Each picture has weights of its own; keep dimension 0 out of the mean.",
        ),
        Mistake(
            "unpooled",
            _with(weights=lambda g: g),
            "That is HiResCAM: Grad-CAM averages the gradient over the places first.",
        ),
        Mistake(
            "the absolute gradient",
            _with(weights=lambda g: g.abs().mean((2, 3), keepdim=True)),
            "A channel may speak against the class: keep the gradient's sign.",
        ),
        Mistake(
            "ReLU on the gradients",
            _with(weights=lambda g: g.relu().mean((2, 3), keepdim=True)),
            "The mean runs over gradients of both signs; one ReLU, on the map, comes last.",
        ),
        Mistake(
            "ReLU before the sum over the channels",  # of the weights or of the products: activations are >= 0
            _with(weights=lambda g: g.mean((2, 3), keepdim=True).relu()),
            "The ReLU belongs on the map, after the sum: a channel against the class must be able to cancel.",
        ),
        Mistake(
            "the largest gradient",
            _with(weights=lambda g: g.amax((2, 3), keepdim=True)),
            "Average pooling of the gradient, not max pooling.",
        ),
        Mistake(
            "mean over channels", _with(add=lambda a: a.mean(1)), "Add the channels up; only the gradient is averaged."
        ),
        Mistake(
            "sum for mean",
            _with(weights=lambda g: g.sum((2, 3), keepdim=True)),
            "The weight is a mean over the places: divide by Z = h w.",
        ),
        Mistake("no ReLU", _with(end=lambda m: m), "This is the raw map; the question asks for what is above 0."),
        Mistake("the absolute map", _with(end=torch.abs), "A ReLU sets what is negative to 0; it doesn't fold it up."),
        Mistake(
            "the sign flipped before the ReLU",
            _with(end=lambda m: (-m).relu()),
            "This is the counterfactual map, the evidence against the class.",
        ),
        Mistake("the sign flipped", _with(end=lambda m: -m.relu()), "Evidence for the class is positive."),
        Mistake(
            "normalized",
            _with(end=lambda m: m.relu() / m.relu().amax((1, 2), keepdim=True).clamp(min=1e-12)),
            "Leave the map in logits: after a division by its maximum no two maps can be compared.",
        ),
        Mistake(
            "H and W swapped",
            _with(end=lambda m: m.relu().transpose(1, 2)),
            "Height comes before width: (B, h, w).",
        ),
    ),
    hints=(
        "Four steps: activations, gradient of the target's logit, its mean over the places, weighted sum with a ReLU.",
        "The activations are model.conv(pictures).relu(); from them model.head makes the logits. The sum of the "
        "pictures' target logits has the gradient of each picture in its place.",
        "torch.autograd.grad(logits.gather(1, target[:, None]).sum(), activations)[0].mean((2, 3))[:, :, None, None] "
        "is alpha, ready to multiply.",
    ),
    picture="light where a cell speaks for the class, black where nothing does",
    draw=lambda: pictures.maps(
        {f"picture {n + 1}": one for n, one in enumerate(grad_cam(*tiny_network(*_network(10)[1])))}),
)

# --------------------------------------------------------------------------------------------- 3. the theorem's number


def bias_from_map(raw: Tensor, logit: Tensor) -> Tensor:
    return logit - raw.sum((1, 2))


def _maps(seed: int) -> list[tuple[Any, ...]]:
    return [(drawn(seed, 1, 1, 2), drawn(seed + 1, 1)), (drawn(seed + 2, 3, 4, 5), drawn(seed + 3, 3))]


BIAS = Question(
    name="bias_from_map",
    objective="2. prove when it equals CAM, and give a counterexample for each condition that is dropped",
    minutes=8,
    difficulty=2,
    points=3,
    signature="def bias_from_map(raw: Tensor, logit: Tensor) -> Tensor:",
    shapes="raw Grad-CAM maps (B, h, w), before the ReLU, and logits (B,) of a GAP + linear head -> biases (B,)",
    reference=bias_from_map,
    inputs=_maps,
    mistakes=(
        Mistake(
            "mean for sum",
            lambda m, s: s - m.mean((1, 2)),
            "That holds for CAM: mean + bias = logit. Grad-CAM is CAM divided by Z, so its sum takes that place.",
        ),
        Mistake(
            "the ReLU's sum", lambda m, s: s - m.relu().sum((1, 2)), "After the ReLU nothing adds up: take the raw map."
        ),
        Mistake("added", lambda m, s: s + m.sum((1, 2)), "Sum of the map + bias = logit. Solve for the bias."),
        Mistake(
            "the sum alone", lambda m, s: m.sum((1, 2)), "This is the logit without its bias; where does the rest go?"
        ),
        Mistake("summed over the batch", lambda m, s: s - m.sum(), "Each picture's map adds up to its own logit."),
        Mistake("the largest value", lambda m, s: s - m.amax((1, 2)), "The sum over all cells, not the largest cell."),
        Mistake("the absolute sum", lambda m, s: s - m.abs().sum((1, 2)), "The map has two signs, and both count."),
        Mistake("summed over one side", lambda m, s: s - m.sum(2)[:, 0], "Sum over the height and the width."),
        Mistake(
            "the sum of CAM", lambda m, s: s - m.sum((1, 2)) * m[0].numel(), "The map is CAM/Z already: no Z is left."
        ),
        Mistake("the sign flipped", lambda m, s: m.sum((1, 2)) - s, "Sum of the map + bias = logit, so bias = ..."),
    ),
    hints=(
        "On GAP and one linear layer the map is CAM divided by Z. What does CAM's mean, plus the bias, give?",
        "Σ_ij L + b = S: one equation, one unknown.",
        "logit - raw.sum(dim=(1, 2))",
    ),
    picture="no picture: one number for each map, the same one for all pictures of a class",
)

# --------------------------------------------------------------------------------------------- 4. the counterfactual


def counterfactual_map(activations: Tensor, gradients: Tensor) -> Tensor:
    return (-_raw(activations, gradients)).relu()


def _raw(activations: Tensor, gradients: Tensor) -> Tensor:
    return (gradients.mean((2, 3), keepdim=True) * activations).sum(1)


def _recorded(seed: int) -> list[tuple[Any, ...]]:
    shapes = [(1, 2, 2, 3), (2, 5, 3, 4)]
    return [(drawn(seed + i, *shape), drawn(seed + 10 + i, *shape)) for i, shape in enumerate(shapes)]


COUNTERFACTUAL = Question(
    name="counterfactual_map",
    objective="3. read the counterfactual map, and say what the ReLU hides",
    minutes=8,
    difficulty=2,
    points=3,
    signature="def counterfactual_map(activations: Tensor, gradients: Tensor) -> Tensor:",
    shapes="activations and gradients (B, K, h, w) -> (B, h, w), in logits, never negative",
    reference=counterfactual_map,
    inputs=_recorded,
    mistakes=(
        Mistake(
            "Grad-CAM itself", lambda A, g: _raw(A, g).relu(), "This is evidence for the class; turn the sign first."
        ),
        Mistake(
            "the raw map", _raw, "Both signs are in here. Keep what speaks against the class, as positive numbers."
        ),
        Mistake("no ReLU", lambda A, g: -_raw(A, g), "Turned, but still with both signs: a ReLU is missing."),
        Mistake("negative evidence left negative", lambda A, g: _raw(A, g).clamp(max=0), "Right cells, wrong sign."),
        Mistake("the absolute map", lambda A, g: _raw(A, g).abs(), "Evidence for the class doesn't belong here."),
        Mistake(
            "ReLU on the turned weights",
            lambda A, g: ((-g.mean((2, 3), keepdim=True)).relu() * A).sum(1),
            "The ReLU comes last, on the map; on the weights it drops what cancels.",
        ),
        Mistake(
            "ReLU before the sum",
            lambda A, g: (-g.mean((2, 3), keepdim=True) * A).relu().sum(1),
            "Channels may cancel: add up first.",
        ),
        Mistake("unpooled", lambda A, g: (-(g * A).sum(1)).relu(), "That is HiResCAM's: average the gradient first."),
        Mistake(
            "pooled over the batch",
            lambda A, g: (-(g.mean((0, 2, 3), keepdim=True) * A).sum(1)).relu(),
            "Each picture has weights of its own.",
        ),
        Mistake(
            "the activations turned as well",
            lambda A, g: (-(g.mean((2, 3), keepdim=True) * A.abs()).sum(1)).relu(),
            "Leave the activations as they are; only the weights change their sign.",
        ),
        Mistake(
            "sum for mean",
            lambda A, g: (-(g.sum((2, 3), keepdim=True) * A).sum(1)).relu(),
            "Alpha is a mean over the places.",
        ),
        Mistake("mean over channels", lambda A, g: (-_raw(A, g)).relu() / A.shape[1], "The channels are added up."),
    ),
    hints=(
        "Turn the sign of the weights; what was evidence against the class is then above 0.",
        "Turning the weights is turning the map, since the map is linear in them.",
        "torch.relu(-raw), with raw the Grad-CAM map before its ReLU",
    ),
    picture="light on what speaks against the class: black where Grad-CAM is light",
    draw=lambda: pictures.maps({
        "Grad-CAM": _raw(*_recorded(SEED)[1])[0].relu(), "counterfactual": counterfactual_map(*_recorded(SEED)[1])[0]}),
)

# --------------------------------------------------------------------------------------------- 5. the test that kills


def _broken() -> dict[str, Callable[[Tensor, Tensor], Tensor]]:
    """Grad-CAMs of recorded tensors that the reader's input must expose."""
    return {
        "sum": lambda A, g: (g.sum((2, 3), keepdim=True) * A).sum(1).relu(),
        "no pooling": lambda A, g: (g * A).sum(1).relu(),
        "batch": lambda A, g: (g.mean((0, 2, 3), keepdim=True) * A).sum(1).relu(),
        "absolute": lambda A, g: (g.abs().mean((2, 3), keepdim=True) * A).sum(1).relu(),
        "ReLU on w": lambda A, g: (g.mean((2, 3), keepdim=True).relu() * A).sum(1).relu(),
        "mean": lambda A, g: (g.mean((2, 3), keepdim=True) * A).mean(1).relu(),
        "no ReLU": _raw,
    }


def killing_input() -> tuple[Tensor, Tensor]:
    A = torch.tensor([[[[1.0, 2.0]], [[3.0, 1.0]]], [[[2.0, 1.0]], [[1.0, 4.0]]]])
    g = torch.tensor([[[[2.0, 1.0]], [[-2.0, 1.0]]], [[[-3.0, 1.0]], [[1.0, 2.0]]]])
    return A, g


def _killed(case: tuple[Any, ...], given: Any) -> tuple[str, ...]:
    A, g = given
    if A.ndim != 4 or A.shape != g.shape or not A.numel():
        return conditions({"both have one shape, (B, K, h, w)": False})
    right = _raw(A, g).relu()
    maps = {f"'{name}' gives another map": broken(A, g) for name, broken in _broken().items()}
    return conditions({name: not torch.allclose(m, right, rtol=1e-4, atol=1e-6) for name, m in maps.items()})


def _ramp(*shape: int) -> Tensor:
    count = int(torch.tensor(shape).prod())
    return (torch.arange(1.0, count + 1)).reshape(shape)


def _pair(gradients: Callable[[Tensor], Tensor]) -> Callable[[], tuple[Tensor, Tensor]]:
    def answer() -> tuple[Tensor, Tensor]:
        A, g = killing_input()
        return A, gradients(g)

    return answer


KILLING = Question(
    name="killing_input",
    objective="1. and 5.: recognize what silently gives another map",
    minutes=15,
    difficulty=3,
    points=5,
    signature="def killing_input() -> tuple[Tensor, Tensor]:",
    shapes="-> activations and gradients, both (B, K, h, w), on which each of seven broken Grad-CAMs gives another map",
    reference=killing_input,
    inputs=lambda seed: [()],
    observe=_killed,
    mistakes=(
        Mistake(
            "all zeros",
            lambda: (torch.zeros(2, 2, 1, 2), torch.zeros(2, 2, 1, 2)),
            "Every map of zeros is 0, so nothing is told from anything.",
        ),
        Mistake(
            "all ones",
            lambda: (torch.ones(2, 2, 1, 2), torch.ones(2, 2, 1, 2)),
            "Where all gradients are equal and positive, most mistakes do nothing.",
        ),
        Mistake(
            "one picture",
            lambda: tuple(part[:1] for part in killing_input()),
            "Pooling over the batch does nothing to a batch of one.",
        ),
        Mistake(
            "one channel",
            lambda: (_ramp(2, 1, 1, 2), torch.tensor([2.0, -1.0, -3.0, 1.0]).reshape(2, 1, 1, 2)),
            "With one channel, its mean is its sum; nothing can cancel.",
        ),
        Mistake(
            "one place",
            lambda: (
                torch.tensor([[1.0, 3.0], [2.0, 4.0]])[..., None, None],
                torch.tensor([[2.0, -1.0], [-3.0, 1.0]])[..., None, None],
            ),
            "With one place, the mean of the gradient is the gradient, and its sum.",
        ),
        Mistake(
            "gradients without a negative one",
            _pair(torch.abs),
            "ReLU and absolute value do nothing where nothing is negative.",
        ),
        Mistake(
            "gradients without a positive one",
            _pair(lambda g: -g.abs()),
            "Then the right map is 0 everywhere, and so are several broken ones.",
        ),
        Mistake(
            "gradients that are equal over the places",
            _pair(lambda g: g.mean((2, 3), keepdim=True).expand_as(g)),
            "That is GAP and one linear layer, where HiResCAM is Grad-CAM.",
        ),
    ),
    hints=(
        "For each broken version ask what it needs to show: several places, channels, pictures, signs.",
        "Two pictures with different gradients; two channels, one with a negative mean; gradients that vary over the "
        "places; a map with values above and below 0.",
        "Draw both with torch.randn(2, 3, 2, 4), look at the seven differences, and draw again if one is 0.",
    ),
    picture="the right map and seven others, and none of these is like the first",
    draw=lambda: pictures.maps({
        name: f(*killing_input())[0] for name, f in {"right": lambda A, g: _raw(A, g).relu(), **_broken()}.items()}),
)

# --------------------------------------------------------------------------------------------- 6. a choice


KEEP = "Work it out on the lesson's two cells: A = [1, 3], w = [1, 0]."
CHOICE = choice(
    "equal_heads",
    "2. prove when it equals CAM, and give a counterexample for each condition that is dropped",
    "c",
    {
        "a": ("any linear head", f"A flattened linear head is linear, and they differ there. {KEEP}"),
        "b": (
            "a ReLU before the head",
            "A ReLU makes the activations positive, but says nothing of how the gradient varies over the places.",
        ),
        "d": ("always", "Only where the gradient is the same at every place does averaging it change nothing."),
    },
    (
        "The two differ only in averaging the gradient. When does averaging change nothing?",
        "What does the gradient of a mean look like over the places?",
    ),
)

QUESTIONS = (ALPHA, GRAD_CAM, BIAS, COUNTERFACTUAL, KILLING, CHOICE)
