"""What every process does."""
