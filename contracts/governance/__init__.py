"""How the pact changes: who is a member with which keys, which rules are in force, and who agreed to that."""
