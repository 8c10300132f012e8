# %% [markdown] id="opening"
# # 1. Linear models: where an explanation is exact
#
# **A program looks at a picture and says: a vehicle, 93 %. Why does it think so?** Deep learning is the mainstream
# technique for image classification, object detection, speaker identification and speech recognition. Whoever relies
# on such a model and cannot explain it can neither trace a failure nor fix it. This course is about explaining; it
# starts where an explanation is exact.
#
# After this lesson you can
#
# 1. say what hand-crafted features and end-to-end learning each offer, with the curve that compares them;
# 2. compute the contribution of each input to each output of a linear model, and check that they add up;
# 3. say what hides in a contribution: the baseline, the bias, the encoding, and that it speaks of the *model*;
# 4. recognize a suppressor, an input with a large weight that says nothing of the answer.
#
# About 45 minutes. You need Python, and the idea of a weighted sum.

# %% id="setup"
import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.calibration import CalibratedClassifierCV
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier, export_text

from course_lib import experiments, figures
from course_lib.claims import claim
from course_lib.datasets.vehicles import vehicles
from course_lib.experiments.vehicles import hand_crafted_features, learning_curve_row
from course_lib.hand_crafted import find_ellipses, main_region, metal_score, wheel_score
from course_lib.methods.linear import contributions

world = vehicles(8, seed=1)
figure, axes = plt.subplots(1, 8, figsize=(13, 1.9))
for ax, picture, label in zip(axes, world.pictures, world.labels, strict=True):
    ax.imshow(picture.permute(1, 2, 0))
    ax.set_title("vehicle" if label else "no vehicle", fontsize=9)
    ax.axis("off")
figures.show(figure, alt="Eight small drawn pictures: cars, vans and lorries, and things that are no vehicles.")

# %% [markdown] id="two-ways"
# ## Two ways to build a classifier
#
# **By hand.** Before deep learning one would ask: what does a person look for in a car? Perhaps *wheels*, found as
# regions that look like an ellipse, and a *metallic colour* of the main region. Each becomes a number, a
# **hand-crafted feature**, and a small classifier turns the two numbers into a decision. If it errs, look at the two
# numbers: the answer is **interpretable** by construction.
#
# **End to end.** A deep network takes the pixels and gives the answer. Its many **hidden layers** find their own
# features. For an engineer this is attractive: the same program serves another task when it is given other data
# (nearly: with *transfer learning*, training a network further that was trained on something else, the size of the
# last layer, the preprocessing and the learning rate change as well). For a researcher it is a **black box**: it
# works, and nobody can say why.
#
# Explaining such networks is not new: maps of which pixels matter date from 2013, pictures that excite one neuron
# from 2009. For long it was a side path, since the networks themselves worked poorly at first and were then too
# complex for the intuitive methods at hand. Xie, Ras, van Gerven and Doran survey the field in their *Field Guide*
# (2020); this course follows the part of it on visualization.
#
# Here are the two features at work. The ellipses found are drawn on the left of each pair, the main region on the
# right.

# %% id="features"
figure, axes = plt.subplots(1, 8, figsize=(13, 2.2))
for n, picture in enumerate(world.pictures[:4]):
    array = picture.permute(1, 2, 0).numpy()
    figures.draw_ellipses(axes[2 * n], array, find_ellipses(array))
    axes[2 * n].set_title(f"wheel score {wheel_score(array):.2f}", fontsize=9)
    axes[2 * n + 1].imshow(np.where(main_region(array)[..., None], array, 1.0))
    axes[2 * n + 1].set_title(f"metal score {metal_score(array):.2f}", fontsize=9)
    axes[2 * n + 1].axis("off")
figures.show(
    figure, alt="Four pictures with the ellipses and the main region that were found in each, and both scores."
)

# %% [markdown] id="features-read"
# Each ellipse is fitted to a contour of the picture's brightness; a vehicle should have two good ones. The main
# region is the largest thing that differs from its row's colour at the edges of the picture; metal shows as a bright
# band across its paint. Neither feature knows what a vehicle is.
#
# ## Judge a feature before you use it
#
# The pictures come with their truth, so each feature can be judged by itself. The **AUC** is the probability that a
# vehicle scores higher than a picture without one: 0.5 is guessing, 1 is perfect. **Predict:** which feature is
# better, and what will fool it?

# %% id="judge"
train, test = vehicles(250, seed=2), vehicles(200, seed=1_000_003)
# (n, 2): wheel score and metal score of each picture
X, X_test = (hand_crafted_features(drawn) for drawn in (train, test))
y, y_test = train.labels.numpy(), test.labels.numpy()
for name, column in zip(("wheel score", "metal score"), X_test.T, strict=True):
    print(f"{name}: AUC {roc_auc_score(y_test, column):.2f}")
