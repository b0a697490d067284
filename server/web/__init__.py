"""HTTP: who may read, and what is sent."""
