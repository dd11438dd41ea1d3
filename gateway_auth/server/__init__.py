"""What `serve` is made of: listening, worker processes, reloading, leaving, and what they serve. Words no command."""
