# %% [markdown] id="opening"
# # 0. Start here
#
# **A network looks at a picture and names a shape. Why that one?** Below, the same network is asked twice about the
# same picture: why this class, and why that one. Run the cell (Shift + Enter), and before you look: where would *you*
# point?

# %% id="two-answers"
from course_lib import figures, networks
from course_lib.datasets.scenes import pairs
from course_lib.methods.registry import explain

network = networks.load("scenes_gap")
picture = pairs(1, seed=0).pictures
logits = network.model(picture).detach()[0]
first, second = logits.topk(2).indices.tolist()

panels = [figures.Panel("the picture", picture[0])]
for target in (first, second):
    found = explain(network.model, picture, target, "Grad-CAM", "features").map[0]
    panels.append(figures.Panel(f'why "{network.classes[target]}"?', picture[0], found))
alt = f"A scene, and two heat maps on it: one for {network.classes[first]}, one for {network.classes[second]}."
figures.show(figures.compare([panels]), alt=alt)

# %% [markdown] id="two-answers-read"
# Yellow places speak for the class, blue ones against it (the circle shines through: it is blue by itself). Such a
# picture looks convincing, and that is the difficulty: it would look as convincing if it were wrong. In this course
# you learn to compute such a map, to prove in which networks it is exact, and to show by a counterexample where it
# misleads.
#
# This first lesson is about the ground to stand on: the installation, the way through, what you should know, and the
# words. About 20 minutes.
#
# ## Is everything there?
#
# The next cell looks at your computer: Python, the packages, the memory, the networks.

# %% id="installation" tags=["yours"]
from course_lib.classroom.installation import check_installation

print(check_installation())

# %% [markdown] id="widget-intro"
# A line that begins with MEND says what to do. Now the part that only your eyes can check. The next cell should show
# a small instrument: choose another layer, with the mouse or with the arrow keys, and the map should change at once.

# %% id="widget"
from course_lib.widgets.layer_picker import pick_layers

pick_layers(network, picture)

# %% [markdown] id="map"
# ## The way through
#
# | | lesson | its question | minutes |
# |---|---|---|---|
# | 0 | [Start here](00_start_here.ipynb) | Is everything there? | 20 |
# | 1 | [Linear models](01_linear_models.ipynb) | What did each input contribute, and what hides in that number? | 45 |
# | 2 | [Class activation maps](02_class_activation_maps.ipynb) | Which places made the network say it? | 50 |
# | 3 | [Grad-CAM](03_grad_cam.ipynb) | And where the class activation map cannot go? | 60 |
# | 4 | [Linear approximation](04_linear_approximation.ipynb) | When does a gradient mislead, and what helps? | 60 |
# | 5 | [Shortcut learning](05_shortcut_learning.ipynb) | Right, but for which reason? | 70 |
# | 6 | [Beyond classification](06_beyond_classification.ipynb) | And captions, questions, attention? | 60 |
# | 7 | [Gradient and propagation methods](07_gradient_and_propagation_methods.ipynb) | What else goes backwards? | 70 |
# | 8 | [Perturbation methods](08_perturbation_methods.ipynb) | What if something is taken away? | 60 |
# | 9 | [Which explanation is right?](09_which_explanation_is_right.ipynb) | Whom to believe when they disagree? | 60 |
# | 10 | [Your own model](10_your_own_model.ipynb) | And what about your network and your picture? | 60 |
#
# Lessons 0 to 4 build on one another; 5 to 8 need 4, and 9 needs 7 and 8.
#
# ## How to work
#
# - **Predict, run, read.** Before a cell shows its answer the text asks for your guess. Write it down; being wrong is
#   where learning happens. Run the cell, then read the paragraph below it: it says what to see.
# - **Change things.** Another picture, another class, another layer: each cell is yours. *Kernel > Restart Kernel and
#   Run All Cells* brings everything back.
# - **Lines that begin with `claim`** hold a sentence of the text against the numbers of this very run. If one fails,
#   the sentence is wrong, and the cell says so.
# - **Keep your work.** `uv run course start`, in a terminal in the course's folder, copies the lessons into the
#   folder `work/`. An update of the course never overwrites a file that you changed there.
#
# ## What you should know
#
# School calculus, Python, and a first idea of a neural network. Try these eight; answer each, then click on it.

