"""Small numbers of reliability balancing, for results too, which need no PyTorch."""

# Added to every confidence before it becomes a weight: two uniform distributions have confidence 0 and would give 0/0.
CONFIDENCE_EPSILON = 1e-6
# Under the root of the distance, whose gradient at 0 is NaN otherwise.
DISTANCE_EPSILON = 1e-12
# Least probability that is put into a logarithm.
PROBABILITY_EPSILON = 1e-8
