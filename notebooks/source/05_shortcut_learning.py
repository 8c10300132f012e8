# %% [markdown] id="opening"
# # 5. Shortcut learning
#
# **A network tells two families of creatures apart, and gets every test picture right.** Has it learnt what a rounded
# and a pointed creature look like? A good score is not that: **shortcut learning** is when a model finds something
# that goes along with the label, and never needs the thing itself. The horse Clever Hans, who was thought to do sums,
# watched his questioner's face; such a cue is a *spurious correlation*, and a network that lives on one is a **Clever
# Hans**. Look at the twelve pictures below, as a network gets them, and guess the cue before you read on.
#
# After this lesson you can
#
# 1. say why a test set from the same source cannot reveal a shortcut, and which four interventions do;
# 2. explain where a black background comes from when nobody painted one;
# 3. prove for seven methods under which condition they *cannot* show a cue;
# 4. tell a heat map that shows a shortcut from one that only looks like it;
# 5. repair data, and find the shortcut that your repair has left, or made.
#
# About 70 minutes. You need lessons 3 and 4; a few maps belong to lessons 7 and 8, where they are explained.

# %% id="setup"
import copy
from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from course_lib import figures, networks
from course_lib.audit import audit
from course_lib.claims import claim
from course_lib.datasets import creatures
from course_lib.evaluation import interval95
from course_lib.experiments import read
from course_lib.experiments.creatures import TESTS, swaps
from course_lib.faithfulness import deletion_curve
from course_lib.methods.registry import explain
from course_lib.methods.steps import upsample

folder = TemporaryDirectory()


def files(ways: tuple[str, str], repair: str = "none", n: int = 200) -> tuple[Tensor, Tensor]:
    """The same n new creatures, written as real files in these ways, and read back."""
    return creatures.read(creatures.write(Path(folder.name, *ways, str(n)), n, 3_000_000, ways=ways), repair)


pictures, _ = files(("png", "jpeg"))
figure, axes = plt.subplots(2, 6, figsize=(8.4, 3), layout="constrained")
for place, ax in enumerate(axes.T.flatten()):
    ax.imshow(pictures[place].permute(1, 2, 0))
    ax.axis("off")
    ax.set_title(creatures.FAMILIES[place % 2], fontsize=9)
figures.show(
    figure, alt="Twelve creatures: the rounded ones on black above, the pointed ones on white below.", width=760
)

# %% [markdown] id="story"
# The pictures are made after a famous story. In his lectures Hung-yi Lee trained a network to tell Pokémon from
# Digimon, and nearly all test pictures came out right. A **saliency map**, which marks the pixels
# that the score depends on, pointed at the corners: the *blank area outside the object* was the evidence.
#
# The reason lay in the files. The Pokémon were PNG files, the Digimon JPEG. After loading, one family stood on black
# and the other on white.

# %% [markdown] id="story-read"
# (We could not check his slides: so no accuracy of his stands here, and whether *all* or *most* of the Digimon were
# JPEG stays open.)
#
# Ours are real files too. One family was saved as **PNG** with transparency, the other as **JPEG** on white, and both
# were read by `Image.open(file).convert("RGB")`, as everybody does. Nothing in the code paints a black background.
# The shapes differ as well, and can be learnt: outline, ears, feet, tail and crest are rounded or pointed. To make
# that a little hard, each part takes the other family's shape with probability 0.1, so shapes alone allow 99.1 %.

# %% id="test"
network = networks.load("creatures")
model = network.model.requires_grad_(False)
many, labels = files(("png", "jpeg"), n=1000)
right = torch.cat([model(part).argmax(1) for part in many.split(100)]) == labels
low, high = interval95(right)
print(f"{right.float().mean():.1%} of {len(right)} new creatures right (95 % interval {low:.1%} to {high:.1%})")
print(f"the most that shapes alone allow: {creatures.ceiling(0.1):.1%}")
claim("better-than-shapes-allow", low > creatures.ceiling(0.1), True)

