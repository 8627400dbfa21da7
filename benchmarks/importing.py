"""What `import sk_momentum` adds to importing what it needs of scikit-learn, in milliseconds."""

import subprocess
import sys

ADDED = """
import sys, time
import sk_momentum
seconds = []
for _ in range(9):
    for name in [name for name in sys.modules if name.partition(".")[0] == "sk_momentum"]:
        del sys.modules[name]
    start = time.perf_counter()
    import sk_momentum
    seconds.append(time.perf_counter() - start)
print(min(seconds))
"""
NEEDED = """
import time
start = time.perf_counter()
import sklearn.base, sklearn.model_selection, sklearn.utils.validation
print(time.perf_counter() - start)
"""


def milliseconds(program):
    """What the program printed, from a new interpreter."""
    command = [sys.executable, "-c", program]
    return 1e3 * float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


if __name__ == "__main__":
    needed = min(milliseconds(NEEDED) for _ in range(3))
    added = milliseconds(ADDED)
    print(f"scikit-learn {needed:.0f} ms, sk_momentum adds {added:.1f} ms (goal 30)")
