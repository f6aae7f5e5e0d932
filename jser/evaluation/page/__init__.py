"""Reports as self-contained HTML pages: figures in, one text out."""

from jser.evaluation.page.comparison_page import render_comparison
from jser.evaluation.page.ladder_page import render_ladder
from jser.evaluation.page.lineup_page import render_lineup
from jser.evaluation.page.matrix_page import render_matrix
from jser.evaluation.page.run_page import read_metrics, render
from jser.evaluation.page.sweep_page import render_sweep

__all__ = [
    "read_metrics", "render", "render_comparison", "render_ladder", "render_lineup",
    "render_matrix", "render_sweep",
]  # fmt: skip
