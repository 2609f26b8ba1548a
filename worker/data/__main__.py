"""Entry point of `python -m worker.data`."""

from worker.data.cli import main

if __name__ == "__main__":
    main()
