"""Commands that fit the constants in the repository to evaluation data, which itself stays outside."""
