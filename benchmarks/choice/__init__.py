"""What to freeze, when to thaw, and what layer-wise rates do for several tasks: each choice measured on real rows.

`python -m benchmarks.choice` trains every variant on the same rows and writes docs/results/choice.md.
"""
