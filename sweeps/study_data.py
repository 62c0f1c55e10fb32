"""Which examples a study trains on, selects on and scores: names in the study become DataSpecs, by content."""

import functools
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from sweeps.references import NO_DEV, Reference, parse_reference, trained_on
from sweeps.sizes import too_large
from sweeps.study import Study, StudyError
from sweeps.study_training import TaskUse
from sweeps.synthetic_data import SyntheticData
from trainables.language_sets import default_languages, languages_in
from trainables.origins import NeedsFilesError, available_languages, data_source
from trainables.specs import DataSpec, MixtureTask
from trainables.task import TASKS


@contextmanager
def _at(beginning: str) -> Iterator[None]:
    """Puts its place in the study before a StudyError."""
    try:
        yield
    except StudyError as error:
        raise StudyError(f"{beginning}{error}") from None


ABSENT = "absent"
"""The source of examples that are planned with before their files are given."""


class StudyData:
    """The examples of one study, from the folder of published files, or from the hub where that is None.

    Examples that need files are then an error, or, where nothing is to be run, are noted in `absent`.
    """

    def __init__(self, study: Study, folder: Path | None, synthetic: SyntheticData, needs_files: bool = True) -> None:
        self._study = study
        self._folder = folder
        self._synthetic = synthetic
        self._needs_files = needs_files
        self.absent: dict[str, None] = {}
        """What is missing, a sentence each, in the order in which it was met."""
        self._spec = functools.cache(self._data_spec)

    def mixture(self, tasks: Mapping[str, TaskUse]) -> tuple[MixtureTask, ...]:
        """What some tasks train on together, one entry for each language of each."""
        return tuple(entry for task, use in tasks.items() for entry in self._task_entries(task, use))

    def texts(self, tasks: Mapping[str, TaskUse]) -> tuple[DataSpec, ...]:
        """The training examples of some tasks, one entry for each language of each, as text to make a tokenizer of."""
        return tuple(data for task, use in tasks.items() for data in self._task_training(task, use))

    def check(self) -> None:
        """A StudyError that begins with its place in the study for examples that are not there."""
        for place, mixture in self._study.mixtures().items():
            with _at(f"{place}.tasks."):
                self.mixture(mixture.tasks)
        for name, model in self._study.models.items():
            with _at(f"models.{name}.random.tokenizer_text."):
                self.texts(model.random.tokenizer_text if model.random else {})

    def substitutes(self) -> tuple[str, ...]:
        """A sentence for each task that lacks the source language and stands in with another one."""
        used = [data for mixture in self._study.mixtures().values() for data in self._in_source_language(mixture.tasks)]
        for target, settings in self._study.targets.items():
            if TASKS.load(target).kind != "retrieval":
                entry = self.target_mixture(target, None, is_oracle=settings.selection == ("oracle",))
                used += [entry.train, *(entry.dev if "source" in settings.selection else ())]
        wanted = self._study.source_language
        return tuple(
            dict.fromkeys(
                f"{data.task} has no examples in the source language, {wanted}; those in {data.language} are used."
                for data in used
                if data.language != wanted
            )
        )

    def _in_source_language(self, tasks: Mapping[str, TaskUse]) -> Iterable[DataSpec]:
        """What a mixture uses in the source language, or in another one for want of it."""
        for task, use in tasks.items():
            for entry in self._task_entries(task, use):
                is_in_source = use.languages == "source" and use.synthetic is None
                yield from ((entry.train,) if is_in_source else ()) + entry.dev

    def target_mixture(self, target: str, num_examples: int | None, is_oracle: bool) -> MixtureTask:
        """What a target trains on in the source language, and what selects its point and checkpoint.

        `num_examples` is the study's own number where it is None.
        """
        train_task, train_split = self.trained_on(target)
        number = num_examples or self._study.targets[target].num_examples
        with _at(f"targets.{target}.train: "):
            train = self._spec(train_task, train_split, self._source_language(train_task), number)
        return MixtureTask(
            train=train,
            dev=self._oracle_dev(target, train.language) if is_oracle else self._source_dev(target, train_task),
            weight=1.0,
            share=None,
        )

    def trained_on(self, target: str) -> Reference:
        """The training examples of a target."""
        return trained_on(target, self._study.targets[target].train)

    def scored(self, target: str) -> tuple[DataSpec, ...]:
        """What a target is scored on, one entry a language."""
        return self._in_languages(target, target, self._study.targets[target].test, f"targets.{target}.test")

    def threshold(self, target: str) -> tuple[DataSpec, ...]:
        """Where pairs are mined, what sets the threshold of each language; else nothing."""
        if not TASKS.load(target).is_mining:
            return ()
        task, split = parse_reference(self._study.targets[target].dev or "dev", target)
        return self._in_languages(target, task, split, f"targets.{target}.dev")

    def languages(self, target: str) -> tuple[str, ...]:
        """The languages that a target is scored in."""
        settings = self._study.targets[target]
        known = TASKS.load(target).languages
        match settings.languages:
            case "xtreme" | "xtreme-r" as set_name:
                chosen = languages_in(set_name, target)
                return tuple(language for language in known if language in chosen)
            case None:
                return default_languages(target, known)
            case "available":
                return default_languages(target, self._languages(f"targets.{target}", target, settings.test, "available"))
            case wanted:
                return self._languages(f"targets.{target}", target, settings.test, wanted)

    def benchmarked_languages(self, target: str) -> tuple[str, ...]:
        """The scored languages of a target that the benchmark names, or all; a StudyError if the target has none of the named ones."""
        scored = self.languages(target)
        wanted = self._study.benchmark.languages if self._study.benchmark is not None else None
        found = tuple(language for language in scored if wanted is None or language in wanted)
        if not found:
            raise StudyError(f"benchmark.languages: {target} is scored in none of {', '.join(wanted or ())}; its: {', '.join(scored)}")
        return found

    def _in_languages(self, target: str, task: str, split: str, place: str) -> tuple[DataSpec, ...]:
        with _at(f"{place}: "):
            return tuple(self._spec(task, split, language, None) for language in self.languages(target))

    def _task_entries(self, task: str, use: TaskUse) -> Iterable[MixtureTask]:
        training = self._task_training(task, use)
        languages = [data.language for data in training]
        source = self._source_language(training[0].task)
        selects = languages.index(source) if source in languages else 0
        for place, train in enumerate(training):
            dev = self._mixture_dev(task, use.dev) if place == selects else ()
            yield MixtureTask(train=train, dev=dev, weight=use.weight, share=use.share)

    def _task_training(self, task: str, use: TaskUse) -> tuple[DataSpec, ...]:
        train_task, train_split = parse_reference(use.train, task)
        languages = self._languages(task, train_task, train_split, use.languages)
        with _at(f"{task}.train: "):
            if use.synthetic is None:
                return tuple(self._spec(train_task, train_split, language, use.num_examples) for language in languages)
            source = self._spec(train_task, train_split, languages[0], None)
        num_human = round((use.synthetic.human_share or 0) * (use.num_examples or 0))
        num_made = None if use.num_examples is None else use.num_examples - num_human
        with _at(f"{task}.synthetic."):
            if use.synthetic.human_share is not None and not (num_human and num_made):
                raise StudyError(f"human_share: {use.synthetic.human_share:g} of {use.num_examples} examples leaves none of one kind")
            made = self._synthetic.made(source, use.synthetic, num_made)
        with _at(f"{task}.train: "):
            return (self._spec(train_task, train_split, languages[0], num_human), *made) if num_human else made

    def _mixture_dev(self, task: str, reference: str | None) -> tuple[DataSpec, ...]:
        """In the source language, whatever a task trains in."""
        default_task = TASKS.load(task).translated_from or task
        if reference == NO_DEV or (reference is None and not TASKS.load(default_task).has_split("dev")):
            return ()
        dev_task, dev_split = parse_reference(reference or "dev", default_task)
        with _at(f"{task}.dev: "):
            return (self._spec(dev_task, dev_split, self._source_language(dev_task), None),)

    def _source_dev(self, target: str, train_task: str) -> tuple[DataSpec, ...]:
        default = target if self._has_source_dev(target) else train_task
        task, split = parse_reference(self._study.targets[target].dev or f"{default}/dev", target)
        with _at(f"targets.{target}.dev: "):
            return (self._spec(task, split, self._source_language(task), None),)

    def _has_source_dev(self, target: str) -> bool:
        task = TASKS.load(target)
        return task.has_split("dev") and self._source_language(target) in task.languages

    def _oracle_dev(self, target: str, trained: str) -> tuple[DataSpec, ...]:
        """The dev examples of the scored languages; of one beside `trained` at least, for an oracle knows what transfer does not."""
        task, split = parse_reference(self._study.targets[target].dev or "dev", target)
        known = available_languages(task, split, self._folder)
        languages = [language for language in self.languages(target) if language in known]
        if not languages:
            raise StudyError(f"targets.{target}.selection: no scored language has {task}/{split}, which an oracle selects on")
        if languages == [trained]:
            raise StudyError(
                f"targets.{target}.selection: of the scored languages only {trained}, the one of training, has {task}/{split}, so there is "
                "no oracle; name a dev in other languages, or select on source"
            )
        return tuple(self._spec(task, split, language, None) for language in languages)

    def _source_language(self, task: str) -> str:
        wanted = self._study.source_language
        return wanted if wanted in TASKS.load(task).languages else TASKS.load(task).source_language

    def _languages(self, place: str, task: str, split: str, wanted: str | tuple[str, ...]) -> tuple[str, ...]:
        if isinstance(wanted, tuple):
            return wanted
        if wanted == "source" and TASKS.load(task).translated_from is not None:
            raise StudyError(f"{place}.languages: {task} is translated; name languages of it, or all, or available")
        if wanted == "source":
            return (self._source_language(task),)
        if wanted == "all":
            return TASKS.load(task).languages
        found = available_languages(task, split, self._folder)
        if not found:
            where = "there is no data folder; give it as --data" if self._folder is None else f"the data folder {self._folder} has none"
            raise StudyError(f"{place}.languages: available, of {task} with a {split!r} split, but {where}")
        return found

    def _data_spec(self, task: str, split: str, language: str, num_examples: int | None) -> DataSpec:
        try:
            source = data_source(task, split, language, self._folder)
        except NeedsFilesError as error:
            if self._needs_files:
                raise StudyError(str(error)) from None
            self.absent[str(error)] = None
            source = ABSENT
        except ValueError as error:
            raise StudyError(str(error)) from None
        data = DataSpec(
            task=task, task_version=TASKS.load(task).version, split=split, language=language, num_examples=num_examples, source=source
        )
        if (problem := too_large(data)) is not None:
            raise StudyError(problem)
        return data
