"""
Train GReFEL on faces with expression labels.

    accelerate launch train/train.py --config train/configs/finetune.yaml --train_dir MY_FACES --output_dir OUT
    accelerate launch train/train.py --dataset_dir FERPLUS --output_dir OUT --augmentation_strength 0.7

One epoch after another: train, average the weights, evaluate the average on the validation split, keep it if it is
the best so far (half-precision weights, config and processor in OUT/best). Every key of a recipe is a flag, and flags
go before the recipe. OUT/checkpoint-N has everything to resume from after N optimiser steps, OUT/training_log.jsonl
one line per logging step and per evaluation, OUT/recipe.yaml the settings that ran, OUT/all_results.json the result
with arguments, class counts, versions and commit. OUT must be on a disk that all nodes share.
"""

import argparse
import contextlib
import json
import math
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from grefel_train.flags import Scope
from grefel_train.run import arguments


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    return arguments.parse_args(__doc__, argv)


if __name__ == "__main__":
    parse_args()  # for --help and mistakes, before the imports that follow, which take seconds

import torch
import transformers
import yaml
from accelerate import Accelerator
from accelerate.utils import DistributedType, ProjectConfiguration, TorchDynamoPlugin, set_seed
from datasets import IterableDataset
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError

from grefel_hf.files import check_folder, restore_folder, write_text
from grefel_hf.plurals import counted
from grefel_train.data.dataset import BadImageError
from grefel_train.data.fingerprint import data_fingerprint
from grefel_train.data.loaders import class_counts, class_weights, eval_loader, train_loader
from grefel_train.data.loading import FaceData, load_face_data
from grefel_train.hub.push import PushError, make_repository, push_model
from grefel_train.run.averages import WeightAverage
from grefel_train.run.build import (
    build_config,
    build_model,
    build_optimizer,
    build_processor,
    build_schedule,
    compare_classes,
    may_be_prolonged,
    planned_steps,
)
from grefel_train.run.checkpoints import checkpoints, delete_run, read_checkpoint
from grefel_train.run.interruption import Interrupted, StopRequest
from grefel_train.run.log import TrainingLog, chosen_trackers, start_trackers
from grefel_train.run.loop import NotFinite, Progress, Run, load_states, train
from grefel_train.run.output_dir import DISK_FULL, lock_folder
from grefel_train.run.processes import keep_freed_memory, leave
from grefel_train.run.provenance import run_origin
from grefel_train.run.rate_finder import find_rate, suggested_rate, table

# What is wrong with the settings, the data or the disk, rather than with this program.
START_ERRORS = (OSError, ValueError, SafetensorError, StrictDataclassError, PushError)
TRAINING_ERRORS = (OSError, BadImageError)
ONE_PROCESS = """\
Note: `accelerate launch --cpu --num_processes N` starts one process, unless it is given a hostfile of MPI. Several on a
CPU: ACCELERATE_USE_CPU=true accelerate launch --multi_gpu --num_processes N ..."""


def main(args: argparse.Namespace):
    keep_freed_memory()
    stop = StopRequest()
    output_dir = Path(args.output_dir)
    with ending_with_message("Cannot start training", START_ERRORS):
        accelerator = build_accelerator(args, output_dir)
        args.mixed_precision = accelerator.mixed_precision  # which accelerate's own configuration may have set
    main_process = accelerator.is_main_process
    with ending_with_message("Cannot start training", START_ERRORS, main_process):
        lock = prepare_output_dir(args, output_dir, accelerator)
        transformers.utils.logging.disable_progress_bar()  # those of saving break the run's own
        set_seed(args.seed)
        set_determinism(args, accelerator)
        if args.push_to_hub and main_process:  # a token that does not work shows now, not after the training
            make_repository(hub_id(args), token=args.hub_token, private=args.hub_private)
        with accelerator.main_process_first():  # it fills the caches of `datasets` for the others
            data = load_face_data(args, label_map=args.label_map)
        if args.model_name_or_path:
            accelerator.print(compare_classes(args, data.label_names))
        run = build_run(args, data, accelerator, output_dir, stop)
        if args.find_learning_rate:
            try_rates(run)
            return leave(accelerator)
        origin = note_origin(run) if main_process else {}
        start_trackers(accelerator, args.project_name, recipe_of(args), run.progress.step)
    advice = f" --resume_from_checkpoint latest goes on from the last checkpoint in {output_dir}, if there is one."
    with (
        ending_with_message("Training ended early", (NotFinite,), main_process),
        ending_with_message("Training ended early", TRAINING_ERRORS, main_process, advice),
    ):
        try:
            train(run)
        except Interrupted as interruption:
            end_interrupted(run, interruption)
        write_results(run, origin)
    accelerator.end_training()
    if lock is not None:
        lock.close()
    if main_process:
        print(f"The best model is in {output_dir / 'best'}, the results are in {output_dir / 'all_results.json'}.")
    if args.push_to_hub and main_process:
        with ending_with_message("The model is trained, but not on the Hub", (PushError,)):
            print(
                push_model(
                    output_dir / "best",
                    hub_id(args),
                    token=args.hub_token,
                    private=args.hub_private,
                    run_dir=output_dir,
                )
            )
    leave(accelerator)


