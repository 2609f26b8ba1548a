"""Entry point of `python -m worker.publishing`; see worker.publishing.cli."""

from worker.publishing.cli import main

if __name__ == "__main__":
    main()
