"""The program that torchrun starts on each rank: reads a request, measures the case, writes the results."""
