"""The subject: SSD300 v1.1, its data and its training; does not know that it is measured."""
