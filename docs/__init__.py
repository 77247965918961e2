"""The papers of the house, and the command that generates those which follow from the code."""
