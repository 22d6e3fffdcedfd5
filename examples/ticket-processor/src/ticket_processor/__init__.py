"""Support tickets, enriched by a sentence-embedding model."""
