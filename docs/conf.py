"""How Sphinx builds the site: `make docs`. Nothing is fetched: fonts, scripts and formulas are all in the pages."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE / "extensions")]

import greenfront  # noqa: E402 - found by the line above

project = "Greenfront"
author = "The Greenfront authors"
copyright = "The Greenfront authors, Apache-2.0"
release = version = greenfront.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "generated_reference",  # docs/extensions: configuration and command line, from the code
]
source_suffix = {".md": "markdown"}
exclude_patterns = ["extensions"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3

highlight_language = "none"  # of blocks that name none: commands and what they print

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
napoleon_google_docstring = True
napoleon_numpy_docstring = False
default_role = "code"  # docstrings set code in single backticks
nitpicky = False  # types of other libraries have no page here, and their inventories would have to be fetched

html_theme = "furo"
html_title = f"Greenfront {release}"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = True
