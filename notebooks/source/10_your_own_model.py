# %% [markdown] id="opening"
# # 10. Your own model
#
# **Somebody shows you these two maps. Which network has learnt something?** One is right on more than 95 % of fresh
# scenes. The other is the same network with the numbers of every weight tensor shuffled: it knows nothing.
#
# After this lesson you can
#
# 1. explain a pretrained network's answer to a photograph of yours;
# 2. bring a network of your own, with its weights and its preprocessing, without running code from a file;
# 3. choose a layer, and say what the choice costs;
# 4. put beside a map what must stand there, on one page;
# 5. try to fool yourself before others do it, with five checks.
#
# About 60 minutes. You need lessons 3 and 4; lesson 9 tells where the checks come from.

# %% id="setup"
import tempfile
from itertools import pairwise
from pathlib import Path

import torch
import torch.nn.functional as F
from scipy.stats import spearmanr
from skimage import data
from torch import Tensor, nn

from course_lib import figures, networks
from course_lib.claims import claim
from course_lib.datasets.scenes import pairs
from course_lib.datasets.vehicles import vehicles
from course_lib.evaluation import interval95
from course_lib.layers import layers
from course_lib.methods.registry import explain
from course_lib.methods.steps import normalize, relu, upsample
from course_lib.networks.own import own, reinitialized
from course_lib.preprocessing import Preprocessing
from course_lib.report import report
from course_lib.widgets.layer_picker import pick_layers

scene = pairs(1, seed=20_002).pictures
learnt = networks.load("scenes_two_fc")
shuffled = reinitialized(learnt, seed=0)
target = int(learnt.model(scene).argmax())


def guided(model: nn.Module) -> Tensor:
    """Guided backpropagation, prettified as usual: only what is positive, scaled to [0, 1]."""
    return normalize(relu(explain(model, scene, target, "guided backpropagation").map))[0]


a, b = guided(shuffled.model), guided(learnt.model)
panels = [figures.Panel("picture", scene[0]), figures.Panel("map A", heat_map=a), figures.Panel("map B", heat_map=b)]
figures.show(
    figures.compare([panels], label="share of the largest value"),
    alt="A scene with a cross and a circle, and two maps of it that both trace the outlines of the shapes.",
)

# %% [markdown] id="what-to-report"
# Both mark the circle, which is what the first network answers. One traces its rim, one fills it, and either could be
# told as a story. The maps were cut at 0 and each was scaled to its own maximum, so their strength is gone, and there
# is no word about class, layer or method. **Decide now**; the answer stands at the end of the lesson. First the rule
# that would have helped: **a heat map is half of a statement.** The other half stands beside it.
#
# ## What must stand beside a map
#
# | say | because | lesson |
# |---|---|---|
# | the **layer**, and the size of its cells | another layer gives another map | 3 |
# | the **class** that is explained | also where it isn't the answer | 2, 3 |
# | the **method**, and what was done afterwards (ReLU, normalization, upsampling) | the ReLU hides half | 3 |
# | the **score**: which number was differentiated, and its value | a probability's map fades | 3, 4 |
# | the **scale**, with a colour bar around 0 | scaled to its own maximum, a map of nothing looks like any other | 4 |
# | a **control** | some maps need no network to have learnt anything | 3, 9 |
#
# The last one is left out most often. `report` makes a page with all of them. It computes what it says, so nothing
# can be forgotten, and it always adds two controls:
#
# - The **re-initialized model**: the same method on the same network with its weights in random order, which is a
#   *sanity check* (Adebayo et al., 2018). If that map looks like yours, yours doesn't show what was learnt.
# - **Covered squares**, which is *occlusion* (Zeiler and Fergus, 2014): the picture is cut into 8 x 8 squares, and
#   each in turn gets the picture's mean colour. What does the logit really lose? The *rank correlation* says whether
#   the map puts the squares into the same order: 1 is the same order, 0 is none, −1 the opposite one.

# %% id="first-report"
folder = tempfile.TemporaryDirectory()
network = networks.load("scenes_gap")
title = "Two shapes among clutter, drawn by the course"
page = report(network, scene[0], title, f"{folder.name}/scene", layer="features")
figures.show(page.figure, alt=page.alt)
print(*(f"{path.name}: {path.stat().st_size / 1000:.0f} KB" for path in page.files), sep=", ")

