"""What a search says in one warning of all its candidates that did not end well."""

VERBS = {"diverged": "diverged", "max_iter": "did not converge"}


def summary(candidates, ended, n_fits):
    """A sentence a status: how many candidates, which, and what to change.

    Parameters
    ----------
    candidates : list of dict
        The parameters of all.
    ended : dict of list of (dict, int)
        For "diverged" and "max_iter": parameters, and on how many splits.
    n_fits : int
        Candidates times splits.

    Returns
    -------
    list of str
        Without a full stop.
    """
    return [
        f"{len(own)} of {len(candidates)} candidates {VERBS[status]} "
        f"({sum(count for _, count in own)} of {n_fits} fits){which(candidates, own, status)}"
        for status, own in ended.items()
        if own
    ]


def which(candidates, unfinished, status):
    """Which of them, by learning rate, and what to change."""
    name = next((n for n in candidates[0] if n.split("__")[-1] == "learning_rate"), None)
    rates = [p[name] for p, _ in unfinished if p.get(name, "auto") != "auto"] if name else []
    if status == "diverged":
        if not rates:
            return ": try a smaller learning_rate, or learning_rate='auto'"
        return f", all with learning_rate >= {min(rates):g}: leave out the largest learning rates"
    auto = "set learning_rate='auto' and momentum='auto'"
    if not rates:
        return f": raise max_iter or, where knobs are numbers, {auto}"
    return (
        f", all with learning_rate <= {max(rates):g}: leave out the smallest learning rates, or "
        f"{auto}, which take fewer epochs; or raise max_iter"
    )
