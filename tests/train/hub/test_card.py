"""A card says what was measured on these very weights, and no more."""

import json
import re
import shutil
from pathlib import Path

import pytest
import yaml
from huggingface_hub import ModelCard
from PIL import Image

from grefel_hf.checkpoint import BUNDLED_CHECKPOINT, weights_file_digest
from grefel_train.hub.card import model_card, read_results, what_was_chosen
from grefel_train.hub.pictures import write_pictures
from tests.helpers.trained_run import results, write_run


def read(name: str) -> dict:
    return json.loads((BUNDLED_CHECKPOINT / name).read_text())


@pytest.fixture(scope="module")
def best(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("run"))


def words(card: str) -> str:
    """The card without its line breaks."""
    return " ".join(card.split())


def measured(card: str) -> dict[tuple, float]:
    """Values of the model-index by data set, split and metric."""
    data = ModelCard(card).data
    return {(r.dataset_type, r.dataset_split, r.metric_type): r.metric_value for r in data.eval_results or []}


def test_the_bundled_card_is_the_generated_one():
    text = model_card(BUNDLED_CHECKPOINT, read("evaluation.json"), read("all_results.json"), license="mit")
    assert (BUNDLED_CHECKPOINT / "README.md").read_text() == text


@pytest.mark.parametrize("hub_id", ["user/grefel", None])
def test_the_card_says_first_how_to_use_the_model_and_at_last_what_to_cite(best, hub_id):
    card = model_card(best, None, None, hub_id=hub_id)
    first = card.split("## Method")[0]
    named = hub_id or f"USER/{best.name}"
    for task in ("facial-expression-recognition", "image-classification"):
        assert f'pipeline("{task}", model="{named}", trust_remote_code=True)' in first
    assert "FacialExpressionPredictor.from_pretrained(" in first and "1.14 times" in words(first)
    assert ("stands for" in first) == (hub_id is None)
    assert "arxiv.org/abs/2410.15927" in first and "@misc{wasi2024grefel," in card.split("## Citation")[1]
    assert len(first.splitlines()) < 60


def test_the_bundled_evaluation_has_what_the_page_and_the_card_need():
    metrics = read("evaluation.json")
    assert (BUNDLED_CHECKPOINT / "evaluation.json").stat().st_size < 200_000
    assert metrics["summary"]["accuracy"] >= 0.87 and metrics["robustness"]["summary"]["worst"]
    for part in ("primary", "corrected"):
        found = metrics["plain"][part]
        assert sum(map(sum, found["confusion"])) == found["samples"] == metrics["summary"]["samples"]
        assert sum(row["samples"] for row in found["reliability_bins"]) == found["samples"]
        assert found["risk_coverage"] and found["confidence_thresholds"] and found["precision_by_class"]
        assert found["intervals"]["recall_by_class"].keys() == found["recall_by_class"].keys()
    assert metrics["plain"]["balancing"]["by_class"] and metrics["mirror_averaged"] and metrics["agreement"]


@pytest.mark.parametrize("change", [{"weights_sha256": "0" * 64}, {"summary": None}], ids=["other weights", "old file"])
def test_figures_of_other_weights_or_another_form_are_refused(change):
    metrics = {key: value for key, value in {**read("evaluation.json"), **change}.items() if value is not None}
    with pytest.raises(ValueError, match="evaluate.py"):
        model_card(BUNDLED_CHECKPOINT, metrics, None)


def test_without_an_evaluation_the_runs_best_epoch_is_what_was_measured(best):
    card = model_card(best, None, results(), hub_id="user/grefel")
    assert measured(card) == {
        ("imagefolder", "validation", "accuracy"): 0.625,
        ("imagefolder", "validation", "recall"): 0.5,
        ("imagefolder", "validation", "expected_calibration_error"): 0.2,
    }
    assert "after epoch 2" in words(card) and "1,200 images" in words(card)
    assert "| primary, single view | 50.00 % |" in card
    assert "Recall by class" not in card and "FER+" not in card


