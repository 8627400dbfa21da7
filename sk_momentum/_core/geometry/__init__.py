"""The metric in which a step is taken and a gradient measured."""
