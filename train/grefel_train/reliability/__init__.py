"""How sure a model may be, fitted on images that training never saw: what goes into reliability.json."""
