"""Nothing accepted is lost, whatever is killed: storms of faults over real processes, and the checker of what is left."""
