"""
The model card of a checkpoint, from what was measured on it; its words are in card.md.

Figures come from train/evaluate.py (its metrics.json, as evaluation.json) or else from the training run
(all_results.json); where nothing was measured the card says so. Figures that belong to other weights are refused.
"""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import EvalResult, ModelCard, ModelCardData
from safetensors import safe_open

from grefel_hf.checkpoint import weights_file_digest
from grefel_train.data.adapters import ADAPTERS, title_of
from grefel_train.evaluation.words import between, decimal, in_brackets, percent, reliability_points
from grefel_train.hub import REPOSITORY
from grefel_train.hub.pictures import CROP_RULE, EXAMPLE_FACE
from grefel_train.hub.prose import FUNCTIONS, wrapped
from grefel_train.hub.public_records import public_record
from grefel_train.run.provenance import data_of, is_hub_id, read_json

VIEWS = {"plain": "single view", "mirror_averaged": "averaged with the mirrored face"}

TEMPLATE = Path(__file__).with_name("card.md")


@dataclass(frozen=True)
class Figures:
    """
    What was measured, and on what.

    Attributes:
        views: metrics of the `primary` and `corrected` distribution (grefel_train.evaluation.metrics), by how images
            were shown.
        dataset_type: short name or Hub id of the data set.
        dataset: its name for people, with the protocol where there are several.
        split: which part of it.
    """

    views: dict[str, dict]
    dataset_type: str
    dataset: str
    split: str

    @property
    def corrected(self) -> dict:
        """The figures that the metadata names: those of the plain view."""
        return next(iter(self.views.values()))["corrected"]


def measured_figures(model: Path, metrics: dict | None, results: dict | None) -> Figures | None:
    """
    The figures of evaluation.json where there is one, else those of the run's best epoch, else None.

    Raises:
        ValueError: evaluation.json belongs to other weights than those in `model`.
    """
    if metrics is not None:
        return evaluated_figures(model, metrics)
    best = (results or {}).get("best") or {}
    if "corrected" not in best or "calibration" in results:  # calibrate.py changed the weights after that
        return None
    dataset_type, dataset = training_dataset(results["args"])
    return Figures({VIEWS["plain"]: best}, dataset_type, dataset, validation_split(results["args"]))


def check_evaluation(model: Path, metrics: dict):
    """Raises ValueError for the figures of other weights than those in `model`, or of an older evaluate.py."""
    if metrics.get("weights_sha256") != weights_file_digest(model):
        raise ValueError(
            f"the figures in evaluation.json were not measured on the weights in {model}: run train/evaluate.py again"
        )
    if "summary" not in metrics:
        raise ValueError("evaluation.json was not written by this train/evaluate.py: run it again")


def evaluated_figures(model: Path, metrics: dict) -> Figures:
    check_evaluation(model, metrics)
    dataset, protocol = metrics["dataset"], metrics.get("protocol")
    short = next((key for key, adapter in ADAPTERS.items() if adapter.title == dataset), None)
    dataset_type = short or (dataset if is_hub_id(dataset) else "local")
    views = {view: metrics[key] for key, view in VIEWS.items() if key in metrics}
    title = f"{dataset} ({protocol} protocol)" if protocol else dataset
    return Figures(views, dataset_type, title, metrics["split"])


def training_dataset(arguments: dict) -> tuple[str, str]:
    """Short name (or Hub id) and name for people of what a run was trained on."""
    name = data_of(arguments)
    if source := arguments.get("dataset_name"):
        return (name, name) if is_hub_id(source) else ("local", name)
    return ("imagefolder", name) if arguments.get("train_dir") else (name, title_of(name))


def validation_split(arguments: dict) -> str:
    if arguments.get("validation_groups"):
        return "groups held out of the training split"
    return arguments.get("validation_split") or "validation"


def in_half_precision(weights: Path) -> bool:
    with safe_open(weights, "pt") as file:
        return any(file.get_slice(name).get_dtype() == "F16" for name in file.keys())


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


def data_before(results: dict) -> list[str]:
    """What the weights that a run started from had been trained on, as `data_of` names it."""
    return results.get("starting_weights", {}).get("model_name_or_path", {}).get("trained_on", [])


def data_terms(results: dict) -> str:
    """What the terms of the data mean for the weights: of the run's own, and of those it started from."""
    short, dataset = training_dataset(results["args"])
    own = ADAPTERS[short].terms if short in ADAPTERS else f"The terms of the data ({dataset}) bound the weights, too."
    earlier = [ADAPTERS[name].terms for name in data_before(results) if name in ADAPTERS and name != short]
    return " ".join([own, *(f"They went on from weights trained on other data: {terms}" for terms in earlier)])


