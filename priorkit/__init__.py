"""priorkit recovers images from few, noisy or missing measurements.

    import priorkit
    result = priorkit.recover("face.png", prior="glow-celeba", op="gaussian", m=500)
    result.psnr, result.save("out")

Importing it imports no torch; names are resolved when they are used.
"""

from __future__ import annotations

TYPE_CHECKING = False  # as that of typing, whose import would be most of the time of this one

if TYPE_CHECKING:
    from typing import Any

    from priorkit.errors import PriorkitError
    from priorkit.hookspecs import hookimpl
    from priorkit.results.comparison import Comparison
    from priorkit.results.recovery import Recovery
    from priorkit.studies.folder import recover_folder
    from priorkit.studies.results import Results
    from priorkit.studies.study import Study
    from priorkit.studies.sweep import sweep
    from priorkit.verbs.audit import audit
    from priorkit.verbs.compare import compare
    from priorkit.verbs.recover import recover
    from priorkit.verbs.replay import replay

__version__ = "1.0.0"

_WHERE = {
    "Audit": "priorkit.results.audit",
    "audit": "priorkit.verbs.audit",
    "compare": "priorkit.verbs.compare",
    "Comparison": "priorkit.results.comparison",
    "recover": "priorkit.verbs.recover",
    "recover_folder": "priorkit.studies.folder",
    "replay": "priorkit.verbs.replay",
    "Recovery": "priorkit.results.recovery",
    "hookimpl": "priorkit.hookspecs",
    "PriorkitError": "priorkit.errors",
    "Results": "priorkit.studies.results",
    "Study": "priorkit.studies.study",
    "sweep": "priorkit.studies.sweep",
}

__all__ = [
    "Audit",
    "Comparison",
    "PriorkitError",
    "Recovery",
    "Results",
    "Study",
    "__version__",
    "audit",
    "compare",
    "hookimpl",
    "recover",
    "recover_folder",
    "replay",
    "sweep",
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'priorkit' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_WHERE[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
