"""transformers.Trainer as its guides show it, on a model that was loaded as users load it."""

import numpy as np
import pytest
import torch
from transformers import Trainer, TrainingArguments

from grefel_hf import GReFELConfig, GReFELForImageClassification, GReFELImageProcessor
from grefel_hf.model.modeling_grefel import GReFELImageClassifierOutput
from tests.helpers.tiny import LABELS, tiny_config


class Crops(torch.utils.data.Dataset):
    """Random crops of a few classes; class ids, or distributions."""

    def __init__(self, count: int, soft: bool = False):
        generator = torch.Generator().manual_seed(0)
        self.pixels = torch.randn(count, 3, 64, 64, generator=generator)
        ids = torch.arange(count) % len(LABELS)
        self.labels = torch.nn.functional.one_hot(ids).float() if soft else ids

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index: int) -> dict:
        return {"pixel_values": self.pixels[index], "labels": self.labels[index]}


def accuracy(predictions) -> dict[str, float]:
    labels = predictions.label_ids
    labels = labels if labels.ndim == 1 else labels.argmax(1)
    return {"accuracy": float((np.argmax(predictions.predictions, axis=1) == labels).mean())}


@pytest.mark.parametrize("soft", [False, True])
def test_trains_alone_and_what_it_saves_loads(tiny_checkpoint, tmp_path, soft):
    model = GReFELForImageClassification.from_pretrained(tiny_checkpoint)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    arguments = TrainingArguments(
        output_dir=str(tmp_path / "run"),
        num_train_epochs=2,
        per_device_train_batch_size=4,  # the last batch of 5 is one image
        per_device_eval_batch_size=4,
        eval_strategy="epoch",
        save_strategy="epoch",
        load_best_model_at_end=True,
        metric_for_best_model="accuracy",
        report_to="none",
        use_cpu=True,
        dataloader_pin_memory=False,
        disable_tqdm=True,
    )
    trainer = Trainer(
        model=model,
        args=arguments,
        train_dataset=Crops(5, soft),
        eval_dataset=Crops(5, soft),
        compute_metrics=accuracy,
        processing_class=GReFELImageProcessor.from_pretrained(tiny_checkpoint),
    )
    trainer.train()
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert changed and not any(".landmark_backbone." in name for name in changed)
    assert trainer.predict(Crops(3, soft)).predictions.shape == (3, len(LABELS))
    trainer.save_model(str(tmp_path / "saved"))
    loaded = GReFELForImageClassification.from_pretrained(tmp_path / "saved")
    with torch.no_grad():
        logits = (m.eval()(Crops(3).pixels).logits for m in (loaded, model))
        torch.testing.assert_close(*logits)
    assert GReFELImageProcessor.from_pretrained(tmp_path / "saved").size.height == 64


def test_metrics_see_logits_alone():
    fields = set(GReFELImageClassifierOutput.__dataclass_fields__)
    assert set(GReFELConfig.keys_to_ignore_at_inference) == fields - {"loss", "logits"}


@pytest.mark.parametrize("frozen", [True, False])
def test_every_trainable_parameter_of_a_loaded_model_gets_a_gradient(tmp_path, frozen):
    """Two processes of accelerate stop at the second step otherwise."""
    config = tiny_config(landmark_head=True, freeze_landmark_backbone=frozen, layer_scale_init_value=1.0)
    GReFELForImageClassification(config).save_pretrained(tmp_path)
    model = GReFELForImageClassification.from_pretrained(tmp_path).train()
    model(**{k: torch.stack([row[k] for row in Crops(4)]) for k in ("pixel_values", "labels")}).loss.backward()
    without = {name for name, p in model.named_parameters() if p.requires_grad and p.grad is None}
    trainable = {name for name, p in model.named_parameters() if p.requires_grad}
    assert without == set()
    assert not any(".landmark_head." in name for name in trainable)
    assert any(".landmark_backbone." in name for name in trainable) != frozen
