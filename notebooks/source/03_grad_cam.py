# %% [markdown] id="opening"
# # 3. Grad-CAM
#
# **The class activation map needs GAP and one linear layer. What about all the other networks?** Lesson 2 ended with
# two that CAM had to refuse. Here is one of them, a network with two fully connected layers, looking at a scene.
#
# After this lesson you can
#
# 1. write Grad-CAM in ten lines, and say what each line does;
# 2. prove when it equals CAM, and give a counterexample for each condition that is dropped;
# 3. read the counterfactual map, and say what the ReLU hides;
# 4. choose a layer with the layer picker, and know what changes with depth;
# 5. recognize the three traps that silently give another map: the probability, the in-place ReLU, train mode.
#
# About 60 minutes. You need lesson 2 and the idea of a partial derivative.

# %% id="setup"
import matplotlib.pyplot as plt
import torch
import torchvision
from torch import Tensor, nn

from course_lib import figures, networks
from course_lib.claims import claim
from course_lib.datasets.scenes import pairs, scenes
from course_lib.evaluation import interval95, pointing
from course_lib.methods.cam import cam, grad_cam, hires_cam
from course_lib.methods.propagation import guided_backpropagation, guided_grad_cam, guided_gradient
from course_lib.methods.registry import METHODS, explain
from course_lib.methods.steps import counterfactual, relu, upsample
from course_lib.recording import record
from course_lib.widgets.layer_picker import pick_layers

network = networks.load("scenes_two_fc")
classes = network.classes
picture = pairs(1, seed=20_002).pictures
logits = network.model(picture).detach()[0]
target = int(logits.argmax())

figure, (left, right) = plt.subplots(
    1, 2, figsize=(8, 3.2), width_ratios=[1, 1.4], layout="constrained"
)
left.imshow(picture[0].permute(1, 2, 0))
left.axis("off")
right.barh(classes, logits, color=figures.PALETTE["blue"])
right.set_xlabel("logit")
figures.show(
    figure, alt="A scene with two shapes among clutter, and the six logits of a network with two linear layers."
)

# %% [markdown] id="weight-to-derivative"
# ## A weight is a derivative
#
# In a linear model the weight has a second meaning: it is how fast the output moves when the input moves, {{w}} =
# ∂output/∂input. Every differentiable network has *such a number* at every activation, whatever its head looks like:
# the partial derivative of the logit {{S_c}} with respect to {{A}}, written {{g}}. Backpropagation gives all of them
# in one pass.
#
# Where CAM *is* allowed, the two must agree. **Predict:** in the network with GAP, what is the derivative of the
# logit with respect to one activation, and how does it depend on the place?

# %% id="derivative-is-weight"
gap = networks.load("scenes_gap").model.double()
x = picture.double()
with record(gap, "features") as tape:
    gap(x)
A = tape.activations["features"]  # (1, K, h, w)
g = tape.gradients(target)["features"]  # ∂S_c/∂A, the same shape
w, b, Z = gap.fc.weight.detach()[target], gap.fc.bias.detach()[target], A[0, 0].numel()
print(f"channel 0: the gradient lies between {g[0, 0].min():.6f} and {g[0, 0].max():.6f}; w/Z = {w[0] / Z:.6f}")
claim("gradient-is-weight-over-z", g, (w / Z)[None, :, None, None].expand_as(g))

# %% [markdown] id="definition"
# The same number at each of the {{Z}} places: the weight, divided by {{Z}} because GAP is a mean. Grad-CAM (Selvaraju
# et al., 2017) makes this the definition. It takes the **mean of the gradient** over the places of a channel as that
# channel's weight,
#
# {{formula:grad-cam-alpha}}
#
# and then goes on as CAM does. This is the **raw map**, with both signs, in logits:
#
# {{formula:grad-cam}}
#
# What the paper shows is the part above 0, after a **ReLU**, "rectified linear unit":
#
# {{formula:grad-cam-relu}}
#
# We keep the two apart: a step that throws something away should be seen.

# %% [markdown] id="what-is-averaged"
# Note *what* is averaged. It is the gradient. The network itself needs no average pooling, only a layer with a grid
# of places and a score that can be differentiated. (One often reads that "the picture must pass a global average":
# that is CAM's condition.) And it is differentiated with respect to the activations of a layer, not with respect to
# the picture. That would be a saliency map.

