"""The documented command `python -m grefel_hf.export_onnx`; `grefel_hf.runtime.export` is what it does."""

from .runtime.export import main

if __name__ == "__main__":
    main()
