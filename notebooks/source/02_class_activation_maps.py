# %% [markdown] id="opening"
# # 2. Class activation maps
#
# **Which places of the picture made the network say "star"?** A linear model answers such a question exactly: each
# input contributes its weight times its value (lesson 1). A convolutional network isn't linear. But many of them end
# in a piece that is, and there the answer of lesson 1 comes back, with a place attached to each contribution.
#
# After this lesson you can
#
# 1. derive the class activation map (CAM) from the last two steps of a network, bias included;
# 2. compute it in two lines, and prove that it adds up to the logit;
# 3. read a heat map: what warm, cold, coarse and smooth mean in it, and what they don't;
# 4. turn it into a box around an object without ever having trained on boxes, and measure how good that box is;
# 5. say for a given network whether CAM can be used, and why.
#
# About 50 minutes. You need lesson 1, and `torch` tensors.

# %% id="setup"
import matplotlib.pyplot as plt
import torch

from course_lib import figures, networks
from course_lib.claims import claim
from course_lib.datasets.scenes import pairs, scenes
from course_lib.evaluation import box_from_map, interval95, iou, pointing
from course_lib.layers import layers
from course_lib.methods.registry import explain
from course_lib.methods.steps import normalize, relu, upsample
from course_lib.recording import record

network = networks.load("scenes_gap")
model, classes = network.model, network.classes
scene = pairs(1, seed=20_002)
picture = scene.pictures
logits = model(picture).detach()[0]

figure, (left, right) = plt.subplots(
    1, 2, figsize=(8, 3.2), width_ratios=[1, 1.4], layout="constrained"
)
left.imshow(picture[0].permute(1, 2, 0))
left.axis("off")
right.barh(classes, logits, color=figures.PALETTE["blue"])
right.set_xlabel("logit")
figures.show(figure, alt="A scene with two shapes among clutter, and bars with the network's six logits for it.")
in_the_picture = sorted(classes[shape] for shape in scene.shapes[0, :2])
claim("two-shapes-lead", sorted(classes[c] for c in logits.topk(2).indices), in_the_picture)

# %% [markdown] id="opening-read"
# The picture holds two shapes whose names the network knows, and clutter that it was taught to ignore. The bars are
# the **logits** {{S_c}}: the scores before the softmax, one for each class. The two highest belong to the two shapes.
# (The line that begins with "claim" says that this sentence was checked while the cell ran. You will meet one beside
# each number of the course.) **Before you go on, predict:** is there a calculation that says which part of the
# highest bar came from which part of the picture, without any approximation?

# %% [markdown] id="anatomy"
# ## The last two steps
#
# The network's layers, in the order in which a picture passes them:

# %% id="layers"
for layer in layers(model, picture):
    print(layer)

# %% [markdown] id="anatomy-read"
# The last convolutional block gives out an **activation map** for each of its channels: a grid of numbers, each high
# where "its" pattern was found. Call the number of channel $k$ at place $(i, j)$ {{A}}; there are {{Z}} places. (The
# original paper writes $f_k(x, y)$ for it.) Then **global average pooling** (GAP) throws the places away and keeps
# one number a channel, its mean, and one **fully connected layer** turns these means into logits. {{w}} is the weight
# of channel $k$ for class $c$, {{b_c}} the bias of the class. A softmax turns logits into probabilities; it comes
# after the part that matters here.

# %% [markdown] id="sum-swap"
# From the means on, the network **is a linear model**, with the channel means as its inputs:
#
# {{formula:cam-line-1}}
#
# So the contribution of channel $k$ is its weight times its mean. That is exact, but a channel isn't a place. Yet the
# mean is itself a sum over places, and two sums may change places:
#
# {{formula:cam-sum-swap}}

# %% [markdown] id="cam"
# What stands inside the sum over the places is a number for each place, and that is the **class activation map**
# (Zhou et al., 2016):
#
# {{formula:cam}}

# %% id="cam-by-hand"
target = int(logits.argmax())
with record(model, "features") as tape:
    model(picture)
A = tape.activations["features"][0].double()  # (K, h, w)
w, b = model.fc.weight[target].detach().double(), model.fc.bias[target].detach().double()
logit = logits[target].double()

