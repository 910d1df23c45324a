"""The parts of a run from its arguments."""

import pytest
import torch

from grefel_hf import GReFELForImageClassification
from grefel_train.run.build import (
    CLASS_ROWS,
    build_optimizer,
    build_schedule,
    compare_classes,
    freeze,
    load_weights,
    may_be_prolonged,
    parameter_groups,
    planned_steps,
    train_mode,
)
from tests.helpers.tiny import tiny_config
from train import parse_args


def arguments(*flags):
    return parse_args(["--output_dir", "out", *flags])


def model_of(*names: str, **entries) -> GReFELForImageClassification:
    labels = dict(enumerate(names))
    entries |= {"id2label": labels, "label2id": {name: i for i, name in labels.items()}}
    return GReFELForImageClassification(tiny_config(**entries))


def test_weights_go_to_the_classes_of_the_same_name():
    source, model = model_of("anger", "fear", "joy").eval(), model_of("joy", "disgust", "anger", "fear").eval()
    load_weights(model, source)
    pixels = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        before, after = source(pixel_values=pixels), model(pixel_values=pixels)
    torch.testing.assert_close(after.embedding, before.embedding)
    torch.testing.assert_close(after.primary_logits[:, [2, 3, 0]], before.primary_logits)

    # The same classes in another order: every distribution is the same, in that order.
    model = model_of("joy", "anger", "fear").eval()
    load_weights(model, source)
    with torch.no_grad():
        after = model(pixel_values=pixels)
    for name in ("logits", "geometric_correction", "attentive_correction"):
        torch.testing.assert_close(after[name][:, [1, 2, 0]], before[name])


def test_weights_of_another_shape_are_refused_by_name():
    with pytest.raises(ValueError, match="anchors.positions has the shape"):
        load_weights(model_of("anger", "fear", num_anchors=4), model_of("anger", "fear"))


def test_frozen_parts_have_no_gradient_and_stay_in_eval_mode():
    model = model_of("anger", "fear")
    freeze(model, arguments("--freeze_stages", "1", "--freeze_modules", "primary_head"))
    train_mode(model)
    backbone = model.grefel.pyramid.image_backbone
    assert not backbone.stem.training and not backbone.stage1.training and backbone.stage2.training
    assert not any(module.training for module in model.primary_head.modules())
    assert not model.grefel.pyramid.landmark_backbone.training and model.grefel.embeddings.training
    assert not any(parameter.requires_grad for parameter in backbone.stage1.parameters())

    model.eval()
    freeze(model, arguments("--freeze_image_backbone"))
    train_mode(model)
    assert not any(module.training for module in backbone.modules())
    with pytest.raises(ValueError, match="no 'backbone'; its parts are grefel"):
        freeze(model, arguments("--freeze_modules", "backbone"))


def test_every_trained_parameter_is_in_one_group():
    model = model_of("anger", "fear")
    flags = ["--learning_rate", "3", "--backbone_learning_rate", "2", "--weight_decay", "0.1"]
    groups = parameter_groups(model, arguments(*flags))
    assert [(group["lr"], group["weight_decay"]) for group in groups] == [(3, 0), (3, 0.1), (2, 0), (2, 0.1)]
    names = {parameter: name for name, parameter in model.named_parameters()}
    grouped = [names[parameter] for group in groups for parameter in group["params"]]
    assert sorted(grouped) == sorted(name for name, parameter in model.named_parameters() if parameter.requires_grad)
    undecayed = {names[parameter] for group in groups if not group["weight_decay"] for parameter in group["params"]}
    assert {"anchors.positions", "primary_head.output.bias", "grefel.embeddings.cls_token"} <= undecayed
    assert "primary_head.output.weight" not in undecayed


def test_nothing_to_train_is_an_error():
    model = model_of("anger", "fear")
    model.requires_grad_(False)
    with pytest.raises(ValueError, match="nothing to train"):
        build_optimizer(model, arguments())


def rates(steps: int, *flags: str) -> list[float]:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], 1.0)
    schedule = build_schedule(optimizer, arguments(*flags), total_steps=steps, steps_per_epoch=2)
    found = []
    for _ in range(steps):
        found.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    return found


