"""Components that are a function: A(x), D(x, σ) and R(x), written where they are used."""