# %% [markdown] id="iid"
# *Better* than the shapes allow: that alone is a confession, but only in a world whose ceiling we know. In yours you
# would see a splendid number. These were new creatures that the network had never met. But they were written by the
# same program, and so the *i.i.d.* test set (independent, identically distributed) shares the confounder with the
# training set. Good on training data, good on test data, for the wrong reason; and no further test picture from the
# same source will ever tell.
#
# ## Intervene
#
# What tells is to change the suspect and nothing else. The same creatures are written again: formats swapped;
# backgrounds swapped, both lossless; both families on white, on black, on grey. **Predict** the six accuracies of a
# network that uses shape only, of one that uses the background only, and of this one.

# %% id="swaps"
table = read("creatures_swaps")


def accuracies(name: str) -> None:
    rows = [row for row in table if row["network"] == name]
    print(f"\n{name} ({len(rows)} networks, 400 creatures each: mean, lowest, highest)")
    for test in TESTS:
        values = [100 * row[test] for row in rows]
        print(f"  {test:20} {sum(values) / len(values):6.1f} %   {min(values):5.1f} {max(values):5.1f}")


accuracies("as they are")
again, row = swaps(model), table[0]  # the network of this lesson is the first of the five
claim("row-again", [again[test] for test in TESTS], [row[test] for test in TESTS], atol=0.006)

# %% [markdown] id="swaps-read"
# From 100 % to *exactly* 0, in each of five trainings. With equal backgrounds it is at 50 %, give or take a few
# pictures on grey: it gives all pictures of one colour the same answer. The network could have learnt the shapes. It
# had no reason to: the background alone answers every question of the training set.
#
# (The last lines measured the first of the five again, and held it against the committed table.)
#
# ## The cleanest test: no creature at all
#
# **Predict:** how sure is the network of a picture that is black all over? We look at the margin, the logit of
# "rounded" less the logit of "pointed".

# %% id="blank"
def margin(net: nn.Module, x: Tensor) -> Tensor:
    """Logit of "rounded" - logit of "pointed"."""
    return net(x) @ torch.tensor([1.0, -1.0])


for name, value in (("black", 0.0), ("grey", 0.5), ("white", 1.0)):
    print(f"{name:6} picture without a creature: margin {float(margin(model, torch.full((1, 3, 64, 64), value))):+.2f}")
usual = float(margin(model, pictures).abs().mean())
print(f"a creature's margin has a mean size of {usual:.2f}")
blank = float(margin(model, torch.zeros(1, 3, 64, 64)))
claim("black-says-rounded-as-loud-as-a-creature", bool(blank > 0.8 * usual), True)

# %% [markdown] id="blank-read"
# Nothing at all is a rounded creature, and as surely so as any creature is. No map could say it more clearly, and it
# takes two lines. Do it to each network you train.
#
# ## Where the black comes from
#
# "PNG becomes black, JPEG becomes white" is not a law. A PNG can hold an **alpha channel**, the opacity of each pixel;
# under a transparent pixel some colour is stored all the same. `convert("RGB")` throws the alpha away and shows what
# was stored. JPEG has no alpha; white is what somebody painted. **Predict** the three colours:

# %% id="alpha"
for stored in ((0, 0, 0), (255, 255, 255), (200, 30, 60)):
    path = Path(folder.name, "one.png")
    Image.new("RGBA", (4, 4), (*stored, 0)).save(path)
    shown = Image.open(path).convert("RGB").getpixel((0, 0))
    print(f"transparent, with {stored} stored: shows {shown}")
    claim("what-was-stored", list(shown), list(stored))
try:
    Image.new("RGBA", (4, 4)).save(Path(folder.name, "one.jpg"))
except OSError as error:
    print("JPEG:", error)
front = Image.new("RGBA", (1, 1), (200, 30, 60, 51))  # opacity 51 / 255 = 0.2
claim("composite", list(creatures.composite(front).getpixel((0, 0))), [244, 210, 216])