fooled = np.argsort(-np.where(y_test == 0, X_test[:, 0], -1))[:3].tolist()
missed = np.argsort(np.where(y_test == 1, X_test[:, 1], 9))[:3].tolist()
figure, axes = plt.subplots(1, 6, figsize=(11, 2.2))
for ax, n in zip(axes, fooled + missed, strict=True):
    array = test.pictures[n].permute(1, 2, 0).numpy()
    figures.draw_ellipses(ax, array, find_ellipses(array, 2))
    ax.set_title(f"{test.kinds[n]}\nwheel {X_test[n, 0]:.2f}, metal {X_test[n, 1]:.2f}", fontsize=9)
figures.show(
    figure,
    alt="Three pictures without a vehicle but with a high wheel score, and three vehicles with a low metal score.",
)

# %% [markdown] id="judge-read"
# On the left, round things that are no wheels: windows, balls, portholes. On the right, vehicles whose paint shows no
# bright band. Each feature errs, but on different pictures, so together they should do better. Three classifiers that
# take the two numbers:
#
# - **logistic regression** adds up weighted features and turns the sum into a probability;
# - a **support vector machine** (SVM) draws the line with the widest margin. It gives a *margin*, no probability:
#   that needs another fit on top (Platt's);
# - a **decision tree** asks one question after another. A small one can be read aloud.

# %% id="classifiers"
models = {
    "logistic regression": make_pipeline(StandardScaler(), LogisticRegression()),
    "SVM + Platt's fit": CalibratedClassifierCV(make_pipeline(StandardScaler(), LinearSVC()), cv=5),
    "decision tree, depth 2": DecisionTreeClassifier(max_depth=2, random_state=0),
    "decision tree, no limit": DecisionTreeClassifier(random_state=0),
}
for name, model in models.items():
    accuracy = model.fit(X, y).score(X_test, y_test)
    leaves = f", {model.get_n_leaves()} leaves" if isinstance(model, DecisionTreeClassifier) else ""
    p = model.predict_proba(X_test)[0, 1]
    print(f"{name:24} accuracy {accuracy:.1%}, P(vehicle) of the first picture {p:.2f}{leaves}")
print(export_text(models["decision tree, depth 2"], feature_names=["wheel score", "metal score"]))

# %% [markdown] id="classifiers-read"
# The small tree *is* its explanation. The one without a limit is a tree as well, and nobody can read it:
# "interpretable" is no property of a kind of model, but of a model of a certain size.
#
# ## The contribution
#
# Take the logistic regression apart. Before its last step it is a **linear model**: {{x}} is input $i$, {{w_ij}} the
# weight with which it enters output $j$, {{b_j}} the bias.
#
# {{formula:linear-layer}}
#
# The output is a sum, so the share of each input can be read off. It is its **contribution**:
#
# {{formula:contribution}}
#
# The unit is that of the output. Here it is **log-odds**, the logarithm of P(vehicle) / P(no vehicle), which in a
# network is called a *logit*.
#
# {{formula:log-odds}}

# %% id="contributions"
plain = LogisticRegression().fit(X, y)
w, b = torch.tensor(plain.coef_), float(plain.intercept_[0])
car = int(np.flatnonzero((y_test == 1) & (X_test[:, 1] > 0.4))[0])
for n in (car, fooled[0]):
    phi = contributions(w, torch.tensor(X_test[n]))[0]
    total = float(plain.decision_function(X_test[n : n + 1])[0])
    figure = figures.contribution_bars(["wheel score", "metal score"], phi, b, total, label="log-odds of 'vehicle'")
    figure.suptitle(f"{test.kinds[n]}: P(vehicle) = {1 / (1 + np.exp(-total)):.2f}", fontsize=10)
    figures.show(figure, alt=f"Bars from the bias through the two contributions to their sum, for a {test.kinds[n]}.")
claim("contributions-add-up", phi.sum() + b, total)

# %% [markdown] id="contributions-read"
# Read the bars from the top: the bias is what the model thinks of a picture with *nothing* in it, strongly "no
# vehicle"; each contribution pushes from there; the last bar is the sum. For the car both push up. The second picture
# is the one that fooled the wheel score most: the model explains its mistake by itself. **Nothing in this explanation
# is approximate.**
#
# ## End to end
#
# A small network gets the pixels and no features; another, trained on something else (shapes), only gets a new last
# layer, which is the cheapest transfer learning. How many pictures does it need until it is better than thirty lines
# about wheels and metal? Each point is the mean of five trainings, the band its 95 % interval. (The table was
# computed beforehand and is stored; one row is computed again here.)

# %% id="learning-curve"
rows = experiments.read("vehicles_learning_curve")
sizes = sorted({row["pictures"] for row in rows})
figure, ax = plt.subplots(figsize=(6, 3.6), layout="constrained")
curves = {
    "features": "two features, logistic regression",
    "network": "network, end to end",
    "transfer": "network trained on shapes, new last layer",
}
for style, (column, label) in enumerate(curves.items()):
    runs = [[row[column] for row in rows if row["seed"] == seed] for seed in range(5)]
    figures.draw_curve(ax, sizes, runs, label, style)
