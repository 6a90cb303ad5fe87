"""Fine-tuning, generation and evaluation."""