answer = explain(network.model, scene, int(network.model(scene).argmax()), "Grad-CAM", "features")
claim("report-says-the-scale", page.facts["Scale"], f"from {answer.map.min():.3g} to {answer.map.max():.3g} logits")
claim("better-than-its-control", page.agreement[0] > max(page.agreement[1:]), True)

# %% [markdown] id="read-a-report"
# From left to right: the picture as the network gets it, the raw map with both its signs, the map of the first of
# five re-initialized models (look at its colour bar: its values are twenty times as small), and what covering each
# square costs. The circle carries the logit, the cross lowers it, and the covered squares say the same. The rank
# correlation of 0.76 is beyond what any of the five shuffled networks reaches (−0.46 to 0.19).
#
# Two things to note. The *range* of the five is wide. Smooth maps on few squares agree or disagree by chance, so a
# single control, or a single picture, proves little. And covering is no last instance either: a grey square is a
# picture that the network has never seen, and another colour or another size of square gives other numbers (lessons 8
# and 9).
#
# What belongs on the page can't be left out by accident, and a mistake gets a sentence instead of a page:

# %% id="refusals"
for change in ({"seeds": ()}, {"title": ""}, {"layer": "feature"}):
    given = {"title": "Two shapes", "layer": "features"} | change
    try:
        report(network, scene[0], path=f"{folder.name}/refused", **given)
    except (ValueError, LookupError) as sentence:
        print(f"{change}: {sentence}")
claim("nothing-was-written", [*Path(folder.name).glob("refused*")] == [], True)

# %% [markdown] id="photograph-intro"
# ## A pretrained network, and your photograph
#
# Now a network that you didn't make: SqueezeNet, trained on ImageNet's thousand classes, through torchvision's own
# loading. `networks.pretrained` takes the name of any of torchvision's classifiers and brings its preprocessing
# along, since a network that was fed with centred, scaled colours gives nonsense for any others. (The outputs below
# are SqueezeNet's. Without its weights and without a connection the cell says so in one sentence, and goes on with
# the course's own network.)
#
# The picker begins with a cat. **Press "Upload a picture" and choose a photograph of yours.** JPEG and PNG will do,
# also straight from a phone: it is turned upright, and transparency is laid on white. It stays on the computer where
# this notebook runs. **Predict** before you look: which class, and where? Then do three things. Type another class
# that might be in the picture. Go through the layers with the arrow keys. Change the method. Whatever survives all
# three is worth a second look.

# %% id="photograph" tags=["pretrained"]
try:
    real, photograph, places = networks.pretrained("squeezenet1_0"), data.chelsea(), ("features.7", "features.12")
    title = "Chelsea, a cat (scikit-image; photograph by Stéfan van der Walt)"
except ConnectionError as sentence:
    print(sentence)
    real, photograph, places = network, scene[0], ("features.block3.relu", "features.block5.relu")
pick_layers(real, {title.split(",")[0]: photograph}, layer=places[-1], static_layers=places)

# %% id="photograph-report" tags=["pretrained"]
of_photograph = report(real, photograph, title, f"{folder.name}/photograph", layer=places[-1], batch=16)
figures.show(of_photograph.figure, alt=of_photograph.alt)

# %% [markdown] id="own-model"
# **Read the page as a referee would.** The answer is right, the class and layer are stated, and the map has both
# signs. But the last line spoils it: the order of the squares agrees with what covering them costs at 0.29 only, and
# a *shuffled* network reaches 0.21. In the picture at least one square on the muzzle costs two logits, while the map
# is brightest on the forehead. An honest caption is: "Grad-CAM at features.12 for 'Egyptian cat'; on this picture it
# agrees with occlusion hardly better than a network that has learnt nothing." That isn't a nice sentence for a paper,
# and the map alone would never have forced anybody to write it. (Is the answer spread over the whole face, so that no
# single square matters? The page can't say. A larger square, or squares in pairs, could.)
#
# ## A model of your own
#
# What does it take to explain a network that *you* trained? Four things: its **class**, its **weights file**, the
# **names of its classes** in the order of the logits, and the **preprocessing** of its training. As an example we
# make a small one here. It tells vehicles from other things, and its training takes some seconds. Its normalization
# is *outside* of the model, as in most code that you will meet, so that the preprocessing matters.