def test_an_evaluation_goes_before_the_runs_figures(best):
    metrics = {**read("evaluation.json"), "dataset": "RAF-DB", "protocol": None, "split": "test"}
    metrics |= {"weights_sha256": weights_file_digest(best)}
    corrected = metrics["plain"]["corrected"]
    corrected |= {"accuracy": 0.75, "intervals": {"accuracy": [0.7, 0.8]}}
    # of a class that the split does not show there is no recall
    corrected["recall_by_class"] = {"neutral": 0.75, "surprise": None}
    card = model_card(best, metrics, results(), hub_id="user/grefel")
    assert "(corrected, single view): neutral 75.0 %." in card and "| 75.00 % (70.0 to 80.0) |" in card
    assert measured(card)["rafdb", "test", "accuracy"] == 0.75
    assert "evaluate.py --model user/grefel" in card


def test_the_command_names_the_data_that_was_measured():
    metrics = read("evaluation.json")
    recorded = "train/evaluate.py --model=runs/best --validation_dir 'my faces' --output out.json --label_map a=b"
    metrics["made_with"]["command"] = recorded
    card = model_card(BUNDLED_CHECKPOINT, metrics, None, hub_id="user/grefel")
    kept = "--validation_dir 'my faces' --label_map a=b"
    assert f"\n    python train/evaluate.py --model user/grefel {kept} --output_dir OUT\n" in card


CALIBRATION = {
    "samples": 1234,
    "scales": {"primary": 1.5, "geometric": 1.25, "attentive": 1.0},
    "before": {"expected_calibration_error": 0.1},
    "after": {"expected_calibration_error": 0.02},
    "least_class_share": 0.03,
    "biases": {"neutral": 0.0, "disgust": 1.497, "fear": 0.25},
}
LANDMARKS = {
    "normalized_mean_error": 0.0447,
    "by_region": {"jaw": 0.07, "mouth": 0.04},
    "mean_shape_error": 0.15,
    "correlation": {"mouth_opening": 0.87, "mouth_width": 0.84, "eye_opening": 0.92, "brow_height": 0.86},
    "faces": {"validation": {"all": 3555, "teacher_sure": 2983}},
}


@pytest.mark.parametrize(
    "run",
    [None, {**results(), "best": None}, {**results(), "calibration": CALIBRATION}],
    ids=["no run", "no validation images", "calibrated after the measurement"],
)
def test_where_nothing_was_measured_the_card_says_so(best, run):
    card = model_card(best, None, run)
    assert "Nothing was measured" in card
    assert "model-index" not in card and "%" not in card
    assert ModelCard(card).data.library_name == "transformers"


def test_other_stages_are_told_with_their_figures(best, tmp_path):
    folder = shutil.copytree(best, tmp_path / "model")
    (folder / "landmarks.json").write_text(json.dumps(LANDMARKS))
    first = {"image_sizes": [96, 112], "num_train_epochs": [18, 1], "freeze_stages": 0}
    stage = {"script": "train/train.py", "settings": first, "runs": [{"seed": 3}], "before": None}
    second = {"image_sizes": [160], "num_train_epochs": [9], "freeze_stages": 1}
    runs = [{"seed": seed, "log": [{"accuracy": accuracy}]} for seed, accuracy in ((7, 0.881), (8, 0.893))]
    stage = {"settings": second, "runs": runs, "average": {"accuracy": 0.8954, "samples": 3191}, "before": stage}
    (folder / "backbone.json").write_text(json.dumps(stage))
    run = {**results(), "calibration": CALIBRATION}
    run["args"] = {**run["args"], "model_name_or_path": "some/start"}
    card = words(model_card(folder, None, run))
    assert "1,234 images of the training split that were kept out of this run's training, if not of those" in card
    assert "0.100 to 0.020" in card
    assert "share of 0.03 at least (logit adjustment by what the rarest lack in training: disgust +1.50, fear" in card
    assert "within GReFEL (`train/train.py`), 18 epochs at 96 pixels, then 1 epoch at 112 pixels with seed 3;" in card
    assert "from there by itself, with one linear layer on it (`train/train_backbone.py`), 9 epochs at 160" in card
    assert "with each of the seeds 7, 8, whose weights were averaged (stem and 1 stage frozen). That layer" in card
    assert "right on 89.5 % of 3,191 validation images, that of each run on 88.1 %, 89.3 %." in card
    assert "went on from the weights of some/start" in card
    assert "2,983 of 3,555" in card and "4.47 %" in card and "mouth 4.00 %" in card and "Apache-2.0" in card


