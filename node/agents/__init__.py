"""What acts for a member beside its node: meter gateways, and later the agents of rulebooks."""
