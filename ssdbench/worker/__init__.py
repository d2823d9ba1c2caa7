"""What torchrun starts: reads a case, measures it, writes what it saw."""
