"""Try an installed package, away from its source: ``python tried.py PATH_OF_THE_SOURCE``."""

import pickle
import sys
from importlib import metadata, resources
from pathlib import Path

from sklearn.datasets import load_breast_cancer, load_diabetes

import sk_momentum
from sk_momentum import MomentumGridSearchCV, MomentumLinearRegressor, MomentumLogisticClassifier

source, installed = Path(sys.argv[1]).resolve(), Path(sk_momentum.__file__).resolve()
assert source not in installed.parents, f"{installed} is the source itself"
assert metadata.version("sk-momentum") == sk_momentum.__version__
assert (resources.files(sk_momentum) / "py.typed").is_file()
# pandas, matplotlib and Dask are nobody's business here.
needed = [each for each in metadata.requires("sk-momentum") if "extra ==" not in each]
assert len(needed) == 3, needed

X, y = load_breast_cancer(return_X_y=True)
model = MomentumLogisticClassifier().fit(X, y)
assert model.status_ == "converged"
assert (pickle.loads(pickle.dumps(model)).coef_ == model.coef_).all()
search = MomentumGridSearchCV(
    MomentumLinearRegressor(preconditioner="diagonal"),
    {"learning_rate": [0.5, 1.0], "momentum": [0.0, 0.5]},
)
search.fit(*load_diabetes(return_X_y=True))
print(f"sk_momentum {sk_momentum.__version__} of {installed.parent}: {search.best_params_}")
