"""What others wrote is read: a study, a model's folder, a store, data. Nothing of it is run, and nothing outside is touched."""

import hashlib
import json
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

import trainables.pocket
from sweeps.collect import collect, verify
from sweeps.opened import open_study
from sweeps.study import StudyError
from sweeps.study_file import load_study
from sweeps.submit import package_of
from tests.sweeps.test_collect import publish
from trainables.benchmark_stage import Source
from trainables.data import load_examples
from trainables.example_file import FILE, read_example_file
from trainables.feature_file import read_prepared
from trainables.manifest import Manifest
from trainables.model import load_encoder
from trainables.origins import data_source
from trainables.overlap import keep_text_hashes, load_text_hashes
from trainables.specs import DataSpec
from trainables.stage import _tokenizer
from trainables.store import LostArtifactError, Store
from trainables.task import TASKS

ENCODER = Path(trainables.pocket.__file__ or "").parent / "encoder"
STUDY = """
name: hostile
source_language: qaa
models: {pocket: {family: xlm_roberta, folder: pocket}}
intermediates: {pocket_flavour_class: {}}
targets: {pocket_retrieval: {test: "test[:50]", languages: [qab]}}
target_training: {max_length: 64}
"""


class Planted:
    """Makes a file where it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self._trace = trace

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (str(self._trace),)


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    """What code that was run would make."""
    return tmp_path / "trace"


@pytest.fixture
def encoder(tmp_path: Path) -> Path:
    """A folder that a hostile file can be put into."""
    shutil.copytree(ENCODER, tmp_path / "pocket")
    return tmp_path / "pocket"


def open_hostile(folder: Path, text: str) -> str:
    """Plans a study; returns the one line of the error that it must be."""
    path = folder / "study.yaml"
    path.write_text(text)
    with pytest.raises(StudyError) as raised:
        open_study(path, folder / "home", None)
    message = str(raised.value)
    assert len(message.splitlines()) == 1
    return message


@pytest.mark.parametrize(
    "name",
    ["!!python/object/apply:os.mkdir [{trace}]", "!!python/name:os.system", "!!python/module:os", "!!python/object/new:os.mkdir []"],
)
def test_a_study_makes_no_object(tmp_path: Path, trace: Path, name: str) -> None:
    message = open_hostile(tmp_path, STUDY.replace("name: hostile", f"name: {name.format(trace=trace)}"))
    assert message.startswith("study.yaml, line 2: could not determine a constructor")
    assert not trace.exists()


@pytest.mark.usefixtures("encoder")
@pytest.mark.parametrize(
    ("written", "hostile", "said"),
    [
        ("name: hostile", "name: ../../escaped", "name: '../../escaped' may hold only"),
        ("name: hostile", "name: /tmp/escaped", "name: '/tmp/escaped' may hold only"),
        ("{pocket: {", '{"../pocket": {', "models: '../pocket' may hold only"),
        (
            "intermediates: {pocket_flavour_class: {}}",
            "intermediates: {../x: {tasks: [pocket_flavour_class]}}",
            "intermediates: '../x' may",
        ),
        ("{pocket_retrieval: ", "{../../escaped: ", "unknown task '../../escaped'"),
        ("{pocket_retrieval: ", "{os: ", "unknown task 'os'"),
        ("xlm_roberta", "../../os", "unknown"),
        ("languages: [qab]", "languages: [../../../escaped]", "'../../../escaped' is no code of a language"),
        ("folder: pocket", "hub: ../../escaped", "models.pocket.hub: '../../escaped' is no name on the hub"),
        ("folder: pocket", "hub: /etc", "models.pocket.hub: '/etc' is no name on the hub"),
        ("target_training:", "search: {space: ../../escaped}\ntarget_training:", "unknown search space '../../escaped'"),
        ("target_training:", "published: ../../escaped\ntarget_training:", "'../../escaped'"),
        ("target_training:", "axes: {a: {../../b: {target_training: {epochs: 1}}}}\ntarget_training:", "axes.a: '../../b' may hold only"),
        ("folder: pocket", "folder: /etc", "/etc holds no config.json"),
    ],
)
def test_a_name_in_a_study_is_no_path(tmp_path: Path, written: str, hostile: str, said: str) -> None:
    before = sorted(tmp_path.rglob("*"))
    assert written in STUDY
    assert said in open_hostile(tmp_path, STUDY.replace(written, hostile))
    assert sorted(set(tmp_path.rglob("*")) - set(before)) == [tmp_path / "study.yaml"] or "holds no config.json" in said


def test_anchors_of_anchors_fill_no_memory(tmp_path: Path) -> None:
    bomb = "a0: &a0 [x, x]\n" + "".join(f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]\n" for level in range(1, 12))
    assert "with what its anchors stand for it has more than 100,000 values" in open_hostile(tmp_path, bomb + STUDY)
    assert "line 1: found unconstructable recursive node" in open_hostile(tmp_path, "a: &a [*a]\n" + STUDY)


def plant_code(encoder: Path, trace: Path, file: str, model_type: str = "xlm-roberta") -> None:
    """A folder whose configuration says that its classes are in a file beside it."""
    (encoder / "planted.py").write_text(f"import os\nos.mkdir({str(trace)!r})\n")
    content = json.loads((encoder / file).read_text())
    names = {"AutoConfig": "planted.Planted", "AutoModel": "planted.Planted", "AutoTokenizer": ["planted.Planted", "planted.Planted"]}
    (encoder / file).write_text(json.dumps(content | {"auto_map": names, "model_type": model_type, "tokenizer_class": "Planted"}))


@pytest.mark.parametrize("file", ["config.json", "tokenizer_config.json"])
def test_code_beside_a_model_is_refused(tmp_path: Path, encoder: Path, trace: Path, file: str) -> None:
    plant_code(encoder, trace, file)
    assert f"{file} names Python code of its own, which is never run" in open_hostile(tmp_path, STUDY)
    assert not trace.exists()


@pytest.mark.parametrize("model_type", ["planted", "xlm-roberta"])
def test_code_beside_a_model_is_not_run_by_workers_either(encoder: Path, trace: Path, model_type: str) -> None:
    """As of a model on the hub, whose files planning does not see; nobody is asked."""
    for file in ("config.json", "tokenizer_config.json"):
        plant_code(encoder, trace, file, model_type)
    for read in (load_encoder, lambda folder: _tokenizer(Source(str(folder), None))):
        if model_type == "planted":
            with pytest.raises(ValueError, match="custom code"):
                read(encoder)
        else:
            read(encoder)
    assert not trace.exists()


def test_pickled_weights_run_nothing(encoder: Path, trace: Path) -> None:
    (encoder / "model.safetensors").unlink()
    torch.save({"embeddings.word_embeddings.weight": Planted(trace)}, encoder / "pytorch_model.bin")
    with pytest.raises((pickle.UnpicklingError, OSError)):
        load_encoder(encoder)
    assert not trace.exists()


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("model.safetensors.index.json", {"weight_map": {"w": "../../elsewhere.safetensors"}}, "names '../../elsewhere.safetensors'"),
        ("model.safetensors.index.json", {"weight_map": {"w": ["/etc/passwd"]}}, "names ['/etc/passwd']"),
        ("adapter_config.json", {"base_model_name_or_path": "/elsewhere"}, "holds an adapter"),
        ("config.json", ["no object"], "holds no JSON object"),
    ],
)
def test_a_model_does_not_leave_its_folder(tmp_path: Path, encoder: Path, file: str, content: object, said: str) -> None:
    (encoder / file).write_text(json.dumps(content))
    assert said in open_hostile(tmp_path, STUDY)


def test_a_link_out_of_a_folder_does_not_travel(tmp_path: Path, encoder: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (encoder / "notes.txt").symlink_to(tmp_path / "secret")
    path = tmp_path / "study.yaml"
    path.write_text(STUDY)
    with pytest.raises(StudyError, match=r"notes.txt is a link that leads out of its folder, to .*/secret; put the file there itself"):
        package_of(load_study(path), path)


@pytest.fixture(params=["path", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "path":
        return Store(str(tmp_path / "store"), tmp_path / "cache")
    return Store(request.getfixturevalue("bucket"), tmp_path / "cache")


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """A file of the user's that has nothing to do with the store."""
    (tmp_path / "victim").mkdir()
    (tmp_path / "victim" / "weights").write_bytes(b"precious")
    return tmp_path / "victim" / "weights"


