# %% [markdown] id="opening"
# # 7. Going backwards: gradients, changed rules, relevance
#
# **Eleven methods explain the same logit of the same network for the same picture, and no two maps are alike. Which
# of them answer the question, and which only draw the picture again?** All of them start at a score and go back
# through the network to the pixels. They differ in one thing: the rule that they follow on the way.
#
# After this lesson you can
#
# 1. write saliency, SmoothGrad, deconvolution, guided backpropagation and layer-wise relevance propagation in a few
#    lines each;
# 2. say of each what it assumes, and whether and to what its values add up;
# 3. say why the gradient of the *loss* fades, and where its map is largest;
# 4. check relevance: what reached the pixels, and what biases absorbed on the way;
# 5. draw the picture that a class likes best, and say why it is no picture of the class;
# 6. tell, by two controls, an explanation from a drawing.
#
# About 70 minutes. You need lessons 3 and 4.

# %% id="setup"
import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import Tensor, nn

from course_lib import figures, networks
from course_lib.claims import claim
from course_lib.datasets.scenes import pairs, scenes
from course_lib.evaluation import interval95, mass_in_mask
from course_lib.methods.activation_maximization import activation_maximization
from course_lib.methods.registry import explain
from course_lib.methods.relevance import epsilon_rule, relevance
from course_lib.recording import record

network = networks.load("scenes_gap")
model, classes = network.model.double().requires_grad_(False), network.classes
two = pairs(1, seed=7_000_000)  # two objects: each of their classes can be asked for
first = int(two.decisive[0])  # the place of the object that decides the label
x, target, other = two.pictures.double(), int(two.labels[0]), int(two.shapes[0, 1 - first])
METHODS = (
    "saliency", "saliency of the loss", "SmoothGrad", "gradient x input", "integrated gradients", "DeepLIFT",
    "deconvolution", "guided backpropagation", "LRP epsilon", "LRP alpha-beta", "LRP z+",
)  # fmt: skip
with torch.no_grad():
    print({name: round(float(logit), 1) for name, logit in zip(classes, model(x)[0], strict=True)})

panels = [figures.Panel("the picture", x)]
panels += [figures.Panel(name, heat_map=explain(model, x, target, name).map[0]) for name in METHODS]
figure = figures.compare([panels[:4], panels[4:8], panels[8:]], shared=False, label="")
figures.show(figure, alt=f"A scene with two shapes, and eleven maps that explain its logit for {classes[target]}.")

# %% [markdown] id="saliency-intro"
# Each map has its own colour scale, and not even the units are the same. Let us build them one by one, for the class
# of the first object, and hold each against what the library drew.
#
# ## Saliency: how fast does the score move?
#
# **Saliency** (Simonyan, Vedaldi, Zisserman, 2014) is the gradient itself: change a pixel a little, and see how much
# the logit moves, in either direction. Of the three colours the largest counts.
#
# {{formula:saliency}}
#
# *It assumes* that a small change says something about the whole. *It fails* where the score has saturated (lesson
# 4), and it says nothing of how much a pixel contributed: a black pixel can be as salient as a white one.
#
# The article that this course grew from describes a variant: the derivative of the **loss**, $L = -\ln p_c$, where c
# is the right answer. By the chain rule through the softmax
#
# {{formula:loss-gradient}}
#
# **Predict** on which pictures the map of the loss is strong: where the network is right and sure, or where it is
# wrong?

# %% id="saliency"
with record(model, "input") as tape:
    logits = model(x)
g = tape.gradients(target)["input"]  # ∂S_c/∂x, (1, 3, H, W)
claim("saliency", g.abs().amax(1), explain(model, x, target, "saliency").map)

some = scenes(60, seed=7_000_002)
pictures, labels = some.pictures.double(), some.labels
with record(model, "input") as tape:
    p = model(pictures).softmax(1)[torch.arange(60), labels]
loss = -p.log().sum()  # each picture still gets the gradient of its own loss
of_score, of_loss = (tape.gradients(score)["input"].abs().amax((1, 2, 3)) for score in (labels, loss))

