"""Online degradations of the target image."""
