"""The evaluation from end to end, on a tiny model and made-up faces."""

import json
import re
import shutil

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from datasets import load_dataset
from PIL import Image

import evaluate
from grefel_hf import GReFELForImageClassification, GReFELImageProcessor
from grefel_train.data.adapters.ferplus import EMOTIONS
from grefel_train.evaluation.collect import EvaluationFaces
from grefel_train.evaluation.corruptions import CORRUPTIONS
from tests.helpers.ferplus_files import write_ferplus
from tests.helpers.launch import run
from tests.helpers.page_driver import browser, find_chromium
from tests.helpers.tiny import LABELS, tiny_config

SIZE = {"height": 64, "width": 64}


@pytest.fixture
def two_disturbances(monkeypatch):
    """Two kinds instead of ten."""
    some = {kind: CORRUPTIONS[kind] for kind in ("blur", "rotation")}
    monkeypatch.setattr("grefel_train.evaluation.robustness.CORRUPTIONS", some)


def save_tiny_model(folder, labels):
    torch.manual_seed(0)
    config = tiny_config(id2label=dict(enumerate(labels)), label2id={name: i for i, name in enumerate(labels)})
    model = GReFELForImageClassification(config)
    with torch.no_grad():  # an untrained model answers nearly the same everywhere
        model.primary_head.output.weight.mul_(15)
        model.attentive_correction.classifier.weight.mul_(15)
    model.save_pretrained(folder)
    GReFELImageProcessor(size=SIZE).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save_tiny_model(tmp_path_factory.mktemp("model"), EMOTIONS)