def with_changes(store: Store, manifest: Manifest, **changes: object) -> None:
    """Writes a manifest as somebody else may."""
    store.files.write(f"manifests/{manifest.key}.json", json.dumps(manifest.model_dump(mode="json") | changes).encode())


@pytest.mark.parametrize("leaves", ["attempt", "absolute attempt", "file", "absolute file"])
def test_a_manifest_names_nothing_outside_its_folder(store: Store, tmp_path: Path, victim: Path, leaves: str) -> None:
    manifest = publish(store, tmp_path / "files", "train-1", 1.0)
    record = {"sha256": hashlib.sha256(victim.read_bytes()).hexdigest(), "num_bytes": victim.stat().st_size}
    up = f"{'../' * 12}{str(victim.parent)[1:]}"
    match leaves:
        case "attempt":
            with_changes(store, manifest, attempt=up, files=[{"path": "weights", **record}])
        case "absolute attempt":
            with_changes(store, manifest, attempt=str(victim.parent), files=[{"path": "weights", **record}])
        case "file":
            with_changes(store, manifest, files=[{"path": f"{up}/weights", **record}])
        case "absolute file":
            with_changes(store, manifest, files=[{"path": str(victim), **record}])
    with pytest.raises(LostArtifactError, match="train-1 has no files"):
        store.fetch("train-1")
    assert store.drop_files("train-1") == 0
    collect(store, 0, is_dry=False)
    assert victim.read_bytes() == b"precious"
    assert [line.split(":")[0] for line in verify(store)] == ["train-1"]
    assert store.keys() == frozenset()
    assert victim.read_bytes() == b"precious"
    assert list(victim.parent.iterdir()) == [victim]


