"""State → HTML. Pure functions: nothing here reads or changes anything but its arguments."""
