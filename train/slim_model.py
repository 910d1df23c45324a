"""
Make a trained model narrower, for speed, with nearly the same answers.

    python train/slim_model.py --model runs/A/best --output_dir OUT --projection_kernel_size 1 --num_hidden_layers 1 \
        --intermediate_size 512 --fusion_mlp_ratio 1 DATA_FLAGS

Each of the four flags changes the entry of the configuration of that name; entries without a flag stay. Of an MLP's
hidden units those are kept that move its output most, and its second layer is fitted to the output of the whole; so is
a 1x1 convolution to that of the 3x3 convolution whose place it takes. Both fits are least squares on images of the
training split. Layers of the ViT beyond --num_hidden_layers are left out, and those that stay learn to give the tokens
of all (--epochs over these images, whose labels are not used). All other weights stay as they are.

OUT/best has the model, OUT/all_results.json the results of the old one's run with a note, so that calibrate.py and
model_card.py go on from there. Measure what comes out: it is another model.
"""

import argparse
import json
import math
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from torch import nn
from torch.utils.data import DataLoader, Subset
from tqdm.auto import tqdm
from transformers import get_scheduler

from grefel_hf import GReFELConfig, GReFELForImageClassification
from grefel_hf.checkpoint import weights_file_digest
from grefel_hf.files import write_text
from grefel_hf.loading import load_checkpoint
from grefel_hf.model.modeling_grefel import GReFELMLP
from grefel_train.data.arguments import add_data_arguments
from grefel_train.data.dataset import FaceDataset, normalize, to_unit_range
from grefel_train.data.loading import load_face_data
from grefel_train.data.splits import training_target_column
from grefel_train.flags import FlagParser
from grefel_train.run.saving import save_model

ENTRIES = ("projection_kernel_size", "num_hidden_layers", "intermediate_size", "fusion_mlp_ratio")
# Of the mean square of an input; keeps inputs that hardly vary from getting large weights.
RIDGE = 1e-6
IMITATION_RATE = 5e-4
IMITATION_BATCH = 64


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = FlagParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--model", required=True, help="folder of a trained model")
    parser.add_argument("--output_dir", type=Path, required=True)
    for entry in ENTRIES:
        parser.add_argument(f"--{entry}", type=int)
    parser.add_argument("--num_images", type=int, default=8000, help="training images for the fits (default: 8000)")
    parser.add_argument("--epochs", type=int, default=10, help="of the ViT, if layers are left out (default: 10)")
    parser.add_argument("--seed", type=int, default=0, help="of the choice and order of these images")
    add_data_arguments(parser)
    args = parser.parse_args(argv)
    if all(getattr(args, entry) is None for entry in ENTRIES):
        parser.error(f"nothing to change: give one of {', '.join('--' + entry for entry in ENTRIES)}")
    if args.num_images < 1 or args.epochs < 1:
        parser.error("--num_images and --epochs must be at least 1")
    return args