# %% id="ten-lines"
def my_grad_cam(model: nn.Module, layer: nn.Module, picture: Tensor, target: int) -> Tensor:
    """Grad-CAM before its ReLU, with nothing but torch."""
    seen: list[Tensor] = []
    handle = layer.register_forward_hook(lambda module, args, output: seen.append(output))
    score = model(picture)[0, target]  # the logit, not the probability
    handle.remove()
    activations = seen[0]
    gradients = torch.autograd.grad(score, activations)[0]
    alpha = gradients.mean(dim=(2, 3))  # one weight a channel
    return (alpha[:, :, None, None] * activations).sum(1).detach()


mine = my_grad_cam(gap, gap.features, x, target)
M = cam(A, w)
claim("ten-lines-agree-with-library", mine, grad_cam(A, g))
claim("grad-cam-is-cam-over-z", mine, M / Z)
claim("grad-cam-sums-to-logit", mine.sum() + b, tape.output[0, target])

# %% [markdown] id="theorem"
# ## The theorem, and what it needs
#
# {{formula:grad-cam-theorem}}
#
# *Proof.* Let the head be GAP and one linear layer. Then {{S_c}} $= \sum_k w_k^c F_k + b_c$ with $F_k =
# \frac{1}{Z}\sum_{ij} A^k_{ij}$. Only $F_k$ contains {{A}}, so ∂{{S_c}}/∂{{A}} $= w_k^c/Z$ at every place. The mean
# of equal numbers is that number: {{alpha}} $= w_k^c/Z$, and the map is CAM divided by {{Z}}. *The other way round:*
# let the gradient be $w_k^c/Z$ at every place, whatever the activations are. Follow the straight line from 0 to $A$
# and gather the slope on the way: $S_c(A) - S_c(0) = \int_0^1 \sum_{kij} \frac{w_k^c}{Z} A^k_{ij}\, dt = \sum_k w_k^c
# F_k$. So the head is GAP and one linear layer, with the bias $b_c = S_c(0)$. No other head will do. ∎
#
# So "Grad-CAM generalizes CAM" holds up to the factor 1/{{Z}} and up to the ReLU.

# %% [markdown] id="no-distortion"
# The theorem is often shortened to "on linear models there is no distortion". **That is wrong.** Keep the head
# linear, but let it read each place with its own weight (flatten, then linear). Two cells are enough:

# %% id="counterexamples"
for a, weights in (([1.0, 3.0], [1.0, 0.0]), ([2.0, 1.0], [1.0, -1.0])):
    A2, g2 = (torch.tensor(values, dtype=torch.float64).reshape(1, 1, 2) for values in (a, weights))
    by_grad_cam, by_hires_cam = grad_cam(A2, g2)[0], hires_cam(A2, g2)[0]
    print(f"A = {a}, w = {weights}: logit {float((A2 * g2).sum()):.0f}, ", end="")
    print(f"Grad-CAM {by_grad_cam.tolist()}, HiResCAM {by_hires_cam.tolist()}")
    claim("hirescam-adds-up", by_hires_cam.sum(), (A2 * g2).sum())
claim("grad-cam-sees-nothing", by_grad_cam, torch.zeros(2))

# %% [markdown] id="hirescam"
# (For a linear head the gradient {{g}} *is* the weight of the cell.) In the first case all of the logit comes from
# the first cell, yet Grad-CAM is largest on the second, **whose weight is 0**. In the second the map is 0 everywhere
# although the logit is 1. Averaging the gradient has thrown away where the head used the channel. **HiResCAM**
# (Draelos and Carin, 2020) leaves the averaging out:
#
# {{formula:hirescam}}
#
# It is exact for every linear head. After a head that *begins* with GAP the two are equal, however the head goes on,
# because there the gradient is constant over the places. ConvNeXt is such a network: GAP, then a LayerNorm, then a
# linear layer. CAM has no weights to take there. DenseNet hides another surprise: its `features` end *before* a ReLU
# that is written inside `forward`, so what GAP sees isn't what the layer gave out. (Random weights serve: these are
# statements about architecture.)

