"""Span questions: contexts to overlapping windows of tokens, and start and end scores back to answers cut from the context."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase

from trainables.examples import Question
from trainables.features import Features
from trainables.sequences import Ids, SequenceBuilder, batches, template_of, tokenize

MAX_QUESTION_TOKENS = 64
STRIDE_TOKENS = 128
"""From the start of one window to the start of the next: run_squad's `doc_stride` is a step, not an overlap."""
MAX_ANSWER_TOKENS = 30
"""The values of run_squad, of XTREME's scripts and of jiant."""

Spans = NDArray[np.int32]


def span_features(questions: Sequence[Question], tokenizer: PreTrainedTokenizerBase, max_length: int, cut: Counter[str]) -> Features:
    """One sequence a window: question, then a run of the context that starts 128 tokens after the last one's start.

    `targets` are the tokens that touch the first gold answer. A window that does not hold all of them is kept with the targets
    (0, 0), the first token, as are all windows of an unanswerable question: so do run_squad, XTREME and jiant for both versions of
    SQuAD. `cut` counts questions that lose tokens, and answers that no window holds whole or that are too long to be found.
    """
    template = template_of(tokenizer)
    builder = SequenceBuilder(template)
    targets: list[tuple[int, int]] = []
    char_spans: list[Spans] = []
    outside = np.full((max_length, 2), -1, dtype=np.int32)
    room = max_length - template.num_pair
    num_question = min(MAX_QUESTION_TOKENS, room // 3)
    for start, batch in batches(questions):
        contexts = _contexts(tokenizer, sorted({question.context for question in batch}))
        asked = tokenize(tokenizer, [question.question for question in batch])
        for index, (question, question_ids) in enumerate(zip(batch, asked, strict=True), start):
            context = contexts[question.context]
            gold = _gold_tokens(question, context.spans)
            is_held = False
            for window in _windows(len(context.ids), room - len(question_ids[:num_question]), max_length // 3):
                offset = builder.add_pair(index, question_ids[:num_question], context.ids[window])
                char_spans += [outside[:offset], context.spans[window], outside[: len(template.pair_suffix)]]
                if gold is not None and window.start <= gold[0] and gold[1] < window.stop:
                    targets.append((gold[0] - window.start + offset, gold[1] - window.start + offset))
                    is_held = True
                else:
                    targets.append((0, 0))
            cut["question cut"] += len(question_ids) > num_question
            cut["answer in no window"] += bool(question.answers) and not is_held
            cut[f"answer over {MAX_ANSWER_TOKENS} tokens"] += gold is not None and gold[1] - gold[0] >= MAX_ANSWER_TOKENS
    return builder.features("span_qa", len(questions), targets, np.concatenate(char_spans))


class _Context(NamedTuple):
    ids: Ids
    spans: Spans
    """[T, 2] characters, -1 for a token of white space alone."""


def _contexts(tokenizer: PreTrainedTokenizerBase, contexts: Sequence[str]) -> dict[str, _Context]:
    encoded = tokenizer(list(contexts), add_special_tokens=False, return_attention_mask=False, return_offsets_mapping=True, verbose=False)
    return {
        context: _Context(list(ids), _without_space(context, np.array(offsets, dtype=np.int32).reshape(-1, 2)))
        for context, ids, offsets in zip(contexts, encoded["input_ids"], encoded["offset_mapping"], strict=True)
    }


def _without_space(context: str, spans: Spans) -> Spans:
    """Spans without the white space that some tokenizers count as part of the token after it."""
    is_text = np.array([not character.isspace() for character in context], dtype=bool)
    num = len(context)
    next_text = np.append(np.minimum.accumulate(np.where(is_text, np.arange(num), num)[::-1])[::-1], num)
    text_end = np.concatenate([[0], np.maximum.accumulate(np.where(is_text, np.arange(1, num + 1), 0))])
    trimmed = np.stack([next_text[spans[:, 0]], text_end[spans[:, 1]]], axis=1)
    return np.where(trimmed[:, :1] < trimmed[:, 1:], trimmed, -1).astype(np.int32)


def _gold_tokens(question: Question, spans: Spans) -> tuple[int, int] | None:
    """First and last context token that touch the first gold answer."""
    if not question.answers:
        return None
    answer = question.answers[0]
    (touching,) = np.nonzero((spans[:, 0] >= 0) & (spans[:, 1] > answer.start) & (spans[:, 0] < answer.start + len(answer.text)))
    return (int(touching[0]), int(touching[-1])) if len(touching) else None


def _windows(num_tokens: int, capacity: int, min_overlap: int) -> Iterator[slice]:
    """Windows overlap by at least `min_overlap` tokens or half of one, so that short ones step less than 128 tokens."""
    step = min(STRIDE_TOKENS, capacity - min(min_overlap, capacity // 2))
    for first in range(0, max(1, num_tokens - capacity + step), step):
        yield slice(first, min(first + capacity, num_tokens))


class FoundAnswer(NamedTuple):
    """The best span of a question, and how it compares with no answer."""

    text: str
    """Cut from the context; empty only where the context has no text."""
    null_odds: float
    """Null score less the span's score: run_squad's `score_diff`, which evaluate-v2.0 takes as the probability of no answer."""

    def said(self, has_unanswerable: bool) -> str:
        """The prediction: with `has_unanswerable`, nothing where the null score is larger (run_squad's threshold of 0)."""
        return "" if has_unanswerable and self.null_odds > 0 else self.text


def decode_answers(logits_T2: NDArray[np.float32], features: Features, questions: Sequence[Question]) -> list[FoundAnswer]:
    """The best-scored span of each question over all its windows, cut from its context.

    A span starts no later than it ends, lies in the context and has at most 30 tokens. The search is exact. run_squad merges the 20
    best starts and ends of each window and lets a token start an answer only in the window where it has most context around it, so
    that what it finds never has a higher score. The null score is its, too: the smallest over the windows of start + end at the
    first token.
    """
    best_T, length_T = _best_spans(logits_T2, features)
    null_S = logits_T2[features.offsets[:-1]].sum(axis=1)
    bounds = np.searchsorted(features.example, np.arange(len(questions) + 1))
    answers = []
    for question, first_window, end_window in zip(questions, bounds[:-1], bounds[1:], strict=True):
        first, end = features.offsets[first_window], features.offsets[end_window]
        start = first + int(np.argmax(best_T[first:end]))
        span = slice(features.char_spans[start, 0], features.char_spans[start + length_T[start], 1])
        text = "" if np.isneginf(best_T[start]) else question.context[span]
        answers.append(FoundAnswer(text, float(null_S[first_window:end_window].min() - best_T[start])))
    return answers


def _best_spans(logits_T2: NDArray[np.float32], features: Features) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """[T] for each token, the score of the best span that starts there, -inf outside contexts, and [T] its tokens less one."""
    is_context = features.char_spans[:, 0] >= 0
    start_T, end_T = (np.where(is_context, logits_T2[:, column], -np.inf) for column in (0, 1))
    sequence_T = np.repeat(np.arange(len(features.example)), np.diff(features.offsets))
    best_T, length_T = start_T + end_T, np.zeros(len(start_T), dtype=np.int64)
    for length in range(1, min(MAX_ANSWER_TOKENS, len(start_T))):
        score = np.where(sequence_T[:-length] == sequence_T[length:], start_T[:-length] + end_T[length:], -np.inf)
        is_better = score > best_T[:-length]
        best_T[:-length][is_better] = score[is_better]
        length_T[:-length][is_better] = length
    return best_T, length_T