# %% id="own-class"
class MyNetwork(nn.Module):
    """Three blocks of convolution, BatchNorm and ReLU, then GAP and one linear layer."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        blocks = (
            nn.Sequential(nn.Conv2d(before, after, size, 2, size // 2), nn.BatchNorm2d(after), nn.ReLU())
            for (before, after), size in zip(pairwise((3, 12, 24, 32)), (5, 3, 3), strict=True)
        )
        self.features = nn.Sequential(*blocks)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(32, classes)

    def forward(self, pictures: Tensor) -> Tensor:
        return self.fc(self.pool(self.features(pictures)).flatten(1))


def draw(seeds: range) -> tuple[Tensor, Tensor, Tensor]:
    """Normalized pictures (100 a seed), labels, and the pixels of the main thing."""
    drawn = [vehicles(100, seed) for seed in seeds]
    pictures, labels, bodies = (
        torch.cat([getattr(some, name) for some in drawn]) for name in ("pictures", "labels", "bodies")
    )
    return (pictures.float() - 0.5) / 0.25, labels, bodies


NAMES, mine = ("no vehicle", "vehicle"), Preprocessing(96, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))
(x_train, y_train, _), (x_test, y_test, bodies) = draw(range(10, 16)), draw(range(20, 22))
torch.manual_seed(0)
trained, steps = MyNetwork(2), 150
optimizer = torch.optim.AdamW(trained.parameters(), 1e-2)
schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, steps)
for step in range(steps):
    batch = torch.randint(0, 600, (32,))
    loss = F.cross_entropy(trained(x_train[batch].flip(-1) if step % 2 else x_train[batch]), y_train[batch])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    schedule.step()
trained.eval()
torch.save(trained.state_dict(), f"{folder.name}/mine.pt")

# %% [markdown] id="own-load-intro"
# `own` puts the four together. It reads the file as *numbers only* (`weights_only=True`, or safetensors). A file that
# was saved as a whole model is a pickle, and loading a pickle runs whatever code somebody has put into it. That is
# why `own` wants the class from you: **code comes from you, numbers come from the file.**
#
# **Predict:** how often is the network right if somebody forgets its preprocessing and feeds it pictures in [0, 1]?

# %% id="own-load"
my_network = own(MyNetwork(2), f"{folder.name}/mine.pt", NAMES, mine)
with torch.no_grad():
    logits = my_network.model(x_test)
    claim("loaded-is-trained", logits, trained(x_test))
    right = logits.argmax(1) == y_test
    unprepared = my_network.model(mine.undo(x_test)).argmax(1) == y_test
print("right on fresh pictures: {:.1%} ({:.1%} to {:.1%})".format(right.float().mean(), *interval95(right)))
print("fed without preprocessing: {:.1%} ({:.1%} to {:.1%})".format(unprepared.float().mean(), *interval95(unprepared)))
claim("good-enough-to-explain", right.float().mean() >= 0.85, True)
claim("preprocessing-matters", unprepared.float().mean() < right.float().mean() - 0.1, True)

# %% [markdown] id="own-refused-intro"
# Right on more than 9 of 10 pictures, and with the wrong preprocessing at chance. **Nothing warned us.** Shapes fit,
# numbers are finite, a map would be drawn. No library can check this for you, so measure the accuracy after loading,
# through the very preprocessing that the report will use. What *can* be checked, is:

# %% id="own-refused"
weights = trained.state_dict()
files = {
    "whole.pt": trained,
    "renamed.pt": {name.replace("fc.", "head."): values for name, values in weights.items()},
    "parallel.pt": {"epoch": 3, "state_dict": {f"module.{name}": values for name, values in weights.items()}},
}
for name, content in files.items():
    torch.save(content, f"{folder.name}/{name}")
for name, classes in {"none.pt": 2, "whole.pt": 2, "renamed.pt": 2, "mine.pt": 3, "parallel.pt": 2}.items():
    try:
        own(MyNetwork(classes), f"{folder.name}/{name}", NAMES, mine)
        print(f"{name}: loaded")
    except ValueError as sentence:
        print(f"{name}: {str(sentence).replace(folder.name, '...')}")

# %% [markdown] id="layer-intro"
# The last file came from `DataParallel` inside a training loop's checkpoint: its prefix and its wrapping are known,
# and it loads.
#
# ## Which layer?
#
# Late layers have large cells and a short way to the logit, early layers the opposite. There is one layer for which
# nothing has to be believed: **the last map before GAP**, if one linear layer follows. There the theorem of lesson 3
# holds,
#
# {{formula:grad-cam-theorem}}
#
# so Grad-CAM, unrectified, adds up to the logit less the bias, and each cell is what the logit loses without it. On
# other heads it is still the place where the straight line is shortest (lesson 4). The price is the size of the
# cells: whoever wants finer ones goes to earlier layers, or to methods for pixels, and pays with an explanation that
# isn't exact. So *measure* what your choice costs. Two numbers are cheap: how far the sum is from the logit, and the
# agreement with covered squares, here over 40 pictures. **Predict** which layer wins each.

# %% id="layers"
def squares(maps: Tensor) -> Tensor:
    """Maps (B, h, w) as means over 8 x 8 squares, (B, 64)."""
    return F.adaptive_avg_pool2d(upsample(maps, (96, 96), "nearest")[:, None], 8).flatten(1)


def after_covering(chosen: Tensor) -> Tensor:
    """The logits of x when the chosen squares, (B, 64) or (1, 64) of 0 and 1, get the picture's mean colour."""
    cover = upsample(chosen.view(-1, 8, 8), (96, 96), "nearest")[:, None]
    with torch.no_grad():
        return model(x + cover * (x.mean((-2, -1), keepdim=True) - x))


