"""``python -m tests.cuda_host.sanitized kernels FOLDER``, with libasan preloaded."""

import sys
from pathlib import Path

import torch
from priorkit_glow import device as glow
from priorkit_operators import kernels as gaussian

from tests.cuda_host import HostLibrary

FLAGS = ("-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")


def main(what: str, folder: Path) -> None:
    """Run every kernel, or a planted fault."""
    if what == "kernels":
        sources = {**glow.SOURCES, **gaussian.SOURCES}
        library, ran = HostLibrary(sources, folder, FLAGS), set()

        def launch(name, *rest):
            ran.add(name)
            library(name, *rest)

        glow.check(launch, torch.device("cpu"))
        gaussian.check(launch, torch.device("cpu"))
        assert ran == {name for names in sources.values() for name in names}
    else:
        source = Path(__file__).parent / f"planted/{what}.cu"
        library = HostLibrary({source: (what,)}, folder, FLAGS)
        library(what, (1, 1), 64, [torch.zeros(64, dtype=torch.int32)])
    print("all is well")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
