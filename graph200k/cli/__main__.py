"""``python -m graph200k.cli``."""

from graph200k.cli import main

main()
