"""scikit-learn's digits in a file of their own: importing it takes longer than a training here."""

import numpy as np
from sklearn.datasets import load_digits

pixels, digits = load_digits(return_X_y=True)
np.savez("digits.npz", pixels=pixels.astype(np.uint8), digits=digits.astype(np.uint8))
