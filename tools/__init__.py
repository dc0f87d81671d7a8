"""The toolchain behind run.py: set-up, the development server, the build and the tests. Standard library only."""
