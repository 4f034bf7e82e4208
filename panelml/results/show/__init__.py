"""How results are shown: text, HTML, Markdown, LaTeX, frames."""
