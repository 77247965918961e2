"""Sources that were renamed: the immutable id behind a URI, and the move that changes the URI alone."""
