"""Which languages a benchmark's mean is over, task by task: data with a version, for code and papers disagree."""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

SetName = Literal["xtreme", "xtreme-r"]


class LanguageSet(NamedTuple):
    """The languages of a benchmark's tasks; the score of a task is the mean over them."""

    version: str
    note: str
    """Where the sources disagree."""
    languages: Mapping[str, tuple[str, ...]]


_BOTH = {
    "xnli": "ar bg de el en es fr hi ru sw th tr ur vi zh",
    "mlqa": "ar de en es hi vi zh",
    "tydiqa": "ar bn en fi id ko ru sw te",
}
_XTREME = {
    **_BOTH,
    "pawsx": "de en es fr ja ko zh",
    "panx": "af ar bg bn de el en es et eu fa fi fr he hi hu id it ja jv ka kk ko ml mr ms my nl pt ru sw ta te th tl tr ur vi yo zh",
    "udpos": "af ar bg de el en es et eu fa fi fr he hi hu id it ja kk ko mr nl pt ru ta te th tl tr ur vi yo zh",
    "xquad": "ar de el en es hi ru th tr vi zh",
    "bucc2018": "de fr ru zh",
    "tatoeba": "af ar bg bn de el es et eu fa fi fr he hi hu id it ja jv ka kk ko ml mr nl pt ru sw ta te th tl tr ur vi zh",
}
_XTREME_R = {
    **_BOTH,
    "panx": f"{_XTREME['panx']} az gu lt pa pl qu ro uk",
    "udpos": f"{_XTREME['udpos']} lt pl ro uk wo",
    "xquad": f"{_XTREME['xquad']} ro",
    "tatoeba": f"{_XTREME['tatoeba']} az lt pl ro uk",
    "xcopa": "et ht id it qu sw ta th tr vi zh",
    "lareqa": "ar de el en es hi ru th tr vi zh",
    "mewslix": "ar de en es fa ja pl ro ta tr uk",
}


def _split(languages: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    return {task: tuple(codes.split()) for task, codes in languages.items()}


LANGUAGE_SETS: Mapping[str, LanguageSet] = {
    "xtreme": LanguageSet(
        version="google-research/xtreme@838c13b, evaluate.py",
        note=(
            "The paper (Hu et al. 2020) and the script agree. kk, th, tl and yo have no part-of-speech dev set; "
            "BUCC's English, the side that is mined, is no language of its own."
        ),
        languages=_split(_XTREME),
    ),
    "xtreme-r": LanguageSet(
        version="google-research/xtreme@838c13b, evaluate.py",
        note=(
            "The script has 48 languages of panx, 41 of tatoeba and 12 of xquad; mGTE (Zhang et al. 2024) prints 47, 38 and 11. "
            "It lists none for lareqa, whose eleven are those of XQuAD-R. Its udpos is Universal Dependencies 2.7, XTREME's 2.5."
        ),
        languages=_split(_XTREME_R),
    ),
}
"""By the name that a study gives: `languages: xtreme-r`."""


def default_languages(task: str, known: Sequence[str]) -> tuple[str, ...]:
    """XTREME's languages of a task, so that the mean over them is XTREME's; all of the `known` ones of any other task."""
    chosen = LANGUAGE_SETS["xtreme"].languages.get(task, known)
    return tuple(language for language in known if language in chosen)


def languages_in(set_name: str, task: str) -> tuple[str, ...]:
    """The languages that a set has for a task; a ValueError if it has no such task."""
    languages = LANGUAGE_SETS[set_name].languages
    if task not in languages:
        raise ValueError(f"{set_name} has no task {task!r}, only {', '.join(sorted(languages))}; name the languages instead")
    return languages[task]