figure, ax = plt.subplots(figsize=(7, 3.4), layout="constrained")
wrong = (1 - p).detach()
ax.loglog(wrong, of_score, "o", color=figures.PALETTE["blue"], label="saliency of the score")
ax.loglog(wrong, of_loss, "^", color=figures.PALETTE["orange"], label="saliency of the loss")
ax.set(xlabel="1 - p of the label (left: right and sure; right: wrong)", ylabel="largest value of the map")
ax.legend()
figures.show(figure, alt="Over 60 scenes the score's saliency stays level, the loss's falls in proportion to 1 - p.")
sure = wrong < 1e-4
print(f"{int(sure.sum())} of 60 scenes have p > 0.9999; there the loss's map is at most {of_loss[sure].max():.1e},")
print(f"the score's at least {of_score[sure].min():.2f}. Strongest map of the loss: p = {p[of_loss.argmax()]:.3f}")
claim("the-loss-fades", bool(of_loss[sure].max() < 1e-3 * of_score[sure].min()), True)
claim("strongest-where-it-is-wrong", bool(p[of_loss.argmax()] < 0.5), True)

# %% [markdown] id="path-intro"
# Blue stays level; orange falls with 1 − p, along a straight line over many powers of ten. Where the network is right
# and sure there is nothing left to learn, so the loss's map is nearly nothing, although the score depends on the
# picture as ever; each map scaled to its own maximum would hide that. It is strongest where the network is *wrong*.
# So it answers another question, "what should change?". For "why this class?" take the logit.
#
# ## Gradient x input, integrated gradients
#
# Lesson 4 in four lines. **Gradient x input** takes the gradient for the weight of a linear model, and **integrated
# gradients** gather it on the path from a baseline {{baseline}}, here black.
#
# {{formula:gradient-times-input}}
#
# {{formula:integrated-gradients}}
#
# *They assume* a baseline (0 for the first, without saying so). The first *fails* where the function bends on the
# way; the second costs many gradients, and both give a pixel that equals the baseline exactly nothing.

# %% id="path"
claim("gradient-times-input", (x * g).sum(1), explain(model, x, target, "gradient x input").map)

steps, total = 64, torch.zeros_like(x)
for t in (torch.arange(steps) + 0.5) / steps:
    with record(model, "input") as tape:
        model(t * x)
    total += tape.gradients(target)["input"] / steps
path = (x * total).sum(1)
claim("integrated-gradients", path, explain(model, x, target, "integrated gradients").map, atol=1e-12)
climb = float((model(x) - model(0 * x))[0, target])
print(f"to explain, from black: {climb:.2f}. integrated gradients: {path.sum():.2f}, x · g: {(x * g).sum():.2f}")

# %% [markdown] id="smooth-intro"
# ## SmoothGrad: the mean of many gradients
#
# A network of ReLUs is made of small flat pieces, and the gradient is that of the piece on which the picture happens
# to lie. **SmoothGrad** (Smilkov et al., 2017) adds noise, takes the gradient, and repeats; σ is a share of the
# picture's range.
#
# {{formula:smooth-grad}}
#
# {{formula:smooth-relu}}
#
# So it is the exact gradient of *another* function, the network blurred by the noise, up to chance. *It assumes* that
# this one is close enough to yours. *It fails* quietly: the map gets cleaner with more noise, whatever the network
# still recognizes in it. **Predict:** does the network still know the class at σ = 30 %?

# %% id="smooth-grad"
random = torch.Generator().manual_seed(0)
noisy = [x + 0.15 * (x.max() - x.min()) * torch.randn(x.shape[1:], generator=random) for _ in range(50)]
with record(model, "input") as tape:
    model(torch.cat(noisy))
by_hand = tape.gradients(target)["input"].mean(0, keepdim=True).abs().amax(1)
claim("smooth-grad", by_hand, explain(model, x, target, "SmoothGrad", noise=0.15, samples=50).map)

panels = []
for noise in (0.0, 0.05, 0.15, 0.3):
    random = torch.Generator().manual_seed(1)
    e = noise * (x.max() - x.min()) * torch.randn(50, *x.shape[1:], generator=random, dtype=x.dtype)
    with torch.no_grad():
        kept = (model(x + e).argmax(1) == model(x).argmax(1)).double().mean()
    found = explain(model, x, target, "SmoothGrad", noise=noise, samples=50).map[0]
    panels.append(figures.Panel(f"σ = {noise:.0%}, same answer {kept:.0%}", heat_map=found))
figures.show(figures.compare([panels], shared=False, label=""), alt="SmoothGrad with no, little, usual and much noise.")

