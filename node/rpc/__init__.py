"""The node's public face: HTTP queries, submission, events. Every byte that arrives here is hostile."""
