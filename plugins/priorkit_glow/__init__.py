"""Glow as a prior: the network, its folded inference form, and the training recipe.

Importing the package imports nothing else, so that ``priorkit_glow.train`` runs on a
machine that has only torch, numpy, pillow and safetensors.
"""
