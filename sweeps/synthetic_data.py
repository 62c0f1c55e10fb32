"""Which stages make a study's synthetic examples: from what stands in the study to specs, models and dictionaries known by content."""

import functools
import hashlib
from collections.abc import Iterable
from pathlib import Path

from sweeps.model_folder import folder_hash
from sweeps.study import StudyError
from sweeps.synthesis import LANGUAGE, MUSE_DICTIONARIES, BackTranslate, CodeSwitch, Generate, Synthesis, Translate
from trainables import specs
from trainables.catalogue import did_you_mean
from trainables.dictionaries import read_dictionary
from trainables.language_codes import FLORES, MUSE, MUSE_URL
from trainables.specs import STAGE_SOURCE, DataSpec, FolderEncoder, HubEncoder, Spec, SynthesizeSpec, TranslationModel, Versions, data_of

SYNTHESIZE_VERSION = 1
"""Raised when the same spec makes other examples."""


class SyntheticData:
    """The synthetic examples of one study; `base` is the folder that its relative paths start from."""

    def __init__(self, base: Path, versions: Versions) -> None:
        self._base = base
        self._versions = versions
        self._stages: dict[str, SynthesizeSpec] = {}
        self.places: dict[str, str] = {}
        """By content hash, where the folders of models and the files of dictionaries lie."""
        self._word_list = functools.cache(self._read_word_list)
        self._model = functools.cache(self._find_model)

    def made(self, source: DataSpec, synthesis: Synthesis, num_examples: int | None) -> tuple[DataSpec, ...]:
        """What is made of `source`, one entry a language; `num_examples` of each, or all."""
        limit = synthesis.num_examples
        if num_examples is not None and limit is not None and num_examples > limit:
            raise StudyError(f"num_examples: {limit}, but {num_examples} are to be trained on; make as many at least")
        return tuple(
            DataSpec(
                task=source.task,
                task_version=source.task_version,
                split=source.split,
                language=spec.language,
                num_examples=num_examples,
                source=f"{STAGE_SOURCE}{spec.key}",
            )
            for spec in self._specs(source, synthesis)
        )

    def stages(self, spec: Spec) -> tuple[SynthesizeSpec, ...]:
        """The stages that make examples which a stage reads, each once."""
        return tuple(self._stages[key] for key in dict.fromkeys(data.stage for data in data_of(spec)) if key is not None)

    def origin(self, data: DataSpec) -> DataSpec:
        """The examples that synthetic ones are made of, as many as are trained on; any others are their own origin."""
        if data.stage is None:
            return data
        spec = self._stages[data.stage]
        if spec.by.method == "generate" or data.num_examples is None:
            return spec.made_from
        return spec.made_from.model_copy(update={"num_examples": data.num_examples})

    def _specs(self, source: DataSpec, synthesis: Synthesis) -> Iterable[SynthesizeSpec]:
        if isinstance(synthesis, (Translate, CodeSwitch)) and source.language in synthesis.languages:
            raise StudyError(f"languages: {source.language!r} is the language of {source.task} itself; leave it out")
        match synthesis:
            case Translate():
                for language in synthesis.languages:
                    forth = self._translation(synthesis, synthesis.name, "languages", source.language, language, language)
                    yield self._spec(source, synthesis.num_examples, language, specs.Translate(method="translate", forth=forth))
            case BackTranslate():
                there, here = synthesis.pivot, source.language
                if there == here:
                    raise StudyError(f"pivot: {there!r} is the language of {source.task} itself; name another one")
                both = specs.BackTranslate(
                    method="back_translate",
                    forth=self._translation(synthesis, synthesis.name, "pivot", here, there, there),
                    back=self._translation(synthesis, synthesis.back or synthesis.name, "pivot", there, here, there),
                )
                yield self._spec(source, synthesis.num_examples, here, both)
            case CodeSwitch():
                lists = tuple(self._word_list(synthesis.dictionary, source.language, language) for language in synthesis.languages)
                switch = specs.CodeSwitch(
                    method="code_switch", dictionaries=lists, share=synthesis.share, drawn_per=synthesis.drawn_per, seed=synthesis.seed
                )
                yield self._spec(source, synthesis.num_examples, source.language, switch)
            case Generate():
                settings = synthesis.model_dump(exclude={"hub", "revision", "folder", "pool", "human_share"})
                model = self._model("folder", synthesis.name, None if synthesis.hub is None else synthesis.revision)
                yield self._spec(source, synthesis.pool, source.language, specs.Generate(model=model, **settings))

    def _spec(
        self,
        source: DataSpec,
        num_examples: int | None,
        language: str,
        by: specs.Translate | specs.BackTranslate | specs.CodeSwitch | specs.Generate,
    ) -> SynthesizeSpec:
        spec = SynthesizeSpec(
            kind="synthesize",
            code_version=SYNTHESIZE_VERSION,
            versions=() if by.method == "code_switch" else self._versions,  # words are words, whichever the libraries
            made_from=DataSpec.model_validate({**dict(source), "num_examples": num_examples}),
            language=language,
            by=by,
        )
        return self._stages.setdefault(spec.key, spec)

    def _translation(
        self, settings: Translate | BackTranslate, name: str, field: str, source: str, target: str, of_name: str
    ) -> TranslationModel:
        """How texts are translated from `source` to `target`, by the model whose name is for the language `of_name`."""
        codes = {language: _code(field, language, settings.coded) for language in (source, target)}
        return TranslationModel(
            model=self._model("folder", name.replace(LANGUAGE, of_name), None if settings.hub is None else settings.revision),
            source_code=codes[source],
            target_code=codes[target],
            prefix=settings.prefix.replace(LANGUAGE, target),
            num_beams=settings.num_beams,
            max_length=settings.max_length,
            batch_size=settings.batch_size,
            precision=settings.precision,
        )

    def _find_model(self, field: str, name: str, revision: str | None) -> HubEncoder | FolderEncoder:
        """On the hub if it has a revision, else a folder, whose place is kept."""
        if revision is not None:
            return HubEncoder(hub=name, revision=revision)
        folder = (self._base / name).resolve()
        found = folder_hash(field, folder)
        self.places[found] = str(folder)
        return FolderEncoder(folder_hash=found)

    def _read_word_list(self, dictionary: str, source: str, language: str) -> specs.WordList:
        if dictionary == MUSE_DICTIONARIES:
            if source != "en" or language not in MUSE:
                raise StudyError(f"languages: muse has no dictionary from {source} to {language!r}{did_you_mean(language, MUSE)}")
            return specs.WordList(language=language, source=f"url:{MUSE_URL.format(source=source, language=language)}")
        path = (self._base / dictionary).resolve() / f"{source}-{language}.txt"
        if not path.is_file():
            raise StudyError(f"dictionary: there is no {path}, a word and its translation a line; put it there, or leave out {language!r}")
        try:
            read_dictionary(path)
        except ValueError as error:
            raise StudyError(f"dictionary: {error}") from None
        found = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
        self.places[found] = str(path)
        return specs.WordList(language=language, source=f"files:{found}")


def _code(field: str, language: str, coded: str) -> str | None:
    if coded == "flores" and language not in FLORES:
        raise StudyError(f"{field}: {language!r} has no FLORES-200 code{did_you_mean(language, list(FLORES))}")
    return {"flores": FLORES.get(language), "iso": language}.get(coded)
