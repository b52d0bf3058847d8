"""An older release beside this one: what it left is read, what it began is finished, and neither harms the other."""
