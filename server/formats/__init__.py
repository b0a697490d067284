"""What lines of logs look like, as data: their levels and their times."""
