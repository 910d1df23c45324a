"""The command line, `python -m grefel_hf`."""
