"""The two estimators: what they are handed is checked, descended with and unpacked here."""
