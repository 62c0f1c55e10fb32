"""What a stage computes, down to whatever can change a reported digit; its key is the hash of exactly this."""

from functools import cached_property
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from trainables.keys import content_key
from trainables.layers import PATTERN


class Record(BaseModel):
    """A frozen record that knows all its fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class DataSpec(Record):
    """Some examples of one task in one language."""

    task: str
    task_version: int
    split: str
    """`train`, `dev` or `test`, perhaps with a slice of it in the order of the files: `dev[:9000]`, `train[90%:]`."""
    language: str
    num_examples: int | None
    """A random subset, the same for every seed and nested in every larger one; None takes all."""
    source: str
    """`generated`, `hub:<path>@<revision>`, `files:<hash of their bytes>`, `parts:<hash of the parts' sources>`, or `stage:<key>` of the
    stage that made them out of others: then `split` is those others', slice and all."""

    @property
    def stage(self) -> str | None:
        """The key of the stage that made them, if one did."""
        return self.source.removeprefix(STAGE_SOURCE) if self.source.startswith(STAGE_SOURCE) else None


STAGE_SOURCE = "stage:"


class HubEncoder(Record):
    """Weights on the Hugging Face hub."""

    hub: str
    revision: str


class FolderEncoder(Record):
    """Weights in a local folder, known by their content; where the folder lies is not part of any spec."""

    folder_hash: str


class StageEncoder(Record):
    """Weights that another stage makes."""

    stage: str
    """The key of that stage."""


EncoderRef = HubEncoder | FolderEncoder | StageEncoder

LayersTrained = Annotated[str, Field(pattern=f"^({PATTERN})$")]
Unfreezing = Literal["at_once", "gradual"]
Precision = Literal["float32", "bfloat16"]
Form = Literal["generated", "scored"]
"""How a text-to-text model is asked: it writes a label's words, or the likelihoods of all labels' words are compared."""
Versions = tuple[tuple[str, str], ...]
"""Library and version, for each library that can change a digit."""


class _StageSpec(Record):
    code_version: int
    """Raised when the code of this kind of stage computes something else."""
    versions: Versions

    @cached_property
    def key(self) -> str:
        """`<kind>-<16 hex of sha256 of the canonical JSON of its content>`."""
        return content_key(type(self).kind_name, self.content())

    def content(self) -> dict[str, object]:
        """What the key is made of: all fields, but no `form` that is None, so that what was made before there were forms is found."""
        fields = self.model_dump(mode="json")
        return {name: value for name, value in fields.items() if (name, value) != ("form", None)}

    kind_name: ClassVar[str]


class InitSpec(_StageSpec):
    """A random encoder, with a tokenizer trained on given text."""

    kind_name: ClassVar[str] = "init"
    kind: Literal["init"]
    family: str
    hidden_size: Annotated[int, Field(gt=0)]
    num_layers: Annotated[int, Field(gt=0)]
    num_heads: Annotated[int, Field(gt=0)]
    intermediate_size: Annotated[int, Field(gt=0)]
    max_positions: Annotated[int, Field(gt=0)]
    dropout: Annotated[float, Field(ge=0, lt=1)]
    vocabulary_size: Annotated[int, Field(gt=8)]
    tokenizer_text: tuple[DataSpec, ...]
    """The examples whose text the tokenizer is trained on; any kind of task."""
    seed: int


class MixtureTask(Record):
    """One task of a mixture: what it trains on, and what selects the checkpoint."""

    train: DataSpec
    dev: tuple[DataSpec, ...]
    """Source-language examples, or those of several languages where an oracle selects; empty if the task takes no part in selection."""
    weight: Annotated[float, Field(gt=0)]
    """Of the task; used by the `weights` sampler alone."""
    share: Annotated[float, Field(gt=0, lt=1)] | None
    """Of all steps, for the task; the tasks without one have the other steps, as the sampler says."""


