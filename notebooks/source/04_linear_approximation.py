# %% [markdown] id="opening"
# # 4. When a straight line is not enough
#
# **A method that explains x³ says 1536 where the value is 512. The same method gives ln 8 = 2.08 the number 1. What
# does it measure?** Lessons 2 and 3 put the gradient in the place of a weight. For a linear model that is exact. A
# network isn't linear, so now we take functions so small that the truth is known, watch the method fail, say why,
# repair it, and then look for the same failures in a network.
#
# After this lesson you can
#
# 1. say what gradient x input claims, from which baseline, and compute it with sympy;
# 2. tell for which functions it is right, for which it is merely in proportion, and for which even its sign is wrong;
# 3. give the remainder: what the straight line leaves out;
# 4. build a case in which the order of two inputs flips;
# 5. compute integrated gradients, and check that they are complete;
# 6. measure in a network what each of Grad-CAM's two approximations costs.
#
# About 60 minutes. You need lesson 3, derivatives, and the idea of an integral.

# %% id="setup"
import matplotlib.pyplot as plt
import numpy as np
import sympy as sp
import torch
from torch import Tensor, nn

from course_lib import figures, networks
from course_lib.claims import claim
from course_lib.datasets.scenes import pairs, scenes
from course_lib.evaluation import interval95
from course_lib.methods.cam import grad_cam, hires_cam
from course_lib.methods.gradients import gradient_times_input, integrated_gradients
from course_lib.methods.steps import upsample
from course_lib.recording import record
from course_lib.theory import approximation
from course_lib.widgets.tangent_slider import tangent_slider

x, x1, x2 = sp.symbols("x x1 x2", positive=True)
BLUE, ORANGE = figures.PALETTE["blue"], figures.PALETTE["orange"]

figure, axes = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
for ax, f, name in zip(axes, (x**3, sp.log(x)), ("x³", "ln x"), strict=True):
    value, slope = float(f.subs(x, 8)), float(f.diff(x).subs(x, 8))
    grid = np.linspace(0.1, 9, 200)
    ax.plot(grid, sp.lambdify(x, f)(grid), color=BLUE, label=f"f(x) = {name}")
    ax.plot([0, 9], [value - 8 * slope, value + slope], "--", color=ORANGE, label="tangent at 8")
    ax.plot([8, 8], [0, value], color=BLUE, lw=5, alpha=0.5, label=f"value: {value:.4g}")
    ax.plot([8.5, 8.5], [value - 8 * slope, value], color=ORANGE, lw=5, alpha=0.5, label=f"8 f'(8): {8 * slope:.4g}")
    ax.axhline(0, color="black", lw=0.5)
    ax.set(xlabel="x", ylabel=f"f(x) = {name}")
    ax.legend(fontsize=8)
figures.show(
    figure,
    alt="x³ and ln x, each with its tangent at 8. The values there are 512 and 2.08; on its way from 8 back to 0 the "
    "tangent falls by 1536 and by 1.",
)

# %% [markdown] id="opening-read"
# Thick blue is the value at x = 8; thick orange is how far the *tangent* falls on its way from 8 back to 0. On the
# left orange is three times blue; on the right it is less than half. That fall is what gradient x input reports.
#
# ## What gradient x input claims
#
# In lesson 1 the contribution of an input was $w_i x_i$. **Gradient x input** takes the partial derivative for the
# weight:
#
# {{formula:gradient-times-input}}
#
# Grad-CAM does so with activations for inputs. The thought behind it is to treat the nonlinear function as if it were
# linear. Said exactly: follow the tangent at x back to a **baseline** {{baseline}}, the input that x is compared
# with, here 0, and hope that the function goes the same way. For a linear function that is a fact, and for no other:
#
# {{formula:first-order}}
#
# For all others the = is an ≈. How bad can it be? **Predict** the estimate for x³ and for ln x at x = 8, at x = 1 and
# at x = 1/2, before sympy does it.

