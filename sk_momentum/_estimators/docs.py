"""The parts of the public docstrings that both estimators share, written once."""

PARAMETERS = """
learning_rate : "auto" or float > 0, default="auto"
    The size of a step, outside the velocity: eta in the table of `momentum_type`. "auto" takes
    the value that the curvature of the data allows; see Notes.
momentum : "auto" or float in [0, 1), default="auto"
    The share of the last velocity that is kept: beta in the table of `momentum_type`.
momentum_type : {"ema", "heavy_ball", "nesterov"}, default="ema"
    With g the gradient at the current point, in the geometry of `preconditioner`:

    ================  =============================  ========================
    momentum_type     velocity                       step
    ================  =============================  ========================
    ``"ema"``         v <- beta v + (1 - beta) g     w <- w - eta v
    ``"heavy_ball"``  v <- beta v + g                w <- w - eta v
    ``"nesterov"``    v <- beta v + g                w <- w - eta (g + beta v)
    ================  =============================  ========================

    v starts at 0 and the intercept follows the same rule. The same iterates come from
    eta (1 - beta) in "heavy_ball" as from eta in "ema".
preconditioner : {"auto", "diagonal", "full"} or None, default="auto"
    The geometry in which a step is taken; the optimum does not depend on it. None: the columns as
    they come. "diagonal": every column in units of its own curvature, centred.
    "full": the whole curvature bound, from one Gram matrix (for both knobs on "auto", that of the
    rows where they are fewer than the columns). In both, `learning_rate=1` is the classical 1/L
    whatever the scales of the columns. "auto": None with a numeric learning rate; else "full" in
    full batches where n_features is moderate (or n_samples, if less, with both knobs on "auto"),
    and "diagonal" otherwise. With an L1 part "full" is for both knobs on "auto", in full batches.
batch_size : int >= 1 or None, default=None
    Rows of a mini-batch. None, or n_samples and more: full batch, one step an epoch.
schedule : {"constant", "invscaling", "cosine", "adaptive"} or callable, default="constant"
    A factor on the learning rate in epoch e = 0, 1, ...: 1; (1 + e)^-1/2; half a cosine
    wave over `max_iter`; divided by 5 whenever the loss has not improved by `tol` times the
    null model's for `n_iter_no_change` epochs, until it is below 1e-6; or e -> factor.
    `partial_fit`, which counts its calls, is absent with "cosine" and "adaptive".
alpha : float >= 0, default=1e-4
    Strength of the penalty alpha ((1 - l1_ratio) / 2 ||w||^2 + l1_ratio ||w||_1), added to the
    *mean* loss. The intercept is not penalised.
l1_ratio : float in [0, 1], default=0.0
    Share of the L1 norm, whose coefficients become exactly 0.
fit_intercept : bool, default=True
    Whether to fit b.
max_iter : int >= 1, default=1000
    Epochs at most.
tol : float >= 0 or None, default=1e-4
    Full batch: converged when the gradient norm, in the metric of the geometry used (with
    `preconditioner=None` every column in units of its own curvature), is at most `tol` times
    that of the null model (w = 0, best intercept). Mini-batches: stop at a
    plateau, when the loss has not improved by `tol` times the null model's loss for
    `n_iter_no_change` epochs and 3 / (1 - beta) steps. None or 0: exactly `max_iter` epochs.
n_iter_no_change : int >= 1, default=5
    Epochs without improvement before a plateau, or `early_stopping`, ends the fit.
early_stopping : bool, default=False
    Stop when the validation loss no longer improves and give back the best epoch. Validation
    rows are `X_val` of `fit`, or else held out.
validation_fraction : float in (0, 1), default=0.1
    Share of the rows held out by `early_stopping`.
shuffle : bool, default=True
    Whether mini-batches take the rows in a new order every epoch.
average : bool, default=False
    Whether the coefficients are the mean of the iterates after every step (Polyak-Ruppert).
warm_start : bool, default=False
    Whether `fit` carries on from the last call, velocity, counters and random state included.
random_state : int, RandomState instance or None, default=None
    Of the shuffling and the held-out rows.
verbose : int, default=0
    Above 0: print the facts of epochs at growing intervals.
"""

