"""Fit a decaying oscillation and draw it."""

import sys

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy.optimize import curve_fit


def wave(x, amplitude, decay, frequency):
    return amplitude * np.exp(-decay * x) * np.cos(frequency * x)


chance = np.random.default_rng(7)
frame = pd.DataFrame({"x": np.linspace(0, 8, 200)})
frame["y"] = wave(frame["x"], 3.0, 0.4, 5.0) + chance.normal(scale=0.1, size=len(frame))
found, _ = curve_fit(wave, frame["x"], frame["y"], p0=(2.5, 0.3, 4.9))
print("amplitude {:.2f}, decay {:.2f}, frequency {:.2f}".format(*found))

axes = frame.plot.scatter(x="x", y="y", s=8, figsize=(7, 4))
axes.plot(frame["x"], wave(frame["x"], *found), color="tab:red")
target = sys.argv[1] if len(sys.argv) > 1 else "figure.png"
plt.savefig(target, dpi=110)
print(f"written {target}")