class TrainSpec(_StageSpec):
    """Training of an encoder and a fresh head a task: intermediate, target, mixture and masked-language-model training alike."""

    kind_name: ClassVar[str] = "train"
    kind: Literal["train"]
    family: str
    encoder: EncoderRef
    mixture: Annotated[tuple[MixtureTask, ...], Field(min_length=1)]
    sampler: Literal["proportional", "uniform", "weights"]
    """How the task of each optimizer step is drawn: by number of examples, equally, or by `weight`. A task's languages share its
    steps by size."""
    examples_cap: Annotated[int, Field(gt=0)] | None
    """The `proportional` sampler counts no more examples than this of any task."""
    temperature: Annotated[float, Field(gt=0)]
    """The `proportional` sampler draws by the number of examples to the power of its inverse: 1 as it is, larger ones nearer to equal."""
    layers_trained: LayersTrained
    """`all`, `head`, `no_embeddings`, `bias_norm`, `top_K`, `frozen_K` or `lora_K`: see `trainables.layers`."""
    layer_decay: Annotated[float, Field(gt=0, le=1)]
    """The factor between the learning rates of a layer and of the one above it; 1 gives all the same."""
    unfreezing: Unfreezing
    """`gradual` trains the heads alone at first, then one layer more from the top at equal intervals up to half of the steps."""
    learning_rate: Annotated[float, Field(gt=0)]
    batch_size: Annotated[int, Field(gt=0)]
    """Sequences an optimizer step, over all workers; for multiple choice, questions."""
    epochs: Annotated[float, Field(gt=0)] | None
    """Passes over the mixture's examples; exactly one of `epochs` and `steps` is given."""
    steps: Annotated[int, Field(gt=0)] | None
    warmup_fraction: Annotated[float, Field(ge=0, le=1)]
    """Share of all steps over which the learning rate climbs; it then falls linearly to zero."""
    weight_decay: Annotated[float, Field(ge=0)]
    max_grad_norm: Annotated[float, Field(gt=0)]
    max_length: Annotated[int, Field(gt=2)]
    """Tokens a sequence, special tokens included."""
    precision: Precision
    num_evals: Annotated[int, Field(ge=0)]
    """Dev evaluations, equally spaced, the last one at the end: the rungs of pruning."""
    keep: Literal["best", "last"]
    """Which checkpoint is published: the best dev score's or the last."""
    patience: Annotated[int, Field(gt=0)] | None
    """Dev evaluations without a gain after which training stops; None never stops."""
    seed: int
    form: Form | None = None
    """Of a text-to-text model, how dev examples are answered; None trains heads."""


Pooling = Literal["mean", "first"]
Similarity = Literal["cosine", "dot"]
Margin = Literal["none", "ratio", "distance"]


class RetrievalProtocol(Record):
    """How sentences are embedded and matched."""

    layer: int
    """Index into the hidden states: 0 is the embeddings' output, -1 the last layer."""
    pooling: Pooling
    """The mean over all tokens, special ones included, or the first token."""
    similarity: Similarity
    margin: Margin
    """What a similarity is set against: nothing, or by ratio or distance the mean similarity of both sides' nearest neighbours."""
    neighbours: Annotated[int, Field(gt=0)]
    """How many neighbours that mean is over, and how many are looked at for the best margin."""


class EvaluateSpec(_StageSpec):
    """One encoder, with the head of its training, on one task in every language."""

    kind_name: ClassVar[str] = "evaluate"
    kind: Literal["evaluate"]
    family: str
    encoder: EncoderRef
    task: str
    head: str | None
    """The task whose head is used: the one that was trained (`mnli` for `xnli`); None for retrieval."""
    data: Annotated[tuple[DataSpec, ...], Field(min_length=1)]
    """The scored examples, one entry a language."""
    threshold_data: tuple[DataSpec, ...]
    """Mined pairs: the examples that choose the threshold, one entry a language; else empty."""
    max_length: Annotated[int, Field(gt=2)]
    precision: Precision
    retrieval: RetrievalProtocol | None
    """None for tasks that train a head."""
    form: Form | None = None
    """Of a text-to-text model, how it is asked; None asks a head."""


class Architecture(Record):
    """The shape of an encoder, whatever its weights are: where these cannot matter, all encoders of one shape share a key."""

    hidden_size: Annotated[int, Field(gt=0)]
    num_layers: Annotated[int, Field(gt=0)]
    num_heads: Annotated[int, Field(gt=0)]
    intermediate_size: Annotated[int, Field(gt=0)]
    max_positions: Annotated[int, Field(gt=0)]
    vocabulary_size: Annotated[int, Field(gt=8)]


