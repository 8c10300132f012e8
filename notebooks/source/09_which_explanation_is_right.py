# %% [markdown] id="opening"
# # 9. Which explanation is right?
#
# **One network, one picture, one class, and seven heat maps that contradict each other.** By now you know more than a
# dozen methods, and each of them paints something. Two of the maps below know nothing of the trained network. Which
# ones? And if you can't tell by looking, what would tell you?
#
# After this lesson you can
#
# 1. say what "right" can mean: agreeing with people, with the truth of the data, or with the model;
# 2. score a map against a mask, and read the score beside four controls;
# 3. score a map against the model, by deletion, insertion and occlusion, and show what the fill decides;
# 4. run two sanity checks, and say what passing them proves and what it doesn't;
# 5. read a scoreboard: intervals, controls, prices, and scores that disagree.
#
# About 60 minutes. You need lessons 3 and 4; lessons 7 and 8 bring the methods that the table compares.

# %% id="setup"
from itertools import permutations

import matplotlib.pyplot as plt
import torch
from torch import Tensor

from course_lib import experiments, figures, networks
from course_lib.claims import claim
from course_lib.datasets.vehicles import vehicles
from course_lib.evaluation import interval95, mass_in_mask, pointing, rank_correlation
from course_lib.experiments.scoreboard import CONTROLS, explainer, maps_of, pictures_of, scoreboard_row
from course_lib.faithfulness import cascade, deletion_curve, filling
from course_lib.methods.steps import upsample


def heat_maps(method: str, network: str, n: int, first: int = 0) -> Tensor:
    """The maps of n pictures for their own classes, on the pictures' pixels: of a method or of a control."""
    pictures, labels, _ = (part[first : first + n] for part in pictures_of(network))
    raw = maps_of(explainer(method, network), networks.load(network).model, pictures, labels)
    return upsample(raw, (pictures.shape[-2], pictures.shape[-1]))


pictures, labels, masks = pictures_of("scenes_two_fc")
chosen = int(mass_in_mask(heat_maps("edge detector", "scenes_two_fc", 200), masks[:200]).argmax())
shown = ("Grad-CAM", "guided backpropagation", "re-initialized model", "saliency", "edge detector", "gradient x input",
         "integrated gradients")  # fmt: skip
panels = [figures.Panel(f"map {n}", heat_map=heat_maps(name, "scenes_two_fc", 1, chosen)[0])
          for n, name in enumerate(shown, 1)]  # fmt: skip
picture = figures.Panel("the picture", pictures[chosen], mask=masks[chosen])
figure = figures.compare([[picture, *panels[:3]], panels[3:]], shared=False, label="")
figures.show(figure, alt="A scene with its deciding object outlined, and seven heat maps that differ from each other.")

# %% [markdown] id="opening-read"
# The outline in the picture is the object that decides the class. Map 3 is Grad-CAM of the same network with random
# weights (its colour bar gives it away), and map 5 is an **edge detector**, two small filters from 1968 that know
# neither network nor class. (The picture is the one of 200 on which the edge detector does best.) Who already knows
# the answer can pick the maps that look right; an explanation is for those who don't.
#
# ## Three meanings of "right"
#
# - **Plausible**: people find it convincing. That measures people.
# - Right **about the data**: it points at what makes the picture what it is. That can be measured where the truth is
#   known, as in the course's drawn pictures. But a network is free to use something else, and then the right
#   explanation of *the network* scores badly.
# - **Faithful**: it says what the *model* does. No mask is needed, but the picture or the model has to be changed,
#   and then the model is asked about something that it never saw in training.
#
# No score measures all three, and none measures faithfulness without an assumption of its own. So each score needs
# **controls**: maps that can't be explanations. The course has four: a random map, a centre point, the edge detector,
# and Grad-CAM of the same network with random weights (a **re-initialized model**). A score that a control does well
# on is, there, no score of explanations.
#
# ## Against the truth of the data
#
# The **pointing game** asks whether the map's peak lies on the object. The **mass in the mask** asks how much of the
# evidence for the class does:
#
# {{formula:mass-in-mask}}
#
# The first sees one pixel, the second the whole map:
#
# {{formula:rescaling}}
#
# **Predict** how the edge detector does on the scenes (small objects among others), and on the vehicles (one large
# object in a landscape).