ATTRIBUTES = """
n_iter_ : int
    Epochs of the last call.
n_features_in_ : int
    Columns seen in fit.
feature_names_in_ : ndarray of shape (`n_features_in_`,)
    Their names, where X has names that are all strings.
learning_rate_, momentum_ : float
    What was used in the last epoch.
preconditioner_ : {None, "diagonal", "full"}
    The geometry used.
smoothness_ : float
    L in the geometry used, which the stable range of the learning rate hangs on; in mini-batches
    that expected of a batch. NaN where no step depends on it (both knobs on "auto" in full
    batches); after `partial_fit`; and for a numeric learning rate without a preconditioner where
    it would take more than a tenth of the fit's time: `stable_learning_rate` finds it out.
status_ : str
    Why the fit ended: "converged" (certified by the gradient), "plateau", "max_iter", "diverged",
    "early_stopped", "stopped" (a callback asked) or "stalled" (rounding hides whether this is
    the optimum, or there is none; a warning says which column and what to do).
history_ : dict of ndarray of shape (`n_iter_` + 1,)
    The start and every epoch: loss, validation_loss (where there are validation rows),
    gradient_norm, learning_rate and momentum (NaN at the start), seconds since fit began.
loss_history_, loss_curve_ : ndarray of shape (`n_iter_` + 1,)
    The objective on all rows trained on, exact, after every epoch.
best_iter_ : int
    The epoch whose coefficients were given back: `loss_history_[best_iter_]` is the objective at
    `coef_`.
validation_loss_history_ : ndarray of shape (`n_iter_` + 1,)
    Mean loss on the validation rows, without penalty; only where there are such rows.
penalty : {"l1", "l2"}
    "l1" where `alpha` and `l1_ratio` make coefficients exactly 0: what scikit-learn's
    SelectFromModel goes by, which then keeps all that is not 0.
stream_history_ : dict of ndarray
    After `partial_fit` only, one entry a call: n_seen (rows so far), loss_before and loss_after
    (mean loss of the call's rows without penalty, before its steps, which is progressive
    validation, and after them), learning_rate, momentum. At most 1,024 entries: when they are
    full each second is dropped; the last call is always there. `fit` begins anew.
"""

AUTO = """
Both knobs on "auto", in full batches and without an L1 part, is plane search [6]_ [7]_: the
margins of a linear model are linear in its coefficients, so every epoch takes the learning rate
and the momentum that together decrease the objective most, along
w - eta P^-1 g + beta (w - w_previous). The objective never rises. Both values of every epoch are
in `history_`.

One of them on "auto", with L the smoothness in the geometry used (1 in "diagonal" and "full"):
`learning_rate="auto"` with a numeric momentum is 1/L, for "ema" 1 / ((1 - beta) L);
`momentum="auto"` with a numeric learning rate is Nesterov's sequence with gradient
restart [2]_ [3]_. With an L1 part both on "auto" is the same search along a
proximal Newton direction; where a Gram matrix of all columns does not pay, on a working set of
them, or along the least-norm subgradient.
In mini-batches: momentum 0.9, and a steady-state step (eta for "ema", eta / (1 - beta) for the
others) of 1 / (2 L_B), L_B the expected smoothness of a batch [5]_.

In `partial_fit` "auto" is momentum 0.9 and, in the diagonal geometry, a steady-state step of
lambda B / tau for batches of B rows: a memory of tau rows, after n of them,

| tau = tau_0 (1 + n / tau_0)^0.6,
| tau_0 = 4 (1 - beta) lambda B + 3 q,

with lambda the smoothness in units of the columns' scales and q the largest of a row. A column's
scale is the largest second moment that a batch has shown; one found to be larger than ever takes
the coefficient down by its root first [8]_. A row counts for at most eight typical ones in the
scales, and is not stepped past alone.

A numeric pair converges on quadratics while eta is below 2 (1 + beta) / L for "heavy_ball",
2 (1 + beta) / ((1 + 2 beta) L) for "nesterov" and 2 (1 + beta) / ((1 - beta) L) for "ema".
Descents start at zero with `preconditioner=None`, else at the null model.
"""

REFERENCES = """
.. [1] Polyak, B. T. (1964). Some methods of speeding up the convergence of iteration methods.
.. [2] Nesterov, Y. (1983). A method for solving the convex programming problem with
   convergence rate O(1/k^2).
.. [3] O'Donoghue, B. & Candes, E. (2015). Adaptive restart for accelerated gradient schemes.
.. [4] Boehning, D. & Lindsay, B. (1988). Monotonicity of quadratic-approximation algorithms.
.. [5] Gower, R. M. et al. (2019). SGD: general analysis and improved rates.
.. [6] Shea, B. & Schmidt, M. (2024). Why line search when you can plane search? arXiv 2406.17954.
.. [7] Miele, A. & Cantrell, J. W. (1969). Study on a memory gradient method for the minimization
   of functions.
.. [8] Ross, S., Mineiro, P. & Langford, J. (2013). Normalized online learning.
"""


def shared_docstring(cls):
    """Fill in {parameters}, {attributes}, {auto} and {references} of the class's docstring."""
    indented = {
        name.lower(): text.strip().replace("\n", "\n    ")
        for name, text in globals().items()
        if name.isupper()
    }
    for name, text in indented.items():
        cls.__doc__ = cls.__doc__.replace("{" + name + "}", text)
    return cls
