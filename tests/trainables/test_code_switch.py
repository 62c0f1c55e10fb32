"""Code-switching replaces whole words by dictionary translations, moves answers with them, and is a function of the example alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainables.code_switch import replaced, switch_words, word_spans
from trainables.dictionaries import fetch_dictionary, read_dictionary
from trainables.examples import Answer, Choice, Question, Sentence, Text
from trainables.specs import CodeSwitch, WordList

WORDS = ("the", "dog", "Dog", "runs", "(fast)", "well-known", "1957.", "“cat”", "no", "—")
GERMAN = {"dog": ("hund",), "runs": ("läuft", "rennt"), "fast": ("schnell",), "cat": ("katze",), "the": ("der",)}
SWAHILI = {"dog": ("mbwa",), "no": ("hapana",), "cat": ("paka mdogo",)}
DICTIONARIES = {"de": GERMAN, "sw": SWAHILI}
KNOWN = {word for dictionary in DICTIONARIES.values() for word in dictionary}

texts = st.lists(st.sampled_from(WORDS), min_size=1, max_size=12).map(" ".join)
ids = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=5)


def switch(share: float = 0.5, drawn_per: str = "word", seed: int = 0) -> CodeSwitch:
    lists = tuple(WordList(language=language, source=f"files:{language}") for language in DICTIONARIES)
    return CodeSwitch.model_validate({"method": "code_switch", "dictionaries": lists, "share": share, "drawn_per": drawn_per, "seed": seed})


def translations(word: str, *languages: str) -> set[str]:
    return {each for language in languages or DICTIONARIES for each in DICTIONARIES[language].get(word.lower(), ())}


@given(ids, texts)
def test_all_words_that_a_dictionary_has_are_replaced_at_a_share_of_one_and_nothing_else(example_id, text):
    made, num_words, num_replaced = switch_words(Text(example_id, text, None, "yes"), switch(share=1.0), DICTIONARIES)
    words = [text[start:end] for start, end in word_spans(text)]
    assert (made.id, made.pair, made.label) == (example_id, None, "yes")
    assert (num_words, num_replaced) == (len(words), sum(word.lower() in KNOWN for word in words))
    assert text.count(" ") == made.text.count(" ") - made.text.lower().count("paka mdogo")
    for before, after in zip(text.split(" "), made.text.replace("aka mdogo", "aka_mdogo").split(" "), strict=True):
        core = before.strip("(“”).")
        if core.lower() in KNOWN:
            assert after.replace("_", " ").strip("(“”).").lower() in translations(core)
            assert (before[0], before[-1]) == (after[0], after[-1]) or before.isalpha(), "punctuation stays"
            assert core[0].isupper() == after.strip("(“”).")[0].isupper()
        else:
            assert after == before


@given(ids, texts, st.integers(0, 3))
def test_a_smaller_share_replaces_a_part_of_the_same_words_by_the_same_translations(example_id, text, seed):
    example = Sentence(example_id, tuple(text.split()), None)
    small, large = (switch_words(example, switch(share, seed=seed), DICTIONARIES).example.words for share in (0.3, 0.8))
    assert all(one in (before, other) for before, one, other in zip(example.words, small, large, strict=True))


@given(ids, texts, texts, st.data())
def test_answers_stay_where_their_words_are(example_id, question, context, data):
    spans = [sorted(data.draw(st.tuples(*[st.integers(0, len(context))] * 2).filter(lambda ends: ends[0] != ends[1]))) for _ in range(2)]
    answers = tuple(Answer(context[start:end], start) for start, end in spans)
    example = Question(example_id, question, context, answers)
    made = switch_words(example, switch(share=1.0), DICTIONARIES).example
    assert len(made.answers) == 2
    for before, after in zip(answers, made.answers, strict=True):
        assert after.text
        assert made.context[after.start : after.start + len(after.text)] == after.text
        # what stands before and in the answer became what stands before and in it now
        inner = [word for word in before.text.split() if word.strip("(“”).").lower() not in KNOWN and word in WORDS]
        assert all(word in after.text for word in inner)


def test_an_answer_s_words_are_translated_and_its_place_follows():
    context = "The dog runs (fast) in 1957."
    example = Question("q", "no", context, (Answer("runs (fast)", 8), Answer("og", 5)))
    made = switch_words(example, switch(share=1.0), {"de": GERMAN}).example
    assert made.context.startswith("Der dog "), "dog stays: an answer ends inside it"
    assert made.context.endswith("(schnell) in 1957.")
    assert made.answers[0].text.split()[1] == "(schnell)"
    assert made.answers[1] == Answer("og", 5)


@given(ids, texts)
def test_tags_keep_their_words(example_id, text):
    words = tuple(word.strip("(“”).") for word in text.split())
    tags = tuple(f"T{number}" for number, _ in enumerate(words))
    made = switch_words(Sentence(example_id, words, tags), switch(share=1.0), DICTIONARIES).example
    assert made.tags == tags
    assert len(made.words) == len(words)
    assert not any(" " in word for word in made.words), "a translation of two words has no tag for the second"


def test_every_field_draws_for_itself_and_every_seed_anew():
    text = " ".join(["dog"] * 40)
    choice = Choice("c", text, (text, text), 1)
    made = switch_words(choice, switch(), DICTIONARIES).example
    assert len({made.prompt, *made.options}) == 3
    assert made.label == 1
    other = switch_words(choice, switch(seed=1), DICTIONARIES).example
    assert other.prompt != made.prompt
    assert switch_words(choice, switch(), DICTIONARIES).example == made


@pytest.mark.parametrize(("drawn_per", "num_languages"), [("word", {2}), ("text", {1})])
def test_a_language_is_drawn_for_each_word_or_for_each_text(drawn_per, num_languages):
    text = " ".join(["dog"] * 60)
    for number in range(5):
        made = switch_words(Text(str(number), text, None, "a"), switch(0.9, drawn_per), DICTIONARIES).example.text
        assert len({*made.split()} - {"dog"}) in num_languages


def test_about_the_share_is_replaced():
    made = switch_words(Text("x", " ".join(["dog"] * 4000), None, "a"), switch(0.3), DICTIONARIES)
    assert made.num_replaced / made.num_words == pytest.approx(0.3, abs=0.03)


def test_dictionaries_are_read_as_muse_writes_them(tmp_path):
    path = tmp_path / "en-de.txt"
    path.write_text("Dog hund\nthe\tder\nthe\tdie\nthe\tder\nice cream\tEis am Stiel\n")
    assert read_dictionary(path) == {"dog": ("hund",), "the": ("der", "die"), "ice cream": ("Eis am Stiel",)}


def test_a_word_alone_is_passed_over_in_a_published_dictionary(tmp_path):
    path = tmp_path / "en-de.txt"
    path.write_text("dog hund\ncat\n")
    assert read_dictionary(path, is_published=True) == {"dog": ("hund",)}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("dog hund\ncat\n", ":2: expected a word and its translation, separated by a tab or a space, found 'cat'"),
        ("the\t\n", ":1: expected"),
        ("a b c\n", ":1: expected"),
        ("", ": expected a word and its translation a line, found none"),
    ],
)
def test_a_broken_dictionary_says_where(tmp_path, text, message):
    (tmp_path / "en-de.txt").write_text(text)
    with pytest.raises(ValueError, match=r"en-de\.txt") as raised:
        read_dictionary(tmp_path / "en-de.txt")
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_published_dictionary_is_fetched_once(tmp_path):
    (tmp_path / "en-de.txt").write_text("dog hund\n")
    url = (tmp_path / "en-de.txt").as_uri()
    path = fetch_dictionary(url, tmp_path / "cache")
    (tmp_path / "en-de.txt").unlink()
    assert read_dictionary(fetch_dictionary(url, tmp_path / "cache")) == read_dictionary(path) == {"dog": ("hund",)}
    with pytest.raises(ValueError, match=r"en-sw\.txt: .*fetch it yourself"):
        fetch_dictionary((tmp_path / "en-sw.txt").as_uri(), tmp_path / "cache")


@given(texts)
def test_replacing_nothing_changes_nothing(text):
    assert replaced(text, []) == text
