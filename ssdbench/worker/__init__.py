"""The program that a launch starts on each rank: reads a request, measures the case, writes the results."""
