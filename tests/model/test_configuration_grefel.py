"""The config alone describes both sizes, and refuses what cannot be built."""

import json

import pytest

from grefel_hf import GReFELConfig


def test_grids_of_both_sizes():
    small, base = GReFELConfig(), GReFELConfig.from_size("base")
    assert small.fusion_grids == small.landmark_grids == (14, 7, 4)
    assert base.fusion_grids == base.landmark_grids == (28, 14, 7)
    assert (small.num_visual_tokens, base.num_visual_tokens) == (48, 147)


def test_small_without_downsampling_and_with_large_landmark_maps():
    config = GReFELConfig(downsample_image_pyramid=False, landmark_backbone_size=112, window_sizes=(28, 14, 7))
    assert config.fusion_grids == (28, 14, 7)


@pytest.mark.parametrize(
    ("size", "landmark_size", "grids"), [(160, 40, (10, 5, 3)), (128, 32, (8, 4, 2)), (192, 48, (12, 6, 3))]
)
def test_grids_of_mobilenet_v1(size, landmark_size, grids):
    config = GReFELConfig(
        image_size=size,
        image_backbone="mobilenet_v1",
        image_backbone_size=size,
        landmark_backbone_size=landmark_size,
        window_sizes=grids,
        mobilenet_width=0.5,
    )
    assert config.fusion_grids == grids and config.image_backbone_channels == (128, 256, 512)


def test_survives_json(tmp_path):
    config = GReFELConfig.from_size("base", num_labels=7, class_weights=[1.0] * 7, anchor_temperature=0.5)
    config.save_pretrained(tmp_path)
    loaded = GReFELConfig.from_pretrained(tmp_path)
    loaded.__dict__.pop("custom_pipelines", None)  # names the code beside it
    assert loaded.window_sizes == [28, 14, 7]
    assert loaded.to_dict() == {**config.to_dict(), **{k: loaded.to_dict()[k] for k in config.to_dict() if "size" in k}}
    assert loaded.fusion_grids == config.fusion_grids


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"image_backbone": "resnet"}, "iresnet50, mobilefacenet, mobilenet_v1"),
        ({"mobilenet_width": 0}, "mobilenet_width must be positive"),
        ({"mobilenet_width": 1e6}, "at most 4"),
        ({"anchor_distance": "manhattan"}, "euclidean, cosine"),
        ({"window_sizes": (14, 7)}, "three entries"),
        ({"window_sizes": (14, 3, 4)}, "windows of side 3"),
        ({"landmark_backbone_size": 112}, "agree"),
        ({"num_attention_heads": 7}, "multiple"),
        ({"num_anchors": 0}, "num_anchors is 0: it must be from 1"),
        ({"projection_kernel_size": 2}, "1 or 3"),
        ({"anchor_temperature": 0.0}, "positive"),
        ({"num_labels": 8, "class_weights": [1.0]}, "class_weights"),
        ({"num_labels": 1}, "num_labels is 1"),
        ({"problem_type": "multi_label_classification"}, "problem_type"),
        ({"problem_type": "regression"}, "problem_type"),
        ({"num_channels": 1}, "num_channels is 1"),
        ({"mobilefacenet_channels": (64, 128)}, "mobilefacenet_channels needs three"),
    ],
)
def test_what_cannot_be_built_is_refused_by_name(settings, message):
    with pytest.raises(ValueError, match=message):
        GReFELConfig(**settings)


def test_unknown_size_is_refused():
    with pytest.raises(ValueError, match="small, base"):
        GReFELConfig.from_size("large")


def test_a_configuration_from_before_an_entry_has_its_default(tmp_path):
    config = GReFELConfig(num_labels=7)
    config.save_pretrained(tmp_path)
    file = tmp_path / "config.json"
    newer = ("mobilenet_width", "attentive_loss_weight", "detach_confidences", "anchor_distance")
    newer += ("mobilefacenet_channels", "mobilefacenet_depths", "save_code")
    file.write_text(json.dumps({key: value for key, value in json.loads(file.read_text()).items() if key not in newer}))
    loaded = GReFELConfig.from_pretrained(tmp_path)
    assert {name: getattr(loaded, name) for name in newer} == {name: getattr(config, name) for name in newer}
    assert loaded.anchor_distance == "euclidean" and not loaded.detach_confidences and not loaded.attentive_loss_weight