MIN_BLOCKS = 6
"""With fewer, a test over blocks has no 95% interval."""

Length = Literal["text"] | Annotated[int, Field(gt=2)]


class BenchmarkSpec(_StageSpec):
    """Latency, throughput and memory of inference: of two arms in turn, or of one architecture.

    What it measures depends on the machine too, which its manifest names.
    """

    kind_name: ClassVar[str] = "benchmark"
    kind: Literal["benchmark"]
    family: str
    arms: Annotated[tuple[EncoderRef | Architecture, ...], Field(min_length=1, max_length=2)]
    """The first is what the second is compared with."""
    task: str | None
    """Whose texts are read; None for an architecture, which reads tokens drawn at random."""
    head: str | None
    """The task whose head is used; None stops at the last hidden states."""
    data: tuple[DataSpec, ...]
    """One entry a language; empty for an architecture."""
    max_length: Annotated[int, Field(gt=2)]
    """Tokens of a text that is as long as it is, special ones included."""
    batch_sizes: Annotated[tuple[Annotated[int, Field(gt=0)], ...], Field(min_length=1)]
    lengths: Annotated[tuple[Length, ...], Field(min_length=1)]
    """`text`: the examples of `data` as they are; a number: their text, cut into sequences of exactly so many tokens."""
    precisions: Annotated[tuple[Precision, ...], Field(min_length=1)]
    blocks: Annotated[int, Field(ge=MIN_BLOCKS)]
    """Rounds in each of which all arms are loaded anew: what a comparison counts as independent."""
    repetitions: Annotated[int, Field(gt=0, multiple_of=2)]
    """Times of each setting in a block."""
    warmup: Annotated[int, Field(ge=0)]
    """Untimed passes before them."""
    num_threads: Annotated[int, Field(gt=0)]
    on_gpu: bool
    seed: int
    form: Form | None = None
    """As in an evaluation."""

    @property
    def longest(self) -> int:
        """Tokens of the longest sequence that can come up."""
        return max(self.max_length if length == "text" else length for length in self.lengths)


class TranslationModel(Record):
    """A sequence-to-sequence model, and how it writes one language in another."""

    model: HubEncoder | FolderEncoder
    source_code: str | None
    """Of the language that it reads, in the model's own words (`eng_Latn`); None for a model of one pair of languages."""
    target_code: str | None
    """Of the language that it writes, set as the first token."""
    prefix: str
    """Put before every text, as T5's families are told what to do; else empty."""
    num_beams: Annotated[int, Field(gt=0)]
    """1 is greedy."""
    max_length: Annotated[int, Field(gt=2)]
    """Tokens of a text, read or written; what is cut is counted."""
    batch_size: Annotated[int, Field(gt=0)]
    precision: Precision


class Translate(Record):
    """Text fields are translated, labels kept."""

    method: Literal["translate"]
    forth: TranslationModel


class BackTranslate(Record):
    """Text fields are translated into another language and back (Sennrich et al. 2016), labels kept."""

    method: Literal["back_translate"]
    forth: TranslationModel
    back: TranslationModel


class WordList(Record):
    """The bilingual dictionary of one language."""

    language: str
    source: str
    """`files:<hash of its bytes>` or `url:<where it is published>`."""


class CodeSwitch(Record):
    """A share of the words replaced by dictionary translations, as in CoSDA-ML (Qin et al. 2020); labels kept."""

    method: Literal["code_switch"]
    dictionaries: Annotated[tuple[WordList, ...], Field(min_length=1)]
    share: Annotated[float, Field(gt=0, le=1)]
    """Of the words that a dictionary has, the expected part that is replaced."""
    drawn_per: Literal["word", "text"]
    """Whether each replaced word or each whole text draws a language."""
    seed: int


