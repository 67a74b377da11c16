"""The mutation test of the checker: `mutate` makes the mutants, `judge` asks the checker about each, `explain`
says why an equivalent one is equivalent, `subjects` lists the backwards that are mutated."""