@pytest.fixture(scope="module")
def ferplus(tmp_path_factory):
    """45 images: 40 have a majority, 5 votes that are split between two emotions; the fourth and fifth are alike."""
    folder = tmp_path_factory.mktemp("ferplus")
    random = np.random.default_rng(0)
    votes = 7 * np.eye(10, dtype=np.int8)[np.arange(45) % 8] + 3 * np.eye(10, dtype=np.int8)[random.integers(0, 8, 45)]
    votes[40:] = 5 * np.eye(10, dtype=np.int8)[0] + 5 * np.eye(10, dtype=np.int8)[3]
    write_ferplus(folder, "validation", votes)
    return folder


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    """An imagefolder of 3 classes by other names, with a group for each image and a gradient for a face."""
    folder = tmp_path_factory.mktemp("faces")
    random = np.random.default_rng(1)
    lines = ["file_name,gender"]
    for name in ("happy", "neutral", "bored"):
        (folder / name).mkdir()
        for number in range(8):
            pixels = random.integers(0, 255, (8, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).resize((70, 80)).save(folder / name / f"{number}.png")
            lines.append(f"{name}/{number}.png,{'fm'[number % 2]}")
    (folder.parent / "groups.csv").write_text("\n".join(lines))
    return folder


def measured(*arguments) -> dict:
    """metrics.json of a run in this process, without what a command line says about itself."""
    args = evaluate.parse_args([*map(str, arguments), "--dataloader_num_workers", "0"])
    metrics, _ = evaluate.evaluate(args, Accelerator())
    assert metrics.pop("processes") == 1
    del metrics["made_with"]
    return metrics


def flat(value, path=""):
    """Figures of nested metrics by their path."""
    if isinstance(value, dict):
        return {k: v for key, item in value.items() for k, v in flat(item, f"{path}/{key}").items()}
    if isinstance(value, list):
        return {k: v for i, item in enumerate(value) for k, v in flat(item, f"{path}/{i}").items()}
    return {path: value}


def assert_same_figures(one: dict, other: dict):
    one, other = flat(one), flat(other)
    assert one.keys() == other.keys()
    for path, value in one.items():
        if isinstance(value, float):
            # Ranks of a random model's entropies, which lie close together, may swap by what floating point leaves
            # open.
            tolerance = 0.02 if "uncertainty_correlation" in path else 1e-5
            assert other[path] == pytest.approx(value, rel=1e-5, abs=tolerance), path
        else:
            assert other[path] == value, path


@pytest.fixture(scope="module")
def reference(model, ferplus):
    return measured("--model", model, "--dataset_dir", ferplus, "--resamples", 30, "--batch_size", 7)


def test_both_protocols_of_ferplus(reference):
    assert reference["protocol"] == "majority" and reference["plain"]["corrected"]["samples"] == 40
    agreement = reference["agreement"]["corrected"]
    assert agreement["samples"] == 45 and agreement["of_labelled"]["samples"] == 40
    assert agreement["of_labelled"]["kl_divergence"] != agreement["kl_divergence"]
    assert agreement["of_labelled"]["accuracy"] == pytest.approx(reference["plain"]["corrected"]["accuracy"])
    support = reference["plain"]["corrected"]["support_by_class"]
    assert list(support) == list(EMOTIONS) and set(support.values()) == {5}
    low, high = reference["plain"]["corrected"]["intervals"]["accuracy"]
    assert low <= reference["summary"]["accuracy"] <= high and low < high
    answers = np.array(reference["plain"]["corrected"]["confusion"]).sum(0)
    assert (answers > 0).sum() > 1, "the test model must not answer the same everywhere"


def test_figures_are_what_model_and_processor_say(model, ferplus, reference):
    network = GReFELForImageClassification.from_pretrained(model).eval()
    processor = GReFELImageProcessor.from_pretrained(model)
    data = load_dataset("parquet", data_files=str(ferplus / "*.parquet"), split="train").select(range(40))
    with torch.no_grad():
        output = network(**processor(list(data["image"]), return_tensors="pt"))
    labels = torch.arange(40) % 8
    plain = reference["plain"]
    for part, logits in (("corrected", output.logits), ("primary", output.primary_logits)):
        assert plain[part]["accuracy"] == pytest.approx((logits.argmax(-1) == labels).float().mean().item(), abs=1e-6)
        confidence = output[f"{part}_confidence"].mean().item()
        assert plain["balancing"]["mean_confidences"][part]["all"] == pytest.approx(confidence, abs=1e-5)


def test_batch_size_and_order_do_not_matter(model, ferplus, reference, tmp_path, two_disturbances):
    data = load_dataset("parquet", data_files=str(ferplus / "*.parquet"), split="train")
    data.shuffle(seed=1).to_parquet(tmp_path / "validation-0.parquet")
    options = ["--model", model, "--resamples", 30]
    other = measured(*options, "--dataset_dir", tmp_path, "--batch_size", 45)
    assert_same_figures(reference, other)
    disturbed = ["--resamples", 0, "--no-mirror", "--robustness", "--robustness_samples", 6]
    one = measured(*options, *disturbed, "--dataset_dir", ferplus, "--batch_size", 4)
    assert_same_figures(one, measured(*options, *disturbed, "--dataset_dir", tmp_path, "--batch_size", 45))


def test_number_of_processes_does_not_matter(model, ferplus, reference, tmp_path):
    file = tmp_path / "metrics.json"
    options = ["--resamples", 30, "--batch_size", 4, "--output", file, "--dataloader_num_workers", 0]
    words = ["train/evaluate.py", "--model", model, "--dataset_dir", ferplus, *options]
    done = run(*words, processes=2)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("45 images") == 1  # the helper process is silent
    other = json.loads(file.read_text())
    assert str(ferplus) not in other.pop("made_with")["command"]
    assert other.pop("processes") == 2
    assert_same_figures(reference, other)


def test_known_duplicates_are_left_out(model, ferplus, tmp_path):
    data = load_dataset("parquet", data_files=str(ferplus / "*.parquet"), split="train")
    features = data.features
    marked = data.map(lambda row, i: {"duplicate_of": "0.png" if i in (8, 16) else None}, with_indices=True)
    marked.cast(features).to_parquet(tmp_path / "validation-0.parquet")
    metrics = measured("--model", model, "--dataset_dir", tmp_path, "--resamples", 0, "--no-mirror")
    assert metrics["plain"]["without_duplicates"]["corrected"]["samples"] == 38
    assert "mirror_averaged" not in metrics and "intervals" not in metrics["plain"]["corrected"]


def test_an_imagefolder_with_other_classes_and_groups(model, faces, tmp_path, capsys, two_disturbances):
    folder = shutil.copytree(faces, tmp_path / "faces")
    shutil.copy(faces / "happy" / "0.png", folder / "neutral" / "copy.png")
    (tmp_path / "groups.csv").write_text((faces.parent / "groups.csv").read_text() + "\nneutral/copy.png,")
    command = ["--model", model, "--validation_dir", folder, "--output_dir", tmp_path / "out"]
    command += ["--dataloader_num_workers", 0, "--resamples", 20, "--no-mirror"]
    with pytest.raises(SystemExit, match="Cannot evaluate.*--label_map"):
        evaluate.main([*map(str, command)])
    options = ["--label_map", "happy=happiness", "bored=", "--metadata_csv"]
    with pytest.raises(SystemExit, match="--metadata_csv .*none.csv is no file"):
        evaluate.main([*map(str, [*command, *options, tmp_path / "none.csv"])])
    options.append(tmp_path / "groups.csv")
    options += ["--group_columns", "gender", "--anchor_gallery", "--robustness", "--robustness_samples", 6]
    evaluate.main([*map(str, command + options)])
    printed = capsys.readouterr().out
    assert "happy -> happiness" in printed and "bored -> left out" in printed
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    corrected = metrics["plain"]["corrected"]
    assert corrected["samples"] == 17 and corrected["support_by_class"]["happiness"] == 8
    assert corrected["recall_by_class"]["fear"] is None
    assert metrics["plain"]["without_duplicates"]["corrected"]["samples"] == 16
    groups = metrics["groups"]["gender"]["corrected"]
    assert {name: group["samples"] for name, group in groups["groups"].items()} == {"(none)": 1, "f": 8, "m": 8}
    assert metrics["robustness"]["samples"] == 6 and len(metrics["robustness"]["by_kind"]["blur"]) == 5
    assert metrics["robustness"]["summary"]["worst"] in metrics["robustness"]["by_kind"]
    assert len(list((tmp_path / "out" / "anchor_gallery").glob("*.png"))) == 8
    check_report(tmp_path / "out")


def check_report(folder):
    """It stands alone, has every figure, also as files, and fits a phone."""
    text = (folder / "report.html").read_text()
    assert not re.search(r"(src|href)=\"(?!#|data:)", text) and "url(http" not in text and "@import" not in text
    names = {file.stem for file in (folder / "figures").glob("*.png")}
    assert {"reliability_corrected", "confusion_primary", "risk_coverage", "embedding", "group_0"} <= names
    assert names == {file.stem for file in (folder / "figures").glob("*.svg")}
    assert text.count("<svg") == len(names)
    executable = find_chromium()
    if executable is None:
        return
    with browser(executable) as chromium:
        for width in (390, 1280):
            page = chromium.new_page(viewport={"width": width, "height": 800})
            messages, requests = [], []
            page.on("pageerror", lambda error, messages=messages: messages.append(str(error)))
            page.on("request", lambda request, requests=requests: requests.append(request.url))
            page.goto((folder / "report.html").as_uri())
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            assert not messages and all(url.startswith(("file:", "data:")) for url in requests)
            page.close()


def test_only_the_classes_that_the_data_shows(model, faces):
    options = ["--model", model, "--validation_dir", faces, "--resamples", 0, "--no-mirror"]
    options += ["--label_map", "happy=happiness", "bored="]
    metrics = measured(*options, "--only_shown_classes")
    assert list(metrics["plain"]["corrected"]["support_by_class"]) == ["neutral", "happiness"]
    answers = np.array(metrics["plain"]["corrected"]["confusion"]).sum()
    assert answers == metrics["plain"]["corrected"]["samples"]
    assert list(metrics["embedding_space"]["anchor_usage"]["images"]) == list(EMOTIONS)


def test_images_of_the_training_split_count_as_duplicates(model, faces, tmp_path):
    for split, names in (("train", ("happy", "neutral")), ("validation", ("happy", "neutral"))):
        for name in names:
            shutil.copytree(faces / name, tmp_path / split / name)
    for file in (tmp_path / "train" / "happy").glob("[3-7].png"):
        Image.open(file).transpose(Image.Transpose.ROTATE_180).save(file)
    options = ["--model", model, "--train_dir", tmp_path / "train", "--validation_dir", tmp_path / "validation"]
    options += ["--label_map", "happy=happiness", "--resamples", 0, "--no-mirror"]
    total = measured(*options)["plain"]["corrected"]["samples"]
    metrics = measured(*options, "--compare_with_training_images")
    assert metrics["plain"]["without_duplicates"]["corrected"]["samples"] == 5 < total


def test_bad_images_are_named_or_left_out(model, faces, tmp_path):
    shutil.copytree(faces / "happy", tmp_path / "happiness")
    shutil.copytree(faces / "neutral", tmp_path / "neutral")
    (tmp_path / "happiness" / "0.png").write_text("no picture")
    options = ["--model", model, "--validation_dir", tmp_path, "--resamples", 0, "--no-mirror"]
    with pytest.raises(ValueError, match="0.png"):
        measured(*options)
    corrected = measured(*options, "--on_bad_image", "skip")["plain"]["corrected"]
    assert corrected["support_by_class"]["happiness"] == 7 and corrected["samples"] == 15


def test_a_model_without_balancing(ferplus, tmp_path):
    config = tiny_config(use_anchors=False, use_attentive_correction=False)
    GReFELForImageClassification(config).save_pretrained(tmp_path)
    GReFELImageProcessor(size=SIZE).save_pretrained(tmp_path)
    options = ["--model", tmp_path, "--dataset_dir", ferplus, "--resamples", 0, "--no-mirror"]
    options += ["--label_map", *(f"{name}=" for name in EMOTIONS if name not in LABELS)]
    metrics = measured(*options, "--output_dir", tmp_path / "out")
    assert metrics["plain"]["balancing"]["labels_changed"] == 0
    assert metrics["plain"]["primary"]["accuracy"] == metrics["plain"]["corrected"]["accuracy"]
    assert "anchor_usage" not in metrics["embedding_space"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--group_columns", "gender"], "no column 'gender'.*votes"),
        (["--split", "holiday"], "holiday"),
        (["--label_map", "fun=happiness"], "classes of the data"),
    ],
)
def test_what_does_not_fit_is_named(model, ferplus, options, message):
    with pytest.raises((ValueError, OSError), match=message):
        measured("--model", model, "--dataset_dir", ferplus, *options)


def test_the_digest_belongs_to_the_undisturbed_pixels(model, ferplus):
    data = load_dataset("parquet", data_files=str(ferplus / "*.parquet"), split="train")
    processor = GReFELImageProcessor.from_pretrained(model)
    plain = EvaluationFaces(data, processor)[3]
    disturbed = EvaluationFaces(data, processor, np.array([3]), lambda pixels, digest: 255 - pixels)[0]
    assert plain["digest"] == disturbed["digest"] and plain["row"] == disturbed["row"] == 3
    assert torch.equal(255 - plain["pixels"], disturbed["pixels"])
