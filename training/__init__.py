"""Making models: micro step models, the decomposer's fine-tuning and policy gradient.

Needs the ``train`` extra. Nothing here runs while a problem is being solved, and nothing outside
this folder imports torch.
"""