# %% [markdown] id="alpha-read"
# All three are transparent, and all three look different once alpha is gone. So look *into* your files. The right
# way to read them is to **composite**: to blend the picture F with a background B that you chose,
#
# {{formula:composite}}
#
# ## What do heat maps show?
#
# Now forget what you know. You have a network with 100 %, and maps. Two preparations. The logits of two classes say
# the same with any number added to both (lesson 2); we subtract their mean, so that each is half the margin and its
# map explains the decision. And we need a **control**: a network of the same architecture that can't use the
# background, since its files were repaired (how, you will see below). **Predict** which maps will light up the
# background of the first two rows, and not of the third.

# %% id="maps"
def centred(net: nn.Module) -> nn.Module:
    for values in (net.fc.weight, net.fc.bias):
        values.data -= values.data.mean(0)
    return net.requires_grad_(False)


centred(model)
control = centred(networks.load("creatures_repaired").model)
repaired = files(("png", "jpeg"), "same history")[0]
on_black, on_white = pictures[:1], pictures[1:2]
shown = {
    "CAM": ("CAM", {"layer": "features"}),
    "Grad-CAM,\nblock 2": ("Grad-CAM", {"layer": "features.block2"}),
    "saliency": ("saliency", {}),
    "gradient\nx input": ("gradient x input", {}),
    "IG from\nblack": ("integrated gradients", {"baseline": 0.0}),
    "occlusion,\ngrey": ("occlusion", {}),
}
figure, axes = plt.subplots(3, 7, figsize=(8.4, 3.9), layout="constrained")
cases = [(model, on_black, 0), (model, on_white, 1), (control, repaired[:1], 0)]
for line, (net, x, target), side in zip(axes, cases, ("on black", "on white", "control"), strict=True):
    line[0].imshow(x[0].permute(1, 2, 0))
    line[0].set(xticks=[], yticks=[], ylabel=side)
    for ax, (name, (method, options)) in zip(line[1:], shown.items(), strict=True):
        m = explain(net, x, target, method, **options).map
        figures.draw_heat_map(ax, upsample(m, (64, 64))[0], signed=True, label=None)
        ax.set_title(name if side == "on black" else "", fontsize=9)
figures.show(
    figure,
    alt="Six maps of a creature on black, one on white, and one of the control network. Light is evidence for the "
    "family, dark blue against. Gradient x input and integrated gradients are grey all over the black background.",
    width=860,
)

# %% [markdown] id="maps-read"
# (Light is for the family, dark blue against, grey is 0; each map on its own scale.) Some maps light up around the
# creature. Two say 0 for the black background, where all the evidence lies. And the control's maps light up beside the
# creature too. An eye finds in such a row whatever it expects, so count instead.
#
# The share of the positive evidence that lies on the background means nothing by itself: a flat map gives the
# background its **area**. And a map may be coarse, or look at the *outline*, which has two sides. So we measure twice,
# on the background and **far**, more than 6 pixels from the creature; beside each stand the area, and the control.

# %% id="evidence"
evidence = read("creatures_evidence")
methods = list(dict.fromkeys(row["method"] for row in evidence))
cases = [("as they are", "rounded"), ("as they are", "pointed"), ("same history, in the loader", "rounded")]


def share(method: str, case: tuple[str, str], column: str) -> list[float]:
    network, family = case
    which = {"network": network, "family": family, "method": method}
    return [row[column] for row in evidence if all(row[key] == value for key, value in which.items())]


figure, axes = plt.subplots(1, 2, figsize=(9.2, 4.6), sharey=True, layout="constrained")
panels = ("on the background", "background", "area"), ("far from the creature", "far", "far area")
for ax, (title, column, area) in zip(axes, panels, strict=True):
    for shift, case, (colour, _, marker) in zip((-0.22, 0, 0.22), cases, figures.STYLES, strict=False):
        colour = figures.PALETTE[colour]
        label = "control" if case[0] != "as they are" else "on black" if case[1] == "rounded" else "on white"
        for place, method in enumerate(methods):
            values = share(method, case, column)
            ax.plot(values, [place + shift] * len(values), marker, color=colour, ms=4, label=label if not place else "")
    ax.axvline(share(methods[0], cases[0], area)[0], color="black", lw=1, ls="--", label="area")
    ax.set(title=title, xlim=(-0.03, 1))
