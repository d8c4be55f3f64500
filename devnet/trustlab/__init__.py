"""What proof of trust does to members and cartels, played on the rules themselves: the figures of `docs/trust.md`."""
