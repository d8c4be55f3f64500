"""How nodes reach each other: frames, TLS, queues and limits."""
