"""Cases of the task whose data may not be passed on: made-up sentences in the published formats."""

import json

from tests.trainables.task_cases.case import Case
from trainables.examples import Sentence
from trainables.task import Split

AUTO_TRAIN = r"""ID=wsj_0201.1 PARSER=GOLD NUMPARSE=1
(<T S[dcl] 0 2> (<T S[dcl] 1 2> (<T NP 0 1> (<L N NNS NNS Cats N>) ) (<L S[dcl]\NP VBP VBP sleep S[dcl]\NP_7>) ) (<L . . . . .>) )
ID=wsj_0201.2 PARSER=GOLD NUMPARSE=1
(<T NP 0 1> (<T N 1 2> (<L N/N JJ JJ Big N_73/N_73>) (<L N NNS NNS dogs N>) ) )
"""
AUTO_OTHER = "ID=wsj_{}.1 PARSER=GOLD NUMPARSE=1\n(<T NP 1 2> (<L NP[nb]/N DT DT The NP[nb]_1/N_1>) (<L N NN NN end N>) )\n"
ARTICLES = "ccg/ccgbank_1_1/data/AUTO"
CCG_RELEASE = {
    f"{ARTICLES}/02/wsj_0201.auto": AUTO_TRAIN,
    f"{ARTICLES}/02/wsj_0202.auto": AUTO_OTHER.format("0202"),
    **{f"{ARTICLES}/{section:02}/wsj_{section:02}01.auto": AUTO_OTHER.format(f"{section:02}01") for section in (0, *range(3, 22), 23)},
}
CCG_JIANT = {
    "ccg/ccg.train": "Cats sleep .\tN S[dcl]\\NP .\nBig dogs\tN/N N\n",
    "ccg/ccg.dev": "The end\tNP[nb]/N N\n",
    "ccg/tags_to_id.json": json.dumps({"N": 0, "S[dcl]\\NP": "1", ".": 2, "NP[nb]/N": 4, "N/N": 3}),
}

CASES = [
    Case(
        "ccg",
        "train",
        "en",
        CCG_JIANT,
        [Sentence("0", ("Cats", "sleep", "."), ("N", "S[dcl]\\NP", ".")), Sentence("1", ("Big", "dogs"), ("N/N", "N"))],
    ),
    Case("ccg", "dev", "en", CCG_RELEASE, [Sentence("wsj_0001.1", ("The", "end"), ("NP[nb]/N", "N"))]),
    Case(
        "ccg",
        "train",
        "en",
        CCG_RELEASE,
        [
            Sentence("wsj_0201.1", ("Cats", "sleep", "."), ("N", "S[dcl]\\NP", ".")),
            Sentence("wsj_0201.2", ("Big", "dogs"), ("N/N", "N")),
            Sentence("wsj_0202.1", ("The", "end"), ("NP[nb]/N", "N")),
            *(Sentence(f"wsj_{section:02}01.1", ("The", "end"), ("NP[nb]/N", "N")) for section in range(3, 22)),
        ],
    ),
]

COUNTS: dict[tuple[str, Split], dict[str, int]] = {}