# %% id="real-heads"
torch.manual_seed(0)
noise = torch.rand(1, 3, 96, 96)
for name in ("convnext_tiny", "densenet121"):
    real = torchvision.models.get_model(name, weights=None).eval()
    with record(real, "features") as tape:
        real(noise)
    A3, g3 = tape.activations["features"], tape.gradients(7)["features"]
    difference = (grad_cam(A3, g3) - hires_cam(A3, g3)).abs().max()
    print(f"{name}: |Grad-CAM - HiResCAM| is at most {difference:.1e}, ", end="")
    print(f"|HiResCAM| at most {hires_cam(A3, g3).abs().max():.1e}")
    if name == "convnext_tiny":
        claim("gap-first-makes-them-equal", grad_cam(A3, g3), hires_cam(A3, g3), rtol=1e-3, atol=1e-6)
    try:
        explain(real, noise, 7, "CAM", "features")
    except ValueError as sentence:
        print(f"   {sentence}")

# %% [markdown] id="relu"
# ## What the ReLU hides
#
# The raw map has two signs. Light, warm cells raise the logit, dark blue ones lower it. Grad-CAM's ReLU keeps the
# first kind: "where is the evidence *for* the class?" What is left no longer adds up to the logit. The other half is
# the **counterfactual map**: the places whose removal would make the class *more* likely.
#
# {{formula:counterfactual}}

# %% id="counterfactual"
with record(network.model, "features") as tape:
    network.model(picture)
A4, g4 = tape.activations["features"], tape.gradients(target)["features"]
raw = grad_cam(A4, g4)
claim("relu-minus-counterfactual", relu(raw) - counterfactual(raw), raw)
figure, axes = plt.subplots(1, 4, figsize=(13, 3))
axes[0].imshow(picture[0].permute(1, 2, 0))
axes[0].axis("off")
views = {"raw": raw, "ReLU(raw): for": relu(raw), "ReLU(-raw): against": counterfactual(raw)}
for ax, (title, m) in zip(axes[1:], views.items(), strict=True):
    figures.draw_heat_map(ax, upsample(m, (64, 64))[0], picture=picture[0], signed=title == "raw", label="logits")
    ax.set_title(f"{classes[target]}: {title}", fontsize=10)
figures.show(
    figure, alt="The scene with Grad-CAM for its top class: the signed map, evidence for, and evidence against."
)

# %% [markdown] id="measure"
# ## Where CAM could not go
#
# Grad-CAM gives *a* map for any network. Whether the map is right is another question, and the scenes know the
# answer. Each network below classifies well; the table says how often the peak of its map lies on the object that
# decides the class, over 300 fresh scenes. **Predict:** will Grad-CAM or HiResCAM point better on the network with
# two fully connected layers, for which Grad-CAM isn't exact?

# %% id="pointing-table"
test = scenes(300, seed=3_000_000)
masks = test.masks[torch.arange(300), test.decisive]
print(f"{'':14} {'accuracy':>8}   {'Grad-CAM':>22} {'HiResCAM':>22}")
for name in ("scenes_gap", "scenes_two_fc", "scenes_rnn"):
    model = networks.load(name).model
    with record(model, "features") as tape:
        model(test.pictures)
    accuracy = (tape.output.argmax(1) == test.labels).float().mean()
    recorded = tape.activations["features"], tape.gradients(test.labels)["features"]
    row = f"{name:14} {accuracy:>8.1%}"
    for method in (grad_cam, hires_cam):
        hit = pointing(upsample(method(*recorded), (64, 64)), masks)
        row += "   {:>6.1%} ({:.1%} to {:.1%})".format(hit.float().mean(), *interval95(hit))
    print(row)
print(f"chance {masks.float().mean():.1%}, centre point {masks[:, 32, 32].float().mean():.1%}")

# %% [markdown] id="pointing-read"
# Both point far better than chance, and the interval tells how far to trust a difference: on the network with two
# fully connected layers the two methods can't be told apart, although only one of them keeps the places of the
# gradient. A theorem says when a map is *exact*, not when it is *useful*. The recurrent network is as accurate as the
# others and points worse with either method: it may carry what it saw to later cells. These are single trainings, one
# for each row; a ranking of methods would need more.
#
# {{formula:gap-head}}
#
# For the network with GAP the two columns are equal, and must be.