line_1 = (w * A.mean((1, 2))).sum() + b  # channel by channel
M = (w[:, None, None] * A).sum(0)  # place by place: the class activation map
print(f"class {classes[target]!r}: {tuple(A.shape)} activations, a map of {tuple(M.shape)} places")
claim("cam-line-1", line_1, logit, rtol=1e-5)
claim("cam-sum-swap", M.mean(), line_1 - b)
claim("cam-mean-plus-bias", M.mean() + b, logit, rtol=1e-5)

# %% [markdown] id="mean-or-sum"
# The **mean** of the map plus the bias is the logit, up to the rounding of 32-bit numbers. Two details are often
# lost:
#
# - *Mean or sum.* Zhou et al. let $F_k$ be the sum over the places, so that the map's sum is the score. In PyTorch
#   GAP is a mean, and 1/{{Z}} stands in front. Mixing the two puts a factor of {{Z}} between a map and its logit.
# - *The bias.* Zhou et al. set it to 0. A real linear layer has one, and it **has no place on the map**: it is what
#   the class gets from an empty picture. The map explains the logit less the bias.
#
# An exact decomposition can be put to the test by an intervention. **Predict:** what happens to the logit if the
# activations of one single place are set to 0, in all channels?

# %% id="zero-a-place"
i, j = divmod(int(M.argmax()), M.shape[1])
without = A.clone()
without[:, i, j] = 0
drop = logit - ((w * without.mean((1, 2))).sum() + b)
print(f"place ({i}, {j}) erased: the logit falls by {drop:.4f}; the map says {M[i, j] / M.numel():.4f}")
claim("cam-is-occlusion", drop, M[i, j] / M.numel(), rtol=1e-5)

# %% [markdown] id="zero-a-place-read"
# {{formula:cam-occlusion}}
#
# So CAM is **occlusion in feature space**, for all places at once. It answers for activations, though, not for
# pixels: each activation saw a whole neighbourhood of the picture, its receptive field.
#
# ## From map to heat map
#
# The map has 16 x 16 cells, the picture 64 x 64 pixels. Between the raw map and the usual coloured picture lie three
# steps, and each changes what can be read off. Look at them one at a time.

# %% id="steps"
raw = M.float()[None]
large = upsample(raw, (64, 64), "nearest")
steps = {
    "raw: cells of 4 x 4 pixels": large[0],
    "upsampled bilinearly": upsample(raw, (64, 64))[0],
    "ReLU: evidence for only": relu(upsample(raw, (64, 64)))[0],
    "normalized to 0 ... 1": normalize(relu(upsample(raw, (64, 64))))[0],
}
figure, axes = plt.subplots(1, 4, figsize=(13, 3.2))
for ax, (title, image) in zip(axes, steps.items(), strict=True):
    signed = bool(image.min() < 0)
    figures.draw_heat_map(ax, image, signed=signed, label="" if "0 ... 1" in title else "logits")
    ax.set_title(title, fontsize=10)
figures.show(figure, alt="The same map four times: coarse cells, smoothed, without negative values, and normalized.")
claim("nearest-times-s-squared", large.sum(), 16 * raw.sum(), rtol=1e-4)

# %% [markdown] id="steps-read"
# *Upsampling* by cells keeps each value and repeats it over 4 x 4 pixels, so the sum grows by 16. The smooth version
# looks finer than what was measured: between two cell centres there is no information. *ReLU* drops the blue places,
# the evidence **against** the class. There is plenty of it: a logit of about 3 is the mean of values that run from
# -46 to +46, so what you see is a large sum for, less a large sum against. *Normalization* puts each map's own
# minimum at 0 and maximum at 1.
#
# Warm and cold are therefore relative. After normalization the brightest colour means "the most that this map has",
# be it a tenth of a logit or ten. Colours of two normalized maps **cannot be compared**, and a cold place may be
# neutral or speak against the class: only the signed, unnormalized map tells.
#
# ## One picture, two questions
#
# The map belongs to a class. Ask about the other shape, and the weights change while the activations stay.

# %% id="two-classes"
found = logits.topk(2).indices.tolist()
maps = [explain(model, picture, c, "CAM", "features").map for c in found]
limit = max(float(m.abs().max()) for m in maps)
figure, axes = plt.subplots(1, 3, figsize=(10, 3.2))
axes[0].imshow(picture[0].permute(1, 2, 0))
axes[0].axis("off")
for ax, c, m in zip(axes[1:], found, maps, strict=True):
    figures.draw_heat_map(ax, upsample(m, (64, 64))[0], picture=picture[0], signed=True, limit=limit, label="logits")
    ax.set_title(f"{classes[c]}: logit {logits[c]:.2f}", fontsize=10)