@pytest.mark.parametrize(
    ("arguments", "kind", "terms"),
    [
        ({"dataset_name": "user/faces", "train_dir": None}, "user/faces", "(user/faces)"),
        ({"dataset_name": "/data/my faces.parquet", "train_dir": None}, "local", "(my faces.parquet)"),
        ({"train_dir": "/data/my faces"}, "imagefolder", "(my faces)"),
        ({"train_dir": "/data/my faces/train"}, "imagefolder", "(my faces)"),
        ({"train_dir": None, "dataset_dir": "/d", "dataset_format": "rafdb"}, "rafdb", "non-commercial"),
        ({"train_dir": None, "dataset_dir": "/d", "dataset_format": None}, "ferplus", "FER2013"),
    ],
)
def test_data_sets_and_their_terms(best, arguments, kind, terms):
    card = model_card(best, None, results(**arguments))
    assert {key[0] for key in measured(card)} == {kind}
    assert terms in words(card.split("## Licence and data")[1])
    metadata = yaml.safe_load(card.split("---\n")[1])
    assert metadata.get("datasets") == (None if kind in ("local", "imagefolder") else [kind])
    assert "license" not in metadata


@pytest.mark.parametrize(
    ("keep", "share", "chosen"),
    [
        ("best", None, "the best epoch"),
        ("last", 0.0, None),
        ("last", 0.03, "the least share of a class"),
        ("best", 0.03, "the best epoch and the least share of a class"),
    ],
)
def test_what_the_measured_images_had_chosen_is_told(keep, share, chosen):
    results = {"args": {"validation_split": None, "validation_groups": None, "keep": keep}}
    if share is not None:
        results["calibration"] = {"least_class_share": share}
    assert what_was_chosen({"split": "validation"}, results) == chosen
    assert what_was_chosen({"split": "test"}, results) is None


def test_training_is_told_as_it_was(best):
    run = {**results(ema_decay=0.0), "uncommitted_changes": True, "command": "train/train.py --seed 7"}
    text = words(model_card(best, None, run))
    assert "`train/train.py --seed 7`" in text
    assert "from commit 0123456789ab with uncommitted changes" in text
    assert "averaged over steps" not in text
    assert "averaged over steps" in words(model_card(best, None, results(ema_decay=0.9)))


def test_numbers_go_with_their_nouns(best):
    text = words(model_card(best, None, {**results(max_train_steps=1), "seconds": 20.4}))
    assert "1 step planned" in text and ", 20 seconds, " in text
    assert "1 epoch planned" in words(model_card(best, None, results(num_train_epochs=1)))


def test_the_type_of_a_folder_of_images_is_not_its_name(best):
    metrics = {**read("evaluation.json"), "dataset": "my faces", "protocol": None}
    metrics |= {"weights_sha256": weights_file_digest(best)}
    assert {key[0] for key in measured(model_card(best, metrics, None))} == {"local"}


def test_links_are_there_where_they_are_known(best):
    links = {"repository": "https://example.org/code", "space": "user/page"}
    card = model_card(best, None, None, hub_id="user/grefel", **links)
    assert (
        "[Code](https://example.org/code), and a [page that runs it](https://huggingface.co/spaces/user/page)." in card
    )
    assert "spaces/" not in model_card(best, None, None) and "[Code]" not in model_card(best, None, None)
    assert "A [page that runs it](" in model_card(best, None, None, space="user/page")