# %% [markdown] id="rules-intro"
# ## Two changed rules: deconvolution and guided backpropagation
#
# On the way back a ReLU that read x passes the arriving number R on where x > 0. **Deconvolution** (Zeiler and
# Fergus, 2014) asks for R > 0 in place of x > 0: it reverses the network, ReLUs included. **Guided backpropagation**
# (Springenberg et al., 2015) asks for both.
#
# {{formula:backward-rules}}
#
# *They assume* that what is negative on the way back can be dropped at each layer. There is no function of which the
# result would be the gradient, and no sum that it keeps. A hook on each ReLU is all it takes.
#
# **Predict:** this network has no max-pooling. If deconvolution doesn't ask which ReLUs were open, what else could it
# know of the picture?

# %% id="rules"
RULES = {  # (what the plain rule lets through, R) -> what this rule lets through
    "deconvolution": lambda plain, R: R.clamp(min=0),
    "guided backpropagation": lambda plain, R: plain.clamp(min=0),
}


def ruled(name: str, pictures: Tensor) -> Tensor:
    def hook(module: nn.Module, before: tuple[Tensor, ...], after: tuple[Tensor, ...]) -> tuple[Tensor]:
        return (RULES[name](before[0], after[0]),)

    relus = [part for part in model.modules() if isinstance(part, nn.ReLU)]
    handles = [relu.register_full_backward_hook(hook) for relu in relus]
    with record(model, "input") as tape:
        model(pictures)
    changed = tape.gradients(target)["input"].sum(1)
    for handle in handles:
        handle.remove()
    return changed


by_hand = [ruled(name, x) for name in RULES]
drawn = [explain(model, x, target, name).map for name in RULES]
claim("changed-rules", torch.cat(by_hand), torch.cat(drawn))
one, another = ruled("deconvolution", torch.cat([x, pictures[:1]]))
claim("deconvolution-has-not-looked", one, another)

# %% [markdown] id="rules-read"
# The two maps of deconvolution, of two different pictures, are **the same number for number**. Without the [x > 0] of
# the ReLUs nothing of the picture is left in the rule. What it drew at the opening is the network's own grid. (Where
# there are max-poolings, they remember from where each maximum came. All that deconvolution knows of the picture
# comes from there.) Guided backpropagation does look, and draws fine edges. Whether it looks at the *class* is asked
# below.
#
# ## Layer-wise relevance propagation
#
# **LRP** (Bach et al., 2015) sends no derivative back but the score itself, and shares it out. Each neuron j holds a
# **relevance** R, and hands it to its inputs in proportion to what they contributed to its sum {{z}}:
#
# {{formula:lrp-epsilon}}
#
# The small ε keeps the division finite. What a bias contributed stays with the bias. So relevance is conserved, and
# it can be checked:
#
# {{formula:lrp-conservation}}
#
# By hand, for the last layers of the network with two fully connected layers:

# %% id="lrp-by-hand"
head = networks.load("scenes_two_fc").model.double().requires_grad_(False)
with record(head, ["pool", "relu"]) as tape:
    S = head(x)
a1, a2 = tape.activations["pool"].flatten(1), tape.activations["relu"]


def share(a: Tensor, layer: nn.Linear, R: Tensor, epsilon: float = 1e-6) -> Tensor:
    z = layer(a)
    return a * ((R / (z + epsilon * z.sign())) @ layer.weight)


R3 = S * (torch.arange(len(classes)) == target)  # the target's logit, and 0 for the others
R2 = share(a2, head.fc2, R3)
R1 = share(a1, head.fc1, R2)
print(f"logit {R3.sum():.4f} -> {R2.sum():.4f} after fc2 -> {R1.sum():.4f} after fc1")
stays = (head.fc1.bias * torch.where(a2 > 0, R2 / head.fc1(a1), 0)).sum() + head.fc2.bias[target]
claim("biases-keep-the-rest", R1.sum() + stays, S[0, target], rtol=1e-4)

arrived, logits_of = [], []
for name, one in {"scenes_gap": model, "scenes_two_fc": head}.items():  # and all the way to the pixels
    pixels, absorbed = relevance(one, x, target, epsilon_rule(1e-6))
    arrived.append(float(pixels.sum() + absorbed[0]))
    logits_of.append(float(one(x)[0, target]))
    print(f"{name}: {pixels.sum():.3f} to the pixels + {absorbed[0]:.3f} to biases = {arrived[-1]:.3f}")
