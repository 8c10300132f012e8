# %% [markdown] id="opening"
# # 8. Change something and look
#
# **To find out what a part is for, take it away.** That needs no gradient, no weights, no look inside: any black box
# will do. Below, a grey square was moved over a scene, and each pixel shows what the logit lost while the square lay
# there. It looks like the most honest explanation of all. Where is the catch?
#
# After this lesson you can
#
# 1. write occlusion in a few lines, and say what it is on a linear model;
# 2. show that the *fill*, the colour that covers, is a baseline, and that it decides what you see;
# 3. build the two cases in which covering one thing at a time misleads: two causes, each enough alone, and two that
#    only work together;
# 4. say what prediction difference analysis, representation erasure, meaningful perturbation and RISE each do about
#    it, what each assumes, and how each fails;
# 5. give the price of a map in forward passes.
#
# About 60 minutes. You need lessons 3 and 4.

# %% id="setup"
import matplotlib.pyplot as plt
import torch
from scipy.stats import spearmanr
from torch import Tensor

from course_lib import figures, networks
from course_lib.claims import claim
from course_lib.datasets.scenes import pairs, scenes
from course_lib.evaluation import interval95, pointing
from course_lib.methods.perturbation import blurred
from course_lib.methods.registry import explain
from course_lib.methods.steps import upsample

network = networks.load("scenes_gap")
model, classes = network.model.requires_grad_(False), network.classes
x = pairs(1, seed=20_002).pictures
logits = model(x)[0]
target, other = logits.topk(2).indices.tolist()
before = float(logits[target])


def of(method: str, **options: object) -> Tensor:
    """The map of the scene's top class."""
    return explain(model, x, target, method, **options).map


def row(panels: dict[str, Tensor], alt: str, label: str = "logits") -> None:
    """A row of signed maps, each on its own scale."""
    figure, axes = plt.subplots(1, len(panels), figsize=(2.9 * len(panels), 2.7), layout="constrained")
    for ax, (title, m) in zip(axes, panels.items(), strict=True):
        figures.draw_heat_map(ax, upsample(m, (64, 64))[0], signed=True, label=label)
        ax.set_title(title, fontsize=10)
    figures.show(figure, alt=alt)


covered = x.clone()
covered[..., 32:40, 36:44] = 0.5
figure, axes = plt.subplots(1, 3, figsize=(9, 2.9), layout="constrained")
for ax, picture in zip(axes, (x, covered), strict=False):
    ax.imshow(picture[0].permute(1, 2, 0))
    ax.axis("off")
axes[0].set_title(f"{classes[target]}: logit {before:.2f}", fontsize=10)
axes[1].set_title(f"with a square: {float(model(covered)[0, target]):.2f}", fontsize=10)
figures.draw_heat_map(axes[2], of("occlusion")[0], picture=x[0], signed=True, label="logits")
axes[2].set_title("what the square costs", fontsize=10)
figures.show(
    figure, alt="A scene with a cross and a circle, the same with a grey square, and what the square costs where it is."
)

# %% [markdown] id="occlusion"
# ## Occlusion
#
# **Occlusion** (Zeiler and Fergus, 2014) covers a patch and reports the loss. Each pixel then gets the mean over the
# patches that covered it:
#
# {{formula:occlusion}}
#
# **Predict:** the same network, written as you would explain it to a friend. How many forward passes does a map of 64
# x 64 pixels need, with patches of 8 x 8 pixels every 4 pixels?

# %% id="occlusion-by-hand"
@torch.no_grad()
def my_occlusion(picture: Tensor, size: int = 8, step: int = 4, fill: float = 0.5) -> tuple[Tensor, int]:
    loss, times = torch.zeros(64, 64), torch.zeros(64, 64)
    corners = [(i, j) for i in range(0, 64 - size + 1, step) for j in range(0, 64 - size + 1, step)]
    for i, j in corners:
        changed = picture.clone()
        changed[..., i : i + size, j : j + size] = fill
        loss[i : i + size, j : j + size] += before - model(changed)[0, target]
        times[i : i + size, j : j + size] += 1
    return loss / times, len(corners)


mine, passes = my_occlusion(x)
print(f"{passes} forward passes; from {mine.min():.2f} to {mine.max():.2f} logits")
claim("by-hand-agrees", mine, of("occlusion")[0], rtol=1e-3, atol=1e-4)
claim("passes", passes, 15 * 15)