# %% id="masks"
names = ("Grad-CAM", "gradient x input", "guided backpropagation", *CONTROLS)
hits: dict[tuple[str, str], float] = {}
figure, axes = plt.subplots(1, 2, figsize=(8.4, 2.9), layout="constrained", sharey=True)
for ax, network in zip(axes, ("scenes_two_fc", "vehicles"), strict=True):
    masks = pictures_of(network)[2][:100]
    print(f"{network}: the object covers {masks.float().mean():.0%} of the picture")
    for level, name in enumerate(names):
        maps = heat_maps(name, network, 100)
        hit, mass = pointing(maps, masks), mass_in_mask(maps, masks)
        hits[network, name] = float(hit.float().mean())
        low, high = interval95(hit)
        print(f"  {name:24} points at it in {hits[network, name]:4.0%} ({low:.0%} to {high:.0%}), ", end="")
        print(f"mass {mass.mean():.2f} ({'{:.2f} to {:.2f}'.format(*interval95(mass))})")
        colour = figures.PALETTE["vermilion" if name in CONTROLS else "blue"]
        ax.plot([low, high], [level] * 2, color=colour)
        ax.plot(hits[network, name], level, "s" if name in CONTROLS else "o", color=colour)
    ax.set(title=network, xlabel="peak on the object", xlim=(0, 1.02), yticks=range(len(names)), yticklabels=names)
axes[0].invert_yaxis()
figures.show(figure, alt="How often three explanations and the controls (squares) point at the object, with intervals.")
cubed = maps.double() ** 3
claim("pointing-keeps", pointing(cubed, masks).float().mean(), pointing(maps, masks).float().mean())
claim("mass-moves", bool(mass_in_mask(cubed, masks).mean() > 1.1 * mass_in_mask(maps, masks).mean()), True)
claim("edges-miss-on-scenes", hits["scenes_two_fc", "edge detector"] < 0.5 * hits["scenes_two_fc", "Grad-CAM"], True)
claim("edges-win-on-vehicles", hits["vehicles", "edge detector"] > hits["vehicles", "Grad-CAM"], True)

# %% [markdown] id="masks-read"
# On the scenes the pointing game does its work: these three explanations point at the object far more often than any
# control. On the vehicles **the edge detector beats Grad-CAM**, and the centre point can't be told apart from it: a
# vehicle stands in the middle, and its wheels are the sharpest thing in the picture. Nothing is wrong with Grad-CAM
# there. The *test* is too easy: it can be passed without knowing the model, so passing it says nothing about the
# model. Look at the re-initialized model, too: on both networks random weights point at the object far more often
# than the random map does, because an object stands out from its background even to random filters.
#
# ## Against the model: take pixels away
#
# **Deletion** removes the pixels in the order of the map, the highest first, and watches the probability of the
# class; **insertion** puts them into an empty picture. The score is the area under the curve, good if it is small for
# deletion, and good if it is large for insertion:
#
# {{formula:deletion}}
#
# For a linear model this can be trusted completely. Swap two neighbours in the order, and the area changes by just
# the difference of their contributions:
#
# {{formula:deletion-exchange}}
#
# *Proof:* only one point of the curve changes, the one between the two deletions, and there the curve is lower by
# what went first. ∎ So any order can be sorted, swap by swap, into that of the contributions, and each swap makes the
# area smaller. Hold that against brute force.

