"""How well rules find slowdowns: simulated runs with a known truth, and a table of what each rule says."""