n = 40
x, model, answers = x_test[:n], my_network.model, logits[:n].argmax(1)
bias, own_logit = model.fc.bias.detach()[answers], logits[:n].gather(1, answers[:, None])[:, 0]
one_each = torch.eye(64)[:, None]
lost = torch.stack([own_logit - after_covering(one)[torch.arange(n), answers] for one in one_each], 1)  # (40, 64)
print(f"{'layer':11} {'cells':>8} {'pixels':>7}   {'sum + bias - logit':>18}   agreement with covered squares")
for layer in layers(model, x[:1]):
    if layer.grid and layer.kind == "Sequential" and layer.name != "features":
        both = torch.stack([explain(model, x, c, "Grad-CAM", layer.name).map for c in range(2)])
        maps = both[answers, torch.arange(n)]
        agreement = [float(spearmanr(*pair).statistic) for pair in zip(squares(maps), lost, strict=True)]
        gap = (maps.sum((1, 2)) + bias - own_logit).abs().mean()
        low, high = interval95(agreement)
        cells, pixels = f"{layer.grid[0]} x {layer.grid[1]}", f"{layer.cell[0]:g}"
        row = f"{layer.name:11} {cells:>8} {pixels:>7}   {gap:>18.2g}"
        print(f"{row}   {sum(agreement) / n:.2f} ({low:.2f} to {high:.2f})")
claim("exact-before-gap", maps.sum((1, 2)) + bias, own_logit, rtol=1e-4, atol=1e-4)

# %% [markdown] id="fooled-intro"
# The sum is exact at the last layer and off by several logits at both others, and it must be so. The agreement is
# nobody's theorem. The first layer's map has nothing to do with what covering costs: its interval contains 0. But the
# *middle* layer does at least as well as the last one. "Each cell is what the logit loses without it" is about a cell
# of the layer, and a square of the picture is something else: it reaches into several cells, and its edges are new.
# **Exact and useful are two things.** A good habit: report the last map before GAP, and show an earlier one beside it
# if you want to speak about details, each with its own numbers.
#
# ## How not to be fooled
#
# A map is a hypothesis, and a hypothesis is tested by doing something that could refute it. The strongest test
# **intervenes**: change what the map marks, and see whether the answer follows. Three interventions, with controls:
#
# - cover the eight squares (of 64) that the map puts *highest*; beside it the eight lowest, eight at random, and
#   eight that the map of the re-initialized model puts highest;
# - *blank* the thing itself, or all but the thing (for these pictures we know where it is; for yours, draw a box);
# - show *nothing*: a black, a grey and a white picture.
#
# **Predict:** in how many of 40 pictures does the answer change when an eighth of the picture is covered?

