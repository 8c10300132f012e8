# %% [markdown] id="opening"
# # 6. Beyond classification
#
# **A network writes "a green star left of a red drop". Where did it look for "red"?** A class was one answer to one
# question. A sentence is seven answers, and a question about a picture can be put in ten ways. This lesson takes
# Grad-CAM to three networks that aren't plain classifiers, and asks each time whether the map points at what the
# answer speaks of.
#
# After this lesson you can
#
# 1. name the score of a word, of an answer and of a class, and make the map of each;
# 2. predict what changes if a log-probability takes the place of a logit;
# 3. measure whether words point, beside chance and an untrained network;
# 4. show why the last patch tokens of a transformer get no gradient at all, and where to look instead;
# 5. say by an intervention why the usual place, before the last attention, can point poorly.
#
# About 60 minutes. You need lessons 3 and 4.

# %% id="setup"
import matplotlib.pyplot as plt
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, max_pool2d

from course_lib import figures, networks
from course_lib.claims import claim
from course_lib.datasets.scenes import Scenes, scenes
from course_lib.evaluation import interval95, pointing
from course_lib.experiments import read
from course_lib.experiments.sentences import CHOOSING_SEED, questions_row, word_maps, word_masks, words_row
from course_lib.experiments.tokens import REMOVED, logits_without
from course_lib.experiments.transformer import MAPS, POINTS, transformer_maps
from course_lib.layers import layers
from course_lib.methods.cam import grad_cam
from course_lib.methods.registry import explain
from course_lib.methods.steps import upsample
from course_lib.networks.sentences import ANSWERS, KINDS, VOCABULARY, captioned, tokens, words
from course_lib.recording import record

captioner = networks.load("scenes_captioner").model
drawn: Scenes = captioned(40, 7_500_000)
one = next(n for n, caption in enumerate(drawn.captions) if len(caption.split()) > 3)  # the first with two objects
picture = drawn.pictures[one : one + 1]
with torch.no_grad():
    written = captioner(picture).argmax(-1)
said = words(written[0])
print("the network writes:", " ".join(said))

panels = [figures.Panel("the picture", picture[0])]
panels += [
    figures.Panel(word, picture[0], word_maps(captioner, picture, written, place, "logit")["Grad-CAM"][0])
    for place, word in enumerate(said)
]
figure = figures.compare([panels[:4], panels[4:]], shared=False)
figures.show(figure, alt="A scene with a green star and a red drop, and a heat map for each word of its caption.")
claim("the-caption-is-true", " ".join(said), drawn.captions[one])

# %% [markdown] id="opening-read"
# Each map belongs to one word of the sentence, and none was made by a new method. It is Grad-CAM of lesson 3 with
# another score in the place of the class's logit.
#
# ## Image captioning: a sentence is a row of classifications
#
# The article says that Grad-CAM can also be used for **image captioning** (圖說生成). It calls this 影像理解, image
# understanding; that is a wider term, of which captions are one part. A captioner reads the picture and the words so
# far, and gives every word of its vocabulary a logit. The most probable one is written down, and then it is asked
# again:
#
# {{formula:sentence-score}}
#
# So each word is a **target class** among all words, and the score of a word is its logit at its place in the
# sentence. What must be kept is the sentence before it: the score of "red" after "a green star left of a" is another
# function than that of "red" at the beginning.
#
# ## How this network reads
#
# The trunk is that of lesson 3's classifier, 16 x 16 cells. A recurrent network (GRU) reads the words so far, and its
# **state** scales and shifts the channels of the map, cell by cell alike, before they are averaged (FiLM; Perez et
# al., AAAI 2018). The state can say: now look for red things. This was chosen for a reason. A captioner may also
# average the map *first* and give the recurrent network one vector. Then every cell has the same gradient, for each
# word, and the maps of two words can differ in channels only. A network can name what it sees and still be unable to
# say where. **Predict:** of the four kinds of words here (article, colour, noun, relation), which points worst?