# %% id="cube-and-logarithm"
f = x**3
estimate = x * sp.diff(f, x)
print("x³:   x f'(x) =", estimate, "| at 8: value", f.subs(x, 8), "estimate", estimate.subs(x, 8))
claim("cube-value", float(f.subs(x, 8)), 512.0)
claim("cube-estimate", float(estimate.subs(x, 8)), 1536.0)

g = sp.log(x)  # the natural logarithm, ln
print("ln x: x f'(x) =", x * sp.diff(g, x))
for at in (8, 1, sp.Rational(1, 2)):
    print(f"   at {at}: value {float(g.subs(x, at)):.3f}, estimate {x * sp.diff(g, x)}")
claim("logarithm-estimate", x * sp.diff(g, x), sp.Integer(1))
claim("logarithm-at-8", float(g.subs(x, 8)), 2.0794415416798357)
claim("wrong-sign-below-1", bool(g.subs(x, sp.Rational(1, 2)) < 0 < x * sp.diff(g, x)), True)

# %% [markdown] id="cube-and-logarithm-read"
# For x³ the estimate is 1536, **three times** the value, at 8 and everywhere. One may shrug: all numbers too large by
# the same factor still rank inputs rightly. (We shall see when they don't.)
#
# For ln x the estimate is **1 at every x**: 1 where the value is 2.079, 1 where the value is 0, and 1 where the value
# is −0.693, so that even the *sign* is wrong. (Which logarithm matters: log₂ 8 is 3 and log₁₀ 8 is 0.903. The one
# with derivative 1/x is ln.) And it hides something worse. The tangent was followed to x = 0, where ln has no value
# at all: the baseline that gradient x input takes for granted doesn't exist here.
#
# Move x along each curve. Blue is the value; orange, on the axis, is the tangent's rise from x = 0, the estimate.

# %% id="slider-cube"
tangent_slider("x**3", 0, 10, value=8)

# %% id="slider-logarithm"
tangent_slider("log(x)", 0.1, 10, value=8)

# %% [markdown] id="remainder-intro"
# ## What the straight line leaves out
#
# Taylor's theorem gives the difference between value and estimate exactly. It is the **remainder**, an integral over
# the curvature $f''$ between baseline and x:
#
# {{formula:remainder}}
#
# No curvature, no error; and what counts isn't the curvature *at* x, but all of it on the way. *Proof:* both sides
# are 0 at x = x′; the slope of the left side is $f'(x)$, that of the right side is $f'(x)+(x-x')f''(x)-(x-x')f''(x)$,
# the same. ∎ So for x³ from 0, and for ln from a baseline where it has a value:

# %% id="remainder"
left_out = approximation.remainder(x**3, x)
print("x³ from 0: remainder", left_out, "| at 8:", left_out.subs(x, 8))
claim("cube-remainder", left_out, -2 * x**3)
claim("cube-closes", float((x * sp.diff(f, x) + left_out).subs(x, 8)), 512.0)

from_1 = approximation.gradient_times_input(sp.log(x), {x: 1})[x]
left_out = approximation.remainder(sp.log(x), x, 1)
print("ln x from 1: estimate", from_1, "| at 8:", from_1.subs(x, 8), "| remainder at 8:", left_out.subs(x, 8))
claim("logarithm-from-1", float(from_1.subs(x, 8)), 7 / 8)
claim("logarithm-closes", sp.simplify(from_1 + left_out), sp.log(x))

# %% [markdown] id="which-functions"
# With a proper baseline the sign is right (7/8 for a value of 2.079), but the size is still less than half: most of
# ln's climb happens near 1, where it is steep, and the tangent at 8 knows nothing of that.
#
# ## For which functions is it right?
#
# Turn the question round, and ask for *all* functions with $x f'(x) = k f(x)$. That is a differential equation.
# **Predict:** is there any curve among the solutions for k = 1?