# %% id="interventions"
control = reinitialized(my_network, seed=0).model
by_control = torch.stack([explain(control, x, c, "Grad-CAM", "features.2").map for c in range(2)])
chance = torch.rand(n, 64, generator=torch.Generator().manual_seed(0))
orders = {
    "the map's highest": squares(maps),
    "the map's lowest": -squares(maps),
    "re-initialized model's highest": squares(by_control[answers, torch.arange(n)]),
    "random": chance,
}
effects = {}
for name, order in orders.items():
    changed = after_covering(torch.zeros(n, 64).scatter(1, order.topk(8).indices, 1))
    loss_of = own_logit - changed[torch.arange(n), answers]
    flips = changed.argmax(1) != answers
    effects[name] = float(loss_of.mean())
    print("{:31} logit loses {:5.2f} ({:5.2f} to {:5.2f})".format(name, loss_of.mean(), *interval95(loss_of)), end="")
    print("   answer changes {:4.0%} ({:.0%} to {:.0%})".format(flips.float().mean(), *interval95(flips)))
claim("the-map-finds-what-matters", effects["the map's highest"] > effects["random"], True)

near = F.max_pool2d(bodies[:, None].float(), 17, 1, 8)  # the main thing, with 8 pixels around it
for name, mask in {"the thing greyed": near, "all but the thing greyed": 1 - near}.items():
    with torch.no_grad():
        still = model(x_test * (1 - mask)).argmax(1) == y_test
    print("{:31} right {:.1%} ({:.1%} to {:.1%})".format(name, still.float().mean(), *interval95(still)))
with torch.no_grad():
    blanks = torch.stack([torch.full((3, 96, 96), (grey - 0.5) / 0.25) for grey in (0.0, 0.5, 1.0)])
    margins = model(blanks)[:, 1] - model(blanks)[:, 0]
print("vehicle less no vehicle on black, grey, white:", ", ".join(f"{m:+.2f}" for m in margins))

# %% [markdown] id="interventions-read"
# Covering what the map marks changes the answer in about half of the pictures; covering as much at random, or
# where a shuffled network points, does so in one of ten or less. That is evidence *for this network on these
# pictures* that the map finds what matters. Covering the lowest squares costs nothing: what the map calls evidence
# against the class is weak here.
#
# The second test finds no shortcut: without the thing the network guesses, with nothing but the thing it is nearly as
# good as before. (Lesson 5 has a network for which it is the other way round.) The third is worth a thought: all
# three blank pictures are "no vehicle", the grey one by more than five logits. That is what the network says when it
# sees nothing. So a picture that is called "no vehicle" need not contain a reason for it, and its map explains an
# absence.
#
# ## Second opinions that aren't
#
# A popular test is to ask another method, or about another class. **Predict:** which of these agree with Grad-CAM,
# and which of the agreements mean anything?

# %% id="second-opinions"
print(f"{'rank correlation with Grad-CAM':34} over {n} pictures")
opinions = {"the other class": both[1 - answers, torch.arange(n)]}
for method in ("HiResCAM", "LayerCAM", "Grad-CAM++", "gradient x input"):
    layer = None if method == "gradient x input" else "features.2"
    of_classes = torch.stack([explain(model, x, c, method, layer).map for c in range(2)])
    opinions[method] = of_classes[answers, torch.arange(n)]
for name, other in opinions.items():
    ranks = [float(spearmanr(m, o).statistic) for m, o in zip(squares(maps), squares(other), strict=True)]
    print("{:34} {:5.2f} ({:.2f} to {:.2f})".format(name, sum(ranks) / n, *interval95(ranks)))
claim("hirescam-is-no-second-opinion", opinions["HiResCAM"], maps, rtol=1e-4, atol=1e-6)