# %% id="network"
print("vocabulary:", ", ".join(VOCABULARY))
for layer in layers(captioner, picture):
    if layer.name.startswith("features") and layer.grid and layer.grid[0] <= 16:
        print(layer.name, layer.shape)
        break
fresh = captioned(300, 7_600_000)
with torch.no_grad():
    rows = torch.cat([captioner(part).argmax(-1) for part in fresh.pictures.split(50)])
right = [" ".join(words(row)) == caption for row, caption in zip(rows, fresh.captions, strict=True)]
low, high = interval95(right)
print(f"captions right word for word: {sum(right) / len(right):.1%} ({low:.1%} to {high:.1%}) of 300 new scenes")
claim("captions-are-right", low > 0.85, True)

# %% [markdown] id="score"
# ## Logit or log-probability?
#
# The authors of Grad-CAM took the *log-probability* of a word. We have taken the logit, as with classes. What is the
# difference? The gradient of a log-probability knows all the other words:
#
# {{formula:log-probability-gradient}}
#
# and a map is linear in its score (before the ReLU):
#
# {{formula:map-of-a-sum}}
#
# So the map of log p is the map of the word's logit, less the mean map of all words weighted by their probabilities.
# A word that is nearly certain loses *itself*. **Predict** what this does to the map of a word with p = 0.999.

# %% id="score-check"
place = said.index("red")
exact = networks.load("scenes_captioner").model.double()  # a small difference of large numbers needs the digits
with record(exact, "features") as tape:
    logits = exact(picture.double(), written)
p = logits[0, place].softmax(0).detach()
A = tape.activations["features"]


def map_of(score: Tensor) -> Tensor:
    return grad_cam(A, tape.gradients(score)["features"])


every = torch.cat([map_of(logits[0, place, v]) for v in range(len(VOCABULARY))])
word = int(written[0, place])
log_map = map_of(logits[0, place].log_softmax(0)[word])[0]
claim("the-mean-map-is-taken-away", log_map, every[word] - (p[:, None, None] * every).sum(0), rtol=1e-6)
print(f"p({VOCABULARY[word]}) = {p[word]:.6f}; largest value of the map: logit {every[word].max():.2f}, ", end="")
print(f"log-probability {log_map.abs().max():.2g}")
print("pointing of 120 scenes that were set aside for choosing the score:")
for score in ("logit", "contrast", "log-probability"):
    rows = {kind: words_row(kind, 1, 0, 120, CHOOSING_SEED, score) for kind in ("colour", "noun")}
    print(f"  {score:16} colour {rows['colour']['Grad-CAM']:.0%}, noun {rows['noun']['Grad-CAM']:.0%}")

# %% [markdown] id="score-read"
# What remains of a certain word's map is the small difference to the words that the network hardly considers. On the
# scenes that were set aside for this choice, the log-probability points clearly worse. The *contrast* (the logit less
# the mean logit of words of its kind) is no better than the plain logit. So the logit was chosen, there, and everything
# below is measured on other scenes. Note the rule: who chooses on the pictures that he reports, reports his choice.
#
# ## Do the words point?

# %% id="words"
table = read("words_pointing")
columns = ("Grad-CAM", "HiResCAM", "centre", "chance")
means: dict[tuple[str, str], float] = {}
for trained, name in ((1, "trained, five seeds"), (0, "untrained, five seeds")):
    print(f"{name:22}" + "".join(f"{column:>24}" for column in columns))
    for kind in KINDS:
        line = f"  {kind:20}"
        for column in columns:
            values = [100 * row[column] for row in table if row["kind"] == kind and row["trained"] == trained]
            means[f"{name[:2]} {kind}", column] = sum(values) / 5
            line += f"{sum(values) / 5:10.1f} ({min(values):.1f} to {max(values):.1f})".rjust(24)
        print(line)
