"""The mathematics, on arrays: no estimator comes in here."""
