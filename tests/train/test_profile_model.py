import json

import pytest
import torch

from grefel_hf import GReFELConfig, GReFELForImageClassification
from profile_model import AFFWILD2_CLASSES, main, part_of, profile, table_2
from tests.helpers.tiny import tiny_config


def profile_of(**overrides) -> dict:
    return profile(GReFELForImageClassification(tiny_config(**overrides)))


@pytest.mark.parametrize("overrides", [{}, {"landmark_head": True, "learn_anchor_temperature": True}])
def test_parts_add_up(overrides):
    counts = profile_of(**overrides)
    for key in ("parameters", "macs"):
        assert sum(part[key] for part in counts["parts"].values()) == counts[key]
        assert all(part[key] > 0 for part in counts["parts"].values())


def test_switches_take_their_part_away_and_nothing_else():
    both, neither = profile_of(), profile_of(use_anchors=False, use_attentive_correction=False)
    for part, counts in neither["parts"].items():
        switched = part in ("anchors", "attentive correction")
        assert counts == ({"parameters": 0, "macs": 0} if switched else both["parts"][part])


def test_macs_of_linear_layers_by_hand():
    parts = profile_of()["parts"]  # e of 32, head of 16, 3 classes, 3 anchors each
    assert parts["primary head"]["macs"] == 32 * 16 + 16 * 16 + 16 * 3
    assert parts["anchors"]["macs"] == 3 * 3 * 32
    tokens = 1 + 3 * 2 * 2
    # One query, keys and values of all tokens, their two products, output, classifier.
    attention = 32 * 16 + tokens * 32 * 32 + 2 * tokens * 16 + 16 * 32 + 32 * 3
    assert parts["attentive correction"]["macs"] == attention


def test_macs_of_convolutions_by_hand():
    model = GReFELForImageClassification(
        tiny_config(image_backbone="iresnet50", image_backbone_size=32, iresnet_depths=(1, 1, 1))
    )
    stem = 9 * 3 * 64 * 32**2
    stages = 0
    for inputs, out, side in ((64, 64, 32), (64, 128, 16), (128, 256, 8)):
        stages += 9 * inputs * out * side**2 + 9 * out * out * (side // 2) ** 2  # two 3x3, the second with the stride
        stages += inputs * out * (side // 2) ** 2 if inputs != out else 0  # the shortcut
    assert profile(model)["parts"]["image backbone"]["macs"] == stem + stages


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_macs_of_attention_by_hand(attention):
    model = GReFELForImageClassification(tiny_config())
    model.set_attn_implementation(attention)
    parts = profile(model)["parts"]
    fusion = 2 * 9 * 32 * 24 * 2**2  # both maps of 32 channels to 24
    fusion += 9 * 32 * 24 * (4**2 - 2**2)  # the image's is not halved yet
    for channels, side in ((8, 8), (16, 4), (24, 2)):
        cells = side**2
        fusion += 9 * channels**2 * cells  # the halving convolution
        fusion += (4 + 8) * channels**2 * cells + 2 * cells**2 * channels  # layers of attention and MLP, products
    assert parts["fusion"]["macs"] == fusion

    tokens, size = 1 + 3 * 2 * 2, 32
    embeddings = 9 * 8 * size * 4**2 + 9 * size**2 * 2**2 + 9 * 16 * size * 2**2 + 24 * size * 2**2
    layer = 4 * size**2 * tokens + 2 * size * 64 * tokens + 2 * tokens**2 * size
    assert parts["ViT"]["macs"] == embeddings + 2 * layer + 2 * size**2


def test_the_model_stays_as_it_was():
    model = GReFELForImageClassification(tiny_config())
    before = {name: value.clone() for name, value in model.state_dict().items()}
    assert profile(model.train()) == profile(model.eval())
    profile(model.train())
    assert model.training and not model.grefel.pyramid.landmark_backbone.training  # which is frozen
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])


def test_a_module_of_no_part_is_an_error():
    assert part_of("grefel.layers.0.mlp.fc1.weight") == "ViT"
    with pytest.raises(ValueError, match="anchors_of_old.weight belongs to none"):
        part_of("anchors_of_old.weight")


def test_what_is_said_of_the_papers_figures():
    config = GReFELConfig.from_size("base", num_labels=AFFWILD2_CLASSES)
    model = GReFELForImageClassification(config)
    names = dict(model.grefel.named_parameters())
    sizes = {name: parameter.numel() for name, parameter in names.items()}
    queries = sum(size for name, size in sizes.items() if ".attention.query." in name)
    direct = ("position_bias_table", "cls_token", "position_embeddings", "_scale")
    tables = sum(size for name, size in sizes.items() if name.endswith(direct))
    encoder = sum(sizes.values())
    assert (round(encoder / 1e6, 2), round(queries / 1e6, 2), round(tables / 1e6, 2)) == (43.84, 0.09, 0.13)
    assert round((encoder - queries - tables) / 1e6, 1) == 43.6

    parts = profile(model)["parts"]
    assert round(parts["primary head"]["parameters"] / 1e6, 2) == 0.05
    assert round(parts["anchors"]["parameters"] / 1e6, 2) == 0.05
    assert 0.195e6 < parts["attentive correction"]["parameters"] < 0.21e6
    assert round(parts["anchors"]["macs"] / 1e9, 5) == 0.00005
    assert round(parts["attentive correction"]["macs"] / 1e9, 3) == 0.015
    products = 2 * (784**2 * 64 + 196**2 * 128 + 49**2 * 256 + 2 * 148**2 * 768)
    query_macs = 784 * 64**2 + 196 * 128**2 + 49 * 256**2
    assert (round(products / 1e9, 2), round(query_macs / 1e9, 2)) == (0.16, 0.01)
    published = sum(parts[name]["macs"] for name in list(parts)[:4]) - products - query_macs
    assert round(published / 1e9, 2) == 8.44


def test_the_script_prints_and_writes_the_same(tmp_path, capsys):
    folder, file = tmp_path / "model", tmp_path / "profile.json"
    model = GReFELForImageClassification(tiny_config(use_anchors=False))
    model.save_pretrained(folder)
    main(["--model", str(folder), "--json", str(file)])
    printed = capsys.readouterr().out
    record = json.loads(file.read_text())
    assert record["parts"] == profile(model)["parts"]
    assert record["table_2"] == table_2(model.config)
    assert [row["paper_gmacs"] for row in record["table_2"]] == [8.32, 8.36, 8.43, 8.51]
    first, anchors, attention, both = (row["parameters"] for row in record["table_2"])
    assert (anchors - first, both - first) == (3 * 3 * 32, anchors - first + attention - first)
    assert f"{record['macs']:,}" in printed and "43.74 (+0.14)" in printed
    for reason in record["reasons"]:
        assert reason in printed


def test_what_is_no_model_of_ours_is_refused(tmp_path):
    with pytest.raises(SystemExit, match="does not exist"):
        main(["--model", str(tmp_path / "none")])
    (tmp_path / "config.json").write_text('{"model_type": "vit"}')
    with pytest.raises(SystemExit, match="holds a vit model"):
        main(["--model", str(tmp_path)])
