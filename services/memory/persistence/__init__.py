"""What memory keeps on disk beside the vectors: one SQLite file, its journal, and the order of writes."""
