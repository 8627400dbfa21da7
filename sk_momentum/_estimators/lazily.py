"""Which methods give a lazy array of a Dask collection."""

from functools import wraps

from sklearn.utils.validation import check_is_fitted

from .validation import is_collection


def lazily(method):
    """Of a Dask collection the method gives a lazy array, else what it gives of rows in memory."""

    @wraps(method)
    def wrapper(self, X):
        if not is_collection(X):
            return method(self, X)
        from .lazy_predictions import predicted

        check_is_fitted(self)
        return predicted(self, method, X)

    return wrapper