class Generate(Record):
    """Written by a causal language model that is shown labelled examples of the source and asked for another one of a label."""

    method: Literal["generate"]
    model: HubEncoder | FolderEncoder
    num_examples: Annotated[int, Field(gt=0)]
    """Asked for; what cannot be read is dropped and counted."""
    num_shown: Annotated[int, Field(gt=0)]
    """Source examples in each prompt, drawn for each anew."""
    instruction: str
    """Stands before them; may be empty."""
    temperature: Annotated[float, Field(gt=0)]
    top_p: Annotated[float, Field(gt=0, le=1)]
    max_length: Annotated[int, Field(gt=2)]
    """New tokens."""
    batch_size: Annotated[int, Field(gt=0)]
    precision: Precision
    seed: int


class SynthesizeSpec(_StageSpec):
    """Examples made out of others: translated, code-switched or written by a model."""

    kind_name: ClassVar[str] = "synthesize"
    kind: Literal["synthesize"]
    made_from: DataSpec
    """The labelled examples that others are made of; for `generate`, those that prompts may show."""
    language: str
    """Of what is made."""
    by: Annotated[Translate | BackTranslate | CodeSwitch | Generate, Field(discriminator="method")]


class TransferSpec(_StageSpec):
    """How well an encoder's vectors explain the classes of a task that it is not trained on."""

    kind_name: ClassVar[str] = "transfer"
    kind: Literal["transfer"]
    family: str
    encoder: EncoderRef
    data: Annotated[tuple[DataSpec, ...], Field(min_length=1, max_length=1)]
    """Training examples of the task."""
    num_units: Annotated[int, Field(gt=0)]
    """At most: sequences, or questions of multiple choice, evenly spaced."""
    max_length: Annotated[int, Field(gt=2)]
    precision: Precision


Spec = InitSpec | TrainSpec | EvaluateSpec | BenchmarkSpec | SynthesizeSpec | TransferSpec


def parents_of(spec: Spec) -> tuple[str, ...]:
    """Keys of the stages whose files a stage reads, each once: those of its encoders, and those that made its examples."""
    encoders: tuple[EncoderRef | Architecture, ...] = ()
    if isinstance(spec, (TrainSpec, EvaluateSpec, TransferSpec)):
        encoders = (spec.encoder,)
    elif isinstance(spec, BenchmarkSpec):
        encoders = spec.arms
    made = [data.stage for data in data_of(spec) if data.stage is not None]
    return tuple(dict.fromkeys([*(encoder.stage for encoder in encoders if isinstance(encoder, StageEncoder)), *made]))


def data_of(spec: Spec) -> tuple[DataSpec, ...]:
    """The examples that a stage reads."""
    if isinstance(spec, InitSpec):
        return spec.tokenizer_text
    if isinstance(spec, TrainSpec):
        return tuple(data for entry in spec.mixture for data in (entry.train, *entry.dev))
    return (spec.made_from,) if isinstance(spec, SynthesizeSpec) else spec.data


class Job(Record):
    """A spec and where things are on this run: what a worker is handed. Nothing here but the spec enters a key."""

    spec: Annotated[Spec, Field(discriminator="kind")]
    store: str
    """URI or path of the artifact store."""
    cache: str
    """Local folder for prepared data, shared by the stages of one machine."""
    data: str | None
    """Folder of published files; None reads from the hub."""
    encoder_folder: str | None
    """Where the folder of a `FolderEncoder` lies."""
    places: tuple[tuple[str, str], ...] = ()
    """Content hash and path, of the folders and files that examples are made with."""
    num_threads: Annotated[int, Field(gt=0)]
    num_workers: Annotated[int, Field(gt=0)]
    fewest_workers: Annotated[int, Field(gt=0)] | None = None
    """That it makes do with; None if it needs all."""
    is_sharded: bool = False
    """Whether several workers hold the weights that they train in parts, rather than whole on each."""
    use_gpu: bool
    gpu_share: Annotated[float, Field(gt=0)] = 1.0
    """GPUs that each worker holds; others may hold the rest of one."""
    stop_below: tuple[float | None, ...]
    """For each dev evaluation, the score under which this trial is pruned; empty prunes nothing."""
    checkpoint_every_s: Annotated[float, Field(gt=0)]
    """Seconds between progress checkpoints."""

    @property
    def num_devices(self) -> float:
        """What all workers hold together: GPUs, or CPU threads where they use none."""
        return self.num_workers * (self.gpu_share if self.use_gpu else self.num_threads)