@contextlib.contextmanager
def ending_with_message(
    what: str, errors: tuple[type[Exception], ...], speaks: bool = True, advice: str = ""
) -> Iterator[None]:
    """End the program with a sentence, from the process that `speaks`, where one of these errors is raised."""
    try:
        yield
    except errors as error:
        if getattr(error, "errno", None) in DISK_FULL:
            error = f"the disk is full ({error.filename})."
        sys.exit(f"{what}: {error}{advice}" if speaks else 1)


def end_interrupted(run: Run, interruption: Interrupted):
    """End the program with the sentence that says how to go on."""
    saved = f"saved {checkpoints(run.output_dir)[-1]}. Go on" if run.progress.step else "saved nothing yet. Start again"
    if run.accelerator.is_main_process:
        print(
            f"The run was stopped by {interruption} and {saved} with the same command and --resume_from_checkpoint "
            "latest: it ends as if it had never been stopped.",
            file=sys.stderr,
        )
    leave(run.accelerator, interruption.exit_code)


def build_accelerator(args: argparse.Namespace, output_dir: Path) -> Accelerator:
    return Accelerator(
        mixed_precision=args.mixed_precision,
        gradient_accumulation_steps=args.gradient_accumulation_steps,
        dynamo_plugin=TorchDynamoPlugin(backend="inductor") if args.torch_compile else None,
        log_with=chosen_trackers(args.report_to, args.with_tracking) or None,
        project_config=ProjectConfiguration(str(output_dir), logging_dir=str(output_dir / "tracking")),
    )


def prepare_output_dir(args: argparse.Namespace, output_dir: Path, accelerator: Accelerator) -> IO | None:
    """
    Make the folder, and see that no two runs mix in it.

    Returns:
        What keeps other runs out of it, in the main process, as long as it is open.

    Raises:
        ValueError: it is another run's that goes on, or has checkpoints of an earlier one that is neither resumed nor
            to be overwritten.
    """
    lock = None
    if accelerator.is_main_process:
        check_folder(output_dir)
        output_dir.mkdir(parents=True, exist_ok=True)
        lock = lock_folder(output_dir)
        if args.overwrite_output_dir and not args.resume_from_checkpoint:
            delete_run(output_dir)
        restore_folder(output_dir / "best")
    accelerator.wait_for_everyone()
    if checkpoints(output_dir) and not args.resume_from_checkpoint:
        raise ValueError(
            f"{output_dir} has checkpoints of an earlier run. Go on with --resume_from_checkpoint latest, begin anew "
            "with --overwrite_output_dir, or choose another --output_dir."
        )
    return lock


def set_determinism(args: argparse.Namespace, accelerator: Accelerator):
    """Sums over indexed tables (the gradients of position biases) come in any order otherwise, on a CPU too."""
    if args.deterministic or (args.deterministic is None and accelerator.device.type == "cpu"):
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)
        torch.utils.deterministic.fill_uninitialized_memory = False  # costs time, and nothing here reads such memory


