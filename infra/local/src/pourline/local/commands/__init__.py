"""What each subcommand does: a `run(arguments)` that returns the exit code, or raises it."""