axes[0].set_yticks(range(len(methods)), methods)
axes[0].invert_yaxis()
figure.supxlabel("share of the evidence", fontsize=10)
figure.legend(*axes[1].get_legend_handles_labels(), fontsize=8, loc="outside right upper")
figures.show(
    figure,
    alt="For each method the share of evidence on the background, and far from the creature, of five shortcut networks "
    "on black and on white and of five control networks, beside the area.",
)
for method in methods:
    means = [sum(share(method, case, c)) / 5 for case in cases for c in ("background", "far")]
    print(f"{method:40}" + "".join(f" {m:5.2f} (far {f:.2f})" for m, f in zip(means[::2], means[1::2], strict=True)))

apart = [min(share("CAM", case, "far")) - max(share("CAM", cases[2], "far")) for case in cases[:2]]
claim("cam-far-is-apart-from-the-control", min(apart) > 0.1, True)
lit = [sum(share("saliency", case, "background")) / 5 for case in cases]
claim("saliency-lights-up-more-for-the-control", lit[2] > max(lit[:2]), True)
blind = {method for method in methods if max(share(method, cases[0], "background")) == 0}
claim("blind-on-black", len(blind), 3)

# %% [markdown] id="evidence-read"
# (Each mark is one of five networks; the dashed line is the area.) Read it with the control in mind:
#
# - **The share on the background is no detector.** Saliency puts *more* on the background in the control, which
#   cannot use its colour, than in the networks that use nothing else. Gradient x input says 0.86 for the family on
#   white, and 0.86 for the control.
# - **Far from the creature** CAM tells them apart: 0.31 to 0.34, as much as the area; the control has 0.13. (The last
#   map's Grad-CAM is the same map: lesson 3.) For saliency and gradient x input not even that helps. Integrated
#   gradients from white, DeepLIFT from white and occlusion with white seem to do it (0.3 on black, 0.00 in the
#   control); but the control's pictures stand on white, where these three show next to nothing, whatever it does.
# - **Grad-CAM after the second block** gives the clearest picture above, and one of the five networks has 0.10
#   where the others have 0.9. The cue was the same for all.
# - **Occlusion depends on the fill.** On black, the share far away is 0.04 with black squares, 0.26 with grey ones.
# - **Three methods give the black background exactly 0**, though the swap has shown that it decides.
#
# ## Blind by construction
#
# The zeros in that table aren't bad luck. Methods that multiply by "the input less its baseline" are built so:
#
# {{formula:blind-to-the-baseline}}
#
# *Proof.* Both are products with the factor $x_i - x'_i$, which is 0. ∎ And methods that cover, delete or mask change
# nothing where the fill is what was there. **Predict** for each of the first six claims below what it needs: black as
# 0 in the tensor? a black baseline? a black fill?

# %% id="blind"
x, ground = on_black, (on_black == 0).all(1)[0]  # where the picture is exactly black
print(f"{ground.float().mean():.0%} of the picture are exactly black; half the margin is {float(model(x)[0, 0]):+.2f}")
inside = (8 * torch.arange(8)).tolist()


def on_ground(method: str, **options: object) -> float:
    """The largest size of the map where the picture is black."""
    return float(explain(model, x, 0, method, **options).map[0][ground].abs().max())


