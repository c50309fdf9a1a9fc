"""Training speed of this project's models and of equivalents in other libraries."""
