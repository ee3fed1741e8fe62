"""What is fuzzed: each target takes draws and a folder, does one case, and checks its answer.

Inputs are written to the folder first; then, in ``guarded``, only ``out`` in it may be written to.
"""

from tests.fuzz import files, instruments, objects, runs

__all__ = ["TARGETS"]

# Each with its share of the cases: those that build and solve take longest.
TARGETS = {
    "weights": (files.weights, 8),
    "cards": (files.cards, 12),
    "npy": (files.npy, 10),
    "arrays": (files.arrays, 15),
    "pictures": (files.picture_files, 15),
    "instruments": (instruments.instruments, 15),
    "config": (runs.config, 8),
    "records": (runs.records, 4),
    "zips": (files.zips, 6),
    "matrices": (files.matrices, 10),
    "plugins": (runs.plugins, 8),
    "commands": (runs.commands, 4),
    "objects": (objects.objects, 20),
    "names": (objects.names, 8),
    "edited": (objects.edited, 8),
}
