"""The report: figures as files, and one HTML page that stands alone."""

from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from grefel_hf.results import ANSWERS
from grefel_train.evaluation import figures
from grefel_train.evaluation.embedding_space import project
from grefel_train.evaluation.material import Material
from grefel_train.evaluation.words import environment


def write_report(folder: Path, metrics: dict[str, Any], material: Material, seed: int, tsne_samples: int) -> Path:
    """
    Write figures/ and report.html into the folder.

    Args:
        metrics: the content of metrics.json.
        seed, tsne_samples: of the t-SNE picture.
    """
    pictures = folder / "figures"
    pictures.mkdir(parents=True, exist_ok=True)
    with figures.styled():
        svgs = {
            name: Markup(figures.save(figure, pictures, name))
            for name, figure in draw(metrics, material, seed, tsne_samples).items()
        }
    file = folder / "report.html"
    file.write_text(render(metrics, svgs))
    return file


def draw(metrics: dict[str, Any], material: Material, seed: int, tsne_samples: int) -> dict[str, figures.Figure]:
    """All figures by name."""
    plain = metrics["plain"]
    drawn = {}
    for part in ANSWERS:
        drawn[f"reliability_{part}"] = figures.reliability_diagram(plain[part], part)
        drawn[f"confusion_{part}"] = figures.confusion_diagram(plain[part], part)
    drawn["recall"] = figures.recall_diagram(plain)
    drawn["risk_coverage"] = figures.risk_coverage_diagram(plain)
    drawn["confidence"] = figures.confidence_diagram(plain["corrected"])
    drawn["balancing"] = figures.balancing_diagram(plain["balancing"])
    if "agreement" in metrics:
        drawn["agreement"] = figures.agreement_diagram(metrics["agreement"]["corrected"]["by_agreement"])
    if picture := embedding_figure(material, seed, tsne_samples):
        drawn["embedding"] = picture
    if usage := metrics.get("embedding_space", {}).get("anchor_usage"):
        drawn["anchors"] = figures.anchor_diagram(usage)
    if robustness := metrics.get("robustness"):
        clean, by_kind = robustness["clean"], robustness["by_kind"]
        drawn["robustness_accuracy"] = figures.robustness_diagram(clean, by_kind, "accuracy")
        drawn["robustness_calibration"] = figures.robustness_diagram(clean, by_kind, "expected_calibration_error")
        drawn["robustness_means"] = figures.robustness_means_diagram(clean, by_kind)
    for number, column in enumerate(metrics.get("groups", {}).values()):
        drawn[f"group_{number}"] = figures.group_diagram(column)
    return drawn


def embedding_figure(material: Material, seed: int, tsne_samples: int) -> figures.Figure | None:
    """The t-SNE picture of labelled images; None where there are too few."""
    seen, labels = material.seen, material.labels()[material.seen.embedding_rows]
    chosen = np.flatnonzero(labels >= 0)[:tsne_samples]
    if len(chosen) < 4:
        return None
    no_anchors = np.zeros((0, 0, seen.embeddings.shape[1]), np.float32)
    anchors = no_anchors if material.anchors is None else material.anchors
    points, placed = project(seen.embeddings[chosen], anchors.reshape(-1, seen.embeddings.shape[1]), seed)
    of_anchors = np.repeat(np.arange(len(anchors)), anchors.shape[1])
    return figures.embedding_diagram(points, labels[chosen], placed, of_anchors, material.model_names)


def render(metrics: dict[str, Any], svgs: dict[str, Markup]) -> str:
    """The page."""
    template = environment(autoescape=True).get_template("report.html")
    optional = dict.fromkeys(("agreement", "certainty", "groups", "mirror_averaged", "robustness"))
    optional["embedding_space"] = {}
    page = template.render(m=optional | metrics, svg=svgs, parts=ANSWERS)
    return page.replace(" %", "\N{NO-BREAK SPACE}%")