def test_schedules_by_hand():
    exponential = ["--lr_scheduler_type", "exponential", "--lr_decay", "0.9"]
    assert rates(5, *exponential, "--warmup_ratio", "0") == pytest.approx([1, 1, 0.9, 0.9, 0.81])
    assert rates(5, *exponential, "--warmup_steps", "2") == pytest.approx([0, 0.5, 0.9, 0.9, 0.81])
    assert rates(4, "--warmup_ratio", "0") == pytest.approx([1, 0.853553, 0.5, 0.146447], abs=1e-6)
    assert rates(4, "--warmup_ratio", "0.5", "--lr_scheduler_type", "linear") == pytest.approx([0, 0.5, 1, 0.5])


def test_anchors_of_a_new_class_start_among_those_of_the_others():
    source = model_of("anger", "fear")
    with torch.no_grad():
        source.anchors.positions.mul_(0.01).add_(3.0)
    model = model_of("fear", "boredom")
    load_weights(model, source)
    assert torch.equal(model.anchors.positions[0], source.anchors.positions[1])
    assert (model.anchors.positions[1] - 3.0).abs().max() < 0.1
    assert len(model.anchors.positions[1].unique(dim=0)) == model.config.num_anchors


def test_weights_go_to_classes_of_other_spelling_too():
    source, model = model_of("anger", "fear", "happiness").eval(), model_of("happy", "Anger", "tired").eval()
    load_weights(model, source)
    for name in CLASS_ROWS:
        known, weight = source.state_dict()[name], model.state_dict()[name]
        assert torch.equal(weight[0], known[2]) and torch.equal(weight[1], known[0]), name


def test_the_table_of_classes_and_a_label_map_that_misses_them(tmp_path):
    model_of("anger", "fear", "happiness").save_pretrained(tmp_path)
    start = ["--model_name_or_path", str(tmp_path)]
    assert "new      tired" in compare_classes(arguments(*start), ("Happy", "tired"))
    with pytest.raises(ValueError, match="--label_map fun=hapiness: the checkpoint's classes are anger, fear, happ"):
        compare_classes(arguments(*start, "--label_map", "fun=hapiness"), ("hapiness", "anger"))


def test_steps_go_before_epochs_and_flags_mean_what_they_do_in_the_official_scripts():
    assert planned_steps(arguments("--num_train_epochs", "3"), 5) == 15
    assert planned_steps(arguments("--num_train_epochs", "3", "--max_train_steps", "40"), 5) == 40
    assert arguments("--train_val_split", "0.3").validation_fraction == 0.3


@pytest.mark.parametrize(
    ("flags", "may"),
    [
        ("cosine --warmup_steps 1", False),
        ("constant", True),
        ("constant_with_warmup", False),  # whose warm-up is a share of all steps
        ("constant_with_warmup --warmup_steps 3", True),
        ("exponential --warmup_ratio 0", True),
    ],
)
def test_which_schedules_can_go_on(flags, may):
    args = arguments("--lr_scheduler_type", *flags.split())
    assert may_be_prolonged(args) == may
    if may:  # the rates of the steps that were made are those of the longer run
        rates = []
        for total in (6, 12):
            optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
            schedule = build_schedule(optimizer, args, total, 3)
            rates.append([(schedule.get_last_lr()[0], optimizer.step(), schedule.step())[0] for _ in range(6)])
        assert rates[0] == rates[1]


def test_rates_fall_from_stage_to_stage():
    model = model_of("anger", "fear")
    args = arguments("--learning_rate", "3", "--backbone_learning_rate", "2", "--layer_decay", "0.5")
    names = {parameter: name for name, parameter in model.named_parameters()}
    rates = {names[parameter]: group["lr"] for group in parameter_groups(model, args) for parameter in group["params"]}
    for name, rate in rates.items():
        expected = {"stem": 0.25, "stage1": 0.5, "stage2": 1, "stage3": 2}
        part = name.partition("image_backbone.")[2].partition(".")[0]
        assert rate == expected.get(part, 3), name