def what_was_chosen(metrics: dict, results: dict) -> str | None:
    """What the images that were measured on had been used to choose, None for nothing."""
    if metrics["split"] != validation_split(results["args"]):
        return None
    chosen = [] if results["args"].get("keep") == "last" else ["the best epoch"]
    if results.get("calibration", {}).get("least_class_share"):  # whoever gives it has looked at what it brings
        chosen.append("the least share of a class")
    return " and ".join(chosen) or None


def evaluation_command(metrics: dict, name: str) -> str:
    """The command that measured the figures, for the checkpoint by the name it has here; the report goes to OUT."""
    words = iter(shlex.split(metrics["made_with"]["command"])[1:])
    kept = []
    for word in words:
        flag, _, value = word.partition("=")
        if flag not in ("--model", "--output", "--output_dir"):
            kept.append(word)
        elif not value:
            next(words)
    return shlex.join(["python", "train/evaluate.py", "--model", name, *kept, "--output_dir", "OUT"])


def metadata(title: str, figures: Figures | None, results: dict | None, license: str | None) -> ModelCardData:
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
    trained_on = [*data_before(results), training_dataset(results["args"])[0]] if results else []
    named = [name for name in dict.fromkeys(trained_on) if name in ADAPTERS or is_hub_id(name)]
    start = (results or {}).get("args", {}).get("model_name_or_path") or ""
    return ModelCardData(
        license=license,
        base_model=start if is_hub_id(start) else None,
        library_name="transformers",
        pipeline_tag="image-classification",
        tags=["facial-expression-recognition", "grefel"],
        datasets=named or None,
        metrics=[kind for kind, *_ in kinds[:2]] if evaluations else None,
        model_name=title if evaluations else None,  # the name of the model-index
        eval_results=evaluations or None,
        widget=[{"src": EXAMPLE_FACE, "example_title": "Eileen Collins (NASA, public domain)"}],
    )


def model_card(
    model: Path,
    metrics: dict | None,
    results: dict | None,
    hub_id: str | None = None,
    license: str | None = None,
    repository: str | None = None,
    space: str | None = None,
) -> str:
    """
    The card's text, which shows the pictures of `write_pictures`.

    Args:
        model: the checkpoint's folder; landmarks.json and backbone.json in it are the reports of
            train/train_landmarks.py and train/train_backbone.py.
        metrics: evaluation.json of train/evaluate.py.
        results: all_results.json of train/train.py.
        hub_id: where the checkpoint goes on the Hub; the card then says how to load it from there.
        license: the Hub's name of the weights' licence.
        repository: address of the code.
        space: user/name of a Space that runs the model.

    Raises:
        ValueError: the figures were measured on other weights.
    """
    inside = model.resolve().is_relative_to(REPOSITORY)
    name = hub_id or str(model.resolve().relative_to(REPOSITORY) if inside else model.name)
    title = Path(name).name
    config = read_json(model / "config.json", must_exist=True)
    labels = config["id2label"]
    keeps_last = results is not None and results["args"].get("keep") == "last"
    figures = measured_figures(model, metrics, results)
    trained_on, trained_on_title = training_dataset(results["args"]) if results else (None, None)
    card = ModelCard.from_template(
        metadata(title, figures, results, license),
        template_path=str(TEMPLATE),
        **FUNCTIONS,
        title=title,
        name=name,
        hub_id=hub_id,
        code=repository,
        space=space,
        crop_rule=CROP_RULE,
        names=[labels[key] for key in sorted(labels, key=int)],
        figures=figures,
        half_precision=in_half_precision(model / "model.safetensors"),
        table=metric_table(figures) if figures else None,
        metrics=metrics,
        command=evaluation_command(metrics, name) if metrics else None,
        sentences=reliability_points(metrics) if metrics else None,
        keeps_last=keeps_last,
        chosen=what_was_chosen(metrics, results) if metrics and results else None,
        results=results,
        trained_on=trained_on,
        trained_on_title=trained_on_title,
        trained_before=[title_of(name) for name in data_before(results or {})],
        has_recipe=(model / "recipe.yaml").exists(),
        image_backbone=config.get("image_backbone"),
        landmarks=read_json(model / "landmarks.json"),
        backbone=backbone_stages(read_json(model / "backbone.json")),
        terms=data_terms(results) if results else None,
        licence=license,
        bibtex=re.search(r"^```bibtex\n.*?^```$", (REPOSITORY / "README.md").read_text(), re.M | re.S)[0],
    )
    return wrapped(str(card))


def backbone_stages(report: dict | None) -> list[dict]:
    """The reports of train/train_backbone.py, the first stage first: each holds that of the stage before it."""
    return [*backbone_stages(report["before"]), report] if report else []


def read_results(file: Path, must_exist: bool = False) -> dict | None:
    """`read_json` of a run's results, without this machine's paths. Raises ValueError where they are something else."""
    results = read_json(file, must_exist)
    if results is not None and "args" not in results:
        raise ValueError(f"{file} was not written by train/train.py: it has no args")
    return public_record(results)