def test_the_pictures_that_a_card_shows_are_made(best, tmp_path):
    card = model_card(best, None, None)
    write_pictures(tmp_path)
    shown = re.findall(r"!\[.*\]\((.*)\)", card)
    widget = [entry["src"] for entry in yaml.safe_load(card.split("---\n")[1])["widget"]]
    assert shown and widget and {*shown, *widget} == {file.name for file in tmp_path.iterdir()}
    for file in tmp_path.iterdir():
        assert min(Image.open(file).size) > 100 and file.stat().st_size < 30_000
    for name in shown:  # those of the bundled card are today's
        bundled, drawn = (Image.open(folder / name).convert("RGB") for folder in (BUNDLED_CHECKPOINT, tmp_path))
        assert bundled == drawn


def test_what_a_run_began_with_is_told(best):
    files = {
        name: {"name": f"weights/{name}.safetensors", "sha256": "0123456789abcdef"} for name in ("image_backbone",)
    }
    files["landmark_backbone"] = {"name": "runs/landmarks.safetensors", "sha256": "fedcba9876543210"}
    text = words(model_card(best, None, {**results(), "starting_weights": files}))
    assert "It began with the image backbone in weights/image_backbone.safetensors (sha256 0123456789ab)" in text
    assert "and the landmark backbone in runs/landmarks.safetensors (sha256 fedcba987654)." in text
    assert "It began with" not in model_card(best, None, results())


def test_results_of_other_programs_are_refused(tmp_path):
    file = tmp_path / "all_results.json"
    file.write_text('{"eval_accuracy": 1.0}')
    with pytest.raises(ValueError, match="train.py"):
        read_results(file)
    file.write_text("{")
    with pytest.raises(ValueError, match="no JSON"):
        read_results(file)


def test_the_card_tells_whose_photos_the_start_weights_saw(best, tmp_path):
    assert "VGGFace2" not in model_card(best, None, results())
    model = Path(shutil.copytree(best, tmp_path / "best"))
    config = json.loads((model / "config.json").read_text()) | {"image_backbone": "mobilenet_v1"}
    (model / "config.json").write_text(json.dumps(config))
    terms = words(model_card(model, None, results()))
    assert "taught on VGGFace2" in terms and "taught on MS1M" in terms and "both were withdrawn" in terms
    for start, told in (("a/b", True), (None, False)):  # went on, and began with nothing
        run = results(image_backbone=None, model_name_or_path=start)
        assert ("taught on VGGFace2" in words(model_card(model, None, run))) == told


def test_what_groups_were_measured_is_not_denied():
    metrics, run = read("evaluation.json"), read("all_results.json")
    unmeasured = "Accuracy by age, gender or skin tone has not been measured."
    assert unmeasured in words(model_card(BUNDLED_CHECKPOINT, metrics, run))
    text = words(model_card(BUNDLED_CHECKPOINT, metrics | {"groups": {"gender": {}, "age": {}}}, run))
    assert unmeasured not in text and "Accuracy by gender, age is in evaluation.json" in text


def test_a_run_that_keeps_its_last_epoch_chose_none(best):
    assert "the best of its epochs on these very images" in words(model_card(best, None, results()))
    text = words(model_card(best, None, results(keep="last")))
    assert "after epoch 2, the last, which nothing was chosen for." in text and ", last epoch 2, " in text
    assert "best of its epochs" not in text


def test_the_card_of_an_imagefolder_run_keeps_the_bounds_of_what_it_went_on_from(best):
    start = {"name": "user/start", "sha256": "0123456789abcdef", "trained_on": ["ferplus", "faces"]}
    run = {**results(model_name_or_path="user/start"), "starting_weights": {"model_name_or_path": start}}
    card = model_card(best, None, run)
    text = words(card)
    assert "Trained on my faces," in text or "Trained on my faces." in text or "Trained on my faces It" in text, text
    assert "went on from the weights of user/start (sha256 0123456789ab), which were trained on FER+, faces." in text
    terms = words(card.split("## Licence and data")[1])
    assert "(my faces)" in terms and "FER2013" in terms
    assert ModelCard(card).data.base_model == "user/start"
    assert "base_model" not in model_card(best, None, results(model_name_or_path="grefel_hf/checkpoints/grefel-small"))