# %% id="dsolve"
h, C1 = sp.Function("h"), sp.Symbol("C1")
solutions = {k: sp.dsolve(sp.Eq(x * h(x).diff(x), k * h(x)), h(x)) for k in (1, 3)}
print(*solutions.values(), sep="\n")
claim("lines-only", solutions[1].rhs, C1 * x)
claim("cubes-only", solutions[3].rhs, C1 * x**3)
powers = (x1**3, x1**2 * x2, x1**3 + x2, sp.log(x1))
print("degree of x1³, x1² x2, x1³ + x2, ln x1:", [approximation.degree(e, x1, x2) for e in powers])

# %% [markdown] id="euler"
# {{formula:proportional}}
#
# No curve at all: of one variable gradient x input is right for straight lines through 0 and for nothing else, and in
# proportion for powers and for nothing else. The article that this course grew from picked x³, one of the few curves
# on which the method looks fine. With several variables the role of the power is taken by a **homogeneous** function,
# one that grows by $r^k$ when all its inputs grow by r; k is its **degree**:
#
# {{formula:euler}}
#
# This is Euler's theorem. A ReLU network *without any bias* is homogeneous of degree 1, so there gradient x input
# adds up to the logit. Real networks have biases. And adding up isn't everything: take one term of degree 3 and one
# of degree 1, then a product. **Predict** which input matters most in x₁³ + x₂ at (1, 2), and what the method says.

# %% id="order-flip"
cases = {"x₁³ + x₂ at (1, 2)": (x1**3 + x2, {x1: 1, x2: 2}), "x₁ x₂ at (3, 4)": (x1 * x2, {x1: 3, x2: 4})}
tangents, paths = [], []
figure, axes = plt.subplots(1, 2, figsize=(9, 3), layout="constrained")
for ax, (title, (f, at)) in zip(axes, cases.items(), strict=True):
    start = {x1: 0, x2: 0}
    tangents.append([float(share.subs(at)) for share in approximation.gradient_times_input(f, start).values()])
    paths.append([float(share.subs(at)) for share in approximation.integrated_gradients(f, start).values()])
    ax.bar([-0.2, 0.8], tangents[-1], 0.35, color=ORANGE, label=f"gradient x input: sum {sum(tangents[-1]):g}")
    ax.bar([0.2, 1.2], paths[-1], 0.35, color=BLUE, hatch="//", label=f"integrated gradients: sum {sum(paths[-1]):g}")
    ax.set(xticks=[0, 1], xticklabels=["x₁", "x₂"], ylabel="attributed", title=f"{title}: value {f.subs(at)}")
    ax.set_ylim(0, 1.4 * max(tangents[-1]))
    ax.legend(fontsize=8)
claim("order-flips", tangents[0], [3.0, 2.0])
claim("given-away-twice", tangents[1], [12.0, 12.0])
claim("fair-shares", paths, [[1.0, 2.0], [6.0, 6.0]])
figures.show(
    figure,
    alt="Bars. x₁³ + x₂ at (1, 2): gradient x input gives 3 and 2, integrated gradients 1 and 2. "
    "x₁ x₂ at (3, 4): 12 and 12 against 6 and 6.",
)

# %% [markdown] id="order-flip-read"
# {{formula:order-flip}}
#
# Left: the terms are 1 and 2, so x₂ matters more. Orange says 3 and 2: **the order has flipped**, since the term of
# degree 3 was overstated three times and the other wasn't. "Always in proportion" is harmless only while *all* parts
# have the same degree. Right: the value 12 is given away twice, to each factor in full.
#
# ## The repair: walk the whole path
#
# The blue bars come from a method that asks for the slope at *every* point between baseline and x, not only at the
# end. **Integrated gradients** (Sundararajan, Taly, Yan, 2017):
#
# {{formula:integrated-gradients}}
#
# By the chain rule the integrand, summed over the inputs, is the derivative of f along the path, so the fundamental
# theorem of calculus makes it **complete**: it adds up to what there is to explain, whatever the function.
#
# {{formula:completeness}}
#
# **Predict** what tangent and path give for a cube, for a logarithm from 1 and from ever closer to 0, and for a
# function that has *saturated*, that is, stopped growing.