figures.show(figure, alt="The scene and its class activation maps for the two shapes in it, on one signed scale.")

# %% [markdown] id="two-classes-read"
# Both maps share one scale and one colour bar, so here the colours *may* be compared. Each map should be warm on its
# own shape and neutral or cold on the other. The last lines of the network were trained to tell shapes apart and
# nothing else; no one ever told it where a shape is.
#
# ## How good is the place? Measure it
#
# A pretty example proves nothing. The scenes come with their truth, so the map can be held against it:
#
# - **pointing**: does the largest value of the upsampled map lie on the object?
# - **box**: the smallest box around the largest connected region above 20 % of the map's maximum (that is how Zhou et
#   al. made boxes), against the true box by *intersection over union* (IoU). Boxes were never part of the training,
#   so this is **weakly supervised localization**.
#
# A number like "the peak is on the object in 70 % of pictures" says nothing by itself. It needs **controls**: chance
# (the share of the picture that the object covers), always pointing at the centre, and the same map from a network
# with random weights.

# %% id="measure"
test = scenes(300, seed=2_000_000)
masks = test.masks[torch.arange(300), test.decisive]
boxes = test.boxes[torch.arange(300), test.decisive]


def full_size_maps(network_model: torch.nn.Module) -> torch.Tensor:
    """The class activation map of each picture's true class, on the picture's pixels."""
    with record(network_model, "features") as tape:
        network_model(test.pictures)
    rows = network_model.fc.weight.detach()[test.labels]
    return upsample(torch.einsum("bk,bkhw->bhw", rows, tape.activations["features"]), (64, 64))


untrained = networks.untrained("scenes_gap").model
trained_maps, untrained_maps = full_size_maps(model), full_size_maps(untrained)
hits = {"CAM": pointing(trained_maps, masks), "untrained network": pointing(untrained_maps, masks)}
hits["centre point"] = masks[:, 32, 32]
for name, hit in hits.items():
    low, high = interval95(hit)
    print(f"{name:18} peak on the object in {hit.float().mean():.1%}  (95 % interval {low:.1%} to {high:.1%})")
print(f"{'chance':18} the object covers {masks.float().mean():.1%} of the picture")
overlap = torch.tensor([iou(box_from_map(m, 0.2), box) for m, box in zip(relu(trained_maps), boxes, strict=True)])
low, high = interval95(overlap >= 0.5)
share = (overlap >= 0.5).float().mean()
print(f"{'box from CAM':18} IoU >= 0.5 in {share:.1%}  (95 % interval {low:.1%} to {high:.1%})")

# %% [markdown] id="measure-read"
# The controls decide what the first line is worth. The box is the harder test: a peak needs one right cell, a box
# needs the outline, and the map is broad where several cells see the same shape.
#
# Look at single pictures, the best and the worst, before believing a mean.

# %% id="boxes"
order = overlap.argsort(descending=True)
chosen = [*order[:3].tolist(), *order[-3:].tolist()]
figure, axes = plt.subplots(2, 3, figsize=(8, 5.4))
for ax, n in zip(axes.flat, chosen, strict=True):
    figures.draw_heat_map(ax, relu(trained_maps[n]), picture=test.pictures[n], label=None)
    figures.draw_box(ax, boxes[n], figures.PALETTE["black"], "true")
    figures.draw_box(ax, box_from_map(relu(trained_maps[n]), 0.2), figures.PALETTE["blue"], "from CAM")
    ax.set_title(f"IoU {overlap[n]:.2f}", fontsize=10)
figures.show(figure, alt="Three scenes whose box from the map fits best and three whose box fits worst.")

# %% [markdown] id="softmax"
# ## The same probabilities, another map
#
# CAM explains a logit. But a classifier is usually judged by its **probabilities**, and the softmax only sees
# differences of logits. Add one and the same vector $v$ to the weights of *every* class: all logits of a picture move
# by the same amount and no probability changes. Is the class activation map unique, then? **Predict:** what does it
# do?

# %% id="not-unique"
W = model.fc.weight.detach().double()
generator = torch.Generator().manual_seed(0)
v = torch.randn(W.shape[1], generator=generator, dtype=torch.float64) * 3 * W.std()
pooled = A.mean((1, 2))
before, after = ((W + shift) @ pooled + model.fc.bias.detach().double() for shift in (0, v))
claim("softmax-blind-to-shift", after.softmax(0), before.softmax(0))

