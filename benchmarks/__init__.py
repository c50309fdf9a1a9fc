"""How fast this project's models train, beside the same written for another library."""
