# %% [markdown] id="opening"
# # Exercise 6. Beyond classification
#
# {{counts}}, on lesson 6. Write each answer between the two marks, run its cell, then run the
# cell below it: `check` says at once whether it is right, and which mistake it is if that mistake is known.
# `hint(word_scores)` gives a hint, and called again a larger one. The course's own functions earn nothing here: the
# steps
# are yours.

# %% id="setup"
import torch
from torch import Tensor

from course_lib.classroom.check import check, hint

# %% [markdown] id="word-scores-question"
# ## 1. The score of a word
#
# {{question:word_scores}}
#
# A captioner gives every word of its vocabulary a logit, at each place of the sentence. Return the score of each word
# that was written: its logit at its place.


# %% id="word-scores-answer"
def word_scores(logits: Tensor, words: Tensor) -> Tensor:
    """The logit of each word at its place: (B, T)."""
    ### BEGIN SOLUTION
    return logits.gather(2, words[:, :, None])[:, :, 0]
    ### END SOLUTION


# %% id="word-scores-check"
check(word_scores).points

# %% [markdown] id="sentence-score-question"
# ## 2. The score of a sentence
#
# {{question:sentence_score}}
#
# How probable is a whole sentence? Return the logarithm.


# %% id="sentence-score-answer"
def sentence_score(logits: Tensor, words: Tensor) -> Tensor:
    """The log-probability of each sentence: (B,)."""
    ### BEGIN SOLUTION
    each = logits.log_softmax(dim=2).gather(2, words[:, :, None])[:, :, 0]
    return each.sum(dim=1)
    ### END SOLUTION


# %% id="sentence-score-check"
check(sentence_score).points

# %% [markdown] id="log-probability-map-question"
# ## 3. A log-probability in the place of a logit
#
# {{question:log_probability_map}}
#
# A raw map is linear in its score. You have the raw map of every word's *logit*. Make of them the map of one word's
# *log-probability*. (What becomes of it where that word is certain?)


# %% id="log-probability-map-answer"
def log_probability_map(maps: Tensor, logits: Tensor, word: int) -> Tensor:
    """The raw map of a word's log-probability: (h, w)."""
    ### BEGIN SOLUTION
    p = logits.softmax(dim=0)
    return maps[word] - (p[:, None, None] * maps).sum(0)
    ### END SOLUTION


# %% id="log-probability-map-check"
check(log_probability_map).points

# %% [markdown] id="log-probability-map-explained" tags=["solution-only"]
# Where p is nearly 1 the mean map is nearly the word's own, and almost nothing is left.

# %% [markdown] id="tokens-to-grid-question"
# ## 4. From tokens to a grid
#
# {{question:tokens_to_grid}}
#
# A transformer has no feature map, but tokens: first the class token, then the patches, row by row. Lay the patches out
# as a convolution's activations, so that Grad-CAM can take them.


# %% id="tokens-to-grid-answer"
def tokens_to_grid(tokens: Tensor, height: int, width: int) -> Tensor:
    """The patch tokens as a grid: (B, D, height, width)."""
    ### BEGIN SOLUTION
    patches = tokens[:, 1:]
    return patches.transpose(1, 2).reshape(len(tokens), -1, height, width)
    ### END SOLUTION


# %% id="tokens-to-grid-check"
check(tokens_to_grid).points

# %% [markdown] id="no-gradient-question"
# ## 5. Exactly nothing
#
# {{question:no_gradient}}
#
# In a transformer that reads its class token, the gradient of a logit with respect to the patch tokens *after the last
# block* is exactly 0. Why?
#
# - a: attention cannot be differentiated
# - b: the softmax is saturated
# - c: the tokens were normalized
# - d: the head reads the class token only, and nothing mixes the tokens any more


# %% id="no-gradient-answer"
def no_gradient() -> str:
    """One of the letters a, b, c, d."""
    ### BEGIN SOLUTION
    return "d"
    ### END SOLUTION


# %% id="no-gradient-check"
check(no_gradient).points

# %% [markdown] id="no-gradient-explained" tags=["solution-only"]
# Look before the last attention, where patches still reach the class token.