shifted = ((w + v)[:, None, None] * A).sum(0)
centred = ((w - W.mean(0))[:, None, None] * A).sum(0)
centred_after = ((w + v - (W + v).mean(0))[:, None, None] * A).sum(0)
claim("centred-map-is-unique", centred_after, centred, atol=1e-10)
figure, axes = plt.subplots(1, 3, figsize=(10, 3))
for ax, title, m in zip(axes, ("CAM", "CAM, weights shifted", "class-centred CAM"), (M, shifted, centred), strict=True):
    figures.draw_heat_map(ax, m.float(), signed=True, label="logits")
    ax.set_title(title, fontsize=10)
figures.show(figure, alt="Three maps of one picture: two models with equal probabilities, and the class-centred map.")

# %% [markdown] id="not-unique-read"
# {{formula:cam-shift}}
#
# The first two maps belong to two models that **no data could tell apart**, yet their maps differ. So part of a class
# activation map says nothing about why this class and not another. Take the mean over the classes away and what
# remains is the same for both: the class-centred map, on the right. It explains the logit *against the average
# class*.

# %% [markdown] id="where-not"
# ## Where CAM cannot go
#
# It is often said that CAM works "for networks that end in a fully connected layer". VGG and AlexNet end in three of
# them, and CAM does not apply. What is needed is stricter: last convolution, global average pooling, and then
# **exactly one** linear layer. ResNet, DenseNet and GoogLeNet end so. Try two networks that don't: one with two fully
# connected layers, one in which a recurrent network (RNN) reads the places one by one.

# %% id="refusals"
for name in ("scenes_two_fc", "scenes_rnn"):
    other = networks.load(name).model
    try:
        explain(other, picture, target, "CAM", "features")
    except ValueError as sentence:
        print(f"{name}: {sentence}\n")

# %% [markdown] id="refusals-read"
# Why not? CAM needs one weight a channel that holds at every place and for every picture. Between the first and the
# second fully connected layer stands a ReLU, so the "weight" of a channel depends on the picture; the RNN mixes the
# places and treats the first and the last of them differently. There is no single linear map from {{A}} to {{S_c}} to
# read weights from. A linear head passes a simple test: what the left half of the feature maps adds to the logit and
# what the right half adds make up what both add together.

# %% id="halves"
def logit_with(network_model: torch.nn.Module, mask: torch.Tensor) -> float:
    """The target's logit when the activations are multiplied by a mask over the 16 x 16 places."""
    handle = network_model.features.register_forward_hook(lambda module, args, output: mask * output)
    with torch.no_grad():
        value = float(network_model(picture)[0, target])
    handle.remove()
    return value


nothing, everything = torch.zeros(16, 16), torch.ones(16, 16)
left_half = everything.clone()
left_half[:, 8:] = 0
for name in ("scenes_gap", "scenes_two_fc", "scenes_rnn"):
    head = networks.load(name).model
    base = logit_with(head, nothing)
    whole, one, other = (logit_with(head, m) - base for m in (everything, left_half, everything - left_half))
    print(f"{name:14} left {one:+.3f}, right {other:+.3f}, added up {one + other:+.3f}; together {whole:+.3f}")
    if name == "scenes_gap":
        claim("linear-head-adds-up", one + other, whole, rtol=1e-4)

# %% [markdown] id="end"
# ## What you have learnt
#
# - After GAP a network that ends in one linear layer *is* linear: {{S_c}} is the mean of the map plus the bias,
#   exactly.
# - The map is what each place of the last feature map contributed, and what the logit loses without it.
# - A heat map is coarse, and its colours are relative. Evidence against a class is evidence too; ReLU hides it.
# - Its quality is a measurement with controls, not an impression.
# - It is exact for the logit, and not unique for the probabilities.
#
# ## Where it breaks
#
# Two fully connected layers, an RNN, a flattened feature map: no CAM. Also, exact is not the same as faithful to the
# *pixels*: a place's activation depends on all the pixels in its receptive field. The next lesson replaces the weight
# by something that every differentiable network has, a **partial derivative**, and asks what that costs.
#
# **Source.** Zhou, Khosla, Lapedriza, Oliva, Torralba, *Learning Deep Features for Discriminative Localization*, CVPR
# 2016 (arXiv 1512.04150). They reached 37.1 % top-5 localization error on ILSVRC 2014 without a single box in
# training, where a fully supervised network reached 34.2 %.
