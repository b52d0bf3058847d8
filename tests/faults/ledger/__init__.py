"""The ledger's protocol under a storm in one process, and the mutants of the engine that it must tell apart."""
