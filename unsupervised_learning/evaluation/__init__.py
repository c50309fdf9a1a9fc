"""Measures of trained models: arrays in, numbers out."""
