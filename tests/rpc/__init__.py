"""The RPC server over a real ledger in memory, spoken to over real sockets."""
