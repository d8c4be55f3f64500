"""Pictures of what the ledger holds."""
