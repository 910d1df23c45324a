"""From a real photo to results, with the bundled checkpoint."""

import json
import pickle
import shutil

import numpy as np
import pandas as pd
import pytest
import torch
from datasets import Dataset, Features
from datasets import Image as DatasetImage
from PIL import Image
from transformers import ViTConfig, ViTForImageClassification, pipeline

from grefel_hf import FacialExpressionPredictor, GReFELImageProcessor, PhotoError, PhotoFailure, faces_table
from grefel_hf.checkpoint import BUNDLED_CHECKPOINT
from grefel_hf.faces.detection import NoDetector
from grefel_hf.results import DISTRIBUTIONS, face_columns


@pytest.fixture(scope="module")
def result(predictor, astronaut_file):
    return predictor(astronaut_file)


def test_a_smile_is_happiness(result, astronaut):
    assert (result.width, result.height) == astronaut.size
    (face,) = result.faces
    assert face.label == "happiness" and face.score > 0.5
    left, top, right, bottom = face.box
    assert left < 224 < right and top < 120 < bottom  # Eileen Collins's face


def test_every_field_of_a_face(result, predictor):
    (face,) = result.faces
    for name in DISTRIBUTIONS:
        assert list(face.distribution(name)) == list(predictor.labels)
        assert sum(face.distribution(name).values()) == pytest.approx(1.0, abs=1e-5)
    assert set(face.confidences) == {"primary", "geometric", "attentive", "correction", "corrected"}
    assert all(0 <= value <= 1 for value in face.confidences.values())
    config = predictor.model.config
    assert face.anchor_similarities.shape == (config.num_labels, config.num_anchors)
    assert face.anchor_similarities.sum() == pytest.approx(1.0, abs=1e-5)
    assert face.anchor_similarities.sum(1) == pytest.approx(face.geometric, abs=1e-6)
    assert face.nearest_anchors(1)[0][2] == pytest.approx(face.anchor_similarities.max())
    assert face.attention_map.ndim == 2 and 0 < face.attention_map.sum() <= 1.0001
    assert face.landmarks.shape == (68, 2) and 0 < face.landmarks.min() and face.landmarks.max() < 1
    right_eye, left_eye, mouth = (
        face.landmarks[points].mean(0) for points in (slice(36, 42), slice(42, 48), slice(48, 68))
    )
    assert right_eye[0] < mouth[0] < left_eye[0] and max(right_eye[1], left_eye[1]) < mouth[1] - 0.2
    assert face.crop.width == face.crop.height


def test_results_as_json_and_as_a_table(result):
    data = json.loads(json.dumps(result.to_dict()))
    (face,) = data["faces"]
    assert face["label"] == "happiness" and len(face["anchor_similarities"]["fear"]) == 8
    table = result.to_dataframe()
    assert len(table) == 1 and table.loc[0, "corrected_happiness"] == pytest.approx(face["corrected"]["happiness"])


def test_paths_images_and_arrays_give_the_same(predictor, astronaut, astronaut_file, result):
    for photo in (str(astronaut_file), astronaut, np.asarray(astronaut)):
        assert predictor(photo).faces[0].corrected == pytest.approx(result.faces[0].corrected, abs=1e-6)


def test_batching_across_photos_changes_nothing(predictor, astronaut, result):
    small = FacialExpressionPredictor(predictor.model, predictor.processor, predictor.detector, batch_size=2)
    blank = Image.new("RGB", (200, 200))
    photos = small([astronaut, blank, astronaut, astronaut])
    assert [len(photo.faces) for photo in photos] == [1, 0, 1, 1]
    for photo in (photos[0], photos[2], photos[3]):
        assert photo.faces[0].corrected == pytest.approx(result.faces[0].corrected, abs=1e-5)
    assert len(faces_table(photos)) == 3


def test_no_face_is_a_result(predictor):
    result = predictor(Image.new("RGB", (64, 48), "white"))
    table = result.to_dataframe()
    assert result.faces == [] and result.to_dict()["faces"] == [] and table.empty
    assert list(table.columns) == ["source", "face", *face_columns(predictor.labels)]


def test_a_column_of_datasets_and_other_iterables_are_several_photos(predictor, astronaut, result):
    column = Dataset.from_dict({"image": [astronaut, astronaut]}, features=Features({"image": DatasetImage()}))["image"]
    for photos in (column, (photo for photo in (astronaut, astronaut)), (astronaut, astronaut)):
        results = predictor(photos)
        assert [photo.faces[0].label for photo in results] == ["happiness", "happiness"]


def test_a_column_of_pandas_and_a_batch_are_several_photos(predictor, astronaut, astronaut_file):
    content = astronaut_file.read_bytes()
    for column in ([astronaut_file, str(astronaut_file)], [{"bytes": content, "path": None}] * 2, [content] * 2):
        assert [len(photo.faces) for photo in predictor(pd.Series(column))] == [1, 1]
    batch = np.stack([np.asarray(astronaut)] * 2)  # (B, H, W, C)
    for several in (batch, torch.from_numpy(batch).permute(0, 3, 1, 2), np.array([str(astronaut_file)] * 2)):
        assert [photo.faces[0].label for photo in predictor(several)] == ["happiness", "happiness"]


def test_swapped_channels_are_told_or_turned(predictor, astronaut, result, caplog):
    bgr = np.asarray(astronaut)[:, :, ::-1]
    assert any("channel_order='bgr'" in note for note in predictor(bgr).notes) and "bluer than red" in caplog.text
    caplog.clear()
    told = predictor(bgr, channel_order="bgr")
    assert told.notes == () and told.faces[0].corrected == pytest.approx(result.faces[0].corrected, abs=1e-6)
    assert "bluer" not in caplog.text and not any("bluer" in note for note in predictor(np.asarray(astronaut)).notes)


