"""A benchmark's scores as text for the terminal."""

from rich.console import Group
from rich.table import Table
from rich.text import Text

from sweeps.benchmarks import GROUPS, benchmark_tasks
from sweeps.report.wording import count
from sweeps.score import BenchmarkScore, TaskScore
from trainables.catalogue import listed


def terminal_scores(score: BenchmarkScore) -> Group:
    """Tasks with every language, then the means over groups of tasks, then what was left out."""
    return Group(_tasks(score), _means(score), *(Text(note, style="dim") for note in _notes(score)))


def _tasks(score: BenchmarkScore) -> Table:
    table = Table(title=Text(f"{score.benchmark}: percent by task and language"), title_justify="left")
    for name in ("task", "metric"):
        table.add_column(name, no_wrap=True)
    table.add_column("mean", justify="right", no_wrap=True)
    table.add_column("by language", overflow="fold")
    for task, found in score.tasks.items():
        for number, metric in enumerate(found.metrics):
            is_last = number == len(found.metrics) - 1
            table.add_row(
                task if number == 0 else "", metric, f"{found.average(metric):.2f}", _languages(found, metric), end_section=is_last
            )
    return table


def _languages(found: TaskScore, metric: str) -> Text:
    return Text(" ".join(f"{code}={score.metrics[metric]:.2f}" for code, score in found.languages.items()))


def _means(score: BenchmarkScore) -> Table:
    table = Table(title=Text("means over tasks"), title_justify="left")
    table.add_column("group", no_wrap=True)
    table.add_column("mean", justify="right", no_wrap=True)
    table.add_column("of", overflow="fold")
    for task, found in score.tasks.items():
        table.add_row(task, f"{found.average_metric:.2f}", _what_stands_for(found))
    table.add_section()
    for group, tasks in {**GROUPS[score.benchmark], "all_task": benchmark_tasks(score.benchmark)}.items():
        lacking = [task for task in tasks if task not in score.tasks]
        mean = f"{score.means[group]:.2f}" if not lacking else "missing"
        table.add_row(group, mean, f"for want of {', '.join(lacking)}" if lacking else ", ".join(tasks))
    return table


def _what_stands_for(found: TaskScore) -> str:
    metric = "exact_match and f1" if "exact_match" in found.metrics else found.metrics[0]
    num_examples = sum(one.num_examples for one in found.languages.values())
    return f"{metric}, {count(len(found.languages), 'language')}, n = {num_examples:,}"


def _notes(score: BenchmarkScore) -> list[str]:
    counted = [
        f"{place}: {number:,} of {score.tasks[task].languages[language].num_examples:,} {what}"
        for what, numbers in (
            ("are not predicted and count as wrong", score.unanswered),
            ("have a blank gold answer, which only an answer without a word matches", score.blank),
        )
        for place, number in numbers.items()
        for task, language in [place.split("/")]
    ]
    reasons = dict.fromkeys(score.not_scored.values())
    not_scored = [f"not scored, {one}: {', '.join(name for name, why in score.not_scored.items() if why == one)}" for one in reasons]
    ignored = [f"not read, for {score.benchmark} has no such file: {listed(score.ignored)}"] if score.ignored else []
    return counted + not_scored + ignored
