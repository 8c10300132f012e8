"""The questions of lesson 6: words, answers, tokens."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from course_lib.classroom.questions import SEED, Mistake, Question, pictures
from course_lib.classroom.questions.kinds import choice, drawn

SCORE = "1. name the score of a word, of an answer and of a class, and make the map of each"
LOG = "2. predict what changes if a log-probability takes the place of a logit"
TOKENS = "4. show why the last patch tokens of a transformer get no gradient at all, and where to look instead"


def _sentences(seed: int) -> list[tuple[Any, ...]]:
    cases = []
    for n, (b, t, v) in enumerate([(1, 2, 3), (2, 4, 5)]):
        logits, generator = drawn(seed + n, b, t, v), torch.Generator().manual_seed(seed + n)
        likely = logits.argmax(2)
        other = (likely + 1 + torch.randint(0, v - 1, (b, t), generator=generator)) % v
        cases.append((logits, torch.where(torch.rand(b, t, generator=generator) > 0.4, likely, other)))
    return cases


def _picked(logits: Tensor, words: Tensor) -> Tensor:
    return logits.gather(2, words[..., None])[..., 0]


# --------------------------------------------------------------------------------------------- 1. a word's score


def word_scores(logits: Tensor, words: Tensor) -> Tensor:
    return _picked(logits, words)


SCORES = Question(
    name="word_scores",
    objective=SCORE,
    minutes=6,
    difficulty=1,
    points=3,
    signature="def word_scores(logits: Tensor, words: Tensor) -> Tensor:",
    shapes="logits (B, T, vocabulary), words (B, T) -> the score of each word at its place (B, T)",
    reference=word_scores,
    inputs=_sentences,
    mistakes=(
        Mistake("the most probable word", lambda z, w: z.amax(2), "The word that was written, which need not be it."),
        Mistake("probabilities", lambda z, w: _picked(z.softmax(2), w),
                "The logit: a certain word loses its gradient."),
        Mistake("log-probabilities", lambda z, w: _picked(z.log_softmax(2), w),
                "The lesson chose the logit: a log-probability knows all the other words."),
        Mistake("the next place", lambda z, w: _picked(z.roll(-1, 1), w), "Word t is scored at its own place t."),
        Mistake("the place before", lambda z, w: _picked(z.roll(1, 1), w), "Word t is scored at its own place t."),
        Mistake("always at the beginning", lambda z, w: _picked(z[:, :1].expand_as(z), w),
                "The score of a word after the words before it: each place has logits of its own."),
        Mistake("always at the end", lambda z, w: _picked(z[:, -1:].expand_as(z), w),
                "Each place has logits of its own."),
        Mistake("less the mean logit", lambda z, w: _picked(z - z.mean(2, keepdim=True), w),
                "That is the contrast; the plain logit is asked for."),
        Mistake("the first sentence's words for all", lambda z, w: _picked(z, w[:1].expand_as(w)),
                "Each sentence has its own words."),
        Mistake("the sign flipped", lambda z, w: -_picked(z, w), "A score that rises with the word's probability."),
    ),
    hints=("A word is a class among all words: pick its logit along the last dimension.",
           "logits.gather(2, words[:, :, None]) has the shape (B, T, 1)."),
    picture="one bar a word: its logit at its place in the sentence",
    draw=lambda: pictures.bars([f"word {n + 1}" for n in range(4)], word_scores(*_sentences(SEED)[1])[0], "logit"),
)  # fmt: skip


# --------------------------------------------------------------------------------------------- 2. a sentence


def sentence_score(logits: Tensor, words: Tensor) -> Tensor:
    return _picked(logits.log_softmax(2), words).sum(1)


def _improbable(seed: int) -> list[tuple[Any, ...]]:
    """As `_sentences`, and one whose three words' probabilities have a product that a computer takes for 0."""
    logits = drawn(seed + 5, 1, 3, 4)
    words = logits.argmin(2)
    return [*_sentences(seed), (logits.scatter_add(2, words[..., None], torch.full((1, 3, 1), -300.0).double()), words)]