def build_run(
    args: argparse.Namespace, data: FaceData, accelerator: Accelerator, output_dir: Path, stop: StopRequest
) -> Run:
    """Everything that the loop needs, at the start or at the checkpoint to resume from."""
    sharded = accelerator.distributed_type == DistributedType.FSDP
    if sharded and not accelerator.is_fsdp2:
        raise ValueError("FSDP of version 1 is not supported: answer `accelerate config` with fsdp_version 2.")
    if sharded and args.anchor_start != "random":
        raise ValueError("--anchor_start: under FSDP no process has all anchors; leave it out.")
    streaming = isinstance(data.train, IterableDataset)
    config = build_config(args, data.label_names, class_weights(args, data.train, data.label_names))
    model = build_model(args, config)
    if not sharded:  # FSDP takes weights in rows only
        model = model.to(memory_format=torch.channels_last)
    processor = build_processor(args, config)
    if args.sync_batch_norm:
        if accelerator.device.type != "cuda":
            raise ValueError("--sync_batch_norm works on GPUs only, and this run is not on one.")
        model = torch.nn.SyncBatchNorm.convert_sync_batchnorm(model)
    loader = train_loader(args, data.train, processor, config.image_size, accelerator)
    model, optimizer = accelerator.prepare(model, build_optimizer(model, args))
    validation = None
    if data.validation is not None:
        validation = accelerator.prepare(eval_loader(args, data.validation, processor))

    steps_per_epoch = None if streaming else math.ceil(len(loader) / args.gradient_accumulation_steps)
    total_steps = planned_steps(args, steps_per_epoch)
    # accelerate steps a prepared schedule once per process, so this one stays plain: it counts optimiser steps.
    schedule = build_schedule(optimizer, args, total_steps, steps_per_epoch)
    accelerator.register_for_checkpointing(schedule)

    counts = None if streaming else class_counts(data.train, data.label_names)
    shaping = arguments.within(vars(args), Scope.WEIGHTS)
    if streaming:  # which workers share
        shaping["dataloader_num_workers"] = args.dataloader_num_workers
    settings = {
        "arguments": shaping,
        "model": {key: value for key, value in config.to_dict().items() if key != "transformers_version"},
        "class_counts": counts,
        "data": {name: data_fingerprint(getattr(data, name)) for name in ("train", "validation", "calibration")},
        "processes": accelerator.num_processes,
        "mixed_precision": accelerator.mixed_precision,
    }
    checkpoint = checkpoint_to_resume(args, output_dir)
    prolonging = may_be_prolonged(args)
    progress = Progress(**read_checkpoint(checkpoint, settings, prolonging)) if checkpoint else Progress()
    run = Run(
        args=args,
        accelerator=accelerator,
        model=model,
        plain_model=accelerator.unwrap_model(model, keep_torch_compile=False),
        average=WeightAverage(model, args.ema_decay) if args.ema_decay else None,
        optimizer=optimizer,
        schedule=schedule,
        train_loader=loader,
        eval_loader=validation,
        processor=processor,
        total_steps=total_steps,
        settings=settings,
        progress=progress,
        log=TrainingLog(output_dir / "training_log.jsonl", accelerator, progress.step),
        output_dir=output_dir,
        stop=stop,
    )
    if checkpoint:
        load_states(run, checkpoint)
    images = "a stream of training images" if streaming else counted(len(data.train), "training image")
    measured = counted(0 if data.validation is None else len(data.validation), "validation image")
    start = f"after {checkpoint}" if checkpoint else "from the beginning"
    processes = counted(accelerator.num_processes, "process", "processes")
    accelerator.print(f"{images} and {measured}, {counted(total_steps, 'step')}, {processes}, {start}.")
    if args.resume_from_checkpoint and not checkpoint:
        accelerator.print(f"Note: there is no checkpoint in {output_dir} to go on from.")
    if accelerator.num_processes == 1 and "MASTER_PORT" in os.environ and "WORLD_SIZE" not in os.environ:
        print(ONE_PROCESS)
    if data.validation is None:
        accelerator.print(f"Without validation images nothing is measured: {output_dir / 'best'} is the latest model.")
    return run


def try_rates(run: Run):
    """What --find_learning_rate asks for instead of a run."""
    rows, file = find_rate(run), run.output_dir / "learning_rates.csv"
    rate = suggested_rate(rows)
    if run.accelerator.is_main_process:
        write_text(file, table(rows))
        found = "the loss fell at no rate" if rate is None else f"they speak for --learning_rate {rate:.1g}"
        print(f"The losses at {counted(len(rows), 'rate')} are in {file}; {found}.")


def checkpoint_to_resume(args: argparse.Namespace, output_dir: Path) -> Path | None:
    """The checkpoint that the flag names; None without the flag, and for `latest` where there is none yet."""
    if args.resume_from_checkpoint == "latest":
        return next(reversed(checkpoints(output_dir)), None)
    return Path(args.resume_from_checkpoint) if args.resume_from_checkpoint else None


def recipe_of(args: argparse.Namespace) -> dict[str, Any]:
    """The settings that ran, as a recipe that --config takes."""
    return {key: value for key, value in arguments.within(vars(args), Scope.MACHINE).items() if value is not None}


def note_origin(run: Run) -> dict[str, Any]:
    """Write down the settings, commit and versions before anything is trained."""
    origin = run_origin(run.output_dir, run.args, run.progress.step)
    header = f"# The settings of a run at commit {origin['commit']}.\n"
    write_text(run.output_dir / "recipe.yaml", header + yaml.safe_dump(recipe_of(run.args), sort_keys=False))
    return origin


def write_results(run: Run, origin: dict[str, Any]):
    bad_images = torch.tensor(run.train_loader.dataset.num_bad_images, device=run.accelerator.device)
    results = {
        "best": run.progress.best,
        "seconds": run.log.seconds(),
        "steps": run.progress.step,
        "args": arguments.within(vars(run.args), Scope.START),
        "class_counts": run.settings["class_counts"],
        "data": run.settings["data"],
        "processes": run.accelerator.num_processes,
        "bad_images": int(run.accelerator.reduce(bad_images, "sum")),
        **origin,
    }
    if run.accelerator.is_main_process:
        write_text(run.output_dir / "all_results.json", json.dumps(results, indent=2) + "\n")


def hub_id(args: argparse.Namespace) -> str:
    return args.hub_model_id or Path(args.output_dir).resolve().name


if __name__ == "__main__":
    try:
        main(parse_args())
    except KeyboardInterrupt:
        print("\nEnded at once; the checkpoints that there are remain.", file=sys.stderr, flush=True)
        os._exit(128 + signal.SIGINT)  # without waiting for anything
