"""Sphinx settings of the documentation site; docs/site/build.py collects its pages."""

from datetime import date
from pathlib import Path

from ssdbench import __version__

project = "ssdbench"
version = release = __version__
html_title = f"ssdbench {__version__}"
project_copyright = f"{date.today().year}, the ssdbench developers, Apache License 2.0"

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
myst_heading_anchors = 3
highlight_language = "none"
default_role = "code"  # docstrings mark code by single backticks, as Markdown does
autodoc_typehints = "description"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True

html_theme = "furo"
html_static_path = [str(Path(__file__).parent / "static")]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {"navigation_with_keys": True}