def test_deleting_follows_no_link(tmp_path: Path, victim: Path) -> None:
    store = Store(str(tmp_path / "store"), tmp_path / "cache")
    done, linked = (publish(store, tmp_path / "files", key, 1.0) for key in ("train-1", "train-2"))
    root = tmp_path / "store"
    shutil.rmtree(root / "artifacts" / "train-2")
    for place in ("artifacts/train-2", "artifacts/evil", "artifacts/train-1/evil", "progress/train-1"):
        (root / place).parent.mkdir(exist_ok=True)
        (root / place).symlink_to(victim.parent)
    (root / "artifacts" / "file").symlink_to(victim)
    (victim.parent / linked.attempt).mkdir()
    (victim.parent / linked.attempt / "weights").write_bytes(b"precious too")
    store.clear_progress("train-1")
    store.drop_files("train-2")
    collect(store, 0, is_dry=False)
    store.drop_files(done.key)
    assert victim.read_bytes() == b"precious"
    assert (victim.parent / linked.attempt / "weights").read_bytes() == b"precious too"
    assert [path for path in root.rglob("*") if path.is_symlink()] == [], "the links themselves are gone"


@pytest.mark.parametrize("place", ["artifacts/train-1", "progress/train-1"])
def test_nothing_is_written_through_a_link(tmp_path: Path, victim: Path, place: str) -> None:
    store = Store(str(tmp_path / "store"), tmp_path / "cache")
    (tmp_path / "store" / place).parent.mkdir(exist_ok=True)
    (tmp_path / "store" / place).symlink_to(victim.parent)
    with pytest.raises(OSError, match=r"leads out of .*; delete it"):
        store.progress_folder("train-1") if place.startswith("progress") else publish(store, tmp_path / "files", "train-1", 1.0)
    assert list(victim.parent.iterdir()) == [victim]


def test_a_store_whose_folders_its_owner_put_elsewhere_is_as_any(tmp_path: Path) -> None:
    (tmp_path / "large" / "artifacts").mkdir(parents=True)
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "artifacts").symlink_to(tmp_path / "large" / "artifacts")
    store = Store(str(tmp_path / "store"), tmp_path / "cache")
    publish(store, tmp_path / "files", "train-1", 1.0)
    assert store.fetch("train-1").is_dir()
    assert collect(store, None, is_dry=False).freed_bytes == 0
    assert list(verify(store)) == []


def test_a_column_of_an_arrow_file_makes_no_object(tmp_path: Path, trace: Path) -> None:
    """pyarrow once unpickled types that a file names."""
    pickled = {b"ARROW:extension:name": b"arrow.py_extension_type", b"ARROW:extension:metadata": pickle.dumps(Planted(trace))}
    fields = [pa.field(name, pa.string(), metadata=pickled) for name in ("id", "text", "pair", "label")]
    table = pa.table([["0"], ["a"], ["b"], ["c"]], schema=pa.schema(fields, metadata={"record": "Text"}))
    pq.write_table(table, tmp_path / FILE)
    assert [example.id for example in read_example_file(tmp_path / FILE)] == ["0"]
    with pa.ipc.new_file(tmp_path / "features.arrow", table.schema) as writer:
        writer.write_table(table)
    with pytest.raises(KeyError, match="prepared"):
        read_prepared(tmp_path / "features.arrow")
    assert not trace.exists()


def test_hashes_hold_no_object(tmp_path: Path, trace: Path) -> None:
    data = DataSpec(task="pawsx", task_version=1, split="dev", language="en", num_examples=None, source="files:0")
    keep_text_hashes(data, [], tmp_path)
    (path,) = (tmp_path / "texts").iterdir()
    with path.open("wb") as file:
        np.savez(file, whole=np.array([Planted(trace)], dtype=object))
    with pytest.raises(ValueError, match="allow_pickle"):
        load_text_hashes(data, None, tmp_path)
    assert not trace.exists()


HOSTILE_TEXTS = (
    *("{{ 7 * 7 }}", "__import__('os').system('true')", "!!python/object/apply:os.mkdir [x]", "=HYPERLINK(1)", "../../etc/passwd"),
    *("<script>alert(1)</script>", "%s %n ${HOME} $(id) `id`", r"\input{/etc/passwd}"),
)


def test_texts_of_data_files_are_texts(tmp_path: Path) -> None:
    folder = tmp_path / "pawsx" / "x-final" / "en"
    folder.mkdir(parents=True)
    rows = [f"{place}\t{text}\t{text}\t1" for place, text in enumerate(HOSTILE_TEXTS)]
    (folder / "dev_2k.tsv").write_text("\n".join(["id\tsentence1\tsentence2\tlabel", *rows]) + "\n")
    spec = DataSpec(
        task="pawsx", task_version=TASKS.load("pawsx").version, split="dev", language="en", num_examples=None,
        source=data_source("pawsx", "dev", "en", tmp_path),
    )  # fmt: skip
    found = load_examples(spec, tmp_path).examples
    assert [example.text for example in found] == list(HOSTILE_TEXTS)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pawsx"]