captions = [row["exact"] for row in table if row["trained"] == 1 and row["kind"] == "noun"]
print(f"captions right word for word: {min(captions):.1%} to {max(captions):.1%}")
again, kept = words_row("noun", 1, 0), next(r for r in table if (r["trained"], r["seed"], r["kind"]) == (1, 0, "noun"))
claim("row-comes-out-again", [again["Grad-CAM"], again["HiResCAM"]], [kept["Grad-CAM"], kept["HiResCAM"]], rtol=0.005)
gains = [means["tr " + kind, "Grad-CAM"] - means["un " + kind, "Grad-CAM"] for kind in KINDS]
claim("words-point", min(gains) > 20, True)

# %% [markdown] id="words-read"
# All four kinds of words point at their object in 71 to 76 of 100 cases, beside 7 by chance (13 for a relation, whose
# truth is two objects) and 19 to 37 in untrained networks. Did you guess that the **article** points worst? It doesn't.
# "A" or "an" depends on the colour: only orange takes "an". So before the article is written, the network must have
# looked. Ask what a word is good for before calling it empty.
#
# **HiResCAM**, which doesn't average the gradient, doesn't do clearly better or worse here: a little better for nouns,
# worse for relations, and the five seeds differ by more than the methods do. With one training one could have
# "shown" either.
#
# And the other quarter? The captions are right, so the network knows. Where are the peaks that miss?

# %% id="misses"
some = captioned(400, 7_600_000)
sentences = torch.stack([tokens(caption) for caption in some.captions])
near: dict[str, float] = {}
print(f"{'':28}{'on it':>8}{'within a cell':>15}{'on the other object':>21}")
for name, place in (("first colour", 1), ("first noun", 2), ("second colour", 5), ("second noun", 6)):
    hits: list[Tensor] = []
    for part in (sentences[:, place] > 0).nonzero().flatten().split(20):
        maps = word_maps(captioner, some.pictures[part], sentences[part], place, "logit")["Grad-CAM"]
        own = word_masks(some, place)[part]
        around = max_pool2d(own[:, None].float(), 9, 1, 4)[:, 0] > 0  # 4 pixels more on each side: a cell of the map
        hits.append(torch.stack([pointing(maps, m) for m in (own, around, some.masks.any(1)[part] & ~own)], 1))
    on, near[name], elsewhere = torch.cat(hits).float().mean(0).tolist()
    print(f"{name:18}{len(torch.cat(hits)):4} words {on:8.0%}{near[name]:15.0%}{elsewhere:21.0%}")
claim("first-object-nearly-always", min(near["first colour"], near["first noun"]) > 0.93, True)
claim("second-object-less", near["second noun"] < near["first noun"] - 0.05, True)

# %% [markdown] id="misses-read"
# Two different things. For the first object the peak lies within one cell of it in nearly every picture: a cell is 4
# pixels wide and sees its surroundings, and an edge can speak for a shape from outside. That is resolution. For the
# **second** object fewer do, and 7 to 8 of 100 peaks lie on the *first*. That needn't be a mistake of the map: to name
# "the other one" a network must know which it has named already. A map of a word answers what the word's score depends
# on, and that isn't always what the word means.
#
# ## A question moves the map
#
# The second network answers questions: "what colour is the circle?", "what shape is the red thing?". The words again
# modulate the map; the score is the logit of the answer. Two questions to the same picture, then.

# %% id="questions"
asker = networks.load("scenes_questions").model
names = [word for word in said if word in KINDS["noun"]]
asked = [f"what colour is the {name}" for name in names]
with record(asker, "features") as tape:
    logits = asker(picture.expand(len(asked), -1, -1, -1), torch.stack([tokens(question) for question in asked]))
answers = logits.argmax(1)
maps = upsample(grad_cam(tape.activations["features"], tape.gradients(answers)["features"]), (64, 64))
panels = [figures.Panel(f"{q}?\n{ANSWERS[a]}", picture[0], m) for q, a, m in zip(asked, answers, maps, strict=True)]
figure = figures.compare([[figures.Panel("the picture", picture[0]), *panels]])
figures.show(figure, alt="The same scene under two questions: each map has its peak on the object asked for.")
claim("answers-are-right", [ANSWERS[a] for a in answers], [said[said.index(name) - 1] for name in names])

