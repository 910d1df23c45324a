"""Predicting a whole data set in parts."""
