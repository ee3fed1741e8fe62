"""RealNVP as a prior over vectors and small images, made of parts of ``normflows``.

Importing the package imports nothing else, so that ``priorkit_realnvp.train`` runs on a
machine that has only torch, numpy, pillow, safetensors and normflows.
"""
