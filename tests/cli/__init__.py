"""The command line, against a served ledger and without one."""