# %% [markdown] id="self-test"
# <details><summary><b>1.</b> A linear model has the weights (2, −1, 0.5) and the bias 1. What does it answer to the
# input (3, 4, 2)?</summary>
# <p>2·3 − 1·4 + 0.5·2 + 1 = 4. (Lesson 1 takes this sum apart.)</p></details>
#
# <details><summary><b>2.</b> What is the slope of x³ at x = 2?</summary>
# <p>The derivative is 3x², so 12.</p></details>
#
# <details><summary><b>3.</b> f(a, b) = a²b. How fast does f grow with b, at a = 3, b = 2?</summary>
# <p>The partial derivative with respect to b is a², so 9: a is held still.</p></details>
#
# <details><summary><b>4.</b> ReLU(x) is x above 0, and 0 below. What is the slope of (ReLU(x − 3))² at x = 5, and
# at x = 1?</summary>
# <p>By the chain rule 2·ReLU(x − 3) = 4 at x = 5. At x = 1 it is 0: below 3 nothing changes.</p></details>
#
# <details><summary><b>5.</b> A batch of 8 colour pictures is a tensor of shape (8, 3, 64, 64). What shape has its
# mean over the last two axes?</summary>
# <p>(8, 3): for each picture the mean of each colour.</p></details>
#
# <details><summary><b>6.</b> A convolution with 16 filters of 3 × 3, stride 2 and padding 1 takes one of these
# pictures. What shape comes out?</summary>
# <p>(16, 32, 32): one map a filter, and half as many places in each direction.</p></details>
#
# <details><summary><b>7.</b> The logits of three classes are (0, 0, 0). Somebody adds 5 to each. What happens to
# the probabilities?</summary>
# <p>Nothing, each stays 1/3: the softmax only looks at differences.</p></details>
#
# <details><summary><b>8.</b> What is the area under 3x² between 0 and 2?</summary>
# <p>x³ at 2 less x³ at 0, so 8. (Lesson 4 needs it.)</p></details>
#
# Six or more: go ahead. If 2, 3, 4 or 8 were hard, read up on derivatives and the chain rule; if 5 or 6 were, spend
# an hour with a PyTorch tutorial on tensors and convolutions; if only 7 was, lesson 2 explains it. And as the text
# promised that its numbers are checked, here are yours:

# %% id="self-test-answers"
import sympy as sp
import torch

from course_lib.claims import claim

x, a, b = sp.symbols("x a b", positive=True)
pictures = torch.zeros(8, 3, 64, 64)
three = torch.zeros(3, dtype=torch.float64)
at = torch.tensor([5.0, 1.0], dtype=torch.float64, requires_grad=True)

claim("weighted-sum", 2 * 3 - 1 * 4 + 0.5 * 2 + 1, 4)
claim("slope", sp.diff(x**3, x).subs(x, 2), 12)
claim("partial-derivative", sp.diff(a**2 * b, b).subs({a: 3, b: 2}), 9)
claim("chain-rule", torch.autograd.grad((torch.relu(at - 3) ** 2).sum(), at)[0], [4, 0])
claim("mean-shape", pictures.mean((2, 3)).shape, (8, 3))
claim("convolution-shape", torch.nn.Conv2d(3, 16, 3, stride=2, padding=1)(pictures[0]).shape, (16, 32, 32))
claim("softmax-shift", torch.softmax(three + 5, 0), torch.softmax(three, 0))
claim("area", sp.integrate(3 * x**2, (x, 0, 2)), 8)

# %% [markdown] id="notation"
# ## Notation
#
# One symbol for one thing, in every lesson. Five carry most of the course: the activations {{A}} of a layer, their
# weights {{w}} in the last layer of a network that ends GAP → linear, the weights {{alpha}} by which Grad-CAM
# replaces them, the number {{Z}} of places, and the logit {{S_c}} that is to be explained.

# %% id="notation-table"
from IPython.display import Markdown

from course_lib.theory.ledger import NOTATION

rows = [f"| ${latex}$ | {meaning} |" for latex, meaning in NOTATION.values()]
Markdown("\n".join(["| symbol | stands for |", "|---|---|", *rows]))

