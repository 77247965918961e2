"""The memory as tools of an assistant: a Model Context Protocol server that is a client of the gateway."""
