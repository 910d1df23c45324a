"""From a photo to crops: reading, detection, cropping."""
