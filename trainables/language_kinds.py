"""Family and script of languages, to average over what is alike."""

from collections.abc import Iterable
from typing import Literal, NamedTuple

from trainables.language_codes import FLORES

_FAMILIES = {
    "Afro-Asiatic": "ar he",
    "Austro-Asiatic": "vi",
    "Austronesian": "id jv ms tl",
    "Basque": "eu",
    "Creole": "ht",
    "Dravidian": "ml ta te",
    "Baltic": "lt",
    "Germanic": "af de en nl",
    "Greek": "el",
    "Indo-Aryan": "bn gu hi mr pa ur",
    "Iranian": "fa",
    "Romance": "es fr it pt ro",
    "Slavic": "bg pl ru uk",
    "Japonic": "ja",
    "Kartvelian": "ka",
    "Koreanic": "ko",
    "Kra-Dai": "th",
    "Niger-Congo": "sw wo yo",
    "Quechuan": "qu",
    "Sino-Tibetan": "my zh",
    "Turkic": "az kk tr",
    "Uralic": "et fi hu",
}
"""As in XTREME's table of languages (Hu et al. 2020, table 7) and XTREME-R's (Ruder et al. 2021); Indo-European by branch."""

_SCRIPTS = {
    "Arab": "Arabic",
    "Beng": "Bengali",
    "Cyrl": "Cyrillic",
    "Deva": "Devanagari",
    "Geor": "Georgian",
    "Grek": "Greek",
    "Gujr": "Gujarati",
    "Guru": "Gurmukhi",
    "Hang": "Hangul",
    "Hans": "Chinese",
    "Hebr": "Hebrew",
    "Jpan": "Japanese",
    "Latn": "Latin",
    "Mlym": "Malayalam",
    "Mymr": "Burmese",
    "Taml": "Tamil",
    "Telu": "Telugu",
    "Thai": "Thai",
}
"""Names of ISO 15924's codes, which FLORES-200's end with."""


class LanguageKind(NamedTuple):
    """What a language has in common with others."""

    family: str
    script: str


LANGUAGE_KINDS = {
    language: LanguageKind(family, _SCRIPTS[FLORES[language].partition("_")[2]])
    for family, languages in _FAMILIES.items()
    for language in languages.split()
}
"""Of every language of XTREME and XTREME-R."""


class LanguageGroup(NamedTuple):
    """Some languages and what they have in common."""

    by: Literal["family", "script"]
    name: str
    languages: tuple[str, ...]


def groups_of(languages: Iterable[str]) -> tuple[LanguageGroup, ...]:
    """Families, then scripts, by name; languages that are not in the table are in none."""
    known = [(language, LANGUAGE_KINDS[language]) for language in languages if language in LANGUAGE_KINDS]
    families, scripts = dict[str, list[str]](), dict[str, list[str]]()
    for language, kind in known:
        families.setdefault(kind.family, []).append(language)
        scripts.setdefault(kind.script, []).append(language)
    return (
        *(LanguageGroup("family", name, tuple(sorted(members))) for name, members in sorted(families.items())),
        *(LanguageGroup("script", name, tuple(sorted(members))) for name, members in sorted(scripts.items())),
    )