# %% [markdown] id="glossary"
# ## Glossary
#
# The words of the field, each with the one meaning that it has in this course, and the term used in Taiwan, where the
# course has its origin. Come back when you need one.
#
# **Models**
#
# | term | meaning | 繁體中文 |
# |---|---|---|
# | linear model | a weighted sum of the inputs, plus a bias | 線性模型 |
# | weight, bias | the factor of an input; the number that is added whatever the input | 權重、偏差 |
# | logistic regression | a linear model whose answer is turned into a probability | 邏輯斯迴歸 |
# | support vector machine | a linear model with the widest margin between two classes | 支援向量機 |
# | decision tree | a sequence of yes-or-no questions about single inputs | 決策樹 |
# | hand-crafted feature | a number that a person decided to measure in the input | 人工特徵 |
# | feature extraction | the step from raw input to numbers that a model can use | 特徵擷取 |
# | end-to-end | learnt as a whole, from raw input to answer | 端到端 |
# | transfer learning | starting from a network that was trained on another task | 遷移學習 |
# | convolutional layer | looks for the same small pattern at every place | 卷積層 |
# | channel | one of the patterns that a layer looks for, with the map of where it found it | 通道 |
# | activation map, feature map | the output of one channel: a number for each place | 特徵圖 |
# | global average pooling (GAP) | one number a channel: the mean of its map | 全域平均池化 |
# | fully connected layer | a linear model from all its inputs to each of its outputs | 全連接層 |
# | logit, class score | a network's number for a class before the softmax | 未正規化分數 (logit) |
# | attention | a layer that decides, for each place, which other places to look at | 注意力機制 |
# | image captioning | answering a picture with a sentence | 圖說生成 |
# | visual question answering | answering a question about a picture | 視覺問答 |
#
# **Explanations**
#
# | term | meaning | 繁體中文 |
# |---|---|---|
# | explainable AI (XAI) | methods that say why a model answers what it answers | 可解釋人工智慧 |
# | interpretability | how far a person can follow a model's reasons | 可解釋性 |
# | black box | a model of which only input and output can be read | 黑盒子 |
# | attribution | a number for each input (or place): its share in the answer | 歸因 |
# | feature contribution | in a linear model, weight times input | 特徵貢獻 |
# | heat map | a number for each place of a picture, drawn as colours | 熱圖 |
# | class activation map (CAM) | the channels' maps, weighted by the last layer's weights for one class | 類別激活圖 |
# | saliency map | the gradient of a logit with respect to the pixels | 顯著圖 |
# | class-discriminative | different for different classes | 具類別鑑別力 |
# | counterfactual | what speaks against the class: what would raise its logit if it went | 反事實 |
# | guided backpropagation | backpropagation that lets only positive signals pass each ReLU | 引導式反向傳播 |
# | deconvolution | the same, but blind to whether the ReLU was open | 反卷積 |
# | layer-wise relevance propagation | sends the logit back layer by layer, shared out at each | 逐層相關性傳播 |
# | integrated gradients | the mean gradient from a baseline to the input, times the difference | 積分梯度 |
# | perturbation | a change made to the input to see what the answer does | 擾動 |
# | occlusion sensitivity | how the answer changes when a patch is covered | 遮蔽敏感度 |
# | activation maximization | the input that drives one neuron highest | 激活最大化 |
# | upsampling | drawing a coarse map at the size of the picture | 上採樣 |
#
# **Mathematics**
#
# | term | meaning | 繁體中文 |
# |---|---|---|
# | gradient | all partial derivatives of a function together | 梯度 |
# | partial derivative | the slope in one variable while the others are held still | 偏微分 |
# | backpropagation | computing the gradient from the output backwards, by the chain rule | 反向傳播 |
# | linear approximation | the straight line (or plane) with the same value and slope at one point | 線性近似 |
# | Taylor expansion | a function as a sum of powers, whose first two terms are that line | 泰勒展開 |
# | remainder | what the line leaves out | 餘項 |
# | homogeneous function | doubling the input multiplies the value by a fixed power of two | 齊次函數 |
# | Euler's theorem | with degree k, gradient times input adds up to k times the value | 尤拉齊次函數定理 |
# | completeness | attributions add up to the answer less the answer for the baseline | 完備性 |
# | baseline | the input that stands for "nothing there" | 基準輸入 |
#
# **Judging**
#
# | term | meaning | 繁體中文 |
# |---|---|---|
# | ground truth | what is known to be so, here by construction | 真值 |
# | weakly supervised localization | finding an object with a network that never saw a box in training | 弱監督定位 |
# | pointing game | does the highest place of the map lie on the object? | 指向遊戲 |
# | deletion, insertion | how the answer falls or rises as the highest places are removed or put in first | 刪除、插入 |
# | sanity check | a map must change when the network's weights are made random | 合理性檢查 |
# | faithfulness, plausibility | true to the model; convincing to a person: two different things | 忠實度、合理可信度 |
# | shortcut learning | solving the training task by something that has nothing to do with it | 捷徑學習 |
# | spurious correlation | two things that occur together in the data without belonging together | 虛假相關 |
# | confounder | the third thing behind a spurious correlation | 干擾因子 |
# | Clever Hans effect | right answers for a wrong reason, like the horse that read its master's face | 聰明漢斯效應 |
# | distribution shift | the data to be answered differ from those of the training | 分布偏移 |
# | alpha channel, transparency | how much of the background a pixel lets through | alpha 通道、透明度 |

