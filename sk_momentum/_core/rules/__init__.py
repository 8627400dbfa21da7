"""The rules that turn a gradient into a step."""
