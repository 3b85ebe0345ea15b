"""`python -m train_tools ...` is the command line."""

from train_tools.cli import main

if __name__ == "__main__":
    main()