table = read("questions_pointing")
print(f"{'':32}{'right':>9}{'Grad-CAM':>10}{'HiResCAM':>10}{'both':>8}{'the other':>11}{'centre':>8}{'chance':>8}")
share: dict[tuple[int, str], list[float]] = {}
for trained in (1, 0):
    for kind in ("colour", "shape"):
        rows = [row for row in table if row["trained"] == trained and row["asked_for"] == kind]
        values = [[100 * row[c] for row in rows]
                  for c in ("right", "Grad-CAM", "HiResCAM", "both", "other", "centre", "chance")]  # fmt: skip
        share[trained, kind] = [sum(v) / len(v) for v in values]
        line = f"{'trained' if trained else 'untrained'}, asked for the {kind}"
        wide = zip(share[trained, kind], (9, 10, 10, 8, 11, 8, 8), strict=True)
        print(f"{line:32}" + "".join(f"{value:{width}.1f}" for value, width in wide))
again = questions_row("colour", 1, 0)
kept = next(row for row in table if (row["trained"], row["seed"], row["asked_for"]) == (1, 0, "colour"))
claim("questions-come-out-again", again["Grad-CAM"], kept["Grad-CAM"], rtol=0.005)
moved = [share[1, kind][1] - share[1, kind][4] for kind in ("colour", "shape")]
claim("the-question-moves-the-map", min(moved) > 40, True)
claim("not-the-picture-alone", max(share[0, kind][1] for kind in ("colour", "shape")) < 30, True)

# %% [markdown] id="questions-read"
# The pictures were the same for both questions, so what moved the map is the question. In most scenes *both* peaks lie
# on their objects, and few on the other one, while in the untrained network the map hardly knows where to go. Here
# averaging the gradient is *not* harmless: asked for a shape, HiResCAM points clearly more often than Grad-CAM. A
# shape may be told by a few cells at its edge, whose gradient drowns in the mean; that is a guess, which we haven't
# tested. For captions there was no such difference. So compare both in your own network: they cost one backward pass.
#
# ## Attention: the model that has no last map
#
# The article says of models with **attention** that one just differentiates back. Try it. A **vision transformer**
# cuts the picture into patches and carries a vector for each, a **token**; one more, the **class token**, belongs to
# no place. In each block, **attention** lets every token take from every other, and then two linear layers work on
# each token alone. In the end the head reads the class token, and it only:
#
# {{formula:class-token-gradient}}
#
# Ours has four blocks, 8 x 8 patch tokens and a class token. **Predict** Grad-CAM at the output of the last block.

# %% id="tokens"
vit = networks.load("scenes_vit").model
test = scenes(200, seed=7_700_000)
with torch.no_grad():
    right = vit(test.pictures).argmax(1) == test.labels
print(f"right on {right.float().mean():.1%} of 200 new scenes ({'{:.1%} to {:.1%}'.format(*interval95(right))})")
claim("the-transformer-is-accurate", interval95(right)[0] > 0.93, True)
with record(vit, ["blocks.2", "blocks.3"]) as tape:
    vit(test.pictures[:100])
gradients = tape.gradients(test.labels[:100])
claim("patch-tokens-get-exactly-nothing", gradients["blocks.3"][:, 1:].abs().max(), 0.0)
claim("the-class-token-gets-all", bool((gradients["blocks.3"][:, 0].abs().amax(1) > 0).all()), True)
print(explain(vit, test.pictures[:1], int(test.labels[0]), "Grad-CAM", "blocks.3").words)

