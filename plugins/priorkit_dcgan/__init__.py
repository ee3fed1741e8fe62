"""DCGAN: a generator of images from 100 numbers, as a prior, with its training recipe."""
