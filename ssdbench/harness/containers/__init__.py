"""Container images, registries and engines."""