# %% [markdown] id="tokens-read"
# Exactly 0, at every patch, for every picture: a map of zeros, and not because nothing mattered. By the last block the
# patches have handed over what they know; what they hold *afterwards* nobody reads. So "just differentiate back" fails
# at the very layer that the advice for other networks would choose, the last one. It holds where the head reads *only
# the class token*; a transformer that averages its patch tokens, or Swin, has a last map like any network.
#
# ## So go one step earlier?
#
# The usual advice is the place before the last attention (`norm1` of the last block): there the patch tokens are
# still to be read. But also at `blocks.2`, the *output* of the block before, they are. Look at HiResCAM there.

# %% id="norm"
A, g = tape.activations["blocks.2"][:, 1:], gradients["blocks.2"][:, 1:]
added = (A * g).sum(2)
size = (A * g).abs().sum(2)
print(f"the sum over the channels is at most {(added / size).abs().max():.1e} of the sum of absolute values")
claim("a-norm-leaves-nothing", bool(added.abs().max() < 1e-3 * size.max()), True)

# %% [markdown] id="norm-read"
# Zero again (but for the small number that keeps a layer norm from dividing by 0), though the gradient itself isn't.
# The only way from a patch token of `blocks.2` to the class token leads through a **layer norm**, and a layer norm
# doesn't change if its input is scaled. Euler's theorem of lesson 4, for degree 0:
#
# {{formula:layer-norm-gradient}}
#
# So for HiResCAM, gradient x activation of a token is no explanation at all here, at any place from which every way
# leads through a norm. Grad-CAM isn't zero there, since it takes the *mean* gradient of all places; but what it adds
# up is then the difference between two gradients, and nothing that the token itself has given.
#
# ## Where do the maps point?

# %% id="layers"
table = read("transformer_pointing")


def pointing_of(name: str, trained: int = 1, column: str = "pointing") -> list[float]:
    return [100 * row[column] for row in table if row["map"] == name and row["trained"] == trained]


figure, ax = plt.subplots(figsize=(8.4, 3.6), layout="constrained")
for style, method in enumerate(("Grad-CAM", "HiResCAM")):
    runs = torch.tensor([pointing_of(f"{method} {point}") for point in POINTS]).T
    figures.draw_curve(ax, range(len(POINTS)), runs, method, style)
lines = {"class attention": 63, "rollout": 58.5, "last attention": 54, "centre point": 18, "edge detector": 13.5,
         "random map": 8}  # fmt: skip  # where their names stand, so that they don't cover each other
for name, height in lines.items():
    ax.axhline(sum(pointing_of(name)) / 5, color="0.6", linewidth=1)
    ax.annotate(name, (len(POINTS) - 0.3, height), fontsize=8, va="center", annotation_clip=False)
ax.set_xticks(range(len(POINTS)), [point.replace("blocks.", "") for point in POINTS], rotation=40, ha="right")
ax.set_ylabel("peaks on the object (%)")
ax.set_xlabel("where the tokens are recorded: block and part")
ax.legend(loc="lower left")
figures.show(figure, alt="Pointing of Grad-CAM and HiResCAM by layer, beside attention and controls.")
print("share of peaks on the object, five seeds: mean (lowest to highest); mass in mask; untrained")
for name in ("Grad-CAM embedding", "Grad-CAM blocks.1.norm1", "HiResCAM blocks.1.norm1", "Grad-CAM blocks.3.norm1",
             "HiResCAM blocks.3.norm1", "Grad-CAM blocks.3", *MAPS[-7:]):  # fmt: skip
    values, mass = pointing_of(name), pointing_of(name, column="mass")
    span = f"({min(values):.1f} to {max(values):.1f})"
    print(f"  {name:26}{sum(values) / 5:6.1f} {span:17}{sum(mass) / 500:6.2f}{sum(pointing_of(name, 0)) / 5:8.1f}")
accurate = pointing_of("rollout", column="right")
claim("all-five-are-accurate", min(accurate) > 95, True)