SENTENCE = Question(
    name="sentence_score",
    objective=SCORE,
    minutes=6,
    difficulty=2,
    points=3,
    signature="def sentence_score(logits: Tensor, words: Tensor) -> Tensor:",
    shapes="logits (B, T, vocabulary), words (B, T) -> the log-probability of each whole sentence (B,)",
    reference=sentence_score,
    inputs=_improbable,
    mistakes=(
        Mistake("logits added up", lambda z, w: _picked(z, w).sum(1), "Log-probabilities add up; logits have no zero."),
        Mistake("the mean", lambda z, w: _picked(z.log_softmax(2), w).mean(1), "The sum over the words."),
        Mistake("the probability", lambda z, w: sentence_score(z, w).exp(), "Its logarithm."),
        Mistake("probabilities added up", lambda z, w: _picked(z.softmax(2), w).sum(1),
                "Probabilities are multiplied, so their logarithms are added."),
        Mistake("softmax over the places", lambda z, w: _picked(z.log_softmax(1), w).sum(1),
                "The words of the vocabulary compete, along dimension 2."),
        Mistake("the most probable words", lambda z, w: z.log_softmax(2).amax(2).sum(1),
                "The words that were written."),
        Mistake("the last word only", lambda z, w: _picked(z.log_softmax(2), w)[:, -1], "All words of the sentence."),
        Mistake("the first word forgotten", lambda z, w: _picked(z.log_softmax(2), w)[:, 1:].sum(1), "All words."),
        Mistake("the logarithm of the product", lambda z, w: _picked(z.softmax(2), w).prod(1).log(),
                "On a computer the product of small probabilities is 0: add up their logarithms."),
        Mistake("the loss", lambda z, w: -sentence_score(z, w), "The loss is its negative."),
        Mistake("added over the batch", lambda z, w: _picked(z.log_softmax(2), w).sum().expand(len(z)),
                "Each sentence has its own."),
    ),
    hints=("p(sentence) = p(word 1) p(word 2 | word 1) ...; take the logarithm.",
           "logits.log_softmax(2), of it each word's own, added up over the places."),
    picture="one bar a sentence, the longer to the left the less probable it is",
    draw=lambda: pictures.bars(["sentence 1", "sentence 2"], sentence_score(*_sentences(SEED)[1]), "log-probability"),
)  # fmt: skip


# --------------------------------------------------------------------------------------------- 3. log p for the logit


def log_probability_map(maps: Tensor, logits: Tensor, word: int) -> Tensor:
    return maps[word] - torch.einsum("v,vhw->hw", logits.softmax(0), maps)


def _words(seed: int) -> list[tuple[Any, ...]]:
    return [(drawn(seed + n, v, h, w), drawn(seed + 10 + n, v), word)
            for n, (v, h, w, word) in enumerate([(2, 1, 2, 1), (5, 3, 4, 2)])]  # fmt: skip


def _less(mean: Callable[[Tensor, Tensor, int], Tensor]) -> Callable[[Tensor, Tensor, int], Tensor]:
    return lambda m, z, c: m[c] - mean(m, z, c)


LOG_MAP = Question(
    name="log_probability_map",
    objective=LOG,
    minutes=8,
    difficulty=2,
    points=4,
    signature="def log_probability_map(maps: Tensor, logits: Tensor, word: int) -> Tensor:",
    shapes="raw maps of all words' logits (V, h, w), logits (V,), a word -> the raw map of its log-probability (h, w)",
    reference=log_probability_map,
    inputs=_words,
    mistakes=(
        Mistake("the word's own map", lambda m, z, c: m[c], "A log-probability knows all the other words."),
        Mistake("less the plain mean map", _less(lambda m, z, c: m.mean(0)), "Weighted by the words' probabilities."),
        Mistake("weighted by the logits", _less(lambda m, z, c: torch.tensordot(z, m, 1)), "By the probabilities."),
        Mistake("less the other words only", _less(lambda m, z, c: torch.tensordot(z.softmax(0), m, 1)
                                                   - z.softmax(0)[c] * m[c]),
                "The word itself is among all words: a certain word loses itself."),
        Mistake("times the probability", lambda m, z, c: z.softmax(0)[c] * log_probability_map(m, z, c),
                "That is the map of the probability itself."),
        Mistake("times its own probability only", lambda m, z, c: z.softmax(0)[c] * m[c],
                "The other words' maps are taken off."),
        Mistake("(1 - p) times its own map", lambda m, z, c: (1 - z.softmax(0)[c]) * m[c],
                "The other words have maps of their own, which count."),
        Mistake("the logarithm of the map", lambda m, z, c: m[c].abs().clamp(min=1e-3).log(),
                "The map is linear in the score: take the gradient of log p apart."),
        Mistake("the mean map alone", lambda m, z, c: torch.tensordot(z.softmax(0), m, 1), "The word's map less this."),
        Mistake("the sign flipped", lambda m, z, c: -log_probability_map(m, z, c), "The word's map less the mean map."),
        Mistake("ReLU", lambda m, z, c: log_probability_map(m, z, c).relu(), "The raw map."),
    ),
    hints=("log p of a word is its logit less log Σ exp of all logits. What is the gradient of the second part?",
           "The word's map less Σ_j p_j times the map of word j."),
    picture="a word's map by its logit and by its log-probability",
    draw=lambda: pictures.maps({"logit": _words(SEED)[1][0][2],
                                "log-probability": log_probability_map(*_words(SEED)[1])}),
)  # fmt: skip


