"""One training run: flags, model, loop, checkpoints, log."""