# %% [markdown] id="layers-read"
# Both curves end in the zeros of the last block. Before them Grad-CAM at the usual place, `3.norm1`, points at the
# object in 33 of 100 scenes (27 to 38), twice as often as the centre point and half as often as rollout, which comes
# below. HiResCAM does better there (45) and at nearly every place, so the averaging costs something, and not
# everything. And look at `2`, the output of block 2. HiResCAM is zero there, as we have just seen, and yet its peaks
# lie on the object in 48 of 100. *The peak of nothing is still a peak*: what the small number in the norm leaves over
# has a place too, and a colour scale would show it at full strength. Read the numbers at the colour bar.
#
# Why is the usual place so poor? Is what the network knows of the object still in the object's tokens? A map can't
# say; an intervention can. We replace the tokens that the object touches, on their way into a block, by the mean of
# the picture's other tokens. **Predict** how many of 100 scenes the network still gets right, for each block.

# %% id="without"
mask = test.masks[torch.arange(200), test.decisive]
touched = avg_pool2d(mask.float(), 8) > 0
print("right without (this network, 200 scenes):", *(f"{name:>16}" for name in REMOVED[1:]))
found: dict[tuple[int, str], float] = {}
for block in range(4):
    for removed in REMOVED:
        share_right = logits_without(vit, test.pictures, block, removed, touched).argmax(1) == test.labels
        found[block, removed] = float(share_right.float().mean())
    print(f"  before block {block}                         ", *(f"{found[block, name]:16.1%}" for name in REMOVED[1:]))
many = read("transformer_tokens")
print("five networks, 500 scenes each, lowest to highest:")
without = [f"without {removed}" for removed in REMOVED[1:]]
for column in (*without, "peak on object", "lowest on object"):
    spans = [[row[column] for row in many if row["block"] == block] for block in range(4)]
    print(f"  {column:26}" + "".join(f"{min(span):10.0%} to {max(span):.0%}" for span in spans))
claim("early-the-object-is-needed", found[0, "the object"] < 0.6, True)
claim("late-it-is-not", found[3, "the object"] > 0.95, True)

# %% [markdown] id="without-read"
# On the way into the first block the answer hangs on the object's tokens, as it must. On the way into the third and
# fourth **next to nothing is lost without them**, in each of the five networks. Before the last block one can even
# replace *all* 64 patch tokens by one that has never seen the picture. The class token knows by then; and where it is
# replaced instead, the patches can still tell it again in many scenes. What the network knows has been copied.
#
# So before the last attention Grad-CAM answers honestly a question that hardly matters: which tokens would move the
# logit, if one changed them there by a little? Those tokens are mixtures, and their place is no longer the place of
# what they know. The last two lines show what becomes of the map: its *lowest* token touches the object nearly as
# often as its highest. The object's tokens stand out, and in which direction is left to chance. "Before the last
# attention" is good advice against zeros, and no more than that.
#
# ## Follow the attention instead
#
# Attention is itself a matter of shares: each row of an attention matrix says how much a token takes from each other
# token, and adds up to 1. **Rollout** multiplies the shares of all blocks, from the class token down to the patches:
#
# {{formula:rollout}}
#
# {{formula:rollout-rows}}
#
# No gradient, no class: the map is the same for every answer. The **class-specific** method of Chefer, Gur and Wolf
# weights each attention by what it is worth to a class:
#
# {{formula:class-attention}}
#
# In both, the class token's row without its own place is the map. That is all of it:

# %% id="attention"
names = [f"blocks.{b}.self_attention.attention" for b in range(4)]
x, c = test.pictures[:1], int(test.labels[0])
with record(vit, names) as tape:
    vit(x)
g = tape.gradients(c)
R = S = torch.eye(65)
for name in names:
    attention = tape.activations[name][0]
    R = (attention.mean(0) + torch.eye(65)) / 2 @ R
    S = S + (attention * g[name][0]).clamp(min=0).mean(0) @ S
