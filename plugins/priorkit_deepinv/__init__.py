"""deepinv beside priorkit: its physics as operators, its denoisers as priors, and back."""
