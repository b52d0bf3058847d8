"""Faults of what surrounds Cyclery: networks, memory, disks, stores, clocks."""
