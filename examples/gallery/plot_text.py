"""
Words that give a text away
===========================

The docstrings of scikit-learn's own functions and classes, as a sparse bag of words: which of
them are about linear models? An L1 part leaves two dozen words or so.
"""

import importlib
import inspect

import matplotlib.pyplot as plt
import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer

from sk_momentum import MomentumLogisticClassifier

texts, labels = [], []
for room in ("linear_model", "tree", "ensemble", "cluster", "preprocessing", "metrics", "svm"):
    package = importlib.import_module(f"sklearn.{room}")
    for name in package.__all__:
        thing = getattr(package, name)
        if inspect.ismodule(thing):
            continue
        members = [thing]
        if inspect.isclass(thing):
            members += [f for _, f in inspect.getmembers(thing, inspect.isfunction)]
        for each in members:
            if each.__doc__ and each.__module__.startswith(f"sklearn.{room}"):
                texts.append(each.__doc__)
                labels.append(room == "linear_model")
print(len(texts), "texts,", sum(labels), "of them about linear models")

# %%

words = TfidfVectorizer(min_df=3, token_pattern=r"[a-z]{3,}")
X = words.fit_transform(texts)
model = MomentumLogisticClassifier(alpha=2e-3, l1_ratio=1.0).fit(X, labels)
kept = np.flatnonzero(model.coef_[0])
print(f"{X.shape[1]} words, {len(kept)} kept; {model.status_} after {model.n_iter_} epochs")

# %%

best = kept[np.argsort(-np.abs(model.coef_[0, kept]))][:20]
best = best[np.argsort(model.coef_[0, best])]
figure, axes = plt.subplots(figsize=(6, 5), layout="constrained")
axes.barh(words.get_feature_names_out()[best], model.coef_[0, best])
axes.set(xlabel="coefficient", title="words for and against a linear model")
plt.show()
