"""How good are rules that call a benchmark slower? Nights with a known truth, and a table of what each rule says."""
