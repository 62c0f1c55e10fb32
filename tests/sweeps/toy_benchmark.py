"""Small data of many of the benchmarks' tasks in all of their languages, and a study run over it in this process."""

import json
from collections.abc import Sequence
from pathlib import Path
from random import Random

from sweeps.opened import Opened, walk_store
from tests.trainables.toy_stages import make_job
from tests.trainables.toy_training import WORDS
from trainables.stage import run_stage
from trainables.task import TASKS


def write_data(root: Path) -> Path:
    """A few examples of every task in all of its languages."""
    rng = Random(0)

    def words(least: int = 3) -> list[str]:
        return [WORDS[int(rng.random() * len(WORDS))] for _ in range(least + int(rng.random() * 4))]

    def put(name: str, lines: Sequence[str]) -> None:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("".join(f"{line}\n" for line in lines))

    def squad(prefix: str) -> list[str]:
        questions = []
        for number in range(5):
            context = words(8)
            answer = {"text": context[2], "answer_start": len(" ".join(context[:2])) + 1}
            questions.append(
                {"context": " ".join(context), "qas": [{"id": f"{prefix}{number}", "question": words()[0], "answers": [answer]}]}
            )
        return [json.dumps({"version": "1.1", "data": [{"title": "", "paragraphs": questions}]})]

    def tagged(task: str) -> list[str]:
        labels = TASKS.load(task).labels
        sentences = [[f"{word}\t{labels[int(rng.random() * len(labels))]}" for word in words()] for _ in range(4)]
        return [line for sentence in sentences for line in (*sentence, "")]

    def choices() -> list[str]:
        rows = (
            {"premise": " ".join(words()), "question": "cause", "choice1": "a", "choice2": words()[0], "label": n % 2, "idx": n}
            for n in range(5)
        )
        return [json.dumps(row) for row in rows]

    put("text/en.txt", [" ".join(words()) for _ in range(60)])
    for split in ("train", "dev", "test"):
        for task in ("panx", "udpos"):
            for language in TASKS.load(task).languages if split == "test" else ("en",):
                put(f"{task}/{split}-{language}.tsv", tagged(task))
    for name in ("train", "dev_2k", "test_2k"):
        for language in TASKS.load("pawsx").languages:
            pairs = [f"{number}\t{' '.join(words())}\t{' '.join(words())}\t{number % 2}" for number in range(5)]
            put(f"pawsx/x-final/{language}/{name}.tsv", ["id\tsentence1\tsentence2\tlabel", *pairs])
    for name in ("train", "dev"):
        put(f"squad_v1.1/{name}-v1.1.json", squad("s"))
    for language in TASKS.load("xquad").languages:
        put(f"xquad/xquad.{language}.json", squad("q"))
    for language in TASKS.load("mlqa").languages:
        for split in ("dev", "test"):
            put(f"mlqa/MLQA_V1/{split}/{split}-context-{language}-question-{language}.json", squad("m"))
    for code in TASKS.load("tatoeba").files[0].codes.values():
        for side in ("eng", code):
            put(f"tatoeba/v1/tatoeba.{code}-eng.{side}", [" ".join(words()) for _ in range(6)])
    for language in TASKS.load("bucc2018").languages:
        for split in ("dev", "test"):
            texts = {side: [" ".join(words()) for _ in range(8)] for side in (language, "en")}
            texts["en"][2], texts["en"][5] = texts[language][4], texts[language][1]
            for side, lines in texts.items():
                put(f"bucc2018/{language}-en.{split}.{side}", [f"{side}-{number}\t{line}" for number, line in enumerate(lines)])
            gold = {"4": 2, "1": 5, "6": 7}.items()
            put(f"bucc2018/{language}-en.{split}.gold", [f"{language}-{query}\ten-{found}" for query, found in gold])
    for language in TASKS.load("lareqa").languages:
        sentences = [" ".join(words()) for _ in range(3)]
        context, ends = " ".join(sentences), [sum(map(len, sentences[: n + 1])) + n for n in range(3)]
        starts = [0, *(end + 1 for end in ends[:-1])]
        asked = [
            {"id": f"q{n}", "question": " ".join(words()), "answers": [{"text": context[start], "answer_start": start}]}
            for n, start in enumerate(starts)
        ]
        paragraph = {"context": context, "qas": asked, "sentence_breaks": list(zip(starts, ends, strict=True))}
        put(f"lareqa/xquad-r/{language}.json", [json.dumps({"data": [{"paragraphs": [paragraph]}]})])
    for name in ("train", "val", "test"):
        put(f"copa/{name}-en.jsonl", choices())
    for language in TASKS.load("xcopa").languages:
        for name in ("val", "test"):
            put(f"xcopa/{name}.{language}.jsonl", choices())
    return root


def run_here(opened: Opened) -> None:
    """Runs a study in this process, one stage after the other."""
    walk, _ = walk_store(opened)
    assert opened.data is not None
    while (request := walk.next()) is not None:
        job = make_job(opened.data, request.spec, store=opened.store.uri, cache=str(opened.home.cache))
        walk.finish(request.key, run_stage(job, opened.store, lambda _: None))
