"""Wrong answers to the exercise of lesson 6, by somebody who had not seen the registered mistakes."""

import torch
from torch import Tensor


def log_probabilities_of_words(logits: Tensor, words: Tensor) -> Tensor:
    return logits.log_softmax(-1).gather(-1, words.unsqueeze(-1)).squeeze(-1)


def words_one_place_later(logits: Tensor, words: Tensor) -> Tensor:
    return logits.gather(-1, words.roll(-1, dims=1).unsqueeze(-1)).squeeze(-1)


def best_logit_at_each_place(logits: Tensor, words: Tensor) -> Tensor:
    return logits.max(dim=-1).values


def words_of_the_first_sentence(logits: Tensor, words: Tensor) -> Tensor:
    return logits[:, torch.arange(words.shape[1]), words[0]]


def every_word_at_the_first_place(logits: Tensor, words: Tensor) -> Tensor:
    return logits[:, 0].gather(1, words)


def mean_over_the_words(logits: Tensor, words: Tensor) -> Tensor:
    return logits.log_softmax(-1).gather(-1, words.unsqueeze(-1)).squeeze(-1).mean(1)


def logarithm_of_the_product(logits: Tensor, words: Tensor) -> Tensor:
    return logits.softmax(-1).gather(-1, words.unsqueeze(-1)).squeeze(-1).prod(1).log()


def most_probable_sentence(logits: Tensor, words: Tensor) -> Tensor:
    return logits.log_softmax(-1).max(dim=-1).values.sum(1)


def softmax_over_the_places(logits: Tensor, words: Tensor) -> Tensor:
    return logits.log_softmax(1).gather(-1, words.unsqueeze(-1)).squeeze(-1).sum(1)


def without_the_first_word(logits: Tensor, words: Tensor) -> Tensor:
    return logits[:, 1:].log_softmax(-1).gather(-1, words[:, 1:].unsqueeze(-1)).squeeze(-1).sum(1)


def own_map_times_one_minus_p(maps: Tensor, logits: Tensor, word: int) -> Tensor:
    return (1 - logits.softmax(0)[word]) * maps[word]


def map_of_the_probability(maps: Tensor, logits: Tensor, word: int) -> Tensor:
    p = logits.softmax(0)
    return p[word] * (maps[word] - torch.einsum("v,vhw->hw", p, maps))


def positive_part(maps: Tensor, logits: Tensor, word: int) -> Tensor:
    return (maps[word] - torch.einsum("v,vhw->hw", logits.softmax(0), maps)).clamp_min(0)


def minus_the_plain_mean(maps: Tensor, logits: Tensor, word: int) -> Tensor:
    return maps[word] - maps.mean(0)


def minus_the_mean_of_the_rivals(maps: Tensor, logits: Tensor, word: int) -> Tensor:
    rivals = [v for v in range(len(logits)) if v != word]
    return maps[word] - torch.einsum("v,vhw->hw", logits[rivals].softmax(0), maps[rivals])


def last_token_dropped(tokens: Tensor, height: int, width: int) -> Tensor:
    return tokens[:, :-1].transpose(1, 2).reshape(len(tokens), -1, height, width)


def reshaped_without_transposing(tokens: Tensor, height: int, width: int) -> Tensor:
    return tokens[:, 1:].reshape(len(tokens), tokens.shape[-1], height, width)


def column_by_column(tokens: Tensor, height: int, width: int) -> Tensor:
    return tokens[:, 1:].transpose(1, 2).reshape(len(tokens), -1, width, height).transpose(2, 3)


def height_and_width_swapped(tokens: Tensor, height: int, width: int) -> Tensor:
    return tokens[:, 1:].transpose(1, 2).reshape(len(tokens), -1, width, height)


def right_for_one_picture_only(tokens: Tensor, height: int, width: int) -> Tensor:
    return tokens[:, 1:].permute(2, 0, 1).reshape(len(tokens), -1, height, width)


ANSWERS = {
    "word_scores": {
        "the log-probability, not the logit": log_probabilities_of_words,
        "each place scored for the next place's word": words_one_place_later,
        "the best logit at each place, whatever was written": best_logit_at_each_place,
        "the first sentence's words for the whole batch": words_of_the_first_sentence,
        "all words scored at the first place": every_word_at_the_first_place,
    },
    "sentence_score": {
        "the mean over the words, not the sum": mean_over_the_words,
        "the logarithm of the product, which underflows for a long sentence": logarithm_of_the_product,
        "the most probable words, not those written": most_probable_sentence,
        "the softmax over the places, not the vocabulary": softmax_over_the_places,
        "the first word is left out": without_the_first_word,
    },
    "log_probability_map": {
        "the word's own map times 1 - p, without the rivals' maps": own_map_times_one_minus_p,
        "the map of the probability, without its logarithm": map_of_the_probability,
        "the negative part is cut off": positive_part,
        "minus the plain mean, each word weighing the same": minus_the_plain_mean,
        "minus the mean of the other words only, so that it does not vanish at certainty": minus_the_mean_of_the_rivals,
    },
    "tokens_to_grid": {
        "the last token is dropped, not the class token": last_token_dropped,
        "reshaped without bringing the channels to the front": reshaped_without_transposing,
        "the patches laid out column by column": column_by_column,
        "height and width swapped, which a square grid does not show": height_and_width_swapped,
        "pictures and channels mixed, which a batch of one does not show": right_for_one_picture_only,
    },
    "no_gradient": {
        "attention cannot be differentiated": "a",
        "the softmax is saturated": "b",
        "the tokens were normalized": "c",
    },
}
