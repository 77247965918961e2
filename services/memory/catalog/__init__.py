"""Collections, their generations' spaces, and the rows of memories."""
