"""A loaded checkpoint trains in two processes by accelerate as its guides show it."""

import torch

from grefel_hf import GReFELForImageClassification
from tests.helpers.launch import run
from tests.helpers.tiny import tiny_config

# No `find_unused_parameters`: a parameter that no loss reaches, the landmark head's, must not ask for a gradient.
TRAIN = """
import sys
import torch
from accelerate import Accelerator
from grefel_hf import GReFELForImageClassification

accelerator = Accelerator()
model = GReFELForImageClassification.from_pretrained(sys.argv[1]).train()
model, optimizer = accelerator.prepare(model, torch.optim.SGD(model.parameters(), 0.1))
torch.manual_seed(accelerator.process_index)
for _ in range(3):
    loss = model(pixel_values=torch.randn(4, 3, 64, 64), labels=torch.tensor([0, 1, 2, 0])).loss
    accelerator.backward(loss)
    optimizer.step()
    optimizer.zero_grad()
if accelerator.num_processes == 2 and accelerator.is_main_process:
    accelerator.unwrap_model(model).save_pretrained(sys.argv[2])
accelerator.wait_for_everyone()
"""


def test_a_loaded_model_with_an_unused_landmark_head_trains(tmp_path):
    before = GReFELForImageClassification(tiny_config(landmark_head=True))
    before.save_pretrained(tmp_path / "start")
    script = tmp_path / "script.py"
    script.write_text(TRAIN)
    done = run(script, tmp_path / "start", tmp_path / "end", processes=2)
    assert done.returncode == 0, done.stderr[-3000:]
    after = GReFELForImageClassification.from_pretrained(tmp_path / "end").state_dict()
    moved = {name for name, value in before.named_parameters() if not torch.equal(value, after[name])}
    assert "primary_head.output.weight" in moved
    assert not [name for name in moved if ".landmark_head." in name or ".landmark_backbone." in name]
