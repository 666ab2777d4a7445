"""Runs a module of the product with one seeded bug in it: `launch.py BUG MODULE [ARGUMENT ...]`.

The product's code stays clean: a bug is a function of tests/bugs/seeds.py that changes attributes of modules.
"""

import runpy
import sys

from tests.bugs import seeds


def main() -> None:
    """Seed the bug before the module is imported, so that names it imports are the changed ones."""
    bug, module = sys.argv[1:3]
    getattr(seeds, bug)()
    sys.argv = [module, *sys.argv[3:]]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
