"""A loss audit: a log that suffers all that logs suffer, and clients that must get every line."""