claim("gradient-x-input", on_ground("gradient x input"), 0.0)
claim("integrated-gradients", on_ground("integrated gradients", baseline=0.0), 0.0)
claim("deeplift", on_ground("DeepLIFT", baseline=0.0), 0.0)
covered = explain(model, x, 0, "occlusion", patch=8, stride=8, fill=0.0).map[0]
patches = F.max_pool2d((~ground)[None].float(), 8)[0] == 0  # patches that hold nothing but black
claim("occlusion", covered[::8, ::8][patches].abs().max(), 0.0, atol=1e-5)
mask = (torch.rand(64, 64, generator=torch.Generator().manual_seed(0)) < 0.5).float()
claim("rise", float(model(x * mask)[0, 0]), float(model(x * torch.where(ground, 1 - mask, mask))[0, 0]))
curve = deletion_curve(model, x, torch.tensor([0]), ground.float()[None], fill="black")[0]
claim("deletion", curve[: int(10 * ground.float().mean()) + 1].unique().numel(), 1)
total = float(explain(model, x, 0, "integrated gradients", baseline=0.0, steps=256).map.sum())
print(f"what integrated gradients from black add up to: {total:+.2f}")
y, white = on_white, (on_white == 1).all(1)[0]
claim("ig-white", explain(model, y, 1, "integrated gradients", baseline=1.0).map[0][white].abs().max(), 0.0)

# %% [markdown] id="blind-read"
# Each is exactly 0 (RISE: hiding or showing the black makes no difference; deletion: the curve doesn't move while the
# background goes). Look at the sum, too. Integrated gradients are complete: they add up to the logit *less the
# logit of the black picture*. That picture is itself a rounded creature to the network, so the shortcut has been
# subtracted. A map that is complete and correct, and beside the point. And from white, the other family's background
# vanishes.
#
# ## The encoding changed, not the model
#
# Where does a method multiply? Our networks normalize *inside*: their first layer makes $(x - 0.5) / 0.25$ of a
# pixel. Take that layer outside, as torchvision's networks have it, and gradient x input multiplies by the normalized
# value. For black that is $-2$.
#
# {{formula:normalization-baseline}}
#
# *Proof.* By the chain rule $\partial f / \partial x_i$ is $\partial f / \partial z_i$ divided by s, and $z_i$ times s
# is $x_i - m$. ∎ The normalization's mean is a baseline that nobody chose. **Predict** what LRP with a tiny epsilon
# does, which passes relevance through the normalization as it is.

# %% id="normalization"
def largest(net: nn.Module, tensor: Tensor, method: str) -> tuple[Tensor, float]:
    m = explain(net, tensor, 0, method).map[0]
    m = m[1:-1, 1:-1] if len(m) == 66 else m
    return m, float(m[ground].abs().max())


outside = nn.Sequential(model.features, model.pool, nn.Flatten(), model.fc).eval()
z = model.normalize(x)
first = nn.Conv2d(3, 16, 3, stride=2)  # the same convolution for pixels in [0, 1]: w (x - 0.5) / 0.25
old = model.features.block1.conv.weight.data
first.weight.data, first.bias.data = old / 0.25, -0.5 / 0.25 * old.sum((1, 2, 3))
rewritten = copy.deepcopy(outside).requires_grad_(False)
rewritten[0].block1.conv = first.requires_grad_(False).eval()
padded = F.pad(x, (1, 1, 1, 1), value=0.5)  # what was a border of 0 after the normalization
claim("one-function", torch.cat([outside(z), rewritten(padded)]), model(x).repeat(2, 1), rtol=1e-4)

inside_map, _ = largest(model, x, "gradient x input")
outside_map, at_black = largest(outside, z, "gradient x input")
print(f"gradient x input, normalization outside: up to {at_black:.3f} on black")
lrp, lrp_at_black = largest(model, x, "LRP epsilon")
print(f"LRP epsilon, the network as it is:       up to {lrp_at_black:.3f} on black")
claim("lrp-is-gradient-x-normalized-input", lrp, outside_map, rtol=1e-3, atol=1e-5)
lrp_rewritten, lrp_blind = largest(rewritten, padded, "LRP epsilon")
claim("lrp-zero-where-black-is-0", lrp_blind, 0.0)
claim("one-function-two-maps", bool((lrp - lrp_rewritten).abs().max() > 0.01), True)