# --------------------------------------------------------------------------------------------- 4. tokens


def tokens_to_grid(tokens: Tensor, height: int, width: int) -> Tensor:
    return tokens[:, 1:].transpose(1, 2).reshape(len(tokens), -1, height, width)


def _tokens(seed: int) -> list[tuple[Any, ...]]:
    return [(drawn(seed + n, b, 1 + h * w, d), h, w) for n, (b, h, w, d) in enumerate([(1, 1, 2, 2), (2, 3, 4, 5)])]


GRID = Question(
    name="tokens_to_grid",
    objective=TOKENS,
    minutes=8,
    difficulty=2,
    points=3,
    signature="def tokens_to_grid(tokens: Tensor, height: int, width: int) -> Tensor:",
    shapes="tokens (B, 1 + height * width, D), the class token first, then row by row -> (B, D, height, width)",
    reference=tokens_to_grid,
    inputs=_tokens,
    mistakes=(
        Mistake("the last token dropped", lambda t, h, w: tokens_to_grid(t.roll(1, 1), h, w),
                "The class token comes first: drop token 0."),
        Mistake("reshaped without moving the channels", lambda t, h, w: t[:, 1:].reshape(len(t), -1, h, w),
                "The channels come last in a token: move them to the front before you reshape."),
        Mistake("column by column", lambda t, h, w: t[:, 1:].transpose(1, 2).unflatten(2, (w, h)).transpose(2, 3),
                "The tokens come row by row."),
        Mistake("from the last token back", lambda t, h, w: tokens_to_grid(t, h, w).flip(2, 3),
                "The first token after the class token is the upper left cell."),
        Mistake("the class token taken off each", lambda t, h, w: tokens_to_grid(t - t[:, :1], h, w),
                "The class token is left out; the others stay as they are."),
        Mistake("the class token added to each", lambda t, h, w: tokens_to_grid(t + t[:, :1], h, w),
                "The class token is left out; the others stay as they are."),
        Mistake("the class token everywhere", lambda t, h, w: tokens_to_grid(t[:, :1].expand_as(t), h, w),
                "It has no place on the grid: leave it out."),
        Mistake("rows and columns swapped", lambda t, h, w: tokens_to_grid(t, h, w).transpose(2, 3), "Rows first."),
        Mistake("channels last", lambda t, h, w: tokens_to_grid(t, h, w).permute(0, 2, 3, 1),
                "(B, D, height, width), as after a convolution."),
    ),
    hints=("Drop token 0. Then (B, h * w, D) -> (B, D, h * w) -> (B, D, h, w).",
           "tokens[:, 1:].transpose(1, 2).unflatten(2, (height, width))"),
    picture="one channel of the tokens, laid out as a grid",
    draw=lambda: pictures.maps({"channel 1": tokens_to_grid(*_tokens(SEED)[1])[0, 0],
                                "channel 2": tokens_to_grid(*_tokens(SEED)[1])[0, 1]}, "activation"),
)  # fmt: skip


# --------------------------------------------------------------------------------------------- 5. a choice

LAST = choice(
    "no_gradient",
    TOKENS,
    "d",
    {
        "a": ("attention has no gradient", "Attention is differentiable: one block earlier there is a gradient."),
        "b": ("the softmax is saturated", "Then the gradient would be small. It is exactly 0, for every picture."),
        "c": ("the tokens were normalized", "A layer normalization changes a gradient; it doesn't make it 0."),
    },
    ("What does the head read after the last block?", "Which tokens does the logit depend on from there on?"),
)  # fmt: skip

QUESTIONS = (SCORES, SENTENCE, LOG_MAP, GRID, LAST)
