"""Sources: data that the lake reads and did not make, of each kind its declaration, its version and its scan."""
