"""What computes a network: PyTorch, compiled, or ONNX Runtime on an exported graph."""
