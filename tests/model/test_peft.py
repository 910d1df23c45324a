"""A LoRA adapter by PEFT: trained, saved, and loaded on the checkpoint again."""

import pytest
import torch

from grefel_hf import GReFELForImageClassification

peft = pytest.importorskip("peft")

# The linear layers of the fusion, of the ViT and of the attentive correction.
TARGETS = ["query", "key_value", "query_key_value", "fc1", "fc2"]


@pytest.mark.parametrize("saved", [None, ["primary_head"]])
def test_an_adapter_gives_the_same_answers_when_it_is_loaded_again(tiny_checkpoint, tmp_path, saved):
    def base() -> GReFELForImageClassification:
        return GReFELForImageClassification.from_pretrained(tiny_checkpoint, freeze_batch_norms=True)

    torch.manual_seed(0)
    settings = peft.LoraConfig(r=4, target_modules=TARGETS, modules_to_save=saved)
    model = peft.get_peft_model(base(), settings).train()
    pixels, labels = torch.randn(6, 3, 64, 64), torch.tensor([0, 1, 2, 0, 1, 2])
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=0.05)
    for _ in range(3):
        model(pixel_values=pixels, labels=labels).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.save_pretrained(tmp_path)
    with torch.no_grad():
        trained = model.eval()(pixel_values=pixels).logits
        untrained = base()(pixel_values=pixels).logits
        loaded = peft.PeftModel.from_pretrained(base(), tmp_path).eval()(pixel_values=pixels).logits
    assert not torch.allclose(trained, untrained, atol=1e-3)
    torch.testing.assert_close(loaded, trained)
