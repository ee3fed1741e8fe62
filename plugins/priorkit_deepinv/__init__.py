"""deepinv's physics as operators and its denoisers as priors, and priorkit's as deepinv's."""