claim("conserved", arrived, logits_of)
centred = (x - 0.5) * g  # what the first convolution reads, (x - 0.5) / 0.25, times its gradient, 0.25 g
claim("lrp-is-a-gradient", explain(model, x, target, "LRP epsilon", epsilon=0.0).map, centred.sum(1), atol=1e-12)

# %% [markdown] id="lrp-read"
# Two things to see. What reaches the pixels need not be near the logit: biases take a share, of either sign (a folded
# BatchNorm is a bias, too). "LRP conserves relevance" is true only with that share in the sum. And the last line:
# with ε = 0 this whole machinery gives **gradient x input**, with the normalized picture for the input:
#
# {{formula:lrp-zero}}
#
# It is a theorem (Ancona et al., 2018): an open ReLU's R is its value times its gradient, and sharing by $a_i w_{ij}$
# keeps it so. To be more than that, a rule has to treat what speaks *for* and *against* a neuron differently:
#
# {{formula:lrp-alpha-beta}}
#
# α = 2, β = 1 is usual; α = 1, β = 0, the **z⁺ rule**, drops what speaks against. *They assume* that a neuron's
# inputs can be judged one layer at a time. **Predict** how much the maps for the *two* objects' classes differ.

# %% id="lrp-rules"
rows = []
variants = {"ε = 10⁻⁶": ("LRP epsilon", {}), "ε = 1": ("LRP epsilon", {"epsilon": 1.0})}
variants |= {"α = 2, β = 1": ("LRP alpha-beta", {}), "z⁺": ("LRP z+", {})}
for asked, mask in ((target, two.masks[0, first]), (other, two.masks[0, 1 - first])):
    maps = {title: explain(model, x, asked, name, **more).map[0] for title, (name, more) in variants.items()}
    row = [figures.Panel(f"{title}, {classes[asked]}", heat_map=m) for title, m in maps.items()]
    rows.append([figures.Panel(f"asked: {classes[asked]}", x, mask=mask), *row])
figures.show(figures.compare(rows, shared=False, label=""), alt="Four LRP rules for the classes of both objects.")

# %% [markdown] id="deeplift-intro"
# Each row asks for another class. A small ε draws the gradient's grain; ε = 1 keeps only what weighs much. With α = 2
# and β = 1 the evidence gathers on the object that is asked for. z⁺ knows only what speaks *for*, so it paints both
# objects each time, the one that is asked for more strongly.
#
# ## DeepLIFT: the same, with differences
#
# **DeepLIFT** (Shrikumar, Greenside, Kundaje, 2017; here its *rescale* rule) puts Δ, the difference from a baseline's
# activations, in the place of every value. The biases cancel, and the sum is complete:
#
# {{formula:deep-lift}}
#
# {{formula:deep-lift-completeness}}
#
# *It assumes* a baseline, as integrated gradients do, at the price of two forward passes and one backward. A ReLU
# passes its R on whole, as its input's Δ is what brought the output's Δ, so it sees through saturation, too. *It
# fails* to be one answer: two networks that compute the same function can get different maps. **Predict** what it
# gives for 1 − ReLU(1 − x) at 2, where the gradient is 0.

# %% id="deeplift"
saturated = nn.Sequential(nn.Flatten(), nn.Linear(1, 1), nn.ReLU(), nn.Linear(1, 1)).double().eval()
values = {"1.weight": [[-1.0]], "1.bias": [1.0], "3.weight": [[-1.0]], "3.bias": [1.0]}
saturated.load_state_dict({name: torch.tensor(value) for name, value in values.items()})
at_2 = torch.full((1, 1, 1, 1), 2.0, dtype=torch.float64)
claim("deeplift-sees-through", relevance(saturated, at_2, 0, epsilon_rule(0.0), 0.0)[0].sum(), 1.0)

sums, gains = [], []
for name, baseline in {"black": 0.0, "white": 1.0}.items():
    found = explain(model, x, target, "DeepLIFT", baseline=baseline).map
    gain = (model(x) - model(torch.full_like(x, baseline)))[0, target]
    print(f"from {name}: {gain:.3f} to explain, DeepLIFT's sum is {found.sum():.3f}")
    sums.append(float(found.sum()))
    gains.append(float(gain))
claim("deeplift-is-complete", sums, gains)