# %% [markdown] id="occlusion-linear"
# Gradients needed one pass. This needs 225, and the number grows with the picture. What is bought for it? The effect
# of a *large* change, where a gradient only knows tiny ones. Saturation, which blinded the gradient in lesson 4,
# doesn't hurt.
#
# On a linear model covering one input gives an old friend:
#
# {{formula:occlusion-linear}}
#
# *Proof.* All terms but the one of input i stay and cancel. ∎ So occlusion is the contribution of lesson 1, and **the
# fill is its baseline**. "What does the square cost?" is short for "what does it cost *compared with grey*?"
#
# ## The fill decides
#
# **Predict:** the scene is dark blue with a red cross and a yellow circle. Cover with grey, black, white, or a
# blurred copy of the picture. How much will the four maps differ?

# %% id="fills"
fills = {"grey": 0.5, "black": 0.0, "white": 1.0, "blurred copy": blurred(x)}
by_fill = {name: of("occlusion", fill=fill) for name, fill in fills.items()}
row(by_fill, alt="Occlusion of the circle's logit with four fills: grey, black, white, and a blurred copy.")
for name, m in by_fill.items():
    alike = spearmanr(by_fill["grey"].flatten(), m.flatten()).statistic
    print(f"{name:12} up to {m.max():5.2f} logits, rank correlation with grey {alike:+.2f}")

x_black = x.clone()
x_black[..., :16, :16] = 0.0
blind = explain(model, x_black, target, "occlusion", patch=8, stride=8, fill=0.0).map[0, :16, :16]
claim("blind-where-patch-equals-fill", bool(blind.abs().max() < 1e-5), True)

# %% [markdown] id="fills-read"
# Less than one might fear: all four find the circle, and the order of the pixels is nearly the same. Look closer,
# though. The blurred copy finds the circle's *rim*, since inside a plain disc a blurred patch is nearly the patch
# that was there; the others find its whole face, because a square on a yellow ground is a new shape with four
# corners. And a patch that *equals* the fill costs exactly nothing (the last claim). A network that answers by a
# black background can't be caught with black squares.
#
# This network is good-natured. In lesson 9 another one meets black pixels: strew them over a tenth of any picture
# without a vehicle, and it says "vehicle". So use several fills, and report which. The network has never seen such a
# picture, and what it answers to a square may say more about squares than about the scene.
#
# ## One thing at a time
#
# The second catch doesn't lie in the fill. **Predict** what occlusion gives each of the two inputs in $\max(x_1,
# x_2)$ at (5, 5), and in $x_1 x_2$ at (3, 4), with 0 for a fill.

# %% id="one-at-a-time"
for name, f, at in (("max(x1, x2)", max, (5.0, 5.0)), ("x1 x2", lambda a, b: a * b, (3.0, 4.0))):
    losses = [f(*at) - f(0.0, at[1]), f(*at) - f(at[0], 0.0)]
    print(f"{name} at {at}: value {f(*at):g}, losses {losses}")
    claim("losses", losses, [0.0, 0.0] if f is max else [12.0, 12.0])

# %% [markdown] id="one-at-a-time-read"
# Two causes, each enough alone: neither seems to matter. Two that only work together: each seems to be everything.
# The losses add up to 0 in the first case and to twice the value in the second, so occlusion is not *complete*. That
# is no far-fetched example: put the scene beside itself, and there are two circles.

# %% id="two-circles"
for name, picture in (("one scene", x), ("the scene beside itself", torch.cat([x, x], -1))):
    p = float(model(picture).softmax(1)[0, target])
    covered = picture.clone()
    covered[..., 30:60, 26:60] = blurred(x)[..., 30:60, 26:60]  # the (left) circle
    print(f"{name:24} P(circle) = {p:.2f}, with one circle covered {float(model(covered).softmax(1)[0, target]):.2f}")

# %% [markdown] id="families"
# A surprise, if you expected the second circle to step in: the probability falls to nothing either way. In *this*
# network nothing is redundant. Its logits are means over the places, so the circle's evidence is halved, and two
# crosses stand against one circle. A network that takes a maximum would not have noticed. Whether two causes are
# redundant is a property of the network, not of the picture, and one cannot see it from a map: try pairs.
#
# ## Prediction difference analysis
#
# If no single fill is neutral, average over many. **Prediction difference analysis** (Zintgraf et al., 2017) asks
# what the network would say if it did *not know* the patch: it puts in what could have stood there, again and again,
# and compares the odds of the class. Ours draws patches from elsewhere in the same picture; the paper fits a normal
# distribution to the neighbourhood.
#
# {{formula:prediction-difference}}
#
# It assumes that the samples are likely pictures. It fails where they aren't, and costs as many times more as there
# are samples.

