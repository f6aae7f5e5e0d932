"""The site: guides, reference pages and docstrings, by Sphinx.

The source folder is the repository itself (`launch/local.sh docs`), so the pages' links to one
another, to the READMEs of other folders and to files of code are those that hold in a checkout.
"""

import re
import shutil
from pathlib import Path
from typing import Any

from pygments.lexers.special import TextLexer
from sphinx.application import Sphinx
from sphinx.highlighting import lexers

import jser

HERE = Path(__file__).parent
shutil.rmtree(HERE / "api" / "made", ignore_errors=True)  # pages of modules that are no more

project = "jser"
author = "the authors of jser"
version = release = jser.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
]

root_doc = "docs/index"
include_patterns = [
    "README.md",
    "docs/**",
    "datasets/README.md",
    "datasets/*/README.md",
    "tests/benchmarks/README.md",
]
exclude_patterns = ["docs/_*", ".*", "jser", "launch", "runs", "build"]
templates_path = [str(HERE / "_templates")]

myst_heading_anchors = 4  # headings are link targets, named as on GitHub
highlight_language = "none"  # of blocks that name none
lexers["csv"] = TextLexer()  # Pygments has none

# A name in single backticks is a link where it is one of ours, and code where it is not.
default_role = "py:obj"
autodoc_member_order = "bysource"
autodoc_default_options = {
    "members": True,
    "special-members": "__call__",
    "ignore-module-all": True,
}
# All modules of a room have a page, also where the room itself hands out some of their names.
autosummary_ignore_module_all = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False
# Lists of names and what they are, so that two names may share a line: `low, high: of the interval`
napoleon_use_param = False
napoleon_custom_sections = [("Attributes", "params_style")]

html_theme = "furo"
html_title = "jser"
html_copy_source = False
html_show_copyright = False
html_additional_pages = {"index": "front.html"}  # leads to docs/index.html
html_static_path = ["_static"]
html_css_files = ["site.css"]


def setup(app: Sphinx) -> None:
    """See the functions below."""
    app.connect("autodoc-process-docstring", plain_letters, priority=400)  # before napoleon
    app.connect("autodoc-process-signature", own_fields)


def plain_letters(app: Sphinx, what: str, name: str, found: Any, options: Any, lines: list[str]):
    """`n_classes: K.` is a name and a letter, and no list with an item K."""
    lines[:] = [re.sub(r"(: [A-Z])\.$", r"\1", line) for line in lines]


def own_fields(
    app: Sphinx, what: str, name: str, found: Any, options: Any, given: str | None, returned: Any
) -> tuple[str | None, Any]:
    """A Flax module's own fields, without the two that Flax adds."""
    if what == "class" and given:
        given = re.sub(r"(, )?parent: [^)]*_Sentinel object>, name: str \| None = None", "", given)
    return given, returned
