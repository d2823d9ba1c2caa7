"""Ways into a container image: how a command is run inside it, on the machine where this is asked."""
