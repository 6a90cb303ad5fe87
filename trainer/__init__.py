"""Fine-tuning FLUX with a LoRA, and generating with it."""