ax.set(xscale="log", xticks=sizes, xticklabels=[f"{s:.0f}" for s in sizes])
ax.set(xlabel="training pictures", ylabel="accuracy")
ax.minorticks_off()
ax.legend()
figures.show(
    figure,
    alt="Accuracy over the number of training pictures: two features, a network end to end, and transfer learning.",
)
stored = next(row for row in rows if row["pictures"] == 30 and row["seed"] == 0)
claim("row-computed-again", learning_curve_row(30, 0)["features"], stored["features"], rtol=5e-3)

# %% [markdown] id="learning-curve-read"
# LEARNING-CURVE-READING
#
# ## What hides in a contribution
#
# $w_i x_i$ is exact, and still says less than it seems to. Three things hide in it.
#
# **1. A baseline.** $w_i x_i$ is what the input adds *compared with 0*. Is "no wheels at all" what you want to
# compare with? Against the average picture the same model gives other contributions, as exact as the first:
#
# {{formula:contribution-baseline}}
#
# **2. The encoding.** Measure an input from another zero point and adapt the bias: the same model, the same outputs,
# other contributions. Another *unit* changes the weight alone, which is why a large weight by itself says nothing.
#
# {{formula:input-shift}}
#
# {{formula:unit}}

# %% id="baseline-and-encoding"
point, mean = torch.tensor(X_test[car]), torch.tensor(X.mean(0))
from_zero, from_mean = contributions(w, point)[0], contributions(w, point - mean)[0]
print(f"compared with 0:           wheel {from_zero[0]:+.2f}, metal {from_zero[1]:+.2f}, bias {b:+.2f}")
average = float(w[0] @ mean) + b
print(f"compared with the average: wheel {from_mean[0]:+.2f}, metal {from_mean[1]:+.2f}, average {average:+.2f}")
claim("both-baselines-give-the-output", from_mean.sum() + w[0] @ mean + b, from_zero.sum() + b)

percent = contributions(w / 100, 100 * point)[0]
shift = torch.tensor([1.0, 1.0], dtype=torch.float64)
shifted_bias = b - float(w[0] @ shift)
claim("unit-leaves-contribution", percent, from_zero)
claim("shift-leaves-output", contributions(w, point + shift)[0].sum() + shifted_bias, from_zero.sum() + b)
print(f"counted from 1, not 0:     wheel {contributions(w, point + shift)[0][0]:+.2f} for the very same model")

# %% [markdown] id="suppressor-intro"
# **3. It explains the model, not the world.** Let $d$ be a disturbance, say the lamp that lights the scene. One
# sensor measures signal and disturbance together, $x_1 = y + d$; another one measures the disturbance alone, $x_2 =
# d$. **Predict:** $x_2$ knows nothing of $y$. What weight does a linear model give it?

# %% id="suppressor"
random = np.random.default_rng(0)
signal, disturbance = random.normal(size=(2, 2000))
sensors = np.stack([signal + disturbance, disturbance], 1)
fitted = LinearRegression().fit(sensors, signal)
print(f"correlation of x2 with y: {np.corrcoef(disturbance, signal)[0, 1]:+.3f}")
print(f"weights: {fitted.coef_[0]:+.3f} and {fitted.coef_[1]:+.3f}")
claim("suppressor-weights", fitted.coef_, [1.0, -1.0], rtol=1e-9)

# %% [markdown] id="suppressor-read"
# {{formula:suppressor}}
#
# The weight of $x_2$ is as large as that of $x_1$. It is needed: subtracting it cleans the other sensor. Such an
# input is called a **suppressor** (Haufe et al., 2014). Its large contribution is true of the model, and whoever
# reads it as "$x_2$ has to do with $y$" is wrong. The same holds for every heat map in this course. Also, where two
# inputs carry the same information, the weights, and with them the contributions, aren't unique.
#
# ## What you have learnt
#
# - A linear model's output is the sum of its contributions and the bias: exact, for each single picture.
# - A contribution has a unit and a baseline. Name both.
# - It speaks of the model. Whether the model is right about the world is another question.
# - Features made by hand are readable and need few pictures; a network needs more and gets further, and then cannot
#   be read.
#
# ## Where it breaks
#
# A deep network is no linear model. But the *last* layer of many networks is one, and it sits on top of maps that
# still know where things are. That is lesson 2.
#
# **Sources.** N. Xie, G. Ras, M. van Gerven, D. Doran, *Explainable Deep Learning: A Field Guide for the
# Uninitiated*, arXiv 2004.14545 (2020; later version: Ras, Xie, van Gerven, Doran, JAIR 73, 2022). S. Haufe et al.,
# NeuroImage 87 (2014). The plan of lessons 1 to 4 follows an article by Tang Yi-Dar (Taiwan AI Academy, 2020).
