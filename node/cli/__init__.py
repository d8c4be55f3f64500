"""The commands of one node and of those who talk to it: `app` is mounted by the entry point."""

from node.cli.app import app
from node.cli.output import run

__all__ = ["app", "run"]
