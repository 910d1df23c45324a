"""Published weights of backbones, read and converted."""
