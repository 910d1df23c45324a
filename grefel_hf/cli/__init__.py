"""The command line, `grefel` or `python -m grefel_hf`."""