# %% id="prediction-difference"
bits = of("prediction difference", stride=4)
row(
    {"occlusion, grey": by_fill["grey"], "prediction difference (bits)": bits},
    alt="Occlusion and prediction difference of the circle's logit.",
    label="logits or bits",
)
print(f"occlusion in logits, prediction difference in bits: from {bits.min():.1f} to {bits.max():.1f}")

# %% [markdown] id="erasure"
# A bit is a doubling of the odds, so the two scales differ by a factor of ln 2, and by more than that wherever
# another class catches up. Where a patch from elsewhere brings in a piece of the cross, the odds fall as well.
#
# ## Representation erasure
#
# Nothing says that the *picture* has to be changed. **Representation erasure** (Li, Monroe and Jurafsky, 2016; for
# language, where "the picture" is a list of words) sets parts of a representation to 0: a dimension, a channel, or
# here one cell of a layer in all its channels.
#
# {{formula:erasure}}
#
# You have met it. In lesson 2 one cell of the last map was emptied, and the *logit* lost exactly what the class
# activation map says. The log-likelihood also moves with every other class. **Predict:** at which places will the
# difference show?

# %% id="erasure-and-cam"
erased = of("representation erasure")
cam = explain(model, x, target, "CAM", "features").map / 256
row(
    {"CAM / Z: loss of the logit": cam, "erasure: loss of ln p": erased},
    alt="The class activation map divided by the number of places, and what the log-likelihood loses without a cell.",
    label="logits or nats",
)
logits_without = logits[:, None, None] - torch.stack(
    [explain(model, x, c, "CAM", "features").map[0] / 256 for c in range(6)]
)
expected = logits.log_softmax(0)[target] - logits_without.log_softmax(0)[target]
claim("erasure-from-six-cams", upsample(expected[None], (64, 64), "nearest"), erased, rtol=1e-4, atol=5e-6)

# %% [markdown] id="erasure-read"
# The two agree on the circle. On the *cross* they differ in kind: emptying it raises the circle's logit (blue in both
# maps), and in the log-likelihood it also lowers the cross's own logit, which counts for the circle once more. The
# last claim says that six class activation maps contain all of it: in such a network erasing a cell is nothing new.
# In others it is, and it needs no theorem. It assumes that 0 means "nothing there" in the layer, and a later layer
# may never have seen such a 0.
#
# ## Meaningful perturbation
#
# Squares are crude. Why not *search* for the smallest smooth region whose removal makes the class improbable?
# **Meaningful perturbation** (Fong and Vedaldi, 2017) learns a mask m by gradient descent. It pays for the area, for
# ragged edges, and for what is left of the probability:
#
# {{formula:meaningful-perturbation}}
#
# **Predict:** what will the mask do if the price of the area is raised?

# %% id="meaningful-perturbation"
masks = {f"price of area {price}": of("meaningful perturbation", area=price) for price in (0.1, 0.3, 1.0, 3.0)}
figure, axes = plt.subplots(1, 4, figsize=(11.6, 2.7), layout="constrained")
for ax, (title, m) in zip(axes, masks.items(), strict=True):
    left = x * (1 - m[:, None]) + blurred(x) * m[:, None]
    p = float(model(left).softmax(1)[0, target])
    figures.draw_heat_map(ax, m[0], picture=x[0], label="share erased")
    ax.set_title(f"{title}\narea {m.mean():.0%}, p = {p:.2f}", fontsize=10)
figures.show(figure, alt="Four masks for four prices of the area, each with its area and the probability that is left.")
areas = [float(m.mean()) for m in masks.values()]
claim("dearer-is-smaller", areas == sorted(areas, reverse=True), True)

# %% [markdown] id="meaningful-perturbation-read"
# There is not *one* smallest region. There is one for each price, and the paper's prices are choices like any other.
# It fails in a way of its own: descent looks for *any* change that lowers the probability, and may find one that
# fools the network and means nothing (an adversarial mask). The coarse grid and the price of ragged edges are there
# to prevent that. Its map is a share between 0 and 1, no evidence: it has no sign and no logits.
#
# ## RISE
#
# Last, let chance do it. **RISE** (Petsiuk, Das and Saenko, 2018) hides random halves of the picture, hundreds of
# times, and credits each pixel with the scores of those pictures in which it could be seen:
#
# {{formula:rise}}
#
# No square has to fit, and several places are hidden *together*, so redundant causes are noticed. On a linear model
# we know what comes out:
#
# {{formula:rise-linear}}
#
# *Proof.* Given that pixel i is kept, every other pixel is kept with probability q, so it adds $q\, w_j x_j$; pixel i
# adds $w_i x_i$ in full. Collect. ∎ The contribution is there, shrunk, on top of a **level that all pixels share**: a
# RISE map has no zero. Only differences within a map can be read. **Predict** how the noise falls from 100 to 1600
# masks.