# %% [markdown] id="references"
# ## Where it comes from
#
# The course grew from an article: Yi-Dar Tang (湯沂達), 為什麼模型會這樣認為？
# (*Why does the model think so? An introduction to explainable deep learning: visualization*), Taiwan AI Academy,
# 2020. It follows the article's path from linear
# models through CAM and Grad-CAM to the pitfalls of linear approximation; where it says something else, the lesson
# shows why. (It writes 李弘毅, 逼進 and 觀查 where 李宏毅, 逼近 and 觀察 are meant, Grad-Cam for Grad-CAM and
# SupportVectorMachine for support vector machine; who searches for them finds more under the right spelling.) The
# article in turn introduces part of
#
# - Ras, Xie, van Gerven, Doran, *Explainable Deep Learning: A Field Guide for the Uninitiated*, JAIR 73, 329–397,
#   2022 (arXiv 2004.14545; the first version of 2020 names Xie first).
#
# **Maps from a layer** (lessons 2 and 3)
#
# - Zhou, Khosla, Lapedriza, Oliva, Torralba, *Learning Deep Features for Discriminative Localization*, CVPR 2016
#   (arXiv 1512.04150): CAM.
# - Selvaraju, Cogswell, Das, Vedantam, Parikh, Batra, *Grad-CAM*, ICCV 2017; IJCV 128, 336–359, 2020 (arXiv
#   1610.02391). Guided Grad-CAM and the counterfactual map are in it too.
# - Draelos, Carin, *Use HiResCAM instead of Grad-CAM*, 2020 (arXiv 2011.08891): why averaging the gradient can
#   mislead.
# - Chattopadhyay, Sarkar, Howlader, Balasubramanian, *Grad-CAM++*, WACV 2018 (arXiv 1710.11063).
# - Fu et al., XGrad-CAM, BMVC 2020 (arXiv 2008.02312).
# - Jiang, Zhang, Hou, Cheng, Wei, *LayerCAM*, IEEE TIP 30, 5875–5888, 2021: works in shallow layers too.
#
# **Gradients, and what is wrong with them** (lessons 3 and 4)
#
# - Simonyan, Vedaldi, Zisserman, ICLR Workshop 2014 (arXiv 1312.6034): the saliency map.
# - Zeiler, Fergus, ECCV 2014 (arXiv 1311.2901): deconvolution and occlusion.
# - Springenberg et al., ICLR Workshop 2015 (arXiv 1412.6806): guided backpropagation. Nie, Zhang, Patel, ICML 2018
#   (arXiv 1805.07039): in a random network it returns nearly the input, whatever the class.
# - Sundararajan, Taly, Yan, ICML 2017 (arXiv 1703.01365): integrated gradients.
# - Hesse, Schaub-Meyer, Roth, NeurIPS 2021 (arXiv 2111.07668): in a network without biases, gradient × input is
#   integrated gradients from a zero baseline.
# - Kindermans et al., ICLR 2018: several methods are wrong already for a linear model.
#
# **Judging an explanation**
#
# - Zhang et al., ECCV 2016 (arXiv 1608.00507): the pointing game.
# - Adebayo et al., NeurIPS 2018 (arXiv 1810.03292): sanity checks.
# - Jacovi, Goldberg, ACL 2020: faithfulness and plausibility.
# - Geirhos et al., Nature Machine Intelligence 2, 665–673, 2020: shortcut learning.
#
# ## What you have learnt
#
# - The installation works, and the instrument of the later lessons answers you.
# - What the lessons ask, in which order, and how to work with them.
# - Which mathematics is used; which symbols and words mean what.
#
# A heat map is an answer to a question. Before the next picture of that kind, [lesson 1](01_linear_models.ipynb)
# looks at the one model in which the answer is beyond doubt.