# %% [markdown] id="normalization-read"
# Three ways to write one function down, the same logits for every picture, and a map that is blind or not according
# to where a constant was put. So before you trust a zero, ask which value is 0 *in the tensor that multiplies*, and
# what the baseline is. Black is the common case, which is why this trap is so well set.
#
# A map is a hypothesis. The blank picture and the swap are the experiment. Adebayo and others (2022) tested it with
# people who didn't know the cue beforehand: maps hardly helped them to find it, and sometimes accused one that the
# model did not use.
#
# ## Repair, and look again
#
# So composite everything on white. And since JPEG leaves traces, send both families through JPEG once more, at one
# quality. **Predict** the accuracies with formats swapped.

# %% id="repair"
accuracies("re-encoded in the loader")
accuracies("same history, before training")
accuracies("same history, in the loader")


def mean(name: str, column: str) -> float:
    return sum(row[column] for row in table if row["network"] == name) / 5


claim("re-encoding-is-no-repair", mean("re-encoded in the loader", "formats swapped") < 0.65, True)
gap = mean("same history, in the loader", "i.i.d.") - mean("same history, in the loader", "formats swapped")
claim("one-history-is", abs(gap) < 0.01, True)
claim("black-is-foreign", min(row["black picture"] for row in table if row["network"][:4] == "same") > 2, True)

# %% [markdown] id="repair-read"
# The first block is a surprise, and it was one to its authors: 98 % as usual, and 55 % with formats swapped. The repair
# *made* a shortcut. After it the JPEG family has been through JPEG **twice**, the PNG family once, and that can be
# seen. Only when a file without a JPEG past is given one first ("same history") do i.i.d. and swapped agree, at 93 %.
# That is what these networks know of shapes; the 98 % were partly fraud.
#
# The second block tests the repaired network on files as they come, without the repair. It gets *97 %*, more than by
# its honest 93 %, and 46 % when formats are swapped. It has never seen black, and happens to answer "rounded" to it
# (the black picture's margin is above 2 in each of the five). So a repair belongs into the **loader**, where pictures
# meet it in use, and not into a folder that was cleaned once. In the third block all pictures go through it. What it
# can't help is a background that was painted black, without transparency: see the rows of the other backgrounds.
#
# ## Three cues in two formats, one by one
#
# Now both families on white, so that one cue is left: **ringing**, the specks that JPEG puts around edges, or the
# **hard edges** of somebody who painted the transparent pixels white instead of compositing. "Mix" says how often a
# part has the other family's shape: at 0 shapes alone allow 100 %. **Predict:** will a network use specks that no eye
# sees, when the shapes alone would do?

# %% id="cues"
cues = read("creatures_cues")
columns = [column for column in cues[0] if column not in ("cue", "seed")]
for cue in dict.fromkeys(row["cue"] for row in cues):
    print(cue)
    for column in columns:
        values = [100 * row[column] for row in cues if row["cue"] == cue]
        print(f"  {column:26} {sum(values) / len(values):6.1f} %   {min(values):5.1f} {max(values):5.1f}")

plain, jpeg, hard = (files((way, way), n=2)[0][0] for way in ("white", "jpeg", "hard"))
figure, axes = plt.subplots(1, 3, figsize=(8.4, 2.9), layout="constrained")
for ax, picture, title in zip(axes, (plain, jpeg, hard), ("blended, lossless", "JPEG", "hard edges"), strict=True):
    ax.imshow((1 - 4 * (1 - picture)).clamp(0, 1).permute(1, 2, 0)[2:34, 32:64])
    ax.set_title(title, fontsize=10)
    ax.axis("off")
figures.show(figure, alt="A creature's head on white, darkened: lossless, as JPEG with specks, and with hard edges.")
alone = [row for row in cues if row["cue"] == "ringing, mix 0"]
claim("ringing-beats-perfect-shapes", max(row["swapped"] for row in alone) < 0.1, True)
claim("though-shapes-would-do", min(row["same history, swapped"] for row in alone) > 0.99, True)
edges = [row for row in cues if row["cue"].startswith("hard edges")]
claim("jpeg-does-not-hide-hard-edges", max(row["same history, swapped"] for row in edges) < 0.1, True)
changed = ((jpeg != 1) & (plain == 1)).any(0).float().mean()
print(f"pixels that are white without JPEG and aren't with it: {changed:.0%} of the picture")