# %% id="integrated"
a = sp.Symbol("a", positive=True)
saturated = sp.Piecewise((x, x < 1), (1, True))  # 1 - ReLU(1 - x)
table = {
    "x³ from 0": (x**3, 0, 8),
    "ln x from 1": (sp.log(x), 1, 8),
    "1 - ReLU(1 - x) from 0": (saturated, 0, 2),
}
print(f"{'':24} {'x':>3} {'f(x) - f(baseline)':>18} {'tangent':>9} {'path':>9}")
truths, from_path = [], []
for name, (f, start, at) in table.items():
    tangent = float(approximation.gradient_times_input(f, {x: start})[x].subs(x, at))
    from_path.append(float(approximation.integrated_gradients(f, {x: start})[x].subs(x, at)))
    truths.append(float(f.subs(x, at) - f.subs(x, start)))
    print(f"{name:24} {at:>3} {truths[-1]:>18.4g} {tangent:>9.4g} {from_path[-1]:>9.4g}")
claim("path-is-complete", from_path, truths)
claim("tangent-sees-nothing", tangent, 0.0, atol=1e-12)
toward_0 = sp.limit(approximation.integrated_gradients(sp.log(x), {x: a})[x].subs(x, 8), a, 0)
print("ln 8 from a, as a goes to 0:", toward_0)
claim("no-baseline-at-0", toward_0 == sp.oo, True)

# %% [markdown] id="integrated-read"
# The path is right in each row. At a **saturated** place the tangent gives 0, "this input does nothing", although the
# input brought the whole value there; the path saw it climb. And completeness shows up a baseline that can't be one:
# from 0 there is *infinitely* much to explain in ln 8. The price of the repair: many gradients in place of one, and
# **a baseline that you have to choose and to report**. What equals the baseline gets exactly 0: from a black picture,
# black pixels never matter (shortcut learning lives on that).
#
# ## The same in a network
#
# Now the network with two fully connected layers of lesson 3. Let its picture come up out of black: r x for r from 0
# to 1. The logit along that path is a function of one number, as ln x was. The network's ReLUs make it piecewise
# linear. **Predict:** will the tangent at r = 1 hit the value at r = 0?

# %% id="network-path"
network = networks.load("scenes_two_fc")
model, classes = network.model.double().requires_grad_(False), network.classes
picture = pairs(1, seed=20_002).pictures.double()
target = int(model(picture).argmax())


def along_path(at: Tensor) -> Tensor:
    """Logits of the picture that comes up out of black, (len(at), classes)."""
    return model(at[:, None, None, None] * picture)


r = torch.linspace(0, 1, 51, dtype=torch.float64)
logits = along_path(r)[:, target]
with record(model, "input") as tape:
    model(picture)
slope = float((picture * tape.gradients(target)["input"]).sum())  # d logit / d r at r = 1: gradient x input, summed
path = float(integrated_gradients(model, picture, target, 0.0, steps=256).sum())

figure, axes = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained", gridspec_kw={"width_ratios": [1, 2]})
axes[0].imshow(picture[0].permute(1, 2, 0))
axes[0].axis("off")
axes[1].plot(r, logits, color=BLUE, label=f"logit: climbs by {logits[-1] - logits[0]:.2f}")
axes[1].plot([0, 1], [logits[-1] - slope, logits[-1]], "--", color=ORANGE, label=f"tangent at r = 1: {slope:.2f}")
axes[1].set(xlabel="r: brightness of the picture (0 = black)", ylabel=f"logit of {classes[target]}")
axes[1].legend()
figures.show(figure, alt="The logit as the picture comes up out of black, and the tangent at the full picture.")
climb = float(logits[-1] - logits[0])
print(f"the logit climbs by {climb:.2f}; gradient x input says {slope:.2f}, integrated gradients {path:.2f}")
claim("network-path-is-complete", path, climb, rtol=5e-3)
claim("network-tangent-has-the-wrong-sign", slope < 0 < climb, True)