# %% [markdown] id="second-opinions-read"
# HiResCAM agrees *perfectly*, which says nothing: on GAP and one linear layer it is the same formula (lesson 3).
# LayerCAM and Grad-CAM++ are built from the same activations and gradients, so they are siblings, not witnesses.
# Gradient x input takes another road, and agrees less. And the other class? With two classes its map is nearly the
# **negative**: what speaks for one speaks against the other. That is the **counterfactual** map in another dress, and
# no independent confirmation. With a thousand classes it is a real question: a map that stays the same for *every*
# class isn't class-discriminative, and explains the picture rather than the answer.
#
# So the checks, from strong to weak:
#
# | check | what refutes the map | what it can't tell |
# |---|---|---|
# | change or swap what it marks, blank the rest | the answer doesn't follow | a covered picture is an unusual one |
# | re-initialized control | its map looks like yours | passing is no proof |
# | another class | the same map again | with two classes it is the negative anyway |
# | the counterfactual half (no ReLU) | removing it doesn't raise the logit | may simply be weak |
# | another method | disagreement | relatives agree by construction |
#
# Choose pictures and checks *before* you look at maps, count all of them, and report the ones that failed. A gallery
# of the five best heat maps is an advertisement.
#
# ## The page for your own model
#
# The picture on which your network is surest is a favourite for such pages, and so we take it.

# %% id="own-report"
best = int(own_logit.argmax())
title = f"A picture with the label '{NAMES[y_test[best]]}', drawn by the course"
page = report(my_network, mine.undo(x[best]), title, f"{folder.name}/mine", layer="features.2")
figures.show(page.figure, alt=page.alt)

# %% [markdown] id="own-report-read"
# The map marks the **wheels**, covering a wheel costs most, and none of the five shuffled models comes near this
# agreement. Nobody told the network about wheels. It is tempting to write "it recognizes vehicles by their wheels",
# and for this picture much speaks for it. But the picture was *chosen*, as the surest of 40, where the mean agreement
# was far lower. What counts is the table of the interventions, over all 40; a page like this one is its illustration.
# (Lesson 1 has things with round parts that are no wheels. What would you cover next?) The PDF is vector graphics:
# its letters can be searched and read aloud, and the same words are the picture's alternative text.
#
# ## Maps A and B
#
# Now the two maps from the beginning, with the one line that was missing.

# %% id="reveal"
largest = {}
for name, one in {"A": shuffled, "B": learnt}.items():
    m = explain(one.model, scene, target, "guided backpropagation").map
    largest[name] = float(m.max())
    print(f"map {name}: up to {largest[name]:.2g} logits per unit of input")
claim("the-scale-gives-it-away", largest["A"] < 0.01 * largest["B"], True)

# %% [markdown] id="end"
# **A is the network that knows nothing.** Its values are three hundred times as small, and normalization hid it. It
# marks the circle nevertheless, because guided backpropagation follows what is bright and has edges (lesson 3). Were
# you sure? Then ask yourself how often you have been sure of a heat map in a talk.
#
# ## What you have learnt
#
# - A map is half of a statement: layer, class, method, score, scale and control are the other half.
# - Bring a model as a class, a file of numbers, the names, and the preprocessing; measure its accuracy after loading.
# - The last map before GAP is exact; what an earlier layer gains in detail it pays for elsewhere. Measure both.
# - Interventions test a map; relatives of a method, and the second of two classes, only repeat it.
# - One picture proves nothing. Many, chosen beforehand and held against controls, are evidence.
#
# ## Where it breaks
#
# All of this asks whether a map is true to *one network*. Whether the network is right about the world, whether a
# person understands the map, and whether a decision should rest on it are other questions. No heat map answers them.
#
# **Now yours.** Put your class into the cell of `MyNetwork`, your file into `own`, your preprocessing beside it, and
# begin with the accuracy.
#
# **Sources.** Adebayo et al., *Sanity Checks for Saliency Maps*, NeurIPS 2018 (arXiv 1810.03292); Zeiler and Fergus,
# *Visualizing and Understanding Convolutional Networks*, ECCV 2014 (arXiv 1311.2901); Selvaraju et al., *Grad-CAM*,
# ICCV 2017 (arXiv 1610.02391); Draelos and Carin, arXiv 2011.08891 (2020); Nie, Zhang, Patel, ICML 2018 (arXiv
# 1805.07039). SqueezeNet: Iandola et al., arXiv 1602.07360 (2016).
