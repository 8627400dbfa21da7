"""Settings of every kind of descent: geometries, rules, batches, penalties, stopping, means."""

PLANS = {
    "auto": {},
    "diagonal": {"preconditioner": "diagonal"},
    "raw": {"preconditioner": None, "max_iter": 60},
    "ema": {"learning_rate": 0.3, "momentum": 0.9, "preconditioner": "diagonal", "max_iter": 40},
    "heavy_ball": {"learning_rate": 0.1, "momentum": 0.5, "momentum_type": "heavy_ball"},
    "nesterov": {"learning_rate": 1.0, "momentum": "auto", "preconditioner": "full"},
    "rate": {"learning_rate": "auto", "momentum": 0.5, "momentum_type": "nesterov"},
    "l1": {"l1_ratio": 0.5, "alpha": 1e-2},
    "batches": {"batch_size": 32, "random_state": 0, "max_iter": 8},
    "numeric_batches": {
        "learning_rate": 0.05,
        "momentum": 0.9,
        "batch_size": 32,
        "random_state": 0,
        "max_iter": 8,
        "schedule": "invscaling",
    },
    "stopping": {
        "learning_rate": 0.5,
        "momentum": 0.5,
        "batch_size": 50,
        "early_stopping": True,
        "random_state": 0,
        "max_iter": 20,
    },
    "average": {"learning_rate": 0.3, "momentum": 0.0, "average": True, "max_iter": 20},
}