# %% [markdown] id="network-path-read"
# The line starts at the full picture and goes to where it thinks black must be. It gets even the **sign** wrong: the
# logit climbs by 4.3 on the way from black, and gradient x input says that the picture *lowers* it by 2.2. Near r = 1
# the curve is almost flat and falls a little, and that is all the tangent knows. It is ln x below 1 again. (The curve
# looks smooth, but it consists of straight pieces, thousands of them. "Piecewise linear" says that the network is
# linear *near here*, not that it is linear from here to the baseline.)
#
# One picture proves little. So take 60 fresh scenes, and hold both sums against what there is to explain, the logit
# of the picture less the logit of black.

# %% id="network-sums"
test = scenes(60, seed=4_000_000)
pictures, labels = test.pictures, test.labels
single = networks.load("scenes_two_fc").model.requires_grad_(False)  # single precision: enough for a table, and faster


def own_logit(logits: Tensor) -> Tensor:
    """The logits of each picture's own class, added up: each picture still gets its own gradient."""
    return logits.gather(1, labels.repeat(len(logits) // len(labels))[:, None]).sum()


with record(single, "input") as tape:
    full = single(pictures).detach()
black = single(torch.zeros_like(pictures))
truth = (full - black).gather(1, labels[:, None])[:, 0]
estimates = {"gradient x input": gradient_times_input(pictures, tape.gradients(labels)["input"]).sum((1, 2))}
for steps in (1, 4, 16, 64):
    path = integrated_gradients(single, pictures, own_logit, 0.0, steps, batch=len(labels))
    estimates[f"integrated gradients, {steps} steps"] = path.sum((1, 2))

print(f"mean of what there is to explain: {truth.mean():.2f} logits")
print(f"{'':32} {'mean error':>10} {'wrong sign':>10}")
errors = {name: float((got - truth).abs().mean()) for name, got in estimates.items()}
wrong = {name: float((got * truth < 0).float().mean()) for name, got in estimates.items()}
for name in estimates:
    print(f"{name:32} {errors[name]:>10.2f} {wrong[name]:>10.0%}")
claim("tangent-is-often-wrong", wrong["gradient x input"] > 0.1, True)
claim("more-steps-close-the-gap", errors["integrated gradients, 64 steps"] < 0.01 * float(truth.mean()), True)
claim("one-step-does-not", errors["integrated gradients, 1 steps"] > errors["gradient x input"], True)

# %% [markdown] id="probability-intro"
# In about one scene of five the sum has the wrong sign, and on average it misses by more than half of what there is
# to explain. The path closes the gap: with 64 points it is right to within one per cent. With *one* point, in the
# middle of the path, it is worse than gradient x input. It lies near where the curve is steepest, as the next figure
# shows, so completeness is a promise for enough steps: **check the sum**, and take more points if it isn't there yet.
#
# ## Saturation in a network
#
# The function 1 − ReLU(1 − x) that has stopped growing looks made up. It isn't: the **softmax** does the same
# whenever a network is sure. With $p = p_c$ near 1 the derivative $p(1-p)$ is nearly 0, in every direction.
# **Predict:** what happens to gradient x input of the *probability* as the picture gets its full brightness?

# %% id="saturation"
sure = int(full.softmax(1).amax(1).argmax())  # of the 60 scenes, the one that the network is surest of
picture, target = pictures[sure : sure + 1].double(), int(full[sure].argmax())
logits = along_path(r)
values = {"logit": logits[:, target], "probability": logits.softmax(1)[:, target]}
scores = {"logit": target, "probability": lambda z: z.softmax(1)[0, target]}
figure, axes = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
for ax, (name, value) in zip(axes, values.items(), strict=True):
    sums = []
    for one in r:
        with record(model, "input") as tape:
            model(one * picture)
        sums.append(float((one * picture * tape.gradients(scores[name])["input"]).sum()))
    ax.plot(r, value - value[0], color=BLUE, label=f"{name} less that of black")
    ax.plot(r, sums, "--", color=ORANGE, label="gradient x input, summed")
    ax.set(xlabel="r: brightness of the picture (0 = black)", ylabel=f"{name}, {classes[target]}")
    ax.axhline(0, color="black", lw=0.5)
    ax.legend(fontsize=8)
    print(f"{name}: {value[-1] - value[0]:.4g} to explain at r = 1; gradient x input says {sums[-1]:.2g}")
claim("saturated-probability", abs(sums[-1]) < 1e-3 * float(value[-1] - value[0]), True)
figures.show(figure, alt="Along the path from black: logit and probability, each beside what gradient x input says.")

# %% [markdown] id="two-approximations"
# Left, the tangent's sum overshoots while the logit climbs, and is down to a third of it at the end. Right, at full
# brightness, there is 0.98 to explain, and the tangent says two *thousand-millionths*. The network hasn't stopped
# using the picture; the softmax has stopped moving:
#
# {{formula:softmax-derivative}}
#
# That is one more reason to explain the logit, and to look at a map's scale before it is normalized: scaled to its
# own maximum, a map of nearly nothing looks like any other.
#
# ## Grad-CAM approximates twice
#
# Now to the map of lesson 3, at the layer `features`. HiResCAM is gradient x input with the activations for inputs,
# so its sum leaves out a remainder, as for x³ and ln x. That is the *first* approximation. Grad-CAM makes a *second*
# one: it averages the gradient over the cells. What that costs has a name, the **covariance** of gradient and
# activation, which says whether the cells with a large gradient are those with a large activation:
#
# {{formula:averaging}}
#
# Together they account for all of the logit:
#
# logit − logit of an empty layer = sum of Grad-CAM + covariance term + remainder.
#
# **Predict** which of the two approximations costs more in a network with two fully connected layers. And in the one
# with GAP, what is each?

# %% id="decomposition"
pictures, pick = pictures.double(), torch.arange(len(labels))
columns = ("logit - logit of nothing", "sum of Grad-CAM", "covariance term", "remainder")
print(f"{'mean (mean size)':16}" + "".join(f"{title:>26}" for title in columns))
sums_H, sums_L = [], []
for name, names in {"scenes_gap": ("pool", "fc"), "scenes_two_fc": ("pool", "fc1", "relu", "fc2")}.items():
    whole = networks.load(name).model.double().requires_grad_(False)
    pool, *rest = (getattr(whole, one) for one in names)
    head = nn.Sequential(pool, nn.Flatten(), *rest)  # all that comes after `features`
    with record(whole, "features") as tape:
        scores = whole(pictures).detach()[pick, labels]
    A, g = tape.activations["features"], tape.gradients(labels)["features"]
    L, H = grad_cam(A, g), hires_cam(A, g)
    climbs = scores - head(torch.zeros_like(A))[pick, labels]
    covariance = approximation.averaging_gap(A, g)
    shares = (climbs, L.sum((1, 2)), covariance, climbs - H.sum((1, 2)))
    print(f"{name:16}" + "".join(f"{f'{one.mean():.2f} ({one.abs().mean():.2f})':>26}" for one in shares))
    sums_H.append(H.sum((1, 2)))
    sums_L.append(L.sum((1, 2)) + covariance)
claim("averaging-drops-the-covariance", torch.stack(sums_H), torch.stack(sums_L))
doubled = head(2 * A)[pick, labels] - head(0 * A)[pick, labels]
claim("the-head-nearly-scales", doubled.mean(), 2 * climbs.mean(), rtol=5e-3)

# %% [markdown] id="depth-intro"
# After GAP and one linear layer both losses are exactly 0: the theorem of lesson 3. With two fully connected layers
# one might expect the bend of the ReLU to matter most. **It costs almost nothing**: the remainder is a thousandth of
# what there is to explain. The last line says why. Twice the activations give twice the logit: beside activations of
# this size the biases of the head hardly count, so the head is nearly homogeneous of degree 1, and Euler's theorem
# does the rest. What Grad-CAM loses here it loses by *averaging*.
#
# So is the straight line harmless in networks? In pixels it got signs wrong. **Predict** how both losses change from
# the picture to the last layer. (What there is to explain is always the logit less the logit with the layer set to
# 0.)

# %% id="depth"
names = ["input", *(f"features.{block}" for block, _ in whole.features.named_children())]
after = [whole, *(nn.Sequential(whole.features[depth:], head) for depth in range(1, len(names)))]
with record(whole, names) as tape:
    scores = whole(pictures).detach()[pick, labels]
gradients = tape.gradients(labels)  # of all layers, by one backward pass
bends, means = [], []
for name, rest in zip(names, after, strict=True):
    A, g = tape.activations[name], gradients[name]
    climbs = scores - rest(torch.zeros_like(A))[pick, labels]
    bends.append(float(((hires_cam(A, g).sum((1, 2)) - climbs) / climbs).abs().median()))
    means.append(float((approximation.averaging_gap(A, g) / climbs).abs().median()))
figure, ax = plt.subplots(figsize=(7, 3), layout="constrained")
ax.plot(names, bends, "o-", color=BLUE, label="remainder: the line")
ax.plot(names, means, "s--", color=ORANGE, label="covariance term: the average")
ax.set(xlabel="layer, from the picture to the logit", ylabel="share of what\nthere is to explain", ylim=(0, None))
ax.tick_params(axis="x", labelsize=8)
ax.legend()
figures.show(figure, alt="Remainder and covariance term at each layer, as shares of what there is to explain.")
claim("the-line-is-good-at-the-end", bends[-1] < 0.01 < 0.3 < bends[0], True)

# %% [markdown] id="places-intro"
# At the picture the line misses by two thirds of what there is to explain, at the last layer by less than a
# hundredth: the shorter the way from the layer to the logit, the straighter it is. That is one more reason to ask a
# late layer. It isn't a law, as block 4 shows, and the average costs most in the middle. So measure it: each loss is
# one line of code.
#
# ## Does the order flip?
#
# A sum can be right and the *order* of the places wrong. In the network the truth can be had by force: set one place
# of `features` to 0 in all channels, and see what the logit loses. **Predict:** how often is the strongest place of
# the Grad-CAM map the one whose loss hurts most?

# %% id="order-of-places"
n = 4  # 4 x 4 places, as the network's first linear layer sees them
size = A.shape[-1] // n
drops = torch.empty(len(A), n * n, dtype=torch.float64)
for place in range(n * n):
    keep = torch.ones(n * n, dtype=torch.float64)
    keep[place] = 0
    keep = upsample(keep.view(n, n), A.shape[-2:], "nearest")
    drops[:, place] = scores - head(A * keep)[pick, labels]

chance = torch.rand(L.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
places, agreement, right = {}, {}, {}
for name, m in {"Grad-CAM": L, "HiResCAM": H, "random map": chance}.items():
    places[name] = (size**2 * nn.functional.avg_pool2d(m, size)).flatten(1)  # the sum over each place, in logits
    orders = places[name].argsort(1).argsort(1).double(), drops.argsort(1).argsort(1).double()
    agreement[name] = torch.stack([torch.corrcoef(torch.stack(pair))[0, 1] for pair in zip(*orders, strict=True)])
    first = places[name].argmax(1) == drops.argmax(1)
    right[name] = float(first.double().mean())
    print(f"{name:10}: rank correlation {agreement[name].mean():5.2f}, ", end="")
    print("first place right {:.0%} ({:.0%} to {:.0%})".format(right[name], *interval95(first)))
claim("order-flips-in-the-network", right["random map"] < right["Grad-CAM"] < 0.9 < right["HiResCAM"], True)

most, found = drops.amax(1), drops.gather(1, places["Grad-CAM"].argmax(1, keepdim=True))[:, 0]
worst = int((most - found).argmax())  # where Grad-CAM's first place is farthest behind the one that costs most
print(f"worst scene: the costliest place costs {most[worst]:.2f} logits, Grad-CAM's first one {found[worst]:.2f}")
shown = {"Grad-CAM": places["Grad-CAM"], "HiResCAM": places["HiResCAM"], "what the logit loses": drops}
panels = [figures.Panel(title, heat_map=m[worst].view(n, n)) for title, m in shown.items()]
figure = figures.compare([[figures.Panel(classes[labels[worst]], test.pictures[worst]), *panels]])
figures.show(figure, alt="A scene; by place: Grad-CAM, HiResCAM, and what the logit loses when the place is emptied.")

# %% [markdown] id="end"
# The picture shows the scene on which Grad-CAM is farthest off: it puts the corner first, and emptying the corner
# costs 2.7 logits, where the place beside it would cost 6.1. HiResCAM, in which each cell keeps its own gradient,
# finds the costliest place in every scene here; Grad-CAM does in about six of ten, although its *sum* is off by a
# twentieth only. A nearly right sum is no proof of a right order. And even this truth is one of several: emptying a
# place compares it with activations of 0, which is a baseline, too.
#
# ## The map of what you have learnt
#
# | | to explain | the tangent says | the path says | verdict on the tangent |
# |---|---|---|---|---|
# | $w x$ from 0 | $w x$ | $w x$ | $w x$ | right, and for lines only |
# | $x^3$ at 8 from 0 | 512 | 1536 | 512 | in proportion, as for powers only |
# | $\ln x$ at 8 from 1 | 2.079 | 0.875 | 2.079 | too small |
# | $\ln x$ at 1/2 from 0 | infinitely much | 1 | ∞ | blind; 0 is no baseline |
# | $x_1^3 + x_2$ at (1, 2) | (1, 2) | (3, 2) | (1, 2) | the order flips |
# | $x_1 x_2$ at (3, 4) | 12 | (12, 12) | (6, 6) | given away twice |
# | 1 − ReLU(1 − x) at 2 | 1 | 0 | 1 | saturated: sees nothing |
# | a scene's logit, from black | 11.6 on average | wrong sign in one of five | within 1 % | too far from the logit |
# | the same, from the last layer | 11.8 on average | within 0.1 % | | right; the *average* is what costs |
#
# - What the tangent leaves out is an integral over the curvature on the way: it lies *between* baseline and x.
# - Integrated gradients are complete, at the price of many gradients and a baseline. Check the sum.
# - Grad-CAM approximates twice: a line for a function, and a mean for a gradient. Each loss can be measured.
#
# ## Where it breaks
#
# All of this compares an explanation with the *function*. Whether the function uses the right evidence is another
# matter: a network can be nearly always right, for the wrong reason, and a baseline can hide it.
#
# **Try it yourself.** Write gradient x input and its remainder from any baseline; find a function whose order flips;
# write integrated gradients with a check of the sum; and the covariance that Grad-CAM drops.
#
# **Sources.** Sundararajan, Taly, Yan, *Axiomatic Attribution for Deep Networks*, ICML 2017 (arXiv 1703.01365);
# Ancona, Ceolini, Öztireli, Gross, *Towards Better Understanding of Gradient-based Attribution Methods*, ICLR 2018
# (arXiv 1711.06104); Hesse, Schaub-Meyer, Roth, *Fast Axiomatic Attribution*, NeurIPS 2021 (arXiv 2111.07668);
# Draelos and Carin, arXiv 2011.08891 (2020); Srinivas and Fleuret, *Full-Gradient Representation*, NeurIPS 2019
# (arXiv 1905.00780). The examples x³ and log x come from Tang Yi-Dar's article of 2020.
