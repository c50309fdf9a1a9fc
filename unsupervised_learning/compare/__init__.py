"""Judges the post's claims by our runs and writes a report that shows the original and our results side by side."""
