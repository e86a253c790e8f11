"""What each type promises: its calls, arguments, results, errors and looks."""
