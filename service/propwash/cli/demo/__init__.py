"""The demonstration: real processes, real SQL, faults, kills, and a leak check from the sandbox's ledger."""
