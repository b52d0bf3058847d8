"""Nothing accepted is lost, whatever is killed: storms of faults, and the checker of what is left."""
