"""Counters and gauges as Prometheus reads them."""

from __future__ import annotations

from collections.abc import Mapping


def prometheus(values: Mapping[str, float]) -> str:
    """Text of `values`, by name with its labels; what ends in `_total` counts up."""
    lines = []
    for name, value in sorted(values.items()):
        family = name.partition("{")[0]
        kind = f"# TYPE {family} {'counter' if family.endswith('_total') else 'gauge'}"
        if kind not in lines:
            lines.append(kind)
        lines.append(f"{name} {value:.10g}")
    return "\n".join(lines) + "\n"
