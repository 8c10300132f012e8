"""Wrong answers to the exercise of lesson 6, written from its text alone, without the registered mistakes at hand."""

from typing import Any

import torch
from torch import Tensor


def largest_logit(logits: Tensor, words: Tensor) -> Tensor:
    return logits.max(-1).values


def log_probability(logits: Tensor, words: Tensor) -> Tensor:
    return logits.log_softmax(-1).gather(-1, words[..., None])[..., 0]


def one_place_later(logits: Tensor, words: Tensor) -> Tensor:
    return logits.roll(1, 1).gather(-1, words[..., None])[..., 0]


def words_of_the_first(logits: Tensor, words: Tensor) -> Tensor:
    return logits.gather(-1, words[:1].expand_as(words)[..., None])[..., 0]


def less_the_mean_logit(logits: Tensor, words: Tensor) -> Tensor:
    return logits.gather(-1, words[..., None])[..., 0] - logits.mean(-1)


def first_place_only(logits: Tensor, words: Tensor) -> Tensor:
    return logits[:, :1].expand_as(logits).gather(-1, words[..., None])[..., 0]


def mean_log_probability(logits: Tensor, words: Tensor) -> Tensor:
    return log_probability(logits, words).mean(1)


def sum_of_logits(logits: Tensor, words: Tensor) -> Tensor:
    return logits.gather(-1, words[..., None])[..., 0].sum(1)


def log_of_the_sum(logits: Tensor, words: Tensor) -> Tensor:
    return logits.softmax(-1).gather(-1, words[..., None])[..., 0].sum(1).log()


def over_places(logits: Tensor, words: Tensor) -> Tensor:
    return logits.log_softmax(1).gather(-1, words[..., None])[..., 0].sum(1)


def of_the_likeliest_words(logits: Tensor, words: Tensor) -> Tensor:
    return logits.log_softmax(-1).max(-1).values.sum(1)


def logarithm_of_base_2(logits: Tensor, words: Tensor) -> Tensor:
    return log_probability(logits, words).sum(1) / torch.log(torch.tensor(2.0, dtype=logits.dtype))


def without_the_last_word(logits: Tensor, words: Tensor) -> Tensor:
    return log_probability(logits, words)[:, :-1].sum(1)


def less_the_plain_mean(maps: Tensor, logits: Tensor, word: int) -> Tensor:
    return maps[word] - maps.mean(0)


def of_the_probability(maps: Tensor, logits: Tensor, word: int) -> Tensor:
    p = logits.softmax(0)
    return p[word] * (maps[word] - (p[:, None, None] * maps).sum(0))


def others_only(maps: Tensor, logits: Tensor, word: int) -> Tensor:
    p = logits.softmax(0).clone()
    p[word] = 0
    return maps[word] - (p[:, None, None] * maps).sum(0)


def logits_for_probabilities(maps: Tensor, logits: Tensor, word: int) -> Tensor:
    return maps[word] - (logits[:, None, None] * maps).sum(0)


def log_softmax_of_maps(maps: Tensor, logits: Tensor, word: int) -> Tensor:
    return maps.log_softmax(0)[word]


def less_one_minus_p(maps: Tensor, logits: Tensor, word: int) -> Tensor:
    return (1 - logits.softmax(0)[word]) * maps[word]


def plus_the_mean(maps: Tensor, logits: Tensor, word: int) -> Tensor:
    return maps[word] + (logits.softmax(0)[:, None, None] * maps).sum(0)


def class_token_last(tokens: Tensor, height: int, width: int) -> Tensor:
    return tokens[:, :-1].mT.unflatten(2, (height, width))


def column_by_column(tokens: Tensor, height: int, width: int) -> Tensor:
    return tokens[:, 1:].mT.unflatten(2, (width, height)).mT


def plain_reshape(tokens: Tensor, height: int, width: int) -> Tensor:
    return tokens[:, 1:].reshape(len(tokens), -1, height, width)


def channels_last(tokens: Tensor, height: int, width: int) -> Tensor:
    return tokens[:, 1:].unflatten(1, (height, width))


def upside_down(tokens: Tensor, height: int, width: int) -> Tensor:
    return tokens[:, 1:].mT.unflatten(2, (height, width)).flip(2)


def less_the_class_token(tokens: Tensor, height: int, width: int) -> Tensor:
    return (tokens[:, 1:] - tokens[:, :1]).mT.unflatten(2, (height, width))


ANSWERS: dict[str, dict[str, Any]] = {
    "word_scores": {
        "takes the largest logit": largest_logit,
        "takes the log-probability": log_probability,
        "takes the logits of the place before": one_place_later,
        "takes the first sentence's words for all": words_of_the_first,
        "subtracts the mean logit": less_the_mean_logit,
        "takes the first place's logits for all": first_place_only,
    },
    "sentence_score": {
        "takes the mean over the words": mean_log_probability,
        "adds up logits": sum_of_logits,
        "adds up probabilities": log_of_the_sum,
        "normalizes over the places": over_places,
        "scores the likeliest words": of_the_likeliest_words,
        "takes the logarithm of base 2": logarithm_of_base_2,
        "leaves out the last word": without_the_last_word,
    },
    "log_probability_map": {
        "subtracts the plain mean": less_the_plain_mean,
        "gives the map of the probability": of_the_probability,
        "subtracts the other words only": others_only,
        "weights with logits": logits_for_probabilities,
        "takes the log-softmax of the maps": log_softmax_of_maps,
        "scales the word's own map": less_one_minus_p,
        "adds what it should subtract": plus_the_mean,
    },
    "tokens_to_grid": {
        "takes the class token for the last": class_token_last,
        "goes column by column": column_by_column,
        "reshapes without turning": plain_reshape,
        "leaves the channels last": channels_last,
        "turns the grid upside down": upside_down,
        "subtracts the class token": less_the_class_token,
    },
    "no_gradient": {"a": "a", "b": "b", "c": "c"},
}
