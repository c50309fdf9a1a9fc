"""Summaries and dumps during training; figures and results of a finished run."""
