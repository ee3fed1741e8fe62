"""The documentation site: these pages, one for every component, and a gallery.

    make docs

Links to files outside of this folder become plain text, since the site holds none of them.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import api  # noqa: E402  (beside this file)
import components  # noqa: E402
import gallery  # noqa: E402

import priorkit  # noqa: E402

project = "priorkit"
author = "the authors of priorkit"
version = release = priorkit.__version__
extensions = ["myst_nb"]  # which reads the other pages too
html_theme = "furo"
html_title = f"priorkit {release}"
exclude_patterns = ["_build"]
myst_heading_anchors = 3
myst_enable_extensions = ["dollarmath"]
suppress_warnings = ["misc.highlighting_failure"]
nb_execution_mode = "cache"  # of docs/tutorials: those that changed are executed again
nb_execution_timeout = 120
nb_execution_raise_on_error = True
nb_output_stderr = "remove"  # bars
nb_merge_streams = True
OUTSIDE = re.compile(r"\[([^\]]*)\]\(\.\./[^)]*\)")


def _inside(app, name, source):
    source[0] = OUTSIDE.sub(r"\1", source[0])


def setup(app):
    api.write(HERE / "api")
    components.write(HERE / "components")
    gallery.write(HERE / "gallery")
    app.connect("source-read", _inside)