# %% id="linear-deletion"
contributions = torch.tensor([2.0, -1.0, 0.5, 3.0, -0.25], dtype=torch.float64)  # w_i x_i
areas = {}
for order in permutations(range(5)):
    curve = torch.cat([contributions.sum()[None], contributions.sum() - contributions[list(order)].cumsum(0)])
    areas[order] = float(torch.trapezoid(curve, dx=1 / 5))
best, by_contribution = min(areas, key=areas.get), tuple(contributions.argsort(descending=True).tolist())
print(f"{len(areas)} orders: areas from {min(areas.values()):.3f} to {max(areas.values()):.3f}; the smallest: {best}")
claim("largest-first-is-best", str(by_contribution), str(best))

# %% [markdown] id="fills-intro"
# A network isn't linear, and a "deleted" pixel must have *some* colour, its **fill**. Three are in use: the picture's
# mean colour, black, and a blurred copy of the picture. Below are 24 vehicles. **Predict:** which of the five maps
# deletes best, and will it be the same one for each fill?

# %% id="fills"
network, steps = networks.load("vehicles"), 10
pictures, labels, _ = (part[:24] for part in pictures_of("vehicles"))
deleted = ("Grad-CAM", "saliency", "edge detector", "centre point", "random map")
figure, axes = plt.subplots(1, 3, figsize=(10, 3.2), layout="constrained", sharey=True)
areas_by_fill: dict[str, dict[str, float]] = {}
for ax, fill in zip(axes, ("mean", "blur", "black"), strict=True):
    found = {}
    for style, name in enumerate(deleted):
        curve = deletion_curve(network.model, pictures, labels, heat_maps(name, "vehicles", 24), fill, steps=steps)
        figures.draw_curve(ax, [k / steps for k in range(steps + 1)], curve, name, style)
        found[name] = float(torch.trapezoid(curve, dx=1 / steps, dim=1).mean())
    areas_by_fill[fill] = dict(sorted(found.items(), key=lambda one: one[1]))
    print(f"{fill:5} areas:", ", ".join(f"{name} {area:.2f}" for name, area in areas_by_fill[fill].items()))
    ax.set(xlabel="share of the pixels deleted", title=f"fill: {fill}", ylim=(-0.02, 1.05))
axes[0].set_ylabel("probability of 'vehicle'")
axes[0].legend(fontsize=7)
figures.show(figure, alt="Deletion curves of five maps on vehicles, with three fills; with black the order is another.")
first = {fill: next(iter(areas)) for fill, areas in areas_by_fill.items()}
claim("explanation-first", str((first["mean"], first["blur"])), str(("Grad-CAM", "Grad-CAM")))
claim("control-first-with-black", first["black"], "centre point")

drawn = vehicles(60, seed=9_000_500)
others = drawn.pictures[drawn.labels == 0]  # houses, rocks, clocks ...: not one vehicle among them
spots = torch.rand(others[:, 0].shape, generator=torch.Generator().manual_seed(0)) < 0.1
turned = {}
with torch.no_grad():
    for fill in ("mean", "blur", "black"):
        spotted = torch.where(spots[:, None], filling(others, fill), others)
        turned[fill] = float((network.model(spotted).argmax(1) == 1).float().mean())
    before = float((network.model(others).argmax(1) == 1).float().mean())
print(f"\n{len(others)} pictures without a vehicle, taken for one: {before:.0%}; with a tenth filled:", end=" ")
print(", ".join(f"{share:.0%} ({fill})" for fill, share in turned.items()))
claim("black-spots-make-vehicles", turned["black"] > 0.95 and before < 0.1, True)
claim("blur-makes-none", turned["blur"] < 0.1 < turned["mean"], True)

