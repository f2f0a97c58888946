"""The program that ``hangshot demo`` dumps. It knows nothing of Hangshot."""
