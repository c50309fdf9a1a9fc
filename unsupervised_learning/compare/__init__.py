"""The claims, and the report: the original and ours, side by side."""