claim("rollout-in-one-line", R[0, 1:].reshape(8, 8), explain(vit, x, c, "rollout").map[0], rtol=1e-5)
claim("class-attention-in-one-line", S[0, 1:].reshape(8, 8), explain(vit, x, c, "class attention").map[0], rtol=1e-5)
claim("rows-add-up-to-one", R.sum(1), torch.ones(65), rtol=1e-5)

other = (c + 1) % 6
rows = []
for n in (test.shapes[:, 1] >= 0).nonzero().flatten()[:2].tolist():  # with another object
    maps = transformer_maps(vit, test.pictures[n : n + 1], test.labels[n : n + 1])
    elsewhere = explain(vit, test.pictures[n : n + 1], (int(test.labels[n]) + 1) % 6, "class attention").map
    shown = {"Grad-CAM before\nthe last attention": maps["Grad-CAM blocks.3.norm1"], "rollout": maps["rollout"],
             "class attention": maps["class attention"], "class attention,\nanother class": elsewhere}  # fmt: skip
    picture_panel = figures.Panel("the picture", test.pictures[n], mask=mask[n])
    rows.append([picture_panel, *(figures.Panel(name, test.pictures[n], upsample(m, (64, 64))[0])
                                  for name, m in shown.items())])  # fmt: skip
figure = figures.compare(rows, shared=False, label="")
figures.show(figure, alt="Two scenes, the deciding object outlined, and four maps of each.")
hits = []
for picture_, c_, m_ in zip(test.pictures[:100], test.labels[:100].tolist(), mask[:100], strict=True):
    maps = [explain(vit, picture_[None], (c_ + step) % 6, "class attention").map for step in (0, 1)]
    hits.append([bool(pointing(upsample(m, (64, 64)), m_[None])) for m in maps])
own, others = (sum(column) / 100 for column in zip(*hits, strict=True))
print(f"class attention points at the deciding object: for its class {own:.0%}, for another class {others:.0%}")
claim("another-class-points-there-too", others > own - 0.1, True)
claim("rollout-asks-for-no-class", explain(vit, x, other, "rollout").map, explain(vit, x, c, "rollout").map)

# %% [markdown] id="attention-read"
# Rollout and class attention point in 59 and 61 of 100 scenes: more than Grad-CAM or HiResCAM at any one place. They
# follow the way through all blocks, where those ask one of them. In the mean over seeds nothing separates the two, and
# both have a price. Rollout has no class to ask for, as asserted. Class attention has one, and its map for a class that
# is *not* in the picture points at the same object as often: it says where the network looks when it decides about that
# class, and hardly what speaks for it. And neither passes through the values and the MLPs, so their numbers aren't
# shares of a logit; 60 of 100 is what was measured on these masks, with networks that are right in 98 of 100.

# %% [markdown] id="end"
# ## What you have learnt
#
# - Any differentiable score has a map: the logit of a word after the words before it, of an answer to a question, of a
#   class. The map of a log-probability is that of the logit less the mean of all; a certain answer loses itself.
# - Whether words point is decided by the architecture. Where the words modulate the map before it is averaged, they
#   can; where they get one vector, they can't.
# - Where the head reads the class token alone, the last patch tokens get a gradient of exactly 0; and from a token
#   whose every way leads through a layer norm, gradient x activation adds up to 0.
# - A map shows where information *is* at a layer, not where it came from. What has been passed on can't be pointed at.
# - Remove tokens and watch the answer: the intervention again decides what the map is about.
#
# **References.** Selvaraju et al., IJCV 2020 (captions and questions). Perez et al., AAAI 2018 (FiLM). Vaswani et al.,
# NeurIPS 2017 (attention). Dosovitskiy et al., ICLR 2021 (vision transformer). Abnar, Zuidema, ACL 2020 (rollout).
# Chefer, Gur, Wolf, ICCV 2021 (class-specific attention). Draelos, Carin, arXiv 2011.08891 (HiResCAM).
#
# [Lesson 7](07_gradient_and_propagation_methods.ipynb) goes back to the pixels.
