"""The `smarter` command: a client of both agents, and tools that need no agent."""
