"""The reranker: measures how well each candidate answers a query."""
