"""Languages in families and scripts."""

from trainables.language_kinds import LANGUAGE_KINDS, groups_of
from trainables.language_sets import LANGUAGE_SETS


def test_every_language_of_the_benchmarks_has_a_family_and_a_script():
    scored = {language for each in LANGUAGE_SETS.values() for languages in each.languages.values() for language in languages}
    assert scored <= {*LANGUAGE_KINDS}
    assert {LANGUAGE_KINDS[language].script for language in ("sw", "zh", "ur", "hi")} == {"Latin", "Chinese", "Arabic", "Devanagari"}


def test_a_language_that_is_not_known_is_in_no_group():
    found = groups_of(["sw", "qaa", "de"])
    assert [(group.by, group.name, group.languages) for group in found] == [
        ("family", "Germanic", ("de",)),
        ("family", "Niger-Congo", ("sw",)),
        ("script", "Latin", ("de", "sw")),
    ]
