"""The adviser: from the settings and the facts of a descent to a verdict and a remedy, in words.

What a warning says and what `diagnose` says come from `advise` alone.  No estimator comes in here:
`_record` tells of one.
"""
