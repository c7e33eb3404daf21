"""The fault harness: commands are killed, raced and cut off, and the tables must come out as without a fault."""
