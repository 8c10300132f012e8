# %% [markdown] id="opening"
# # 1. Linear models: where an explanation is exact
#
# **A program looks at a picture and says: a vehicle, 93 %. Why does it think so?** Deep learning is the mainstream
# technique for image classification, object detection, speaker identification and speech recognition, and it seldom
# says why. This course is about explaining; it starts where an explanation is exact.
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
from course_lib.evaluation import interval95
from course_lib.experiments.vehicles import hand_crafted_features, learning_curve_row, vehicles_test_set
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
# numbers: the answer is **interpretable** by construction. Which mistake was it: a wheel not found, or a wheel found
# where there is none? The answer points at the line of code to mend.

# %% [markdown] id="end-to-end"
# **End to end.** A deep network takes the pixels and gives the answer. Its many **hidden layers** find their own
# features. For an engineer this is attractive: the same program serves another task when it is given other data, and
# with *transfer learning*, training a network further that was trained on something else, few data will do.

# %% [markdown] id="black-box"
# For a researcher it is a **black box**: it works, and nobody can say why. Whoever relies on such a model and cannot
# explain it can neither trace a failure nor fix it. So two directions of research have run side by side: one makes
# networks better, the other makes them explain themselves. This course is about the second.

# %% [markdown] id="history"
# Why did the second come later? Explaining networks is not new: pictures that excite one neuron date from 2009, maps
# of which pixels matter from 2013. But at first networks worked so poorly that few cared why they answered what they
# answered, and when they worked well they had become too complex for any intuitive method: a ResNet-50 has 25.6
# million weights, and reading them one by one tells nobody anything.

# %% [markdown] id="field-guide"
# Xie, Ras, van Gerven and Doran survey what has come of it in their *Field Guide* (arXiv, 2020; in the journal
# version of 2022 Ras comes first); this course follows the part of it on visualization, and of that first two
# methods, CAM and Grad-CAM.
#
# ## Two features
#
# Here are the two features at work. The ellipses found are drawn on the left of each pair, the main region on the
# right. **Predict:** for which of the four does the wheel score come out high, and for which the metal score?

# %% id="features"
figure, axes = plt.subplots(1, 8, figsize=(13, 2.2))
for n, picture in enumerate(world.pictures[[0, 1, 6, 7]]):
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
# band across its paint. Neither feature knows what a vehicle is. The wheel score adds up its two best ellipses (0 to
# 2), the metal score goes from 0 to 1, and together they are about eighty lines of code, each of which somebody had
# to think of.
#
# ## Judge a feature before you use it
#
# The pictures come with their truth, so each feature can be judged by itself. The **AUC** is the probability that a
# vehicle scores higher than a picture without one: 0.5 is guessing, 1 is perfect. **Predict:** which feature is
# better, and what will fool it?

# %% id="judge"
train, (test, X_test) = vehicles(150, seed=2), vehicles_test_set()
X = hand_crafted_features(train)  # (n, 2): wheel score and metal score of each picture
y, y_test = train.labels.numpy(), test.labels.numpy()
for name, column in zip(("wheel score", "metal score"), X_test.T, strict=True):
    print(f"{name}: AUC {roc_auc_score(y_test, column):.2f}")
fooled = np.argsort(-np.where(y_test == 0, X_test[:, 0], -1))[:3].tolist()
missed = np.argsort(np.where(y_test == 1, X_test[:, 1], 9))[:3].tolist()
figure, axes = plt.subplots(1, 6, figsize=(11, 2.4), layout="constrained")
for ax, n in zip(axes, fooled + missed, strict=True):
    array = test.pictures[n].permute(1, 2, 0).numpy()
    figures.draw_ellipses(ax, array, find_ellipses(array, 2))
    ax.set_title(f"{test.kinds[n]}\nwheel {X_test[n, 0]:.2f}\nmetal {X_test[n, 1]:.2f}", fontsize=9)
figures.show(
    figure,
    alt="Three pictures without a vehicle but with a high wheel score, and three vehicles with a low metal score.",
)

# %% [markdown] id="judge-read"
# On the left, round things that are no wheels: balls and windows. On the right, vehicles whose paint shows no bright
# band. Each feature errs, but on different pictures, so together they should do better. Three classifiers that take
# the two numbers:
#
# - **logistic regression** adds up weighted features and turns the sum into a probability;
# - a **support vector machine** (SVM) draws the line with the widest margin between the two classes;
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
# "A classifier gives a probability" is true of the first only. The SVM gives a *margin*, a distance from its line;
# the probability printed here comes from another fit on top of it (Platt's). And a tree without a limit has leaves of
# one class each, so it says 0 or 1 and nothing between.
#
# The small tree *is* its explanation. The one without a limit is a tree as well, and nobody can read it:
# "interpretable" is no property of a kind of model, but of a model of a certain size.
#
# Its text says something else, too. It asks for wheels **and** metal: a picture with excellent wheels and no metal is
# rejected. A sum can't say *and*; in a sum, very good wheels make up for missing metal. Does that matter? One
# training can't tell: on 400 test pictures each accuracy above is good to within about 3 percentage points. Here are
# five trainings on 300 pictures each, tested on the same 400:

# %% id="classifiers-five-times"
stored = experiments.read("vehicles_classifiers")
for name in list(stored[0])[1:]:
    reached = np.array([row[name] for row in stored])
    low, high = interval95(reached)
    print(f"{name:20} {reached.mean():.1%}  (95 % interval {low:.1%} to {high:.1%})")
tree, line = (np.array([row[name] for row in stored]) for name in ("tree of depth 2", "logistic regression"))
claim("tree-beats-the-sum-each-time", bool((tree > line).all()), True)

