"""`python -m ssdbench`: the same as the command `ssdbench`."""

from ssdbench.cli import main

if __name__ == "__main__":
    main()
