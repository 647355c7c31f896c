"""Training a decomposer for DaSLaM: data, supervised fine-tuning, policy gradient, export."""