# %% [markdown] id="relatives"
# ## Relatives
#
# All of them add up channels and differ in how they weigh them. **LayerCAM** (2021) is HiResCAM without the negative
# gradients, made for early layers:
#
# {{formula:layer-cam}}
#
# **Grad-CAM++** (2018) weighs a channel by its positive gradients only, each with a factor of its own:
#
# {{formula:grad-cam-plus-plus}}
#
# **XGrad-CAM** (2020) averages the gradient, but counts a cell by its share of the channel's activation:
#
# {{formula:xgrad-cam}}
#
# **Predict:** which of the three equals Grad-CAM where the head is GAP and one linear layer, and which can't, because
# it never sees a negative weight?

# %% id="relatives-on-gap"
answers = {name: explain(gap, x, target, name, "features").map for name in METHODS if METHODS[name].kind == "layer"}
for name, m in answers.items():
    alike = torch.corrcoef(torch.stack([m, answers["Grad-CAM"]]).flatten(1))[0, 1]
    print(f"{name:11} from {m.min():+8.4f} to {m.max():+8.4f}, correlation with Grad-CAM {alike:.3f}")
claim("xgrad-cam-equals-grad-cam-here", answers["XGrad-CAM"], answers["Grad-CAM"])
claim("layer-cam-drops-negative-weights", answers["LayerCAM"], hires_cam(A[:, w > 0], g[:, w > 0]))

# %% [markdown] id="picker-intro"
# XGrad-CAM agrees: a weighted mean of equal gradients is that gradient. The other two leave out every channel that
# speaks against the class, so their maps can't add up to the logit; and Grad-CAM++, whose weights are sums, isn't in
# logits either. They still look much alike. A picture of a map doesn't show which of its claims hold.
#
# ## Pick a layer
#
# Any layer with a grid can be asked. Early layers have small cells and see little; late ones see much and place it
# coarsely. Step through the depth with the arrow keys, change the class and the method, look at the signed map and at
# the channels that weigh most. Try to answer: at which layer do the two shapes come apart? Does HiResCAM agree with
# Grad-CAM in the early layers?

# %% id="layer-picker"
pick_layers(networks.load("scenes_gap"), pairs(3, seed=20_002).pictures)

# %% [markdown] id="traps"
# ## Three traps
#
# **The probability instead of the logit.** A probability falls when *any other* class rises, so its map is a contrast
# between classes; and where the network is sure, its gradient fades away:
#
# {{formula:softmax-map}}
#
# Normalizing each map by its own maximum hides the fading. **The in-place ReLU.** `nn.ReLU(inplace=True)` overwrites
# the activation that a naive hook has kept. **Train mode.** BatchNorm then mixes the pictures of a batch, and dropout
# makes the map random.

# %% id="three-traps"
x_one = pairs(1, seed=20_002).pictures
with record(network.model, "features") as tape:
    network.model(x_one)
of_logit = grad_cam(tape.activations["features"], tape.gradients(target)["features"])
of_probability = grad_cam(
    tape.activations["features"], tape.gradients(lambda z: z.softmax(1)[0, target])["features"]
)
p = logits.softmax(0)[target]
print(f"p = {p:.4f}: largest value {of_logit.max():.3f} (logit), {of_probability.max():.5f} (probability)")

torch.manual_seed(0)
block = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
kept: list[Tensor] = []
handle = block[0].register_forward_hook(lambda module, args, output: kept.append(output))
with torch.no_grad():
    block(x_one)
handle.remove()
with record(block, "0") as tape:
    block(x_one)
said = tape.activations["0"].min()
print(f"smallest value before the ReLU: the hook kept {kept[0].min():.3f}, record says {said:.3f}")

try:
    with record(torchvision.models.resnet18(weights=None), "layer4"):
        pass
except ValueError as sentence:
    print(sentence)

# %% [markdown] id="guided"
# ## Guided Grad-CAM
#
# Grad-CAM is coarse. Guided backpropagation is crisp: a backward pass in which every ReLU lets only positive
# gradients through. Their product, **Guided Grad-CAM**, looks like the best of both:
#
# {{formula:guided-grad-cam}}
#
# But looks are not evidence. **Predict:** what does guided backpropagation show for a network with *random* weights,
# which knows nothing?

