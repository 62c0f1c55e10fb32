"""Which examples a study trains on, selects on and scores: names in the study become DataSpecs, by content."""

import functools
from collections.abc import Iterable, Mapping
from pathlib import Path

from sweeps.references import NO_DEV, Reference, parse_reference
from sweeps.results import ORACLE
from sweeps.study import Study, StudyError, TaskUse
from trainables.language_sets import default_languages, languages_in
from trainables.origins import available_languages, data_source
from trainables.specs import DataSpec, MixtureTask
from trainables.task import TASKS


class StudyData:
    """The examples of one study, from the folder of published files, or from the hub where that is None."""

    def __init__(self, study: Study, folder: Path | None) -> None:
        self._study = study
        self._folder = folder
        self._spec = functools.cache(self._data_spec)

    def mixture(self, tasks: Mapping[str, TaskUse]) -> tuple[MixtureTask, ...]:
        """What some tasks train on together, one entry for each language of each."""
        return tuple(entry for task, use in tasks.items() for entry in self._task_entries(task, use))

    def target_mixture(self, target: str, variant: str) -> MixtureTask:
        """What a target trains on in the source language, and what selects its point and checkpoint."""
        train_task, train_split = self.trained_on(target)
        return MixtureTask(
            train=self._spec(train_task, train_split, self._source_language(train_task), self._study.targets[target].num_examples),
            dev=self._oracle_dev(target) if variant == ORACLE else self._source_dev(target, train_task),
            weight=1.0,
            share=None,
        )

    def trained_on(self, target: str) -> Reference:
        """The training examples of a target: by default those of the task that it trains on by convention."""
        given = self._study.targets[target].train
        return parse_reference(given or f"{TASKS.load(target).train_on or target}/train", target)

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

    def _in_languages(self, target: str, task: str, split: str, place: str) -> tuple[DataSpec, ...]:
        try:
            return tuple(self._spec(task, split, language, None) for language in self.languages(target))
        except StudyError as error:
            raise StudyError(f"{place}: {error}") from None

    def _task_entries(self, task: str, use: TaskUse) -> Iterable[MixtureTask]:
        train_task, train_split = parse_reference(use.train, task)
        languages = self._languages(f"tasks.{task}", train_task, train_split, use.languages)
        source = self._source_language(train_task)
        for language in languages:
            has_dev = language == (source if source in languages else languages[0])
            dev = self._mixture_dev(task, use.dev) if has_dev else ()
            train = self._spec(train_task, train_split, language, use.num_examples)
            yield MixtureTask(train=train, dev=dev, weight=use.weight, share=use.share)

    def _mixture_dev(self, task: str, reference: str | None) -> tuple[DataSpec, ...]:
        """In the source language, whatever a task trains in."""
        default_task = TASKS.load(task).translated_from or task
        if reference == NO_DEV or (reference is None and not TASKS.load(default_task).has_split("dev")):
            return ()
        dev_task, dev_split = parse_reference(reference or "dev", default_task)
        return (self._spec(dev_task, dev_split, self._source_language(dev_task), None),)

    def _source_dev(self, target: str, train_task: str) -> tuple[DataSpec, ...]:
        default = target if self._has_source_dev(target) else train_task
        task, split = parse_reference(self._study.targets[target].dev or f"{default}/dev", target)
        return (self._spec(task, split, self._source_language(task), None),)

    def _has_source_dev(self, target: str) -> bool:
        task = TASKS.load(target)
        return task.has_split("dev") and self._source_language(target) in task.languages

    def _oracle_dev(self, target: str) -> tuple[DataSpec, ...]:
        task, split = parse_reference(self._study.targets[target].dev or "dev", target)
        known = available_languages(task, split, self._folder)
        languages = [language for language in self.languages(target) if language in known]
        if not languages:
            raise StudyError(f"targets.{target}.selection: no scored language has {task}/{split}, which an oracle selects on")
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
            raise StudyError(f"{place}.languages: no language of {task} has a {split!r} split in the data folder {self._folder}")
        return found

    def _data_spec(self, task: str, split: str, language: str, num_examples: int | None) -> DataSpec:
        try:
            source = data_source(task, split, language, self._folder)
        except ValueError as error:
            raise StudyError(str(error)) from None
        return DataSpec(
            task=task, task_version=TASKS.load(task).version, split=split, language=language, num_examples=num_examples, source=source
        )