# %% [markdown] id="controls-intro"
# ## Explanation or drawing? Two controls
#
# Take 48 fresh scenes with two objects, and ask three things of each method. How much of the map's positive part lies
# on the object that was asked for, compared with the object's share of the picture? How alike are the maps of the
# *two objects' classes* (correlation over the pixels; 1: the class made no difference)? And how alike are the maps of
# the trained network and of one with *random weights* (signs left aside; 1: the training made no difference)? Sizes
# and seeds were fixed before the first run.

# %% id="controls"
test = pairs(48, seed=7_000_001)
single, untrained = networks.load("scenes_gap").model, networks.untrained("scenes_gap", seed=0).model
every = torch.arange(48)
asked, instead = test.labels, test.shapes[every, 1 - test.decisive]
masks = test.masks[every, test.decisive]
area = masks.double().mean((1, 2))
CHEAPER = {"SmoothGrad": {"samples": 10}, "integrated gradients": {"steps": 16}}


def maps_of(model: nn.Module, targets: Tensor, name: str) -> Tensor:
    """One map (H, W) for each picture's own target."""
    maps = torch.zeros(len(targets), 64, 64)
    for c in targets.unique().tolist():
        maps[targets == c] = explain(model, test.pictures[targets == c], c, name, **CHEAPER.get(name, {})).map
    return maps


def alike(a: Tensor, b: Tensor) -> list[float]:
    return [float(np.corrcoef(one.flatten(), two.flatten())[0, 1]) for one, two in zip(a, b, strict=True)]


print(f"{'':24}{'on the object':>20}{'two classes':>20}{'random weights':>20}")
print(f"{'area: a flat map':24}" + f"{area.mean():>20.2f}")
means = {}
for name in METHODS:
    ours, theirs = maps_of(single, asked, name), maps_of(single, instead, name)
    columns = [mass_in_mask(ours, masks).tolist(), alike(ours, theirs)]
    columns.append(alike(ours.abs(), maps_of(untrained, asked, name).abs()))
    means[name] = [float(np.mean(one)) for one in columns]
    cells = [f"{np.mean(one):.2f} ({low:.2f}..{high:.2f})" for one in columns for low, high in [interval95(one)]]
    print(f"{name:24}" + "".join(f"{cell:>20}" for cell in cells))

# %% [markdown] id="controls-read"
# Read each column for itself: a method that has not looked gets the area in the first, one that does not hear the
# question nears 1 in the second, one that draws the picture nears 1 in the third. No column is a verdict alone.
#
# A flat map has 0.08 of its mass on the object. Deconvolution reaches just that, as a map that hasn't looked must.
# Plain gradients reach about 0.28, what multiplies by the input 0.43 to 0.59, LRP with α = 2 most, 0.72. The two
# classes' maps are much alike where there is no sign or a changed rule at the ReLUs (0.69 to 0.94), and opposed where
# the input is multiplied (-0.32 to -0.40): what speaks for one class speaks against the other. z⁺ lies between
# (0.31), as Sixt and others lead one to expect. The last column holds a surprise: *no* method draws the same for
# random weights here, guided backpropagation least of all (0.04), although lesson 3 showed shapes in it and Nie and
# others (2018) warn of just that. One number over pixels is not the eye. z⁺ is the least changed (0.41).
#
# ## Activation maximization: the picture that a class likes best
#
# The last method of the family explains no picture. It starts anywhere, and climbs the score by changing the pixels
# (Erhan et al., 2009):
#
# {{formula:activation-maximization}}
#
# The penalty λ keeps it from running away. For a linear model the answer is known:
#
# {{formula:best-input}}

# %% id="best-input"
torch.manual_seed(0)
line = nn.Sequential(nn.Flatten(), nn.Linear(192, 1)).double().eval().requires_grad_(False)
w, start = line[1].weight.view(1, 3, 8, 8), torch.full((1, 3, 8, 8), 0.5, dtype=torch.float64)
climbed = start.clone()
for _ in range(400):
    with record(line, "input") as tape:
        line(climbed)
    climbed = climbed + 0.1 * (tape.gradients(0)["input"] - 2 * 0.7 * (climbed - start))
claim("penalty", climbed, start + w / (2 * 0.7))
claim("ball", activation_maximization(line, start, 0, steps=500, radius=2.0), start + 2 * w / w.norm())

