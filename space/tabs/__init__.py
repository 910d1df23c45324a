"""The tabs of the page, a wing each: what stands on it, what it does, how it looks."""