# %% id="rise"
by_number = {f"{n} masks": of("RISE", masks=n) for n in (100, 400, 1600)}
row(
    {name: m - m.mean() for name, m in by_number.items()},
    alt="RISE with 100, 400 and 1600 masks, each less its mean: the map gets smoother, and the circle stands out.",
)
for name, n in (("100 masks", 100), ("400 masks", 400)):
    again = of("RISE", masks=n, seed=1)
    alike = spearmanr(by_number[name].flatten(), again.flatten()).statistic
    print(f"{name}: rank correlation of two runs with other seeds {alike:.2f}")
level = float(by_number["1600 masks"].mean())
print(f"the level that all pixels share: {level:+.2f} logits; the logit itself {before:+.2f}")

# %% [markdown] id="rise-read"
# (Each map is drawn less its mean.) Two runs that differ in nothing but their dice don't give the same map: report
# the number of masks, and look at two seeds. The level is far below the logit, as half of the picture is black in
# each of the masked pictures, and the network has never seen that either.
#
# ## Which one finds the object? And the bill
#
# All of them on 24 fresh scenes, held against the truth, beside Grad-CAM, which needs one pass forward and one back.
# **Predict** the order before you look, and what the dearest one costs.

# %% id="pointing"
test = scenes(24, seed=4_000_000)
truth = test.masks[torch.arange(24), test.decisive]
bill = {
    "Grad-CAM": ({"layer": "features"}, 2),
    "occlusion": ({}, 225),
    "prediction difference": ({}, 64 * 4),
    "representation erasure": ({}, 256),
    "meaningful perturbation": ({}, 2 * 120),
    "RISE": ({}, 400),
}
for name, (options, cost) in bill.items():
    maps = torch.zeros(24, 64, 64)
    for c in test.labels.unique():
        same = test.labels == c  # one target class for all pictures of a call
        maps[same] = upsample(explain(model, test.pictures[same], int(c), name, **options).map, (64, 64))
    hit = pointing(maps, truth)
    low, high = interval95(hit)
    print(f"{name:24} {hit.float().mean():6.1%}  ({low:.0%} to {high:.0%})   {cost:4} passes")
print(f"chance {truth.float().mean():.1%}")

# %% [markdown] id="pointing-read"
# The intervals are wide: with 24 scenes hardly two lines of this table can be told apart, and even those of the first
# and the last touch. The scoreboard of lesson 9 has more of everything. It agrees on one thing: the crudest method of
# the five points as well as any, and the search for the smallest region points worst, for the smallest region that
# changes the answer is a piece of the rim, or lies beside it. Grad-CAM is close behind for a hundredth of the price.
# But it needs a layer to take a gradient at; for a black box these methods buy the only map there is.
#
# | method | what is changed | assumes | fails |
# |---|---|---|---|
# | occlusion | a square | the fill is neutral | patch = fill; redundant or joint causes |
# | prediction difference | a square, sampled | samples are likely pictures | dear; the same interactions |
# | representation erasure | a cell of a layer | 0 is "nothing" there | later layers never saw such a 0 |
# | meaningful perturbation | a learnt mask | the smallest mask is the reason | one for each price; adversarial masks |
# | RISE | random halves | half pictures are pictures | noise; a level that all pixels share |

# %% [markdown] id="end"
# ## What you have learnt
#
# - Perturbation needs no look inside the model, and it measures large changes. It costs hundreds of passes.
# - The fill is a baseline. On a linear model occlusion *is* the contribution with that baseline.
# - One thing at a time overlooks redundant causes and counts joint ones twice: the losses don't add up.
# - Every perturbed picture is one that the network has never seen.
# - An intervention on the picture is evidence about the model, if you say which intervention it was.
#
# ## Where it breaks
#
# Six methods, six maps, one picture. Each has its own idea of what "important" means. Lesson 9 asks how one could
# tell which of them is right.
#
# **Try it yourself.** Write occlusion with a patch that is drawn from elsewhere in the picture, show on a product
# that the losses of pairs repair the sum, and find the number of masks at which two runs of RISE agree to 0.95.
#
# **Sources.** Zeiler and Fergus, *Visualizing and Understanding Convolutional Networks*, ECCV 2014 (arXiv 1311.2901);
# Zintgraf, Cohen, Adel and Welling, ICLR 2017 (arXiv 1702.04595); Li, Monroe and Jurafsky, arXiv 1612.08220 (2016);
# Fong and Vedaldi, ICCV 2017 (arXiv 1704.03296); Petsiuk, Das and Saenko, BMVC 2018 (arXiv 1806.07421).
