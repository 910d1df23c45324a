"""What the scripts of train/ share."""