# %% [markdown] id="fills-read"
# With the mean colour and with blur Grad-CAM is first. With **black the centre point is first**, and most curves
# hardly fall before the very end, when the vehicle is long gone. The last line says why. Those pictures show houses,
# rocks, clocks, and with black pixels scattered over a tenth of them **every one becomes a vehicle** to this network.
# (With the mean colour most do, with blur hardly any.) What was measured there is the network's opinion of black
# spots. That is the general weakness of every score that removes something: the pictures in the middle of the curve
# are like nothing that the network was trained on, and the *shape* of what was removed is itself a picture. So no
# deletion score without its fill, and no ranking from one fill alone.
#
# A third such score is the **rank correlation with occlusion**: cover one cell after the other, note what the *logit*
# loses, and ask whether map and losses put the cells in the same order.
#
# {{formula:rank-correlation}}
#
# ## Against the model: take the model away
#
# A **sanity check** turns the question round. Destroy the model, layer by layer from the last one down, by drawing
# the parameters anew: **cascading randomization** (Adebayo et al., 2018). A map that explains what was *learnt* must
# change. How far it does is a rank correlation, with the signs (left) and without them (right). **Predict:** which of
# the five passes best?

# %% id="cascade"
pictures, labels, _ = (part[:12] for part in pictures_of("scenes_two_fc"))
model = networks.load("scenes_two_fc").model
checked = ("Grad-CAM", "gradient x input", "guided backpropagation", "edge detector", "random map")
figure, axes = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained", sharey=True)
ends: dict[str, list[float]] = {}
for style, name in enumerate(checked):
    explained = explainer(name, "scenes_two_fc")
    before = maps_of(explained, model, pictures, labels)
    signed, absolute, layers = [], [], []
    for layer, changed in cascade(model):
        after = maps_of(explained, changed, pictures, labels)
        signed.append(rank_correlation(before, after))
        absolute.append(rank_correlation(before.abs(), after.abs()))
        layers.append(layer.removeprefix("features."))
    for ax, values in zip(axes, (signed, absolute), strict=True):
        figures.draw_curve(ax, range(len(layers)), torch.stack(values, 1), name, style)
    ends[name] = [float(values[-1].mean()) for values in (signed, absolute)]
    print(f"{name:24} last layer random {signed[0].mean():5.2f}; all random: ", end="")
    print("{:5.2f}, absolute {:5.2f}".format(*ends[name]))
for ax, title in zip(axes, ("signed maps", "absolute values"), strict=True):
    ax.set_xticks(range(len(layers)), layers, rotation=70, fontsize=7)
    ax.set(title=title, xlabel="random down to this layer", ylim=(-0.8, 1.05))
axes[0].set_ylabel("rank correlation with\nthe map of the trained model")
axes[1].legend(fontsize=7, loc="lower left")
figures.show(figure, alt="Rank correlation of five maps with themselves as the network's layers are made random.")
claim("edges-fail", ends["edge detector"], [1.0, 1.0], rtol=1e-6)
claim("noise-passes", max(map(abs, ends["random map"])) < 0.05, True)
claim("structure-stays", ends["gradient x input"][1] > ends["gradient x input"][0] + 0.05, True)

# %% [markdown] id="cascade-read"
# The edge detector stays at 1: it fails, as it should, since it explains no model. The one that passes best is the
# **random map**. A sanity check can refuse a method; it can't recommend one.
#
# Guided backpropagation stays nearly the same while the fully connected layers are destroyed, which is what it is
# notorious for. But in this small network it does *not* stay to the end, so the sentence that is often quoted, "it
# doesn't depend on the model at all", isn't what we measure (its first published curve was partly an error, too). And
# gradient x input keeps some order in its absolute values when none is left in the signed ones: the factor x is still
# the picture. Whoever draws |map| then sees the picture, and takes it for the model.
#
# The second sanity check is **sensitivity to the class**: the rank correlation of the map with that of another class,
# on the same picture. A map that is the same for both can't say why it was the one and not the other.
#
# ## The scoreboard
#
# Now everything at once: every method of the course and every control, on every network, by every score. That takes
# minutes, so `course experiments scoreboard` has written a table, and any row of it can be computed again, as this
# one is. All pictures are fresh ones that the network gets right; slow methods get fewer of them.