# %% [markdown] id="best-picture-intro"
# For a network there is no closed form, and no end: without a penalty a logit can be driven far beyond that of any
# real picture. So one *regularizes*: a penalty, pixels kept in [0, 1], a blurred step, a small random shift (jitter)
# before each step, so that no pattern can sit on the grid. Each is a wish of ours, not a fact about the network.
#
# **Predict:** does the picture that the network likes best for "ring" show a ring?

# %% id="best-picture"
grey = torch.full((1, 3, 64, 64), 0.5, dtype=torch.float64)
with record(model, "input") as tape:
    model(grey)
claim("grey-is-a-dead-start", tape.gradients(5)["input"].abs().max(), 0.0, atol=1e-12)

start = grey + 0.1 * torch.randn(grey.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
wishes = {
    "pixels in [0, 1]": {},
    "and a penalty": {"decay": 0.02},
    "and blur, jitter": {"decay": 0.02, "blur": 1.5, "jitter": 4},
}
real = float(model(pictures)[torch.arange(60), labels].max())
print(f"largest logit of 60 real scenes for their own class: {real:.1f}")
rows, reached = [], []
for c in (0, 5):  # circle, ring
    rows.append([])
    for title, more in wishes.items():
        best = activation_maximization(model, start, c, rate=1.0, limits=(0.0, 1.0), **more)
        reached.append(float(model(best)[0, c]))
        rows[-1].append(figures.Panel(f"{classes[c]}, {title}:\n{reached[-1]:.0f}", best))
figures.show(figures.compare(rows), alt="For circle and ring, what gradient ascent ends at under three wishes.")
print("reached:", [round(one, 1) for one in reached])
claim("beyond-all-real-pictures", bool(max(reached) > 2 * real), True)

# %% [markdown] id="end"
# The largest logit of a real scene is 14; the climb reaches up to 256, and with every wish granted 162 for "ring" but
# only 2 for "circle", below a real scene's. So the height that is reached says as much about our wishes as about the
# class. And the start matters: on *uniform* grey every ReLU of this network's first layer is shut, so the gradient is
# exactly 0 and the climb never begins; a little noise starts it. *It assumes* that the most extreme input is typical.
# *It fails* because the network was never trained there.
#
# ## The map of what you have learnt
#
# | method | rule on the way back | adds up to | where it fails |
# |---|---|---|---|
# | saliency | gradient | nothing | saturation; no sign |
# | saliency of the loss | gradient of the loss | nothing | fades where the network is sure |
# | SmoothGrad | mean gradient over noise | nothing | explains a blurred network |
# | gradient x input | gradient, times x | the logit, without biases | bends on the way |
# | integrated gradients | gradient along a path | S(x) − S(x′) | the baseline; many passes |
# | deconvolution | R where R > 0 | nothing | without max-pooling it has not looked |
# | guided backpropagation | R where x > 0 and R > 0 | nothing | edges, whatever is asked |
# | LRP, ε → 0 | R shared by contributions | the logit, with the biases' share | is gradient x input |
# | LRP α, β and z⁺ | for and against apart | the logit, with the biases' share | z⁺ forgets what speaks against |
# | DeepLIFT | differences shared | S(x) − S(x′) | the baseline |
# | activation maximization | climb the score | no map | leaves the data |
#
# ## Where it breaks
#
# A sum that is complete says that nothing was lost, not that it went to the right place. Lesson 8 asks the network
# itself, by changing the picture, and lesson 9 holds all of them against the truth.
#
# **Sources.** Simonyan, Vedaldi, Zisserman, ICLR Workshop 2014 (arXiv 1312.6034); Zeiler and Fergus, ECCV 2014 (arXiv
# 1311.2901); Springenberg et al., ICLR Workshop 2015 (arXiv 1412.6806); Bach et al., PLOS ONE 10(7), 2015; Shrikumar,
# Greenside, Kundaje, ICML 2017; Sundararajan, Taly, Yan, ICML 2017 (arXiv 1703.01365); Smilkov et al., arXiv
# 1706.03825 (2017); Ancona et al., ICLR 2018 (arXiv 1711.06104); Nie, Zhang, Patel, ICML 2018 (arXiv 1805.07039);
# Adebayo et al., NeurIPS 2018 (arXiv 1810.03292); Sixt, Granz, Landgraf, ICML 2020 (arXiv 1912.09818); Erhan et al.,
# TR 1341, Université de Montréal (2009); Olah, Mordvintsev, Schubert, Distill (2017).