# %% id="guided-grad-cam"
untrained = networks.untrained("scenes_two_fc").model
crisp = guided_backpropagation(network.model, picture, target)
detail = guided_grad_cam(guided_gradient(network.model, picture, target), upsample(raw, (64, 64))).sum(1)
random_net = guided_backpropagation(untrained, picture, target)
figure, axes = plt.subplots(1, 3, figsize=(11, 3.2))
titles = ("guided backpropagation", "Guided Grad-CAM", "guided backpropagation,\nrandom weights")
units = ("logits per unit of input", "product of the two", "logits per unit of input")
for ax, title, unit, m in zip(axes, titles, units, (crisp, detail, random_net), strict=True):
    figures.draw_heat_map(ax, m[0], signed=True, label=unit)
    ax.set_title(title, fontsize=10)
figures.show(figure, alt="Guided backpropagation, Guided Grad-CAM, and guided backpropagation of an untrained network.")

# %% [markdown] id="guided-read"
# The network that knows nothing shows the shapes as well (look at its colour bar: its values are tiny, and a map that
# is normalized hides that). Nie, Zhang and Patel (2018) showed that guided backpropagation comes close to *recovering
# the picture*, whatever the class. In Guided Grad-CAM the place comes from Grad-CAM alone; the crispness is the
# picture's own.
#
# ## A photograph
#
# The same three lines explain a real network on a real photograph: SqueezeNet, trained on ImageNet's thousand
# classes, and a cat. (Without the network's weights the cell keeps the picture that is stored here.)

# %% id="photograph" tags=["pretrained"]
from skimage import data

try:
    real = networks.pretrained("squeezenet1_0")
except ConnectionError as sentence:
    print(sentence)
else:
    cat = real.preprocessing(data.chelsea())[None]
    answer = explain(real.model, cat, int(real.model(cat).argmax()), "Grad-CAM", "features.12")
    shown = real.preprocessing.undo(cat[0])
    figure, axes = plt.subplots(1, 2, figsize=(8, 3.4))
    axes[0].imshow(shown.permute(1, 2, 0))
    axes[0].axis("off")
    figures.draw_heat_map(axes[1], relu(upsample(answer.map, (224, 224)))[0], picture=shown, label="logits")
    probability = answer.logits.softmax(1)[0, answer.target]
    axes[1].set_title(f"{real.classes[answer.target]}, p = {probability:.2f}", fontsize=10)
    figures.show(
        figure, alt="A photograph of a cat's face and SqueezeNet's Grad-CAM for its top class, at features.12."
    )

# %% [markdown] id="photograph-read"
# SqueezeNet ends conv -> ReLU -> GAP, with no linear layer at all, so CAM refuses it. Its ReLU has a second
# consequence: a class whose logit is 0 has a gradient of 0 everywhere, and nothing can be said about why it *isn't*
# the answer. The picker says so in words. And 13 x 13 cells over a photograph are coarse: "the ear" is about one
# cell.

# %% [markdown] id="end"
# ## What you have learnt
#
# - Grad-CAM is CAM with the mean gradient for a weight: any network, any layer with a grid, one backward pass.
# - On GAP and one linear layer it *is* CAM, divided by {{Z}}, before the ReLU. On other heads, linear ones included,
#   the averaging can put the evidence in the wrong place; HiResCAM doesn't average.
# - The ReLU shows half of the story; the counterfactual map is the other half.
# - A map belongs to a layer, a class and a score. Report all three.
#
# ## Where it breaks
#
# Being linear is the strength of Grad-CAM and its weakness. The strength: it is simple, needs one backpropagation,
# and every framework has that. The weakness: everything here treats the network as if it were linear around one
# picture, and a complex network may be misjudged. Lesson 4 takes functions so simple that the truth can be written
# down, y = x³ and log x, and watches that assumption fail.
#
# **Sources.** Selvaraju et al., *Grad-CAM*, ICCV 2017 (arXiv 1610.02391); Draelos and Carin, *Use HiResCAM instead of
# Grad-CAM*, arXiv 2011.08891 (2020); Springenberg et al., *Striving for Simplicity*, ICLR Workshop 2015; Nie, Zhang,
# Patel, ICML 2018 (arXiv 1805.07039).
