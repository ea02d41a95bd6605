"""What a lake was: its runs and versions, how two of them differ, one instant of it, and snapshots of it."""