# %% [markdown] id="contribution"
# Either feature alone stays below both together, and in each of the five trainings the tree of depth 2 is better than
# the sum. Keep its advantage in mind: it is the first sign that adding up contributions is a *choice*, and that the
# world need not be a sum. First, though, the sum, because there everything can be said exactly.

# %% [markdown] id="linear-layer"
# ## The contribution
#
# Take the logistic regression apart. Before its last step it is a **linear model**: {{x}} is input $i$, {{w_ij}} the
# weight with which it enters output $j$, {{b_j}} the bias.
#
# {{formula:linear-layer}}

# %% [markdown] id="weight-times-input"
# The output is a sum, so the share of each input can be read off. It is its **contribution**:
#
# {{formula:contribution}}
#
# The unit is that of the output. Here it is **log-odds**, the logarithm of P(vehicle) / P(no vehicle), which in a
# network is called a *logit*. 0 means even odds, +1 means odds of e ≈ 2.7 to 1, −1 the reverse.
#
# {{formula:log-odds}}
#
# *Proof.* $1-p=e^{-y}/(1+e^{-y})$, so $p/(1-p)=e^{y}$; take the logarithm. ∎ Contributions add up in log-odds and not
# in the probability: +2 takes even odds to 88 %, and 88 % to 98 %.
#
# **Predict** the three bars of the next figure for a car: the sign of the bias, and which feature pushes harder.

# %% id="contributions"
plain = LogisticRegression().fit(X, y)
w, b = torch.tensor(plain.coef_), float(plain.intercept_[0])
car = next(n for n in np.flatnonzero(X_test[:, 1] > 0.4) if test.kinds[n] == "car")
for n in (car, fooled[0]):
    phi = contributions(w, torch.tensor(X_test[n]))[0]
    total = float(plain.decision_function(X_test[n : n + 1])[0])
    figure = figures.contribution_bars(["wheel score", "metal score"], phi, b, total, label="log-odds of 'vehicle'")
    figure.suptitle(f"{test.kinds[n]}: P(vehicle) = {1 / (1 + np.exp(-total)):.2f}", fontsize=10)
    figures.show(figure, alt=f"Bars from the bias through the two contributions to their sum, for: {test.kinds[n]}.")
claim("contributions-add-up", phi.sum() + b, total)

# %% [markdown] id="contributions-read"
# Read the bars from the top: the bias is what the model thinks of a picture with *nothing* in it, strongly "no
# vehicle"; each contribution pushes from there; the last bar is the sum. For the car both push up. The second picture
# is the one that fooled the wheel score most: the model explains its mistake by itself. **Nothing in this explanation
# is approximate.**

# %% [markdown] id="transfer"
# ## End to end
#
# A small network gets the pixels and no features; another, trained on something else (shapes), only gets a new last
# layer, which is the cheapest kind of transfer learning. ("Only the data change" is nearly true of it: the size of
# the last layer, the preprocessing and the learning rate change as well.) How many pictures does each need until it
# is better than our lines about wheels and metal? **Predict** the order at 30 pictures and at 1000. Each point is the
# mean of five trainings, the band its 95 % interval. (The table was computed beforehand and is stored; one row is
# computed again here.)

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
for column in curves:
    means = {size: np.mean([row[column] for row in rows if row["pictures"] == size]) for size in sizes}
    print(f"{column:9}", ", ".join(f"{mean:.1%} at {size:.0f}" for size, mean in means.items()))
stored = next(row for row in rows if row["pictures"] == 30 and row["seed"] == 0)
claim("row-computed-again", learning_curve_row(30, 0)["features"], stored["features"], rtol=5e-3)

# %% [markdown] id="learning-curve-read"
# With 30 pictures the network guesses, while two features already know four answers of five: what a person knows of
# wheels need not be learnt. At a hundred pictures the two meet. From there on the network wins, and keeps winning: at
# a thousand it errs on one picture in fifty, the features still on one in seven, because two numbers can't hold more.
#
# The third curve is a surprise, if you have heard that transfer learning saves data. It stays poor throughout. The
# network that lent its layers was trained to tell circles from stars in coloured clutter; what it kept for that is of
# little use for wheels, and only a new last layer was trained. Transfer is no magic: it hands on what the first task
# needed. (A network trained on a million photographs of a thousand kinds had to keep much more.)
#
# This is the trade that made explanation a field. The curve that wins is the one that nobody can read.
#
# ## What hides in a contribution
#
# $w_i x_i$ is exact, and still says less than it seems to. Three things hide in it.
#
# **1. A baseline.** $w_i x_i$ is what the input adds *compared with 0*. Is "no wheels at all" what you want to
# compare with? "Why a car?" is always short for "why a car, rather than ...?". Against the average picture the same
# model gives other contributions, as exact as the first:
#
# {{formula:contribution-baseline}}
#
# **2. The encoding.** Measure an input from another zero point and adapt the bias: the same model, the same outputs,
# other contributions. Another *unit* changes the weight alone, which is why a large weight by itself says nothing: in
# metres it is a hundred times the weight in centimetres. **Predict** for both which of output, weight and
# contribution stays.
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
# The last line is worth a pause: a model that gives the same answer to every picture, and another contribution. So a
# contribution is no property of the *function*; it belongs to the function and a zero point. A network may read its
# answer off a black background, and a method whose zero point is black will see nothing there.
#
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
# And the **bias** belongs to no input. It stood at the top of the bars above, as long as the longest of them, and no
# heat map will have a place for it.
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