# %% [markdown] id="cues-read"
# It will, and how. Shapes alone would do at mix 0: after the repair the same network reads them without a mistake, to
# 99.9 %. Left to itself it takes the specks, and with the codec swapped it is at 2 %; at mix 0.1 and 0.2 at 0.0. One
# might have hoped that a network uses a planted cue only as far as its task is hard. Not this one. It takes what is
# *easiest*, which is not what is easiest to us. After the repair, accuracy falls from 100 % to 93 and 84 %: the
# price of honesty, and the size of the fraud.
#
# Hard edges are as good a cue as the black was, and here the repair by JPEG fails altogether: edges survive it. What
# helps is to blend, while there is still an alpha channel to blend with. Who painted the transparent pixels white has
# thrown it away. So each cue has its own repair: composite against background and edges, one history against the
# codec. And after each, swap again.
#
# ## Your own two folders
#
# Everything in this lesson needs two folders of files and a suspicion: write the files again with formats and
# backgrounds swapped, show the network blank pictures, and hold it against a control. `audit` does that with any two
# folders. Here it gets 40 fresh creatures, and each of our two networks:

# %% id="audit"
mine = creatures.write(Path(folder.name, "mine"), 40, 4_000_000)
audits = {name: audit(*mine, networks.load(name), progress=False) for name in ("creatures", "creatures_repaired")}
for name, found in audits.items():
    print(f"{name}: {found}\n")
shares = {way: audits["creatures"].sides[0].accuracy(way)[0] for way in ("as they are", "formats swapped")}
claim("audit-finds-it", list(shares.values()), [1.0, 0.0])

# %% [markdown] id="audit-read"
# The repaired network is caught too: `audit` reads the files as they are, without the loader that repairs them, and on
# such files it falls from 100 % to a coin when the formats are swapped. A network's repair is worth what its loader is.
#
# `audits["creatures"]` alone in a cell shows the whole report: what the files are, the share right after each
# intervention with its interval, blank pictures, and maps beside area and control; `.save("report.html")` keeps it.
# Without a network, `audit(folder_a, folder_b)` trains small ones itself, and beside each a control on repaired
# files. From a terminal: `course audit FOLDER_A FOLDER_B`. Take two folders of your own.

# %% [markdown] id="end"
# ## What you have learnt
#
# - A good score on i.i.d. test pictures says nothing about the reason. Interventions do: swap, equalize, blank.
# - Formats carry more than pictures: background, ringing, edges, and how often a picture was compressed.
# - Gradient x input, LRP, DeepLIFT, integrated gradients, occlusion, RISE and deletion are blind to what equals their
#   baseline or fill. It is a theorem, not a weakness of an implementation.
# - The share of evidence on the background is no detector. Area, control network and distance belong beside it.
# - A repair is a new data set. Test it like the old one; and put it into the loader, or it won't be there in use.
#
# ## Where it breaks
#
# We knew the cue, so we could swap it. Nobody hands you the list of suspects, and a network with no visible fault
# may only have one that you haven't thought of. Explanations can help you *think of* it.
#
# **Try it yourself.** Give the network a creature on a background that is black on the left and white on the right,
# and find the share at which it changes its mind. Then repair the background alone, without JPEG, and measure.
#
# **Sources.** Lapuschkin et al., *Unmasking Clever Hans predictors*, Nature Communications 10 (2019); Geirhos et al.,
# *Shortcut learning in deep neural networks*, Nature Machine Intelligence 2 (2020); Adebayo et al., *Post hoc
# explanations may be ineffective for detecting unknown spurious correlation*, ICLR 2022; Porter and Duff, *Compositing
# digital images*, SIGGRAPH 1984; Hung-yi Lee, *Explainable ML* (lecture); Sundararajan, Taly and Yan, ICML 2017.
