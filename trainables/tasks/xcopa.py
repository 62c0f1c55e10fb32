"""XCOPA: COPA in eleven languages, parallel by id (Ponti et al. 2020; CC BY 4.0).

As in XTREME-R the question is asked in English, and the training set is English COPA's.
"""

from trainables.task import FileSource, HubSource, Split, Task
from trainables.tasks.copa import read_files, read_row

FILES: dict[Split, str] = {"dev": "val.{language}.jsonl", "test": "test.{language}.jsonl"}

TASK = Task(
    version=1,
    kind="multiple_choice",
    num_options=2,
    languages=("et", "ht", "id", "it", "qu", "sw", "ta", "th", "tr", "vi", "zh"),
    metrics=("accuracy",),
    train_on="copa",
    hub=HubSource(
        path="cambridgeltl/xcopa",
        revision="042f78955ba48e6404616762fa6e05e839c3907a",
        config="{language}",
        splits={"dev": "validation", "test": "test"},
        read=read_row,
    ),
    files=tuple(
        FileSource(paths={split: (f"{folder}/{name}",) for split, name in FILES.items()}, read=read_files)
        for folder in ("xcopa/data/{language}", "xcopa")
    ),
)