# %% id="row-again"
board = {(row["network"], row["method"]): row for row in experiments.read("scoreboard")}
again = scoreboard_row("scenes_two_fc", "Grad-CAM")
for score in ("pointing", "mass in mask", "deletion, mean", "passes"):
    claim(f"again-{score.replace(', ', '-').replace(' ', '-')}", again[score],
          board["scenes_two_fc", "Grad-CAM"][score], rtol=8e-3)  # fmt: skip

# %% id="table"
network = "scenes_two_fc"  # try "scenes_gap", "scenes_vit", "vehicles" and "creatures_repaired"
columns = ("pointing", "mass in mask", "occlusion", "deletion, mean", "insertion, mean", "other class", "all random")
print(f"{network:24}{'passes':>7}{'n':>5}" + "".join(f"{one.split(',')[0]:>13}" for one in columns))
for (where, name), row in board.items():
    if where == network and not row["why not"]:
        cells = [f"{row[one]:5.2f} ±{(row[one + ' high'] - row[one + ' low']) / 2:.2f}" for one in columns]
        print(f"{name:24}{row['passes']:>7.0f}{row['pointing n']:>5.0f}" + "".join(f"{one:>13}" for one in cells))
missing: dict[str, list[str]] = {}
for (where, name), row in board.items():
    if row["why not"]:
        missing.setdefault(f"{name}: {row['why not'].split('. ')[0]}", []).append(where)
print("\nnot there", *(f"{sentence} ({', '.join(places)})" for sentence, places in missing.items()), sep="\n  ")
same = [board["scenes_gap", name]["pointing"] for name in ("CAM", "Grad-CAM", "HiResCAM")]
claim("theorem-in-the-table", same[1:], same[:1] * 2)
two = [board["vehicles", name]["other class"] for name in ("Grad-CAM", "saliency")]
claim("two-classes-mirror", two[0] < -0.9 and two[1] > 0.9, True)

# %% [markdown] id="table-read"
# How to read it: ± is half of the 95 % interval; n is the number of pictures for the first two columns, and the
# others rest on fewer (their numbers are in the file). Deletion and insertion are with the mean colour. *Small* is
# good for deletion, and near 0 for other class and all random, the two sanity checks. A **pass** is one picture
# through the network, forward or backward, counted while the method ran (what it does on single layers, past the
# network, isn't seen). It is the price: a method that needs a hundred times as many passes must be better by more
# than its interval is wide.
#
# Three checks that the table isn't nonsense. The random map points about as often as the object is large. On
# `scenes_gap` CAM, Grad-CAM and HiResCAM have equal rows, the theorem of lesson 3 seen in data. And on `vehicles`,
# with two classes whose logits nearly mirror each other, a signed map turns round for the other class, and saliency,
# which has no sign, stays. So "sensitive to the class" means little with two classes.
#
# **Predict**, before the next cell: on which network do most methods lose to the edge detector?

# %% id="edge-detector"
better = {"pointing": 1, "mass in mask": 1, "occlusion": 1, "deletion, mean": -1, "insertion, mean": 1}
places = list(dict.fromkeys(where for where, _ in board))
methods = [name for name in dict.fromkeys(name for _, name in board) if name not in CONTROLS]
figure, axes = plt.subplots(1, len(places), figsize=(10, 0.2 * len(methods) + 2), layout="constrained", sharey=True)
for ax, where in zip(axes, places, strict=True):
    rows = [board[where, name] for name in (*methods, *CONTROLS)]
    ends_of_bars = [[row[f"pointing {end}"] for row in rows] for end in ("low", "high")]
    for level, row in enumerate(rows):
        colour = figures.PALETTE["vermilion" if row["method"] in CONTROLS else "blue"]
        ax.plot([row["pointing low"], row["pointing high"]], [level] * 2, color=colour)
        ax.plot(row["pointing"], level, "s" if row["method"] in CONTROLS else "o", color=colour, ms=4)
    ax.axvline(board[where, "edge detector"]["pointing"], color=figures.PALETTE["vermilion"], ls="--", lw=1)
    ax.set(title=where, xlabel="peak on the object", xlim=(0, 1.02))
    ax.set_yticks(range(len(rows)), [row["method"] for row in rows], fontsize=7)
