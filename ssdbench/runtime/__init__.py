"""The device side's access to torch, CUDA and the operating system; knows nothing about measuring."""
