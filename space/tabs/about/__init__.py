"""What was measured of the model, and how programs call the page."""