axes[0].invert_yaxis()
figures.show(figure, alt="The pointing game of every method and control on each network, with 95 % intervals.")
lost = dict.fromkeys(places, 0)
for where in places:
    for score, sign in better.items():
        edge = board[where, "edge detector"]
        worse = [name for name in methods if sign * (board[where, name][score] - edge[score]) < 0
                 and (board[where, name][f"{score} high"] < edge[f"{score} low"]
                      or board[where, name][f"{score} low"] > edge[f"{score} high"])]  # fmt: skip
        lost[where] += len(worse)
        if worse:
            print(f"{where}, {score}: clearly worse than the edge detector: {', '.join(worse)}")
print("cells lost to the edge detector:", ", ".join(f"{where} {count}" for where, count in lost.items()))
edge, cam = (board["vehicles", name] for name in ("edge detector", "Grad-CAM"))
claim("grad-cam-loses-to-edges", cam["pointing high"] < edge["pointing low"], True)

# %% [markdown] id="edge-detector-read"
# Squares are controls, and the dashed line is the edge detector. The printed lines name each method whose interval
# lies wholly on the wrong side of it: on that network, by that score, you would have done better not to ask the
# model. Two different things stand behind such a line. Either the *score* can be had from the picture alone, as in
# the pointing game on the vehicles; or the *method* is bad by a score on which the edge detector itself is no better
# than noise. Tell them apart by looking where the edge detector stands beside the other controls.
#
# On the creatures of lesson 5 even the centre point beats every method in the pointing game. They stand alone, in the
# middle of white paper, and their families differ in the *outline*. Most peaks lie a few pixels outside of it, on the
# white, and count as misses. The mask says where the creature is, and the maps where its shape is decided: again a
# score that asks another question than the map answers.
#
# ## Where the scores disagree
#
# If the scores measured one thing, they would rank the methods alike. **Predict:** pointing and deletion, do they
# agree?

# %% id="agreement"
scores = [*better, "deletion, black", "all random"]
signs = [*better.values(), -1, -1]
figure, axes = plt.subplots(2, 3, figsize=(10, 7.6), layout="constrained", sharex=True, sharey=True)
axes[-1, -1].axis("off")
agreement: dict[str, Tensor] = {}
for ax, where in zip(axes.flat, places, strict=False):
    rows = [row for (network, _), row in board.items() if network == where and not row["why not"]]
    goodness = torch.tensor([[sign * (abs(row[score]) if score == "all random" else row[score]) for row in rows]
                             for score, sign in zip(scores, signs, strict=True)])  # fmt: skip
    pairs = [(a[None, None], b[None, None]) for a in goodness for b in goodness]
    agreement[where] = torch.cat([rank_correlation(a, b) for a, b in pairs]).view(len(scores), -1)
    ax.imshow(agreement[where], cmap=figures.DIVERGING, vmin=-1, vmax=1)
    for i, line in enumerate(agreement[where].tolist()):
        for j, value in enumerate(line):
            ink = "white" if value < 0.3 else "black"
            ax.text(j, i, f"{value:z.1f}", ha="center", va="center", fontsize=7, color=ink)
    ax.set_xticks(range(len(scores)), scores, rotation=70, fontsize=8)
    ax.set_yticks(range(len(scores)), scores, fontsize=8)
    ax.set_title(f"{where}: {len(rows)} rows", fontsize=10)
