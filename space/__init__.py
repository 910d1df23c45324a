"""The page: layout, figures and words. Everything that computes is in grefel_hf."""
