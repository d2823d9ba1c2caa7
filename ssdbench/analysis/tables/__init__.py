"""Tables in the layout of the published ones."""
