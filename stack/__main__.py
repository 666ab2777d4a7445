"""`python -m stack`: the command line behind ./run."""

from stack.cli import main

main()
