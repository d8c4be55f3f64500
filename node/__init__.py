"""One participant's process: storage, network, RPC, command line, agents. The lowest floor with I/O; holds no rules."""
