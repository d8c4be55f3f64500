"""Pictures as SVG: shapes, and panels over a common axis of time."""
