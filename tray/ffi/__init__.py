"""Foreign prototypes, structs and constants; no decisions."""
