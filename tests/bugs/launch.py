"""Runs a module of the product with seeded bugs in it: `launch.py BUG[+BUG ...] MODULE [ARGUMENT ...]`.

The product's code stays clean: a bug is a function of tests/bugs/seeds.py, or of tests/bugs/moments.py, that
changes attributes of modules.
"""

import runpy
import sys

from tests.bugs import moments, seeds


def seed(bugs: str) -> None:
    for name in bugs.split("+"):
        getattr(seeds if hasattr(seeds, name) else moments, name)()


def main() -> None:
    """Seed the bugs before the module is imported, so that names it imports are the changed ones."""
    bugs, module = sys.argv[1:3]
    seed(bugs)
    sys.argv = [module, *sys.argv[3:]]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
