"""Files: pictures, arrays, weights, and the folder of a saved run."""
