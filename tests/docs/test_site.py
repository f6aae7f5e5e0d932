"""The site builds, and warns of nothing: no broken link, missing page or docstring's markup."""

import os
import subprocess
import sys

import pytest

from tests.launch.conftest import ROOT

for name in ("furo", "myst_parser", "sphinx"):
    pytest.importorskip(name)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_site(tmp_path):
    """A minute and more of one core: 250 pages of modules."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "sphinx", "--fail-on-warning", "--keep-going", "--quiet"),
            *("-c", "docs", "-d", str(tmp_path / "doctrees"), ".", str(tmp_path / "html")),
        ],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    guides = {f"docs/guides/{path.stem}.html" for path in (ROOT / "docs" / "guides").glob("*.md")}
    pages = {str(path.relative_to(tmp_path / "html")) for path in tmp_path.rglob("*.html")}
    assert {"index.html", "docs/index.html", "README.html", "docs/files.html"} <= pages
    assert guides <= pages
    assert "docs/api/made/jser.training.population.html" in pages