class LeastSquares:
    """Outputs as a linear function of inputs: the normal equations, summed up in float64."""

    def __init__(self):
        self.inputs: torch.Tensor | None = None  # (N + 1, N + 1): products of inputs, the last of which is 1
        self.outputs: torch.Tensor | None = None  # (N + 1, M): of inputs and outputs

    def add(self, inputs: torch.Tensor, outputs: torch.Tensor):
        """Take in inputs (..., N) and outputs (..., M)."""
        rows = nn.functional.pad(inputs.flatten(0, -2).double(), (0, 1), value=1.0)
        products = rows.T @ rows, rows.T @ outputs.flatten(0, -2).double()
        self.inputs = products[0] if self.inputs is None else self.inputs + products[0]
        self.outputs = products[1] if self.outputs is None else self.outputs + products[1]

    def mean_squares(self) -> torch.Tensor:
        """Of each input, (N,)."""
        return self.inputs.diagonal()[:-1] / self.inputs[-1, -1]

    def solve(self, kept: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        """Weight (M, n) and bias (M,) of the best linear function of the inputs `kept` (n,), indices, or of all."""
        last = len(self.inputs) - 1
        rows = torch.arange(last + 1) if kept is None else torch.cat([kept, torch.tensor([last])])
        left, right = self.inputs[rows][:, rows], self.outputs[rows]
        ridge = RIDGE * left.diagonal().mean() * torch.eye(len(rows), dtype=left.dtype)
        solution = torch.linalg.solve(left + ridge, right)  # (n + 1, M)
        return solution[:-1].T.float(), solution[-1].float()


def observe(model: GReFELForImageClassification, config: GReFELConfig) -> tuple[dict[str, LeastSquares], list]:
    """Fits for the modules of `model` that are smaller under `config`, and the hooks by which they see every pass."""
    narrow = dict(GReFELForImageClassification(config).named_modules())
    fits, hooks = {}, []
    for name, module in model.named_modules():
        other = narrow.get(name)
        if isinstance(module, GReFELMLP) and other and module.fc1.out_features != other.fc1.out_features:
            fits[name] = LeastSquares()
            hooks.append(module.fc2.register_forward_hook(watch_linear(fits[name])))
        elif isinstance(module, nn.Conv2d) and other and module.kernel_size != other.kernel_size:
            fits[name] = LeastSquares()
            hooks.append(module.register_forward_hook(watch_convolution(fits[name])))
    return fits, hooks


def watch_linear(fit: LeastSquares) -> Callable:
    return lambda module, inputs, output: fit.add(inputs[0], output)


def watch_convolution(fit: LeastSquares) -> Callable:
    """Of a convolution of stride 1: every cell of its output and the cell at the same place of its input."""
    return lambda module, inputs, output: fit.add(inputs[0].permute(0, 2, 3, 1), output.permute(0, 2, 3, 1))


@torch.no_grad()
def narrowed(
    model: GReFELForImageClassification, config: GReFELConfig, fits: dict[str, LeastSquares]
) -> GReFELForImageClassification:
    """A model of this configuration: weights of the same shape are those of `model`, all others come from the fits."""
    narrow = GReFELForImageClassification(config).eval()
    old, modules = dict(model.named_modules()), dict(narrow.named_modules())
    weights = model.state_dict()
    for name, tensor in narrow.state_dict().items():
        if weights[name].shape == tensor.shape:
            tensor.copy_(weights[name])
    for name, fit in fits.items():
        module = modules[name]
        if isinstance(module, nn.Conv2d):
            weight, bias = fit.solve()
            module.weight.copy_(weight[:, :, None, None])
            module.bias.copy_(bias)
            continue
        importance = fit.mean_squares() * old[name].fc2.weight.double().square().sum(0)
        kept = importance.topk(module.fc1.out_features).indices.sort().values
        module.fc1.weight.copy_(old[name].fc1.weight[kept])
        module.fc1.bias.copy_(old[name].fc1.bias[kept])
        weight, bias = fit.solve(kept)
        module.fc2.weight.copy_(weight)
        module.fc2.bias.copy_(bias)
    return narrow


def narrower_config(config: GReFELConfig, args: argparse.Namespace) -> GReFELConfig:
    """
    Raises:
        ValueError: an entry would grow.
    """
    entries = {entry: getattr(args, entry) for entry in ENTRIES if getattr(args, entry) is not None}
    for entry, value in entries.items():
        if not 0 < value <= getattr(config, entry):
            raise ValueError(f"--{entry} {value}: the model has {getattr(config, entry)}, and can only get less")
    return GReFELConfig(**config.to_dict() | entries)


def slim(
    model: GReFELForImageClassification,
    config: GReFELConfig,
    batches: Callable[[], Iterable[torch.Tensor]],
    epochs: int = 10,
    seed: int = 0,
) -> GReFELForImageClassification:
    """
    `model` under a narrower configuration.

    Args:
        batches: gives the same pixel values, (B, 3, S, S) each, whenever it is called.
        epochs, seed: of the ViT's layers, see `imitate`.
    """
    fits, hooks = observe(model, config)
    with torch.no_grad():
        tokens = [model.grefel(pixel_values).last_hidden_state for pixel_values in batches()]
    for hook in hooks:
        hook.remove()
    narrow = narrowed(model, config, fits)
    if config.num_hidden_layers < model.config.num_hidden_layers:
        with torch.no_grad():
            inputs = [tokens_before_layers(narrow, pixel_values) for pixel_values in batches()]
        imitate(narrow, torch.cat(inputs), torch.cat(tokens), epochs, seed)
    return narrow


def tokens_before_layers(model: GReFELForImageClassification, pixel_values: torch.Tensor) -> torch.Tensor:
    """What the first layer of the ViT is given, (B, 1 + T, D)."""
    seen = []
    hook = model.grefel.embeddings.register_forward_hook(lambda module, inputs, output: seen.append(output))
    model(pixel_values)
    hook.remove()
    return seen[0]


def imitate(narrow: GReFELForImageClassification, inputs: torch.Tensor, tokens: torch.Tensor, epochs: int, seed: int):
    """
    Train the ViT's layers to make `tokens` of `inputs`, both (M, 1 + T, D), and the embedding that follows from them.

    The embedding counts as much as all tokens, for anchors and the primary head see nothing else.
    """
    encoder, generator = narrow.grefel, torch.Generator().manual_seed(seed)
    parameters = [*encoder.layers.parameters(), *encoder.layernorm.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=IMITATION_RATE, weight_decay=0.0)
    steps = epochs * math.ceil(len(inputs) / IMITATION_BATCH)
    schedule = get_scheduler("cosine", optimizer, steps // 20, num_training_steps=steps)
    bar = tqdm(total=steps, desc="layers of the ViT")
    for _ in range(epochs):
        for rows in torch.randperm(len(inputs), generator=generator).split(IMITATION_BATCH):
            hidden_states, target = inputs[rows], tokens[rows]
            for layer in encoder.layers:
                hidden_states = layer(hidden_states)
            hidden_states = encoder.layernorm(hidden_states)
            loss = nn.functional.mse_loss(hidden_states, target)
            loss = loss + nn.functional.mse_loss(encoder.gate(hidden_states[:, 0]), encoder.gate(target[:, 0]))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            bar.update()
            bar.set_postfix(loss=loss.item())
    bar.close()


def main(args: argparse.Namespace):
    try:
        model, processor = load_checkpoint(args.model)
        config = narrower_config(model.config, args)
        data = load_face_data(args, splits=("train",)).train
        faces = FaceDataset(data, processor, training_target_column(data))
        order = torch.randperm(len(faces), generator=torch.Generator().manual_seed(args.seed))[: args.num_images]
        loader = DataLoader(Subset(faces, order.tolist()), batch_size=64)

        def batches() -> Iterable[torch.Tensor]:
            for batch in tqdm(loader, desc="training images"):
                yield normalize(to_unit_range(batch["pixels"]), processor)

        narrow = slim(model, config, batches, args.epochs, args.seed)
        save_model(narrow, processor, args.output_dir / "best")
    except (OSError, ValueError, SafetensorError) as error:
        sys.exit(f"Cannot slim {args.model}: {error}")
    run = Path(args.model).parent / "all_results.json"
    if run.exists():
        results = json.loads(run.read_text())
        for outdated in ("best", "calibration"):  # measured on, or done to, the old model
            results.pop(outdated, None)
        results["slimmed"] = {
            "weights_sha256": weights_file_digest(args.model),
            "images": len(order),
            "epochs": args.epochs,
            "seed": args.seed,
            "entries": {
                entry: [getattr(model.config, entry), getattr(config, entry)]
                for entry in ENTRIES
                if getattr(model.config, entry) != getattr(config, entry)
            },
        }
        write_text(args.output_dir / "all_results.json", json.dumps(results, indent=2) + "\n")
    sizes = [f"{m.num_parameters() / 1e6:.2f} M" for m in (narrow, model)]
    print(f"The model in {args.output_dir / 'best'} has {sizes[0]} parameters instead of {sizes[1]}.")


if __name__ == "__main__":
    main(parse_args())
