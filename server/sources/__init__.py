"""What appends lines to a log."""