figures.show(figure, alt="Rank correlation between scores over the rows of the board, one square for each network.")
firsts = {}
for where in places:
    for score, sign in better.items():
        rows = [row for (network, _), row in board.items() if network == where and not row["why not"]]
        firsts[where, score] = max(rows, key=lambda row: sign * row[score])["method"]  # noqa: B023
    print(f"{where}: first by", "; ".join(f"{score}: {firsts[where, score]}" for score in better))
for where, square in agreement.items():
    i, j = divmod(int(square.argmin()), len(scores))
    print(f"{where}: {scores[i]} and {scores[j]} disagree most, rank correlation {square[i, j]:.2f}")
claim("no-method-is-first-everywhere", len(set(firsts.values())) > 1, True)
claim("scores-disagree", min(float(square.min()) for square in agreement.values()) < 0.3, True)
broad, fine = (board["scenes_two_fc", name] for name in ("Grad-CAM", "integrated gradients"))
print("scenes_two_fc, Grad-CAM and integrated gradients: insertion {:.2f} and {:.2f},".format(
    broad["insertion, mean"], fine["insertion, mean"]), end=" ")  # fmt: skip
print(f"mass in mask {broad['mass in mask']:.2f} and {fine['mass in mask']:.2f}")
claim("broad-for-insertion", broad["insertion, mean low"] > fine["insertion, mean high"], True)
claim("fine-for-mass", fine["mass in mask low"] > broad["mass in mask high"], True)

# %% [markdown] id="end"
# Each square compares two columns of the board, all turned so that more is better: 1 means that they rank the rows
# alike, 0 that one says nothing about the other, below 0 that what is good by one is bad by the other. There isn't
# one winner: a peak, a total, an order of cells and a curve are different questions. Each score also has a taste. The
# last line shows two: insertion likes *broad* maps, since scattered pixels make no shape, and mass in the mask likes
# *fine* ones, since a broad peak spills over the outline. The same two maps, and the order turns round. And a method
# that works by covering parts of the picture may have a head start in a score that does the same. So before you quote
# a ranking, ask whether the winner and the score are relatives.
#
# ## What you have learnt
#
# - "Right" is three questions: plausible to people, right about the data, faithful to the model.
# - A score without controls is no score. On the vehicles the edge detector, which knows no model, beats Grad-CAM in
#   the pointing game, and with black for a fill the centre point beats it in deletion.
# - For a linear model deletion is provably best in the order of the contributions; for a network the fill and the
#   shape of what is deleted have a say, so name the fill and show more than one.
# - Sanity checks can refuse a method and never recommend one: noise passes them. Look at signed maps *and* at their
#   absolute values.
# - Scores disagree. Choose the score by the question you have, before you see who wins, and report the interval, the
#   controls and the price.
#
# ## Where it breaks
#
# All of it was measured on small networks, drawn pictures and one training each, and the intervals cover the choice
# of the pictures only. The order of two methods may be another one in your network. What carries over is the
# procedure, and lesson 10 takes it to a network of your own.
#
# **Try it yourself.** Write a pointing game with its interval, a deletion curve with a fill of your own, one stage of
# a cascade, and a control that beats a method.
#
# **Sources.** Zhang et al., *Top-down Neural Attention by Excitation Backprop*, ECCV 2016 (arXiv 1608.00507);
# Petsiuk, Das, Saenko, *RISE*, BMVC 2018 (arXiv 1806.07421); Adebayo, Gilmer, Muelly, Goodfellow, Hardt, Kim, *Sanity
# Checks for Saliency Maps*, NeurIPS 2018 (arXiv 1810.03292); Arras, Osman, Samek, *CLEVR-XAI*, Information Fusion 81
# (2022, arXiv 2003.07258); Rong et al., *A Consistent and Efficient Evaluation Strategy for Attribution Methods*,
# ICML 2022 (arXiv 2202.00449); Hedström et al., *Quantus*, JMLR 24 (2023); Jacovi and Goldberg, *Towards Faithfully
# Interpretable NLP Systems*, ACL 2020.
