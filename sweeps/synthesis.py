"""How a study makes examples out of others: what stands under `synthetic` of a task in a mixture."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from sweeps.study_values import hub_name, language_code, languages_or
from trainables.specs import Precision, Record

Languages = Annotated[tuple[str, ...], BeforeValidator(languages_or()), Field(min_length=1)]

LANGUAGE = "{language}"
"""Stands in a model's name for a language, where each pair of languages has a model."""

MUSE_DICTIONARIES = "muse"
"""The dictionaries that are published under that name, rather than a folder."""


class _Synthesis(Record):
    num_examples: Annotated[int, Field(gt=0)] | None = None
    """Of the source, a nested subset that examples are made of; by default all. For `generate`, how many are asked for."""
    human_share: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Of the task's `num_examples`, the part that stays as it was written, and is the beginning of the same nested subsets."""


class _ByModel(_Synthesis):
    hub: Annotated[str, Field(min_length=1), AfterValidator(hub_name)] | None = None
    revision: str = "main"
    folder: Annotated[str, Field(min_length=1)] | None = None
    """Relative to the study file."""
    batch_size: Annotated[int, Field(gt=0)] = 32
    precision: Precision = "float32"
    max_length: Annotated[int, Field(gt=2)] = 256
    """Tokens of a text that is read or written; what is cut is counted."""

    @model_validator(mode="after")
    def _one_origin(self) -> "_ByModel":
        if (self.hub is None) == (self.folder is None):
            raise ValueError("give exactly one of hub and folder, the model that writes")
        if "revision" in self.model_fields_set and self.hub is None:
            raise ValueError(f"revision: {self.revision!r}, but only a model from the hub has revisions; leave it out")
        return self

    @property
    def name(self) -> str:
        """On the hub, or of the folder."""
        return self.hub or self.folder or ""


class _Translating(_ByModel):
    codes: Literal["flores", "iso", "none"] | None = None
    """What the model calls a language: `flores` (`deu_Latn`, as NLLB does), `iso` (`de`, as M2M100 does), or nothing, where a model is of
    one pair of languages. By default `none` where the name has `{language}`, else `flores`."""
    prefix: str = ""
    """Put before every text, with `{language}` for the language that is wanted, as T5's families are told."""
    num_beams: Annotated[int, Field(gt=0)] = 1
    """1 is greedy."""

    @property
    def coded(self) -> Literal["flores", "iso", "none"]:
        """How languages are told to the model."""
        return self.codes or ("none" if LANGUAGE in self.name or self.prefix else "flores")


class Translate(_Translating):
    """A translation into each of some languages, as large as the source each."""

    method: Literal["translate"]
    languages: Languages

    @model_validator(mode="after")
    def _one_language_a_model(self) -> "Translate":
        if self.coded == "none" and LANGUAGE not in self.name + self.prefix and len(self.languages) > 1:
            raise ValueError(
                f"languages: {len(self.languages)}, but {self.name} is told none; write {LANGUAGE} in its name or prefix, or give codes"
            )
        return self


class BackTranslate(_Translating):
    """A translation into a pivot language and back, as large as the source."""

    method: Literal["back_translate"]
    pivot: Annotated[str, AfterValidator(language_code)]
    back: str | None = None
    """The model that translates back, on the hub or a folder as the first; by default the first."""

    @model_validator(mode="after")
    def _both_ways(self) -> "BackTranslate":
        if self.back is None and self.coded == "none" and LANGUAGE not in self.prefix:
            raise ValueError(f"back: {self.name} translates one way; name the model that translates back")
        if self.back is not None and self.hub is not None:
            hub_name(self.back)
        return self


class CodeSwitch(_Synthesis):
    """The source with some of its words in other languages, as large as the source."""

    method: Literal["code_switch"]
    dictionary: Annotated[str, Field(min_length=1)]
    """A folder, relative to the study file, that holds `<source>-<language>.txt` with a word and its translation a line; or `muse` for
    those that are published."""
    languages: Languages
    share: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Of the words that a dictionary has, the expected part that is replaced."""
    drawn_per: Literal["word", "text"] = "word"
    """Whether each replaced word or each whole text draws a language."""
    seed: int = 0


class Generate(_ByModel):
    """Examples that a causal language model writes after it was shown some of the source."""

    method: Literal["generate"]
    num_examples: Annotated[int, Field(gt=0)]
    """Asked for; what cannot be read is dropped and counted."""
    num_shown: Annotated[int, Field(gt=0)] = 4
    """Source examples of the wanted label in each prompt."""
    pool: Annotated[int, Field(gt=0)] = 64
    """Source examples that prompts may show: all that this method knows of the source."""
    instruction: str = ""
    """Stands before them."""
    temperature: Annotated[float, Field(gt=0)] = 1.0
    top_p: Annotated[float, Field(gt=0, le=1)] = 0.95
    seed: int = 0


Synthesis = Annotated[Translate | BackTranslate | CodeSwitch | Generate, Field(discriminator="method")]

METHODS: dict[str, type[Record]] = {
    "translate": Translate,
    "back_translate": BackTranslate,
    "code_switch": CodeSwitch,
    "generate": Generate,
}

KINDS = {
    "translate": ("classification", "multiple_choice", "span_qa"),
    "back_translate": ("classification", "multiple_choice", "span_qa"),
    "code_switch": ("classification", "multiple_choice", "span_qa", "tagging"),
    "generate": ("classification", "multiple_choice", "span_qa"),
}
"""Tasks whose labels a method can keep: a translation moves words away from their tags."""