def test_an_unreadable_photo_raises_but_does_not_stop_a_stream(predictor, astronaut, tmp_path):
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no image")
    with pytest.raises(PhotoError, match="broken.jpg"):
        predictor([astronaut, broken])
    first, failure, last = predictor.stream([astronaut, broken, astronaut])
    assert isinstance(failure, PhotoFailure) and failure.source == str(broken)
    assert len(first.faces) == len(last.faces) == 1


def test_pipeline_gives_the_corrected_distribution_of_the_same_crop(result):
    pipe = pipeline("image-classification", model=str(BUNDLED_CHECKPOINT))
    (face,) = result.faces
    by_label = {row["label"]: row["score"] for row in pipe(face.crop, top_k=len(face.labels))}
    assert by_label == pytest.approx(face.distribution("corrected"), abs=1e-5)


def test_the_pipeline_sees_a_crop_of_16_bits_as_the_predictor_does(predictor, result, tmp_path):
    values = np.asarray(result.faces[0].crop.convert("L")).astype(np.uint16) * 257
    Image.fromarray(values).save(tmp_path / "deep.png")
    (expected,) = FacialExpressionPredictor(predictor.model, predictor.processor, NoDetector())(
        tmp_path / "deep.png"
    ).faces
    pipe = pipeline("facial-expression-recognition", model=str(BUNDLED_CHECKPOINT))
    (face,) = pipe(str(tmp_path / "deep.png"), detector="none")
    assert face["label"] == "happiness" and face["distribution"] == pytest.approx(
        expected.distribution("corrected"), abs=1e-5
    )


def test_the_bundled_weights_are_half_precision_and_run_as_float32(predictor):
    weights = BUNDLED_CHECKPOINT / "model.safetensors"
    assert weights.stat().st_size <= 25 * 2**20
    assert predictor.model.dtype == torch.float32


def test_crops_as_they_are(predictor, result):
    for_crops = FacialExpressionPredictor(predictor.model, predictor.processor, NoDetector())
    crop = result.faces[0].crop
    (face,) = for_crops(crop).faces
    assert face.box == (0, 0, *crop.size)
    assert face.corrected == pytest.approx(result.faces[0].corrected, abs=1e-5)


def test_a_missing_folder_and_another_model_are_refused(tmp_path):
    with pytest.raises(OSError):
        FacialExpressionPredictor.from_pretrained(tmp_path / "nowhere", detector="none")
    config = ViTConfig(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, image_size=16)
    ViTForImageClassification(config).save_pretrained(tmp_path)
    GReFELImageProcessor().save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="vit model"):
        FacialExpressionPredictor.from_pretrained(tmp_path, detector="none")


def test_models_without_balancing_leave_its_fields_empty(tmp_path):
    from grefel_hf import GReFELForImageClassification
    from tests.helpers.tiny import tiny_config

    model = GReFELForImageClassification(tiny_config(use_anchors=False, use_attentive_correction=False))
    model.save_pretrained(tmp_path)
    GReFELImageProcessor(size={"height": 64, "width": 64}).save_pretrained(tmp_path)
    (face,) = FacialExpressionPredictor.from_pretrained(tmp_path, detector="none")(Image.new("RGB", (9, 9))).faces
    assert face.geometric is face.attentive is face.correction is face.anchor_similarities is None
    assert face.nearest_anchors() == [] and set(face.confidences) == {"primary", "corrected"}
    assert face.corrected == pytest.approx(face.primary, abs=1e-6)


def test_a_predictor_survives_pickling(tiny_checkpoint, astronaut):
    predictor = FacialExpressionPredictor.from_pretrained(tiny_checkpoint, detector="hog", runtime="torch")
    again = pickle.loads(pickle.dumps(predictor))
    (before,), (after,) = predictor(astronaut).faces, again(astronaut).faces
    assert before.box == after.box and np.allclose(before.corrected, after.corrected, atol=1e-5)
    with_session = FacialExpressionPredictor.from_pretrained(tiny_checkpoint, detector="hog", runtime="onnx")
    assert type(pickle.loads(pickle.dumps(with_session)).network) is type(with_session.network)


def test_loading_takes_what_transformers_takes(tiny_checkpoint, tmp_path, capfd):
    shutil.copytree(tiny_checkpoint, tmp_path / "deep")
    options = dict(detector="none", runtime="torch", local_files_only=True, token=False, cache_dir=tmp_path / "cache")
    predictor = FacialExpressionPredictor.from_pretrained(
        tmp_path, subfolder="deep", dtype="bfloat16", device="auto", **options
    )
    assert predictor.model.dtype == torch.bfloat16
    assert "Loading weights" not in capfd.readouterr().err
    with pytest.raises(ValueError, match="device nowhere cannot be used"):
        FacialExpressionPredictor.from_pretrained(tiny_checkpoint, device="nowhere")


def test_what_cannot_be_asked_for_is_refused_in_a_sentence(predictor, result):
    face = result.faces[0]
    with pytest.raises(ValueError, match="'label' is no distribution: choose one of primary, geometric"):
        face.distribution("label")
    assert face.nearest_anchors(-1) == [] and len(face.nearest_anchors(2)) == 2
    with pytest.raises(ValueError, match="batch_size 0: it is a number of faces"):
        FacialExpressionPredictor(predictor.model, predictor.processor, NoDetector(), batch_size=0)


def test_results_have_a_short_repr(predictor, astronaut):
    result = predictor(astronaut)
    assert len(repr(result)) < 200 and f"label={result.faces[0].label!r}" in repr(result)
